/* The forward pass against logits that other code computed: fixtures, and tiny models in double. */
#include <errno.h>
#include <unistd.h>

#include "engine/engine.h"
#include "engine/quant.h"
#include "fixture.h"
#include "test.h"
#include "tiny-model.h"

static double max_difference(const struct Span *span, const double *b, uint32_t n_vocab) {
    double max = 0;
    for (uint32_t i = 0; i < span->n_tokens; i++)
        for (uint32_t j = 0; j < n_vocab; j++) {
            double d = fabs((double)span->ret[i * span->ret_stride + j] - b[i * n_vocab + j]);
            if (!(d <= max)) max = d;
        }
    return max;
}

/* The expected logits come from keys and values in full precision. */
static double max_expected_difference(const struct Span *span, const struct Fixture *fixture) {
    size_t n = (size_t)fixture->n_tokens * fixture->n_vocab;
    double *expected = malloc(n * sizeof *expected);
    for (size_t i = 0; i < n; i++) expected[i] = (double)fixture->logits[i];
    double ret = max_difference(span, expected, fixture->n_vocab);
    free(expected);
    return ret;
}

/* Our own forward pass in double, which keeps keys and values like the engine. */
static double max_reference_difference(const struct Span *span, const struct Fixture *fixture,
                                       const char *kv_type) {
    struct TinyModel *model = fixture_model(fixture);
    model->shape.f16_kv = strcmp(kv_type, "F16") == 0;
    double *expected = tiny_model_logits(model, fixture->tokens, fixture->n_tokens);
    double ret = max_difference(span, expected, fixture->n_vocab);
    free(expected);
    tiny_model_free(model);
    return ret;
}

/* What a fixture has to reach with keys and values of a type. */
struct Bounds {
    const char *kv_type; /* EngineOptions.kv_type */
    double reference;    /* from our own reference, which rounds where the engine does */
    double expected;     /* from the independent logits */
    uint32_t n_greedy;   /* tokens of the expected text */
};

/* Runs the prompt, checks the logits and the greedy text. */
static void check_engine(Engine *engine, const struct Fixture *fixture, const char *name,
                         const struct Bounds *bounds) {
    Sequence *sequence;
    const char *kv_type = engine_info(engine)->kv_type;
    CHECK_INT(engine_info(engine)->n_vocab, fixture->n_vocab);
    CHECK_STR(kv_type, bounds->kv_type ? bounds->kv_type : "F32"); /* all fixtures are small */
    CHECK_INT(sequence_new(engine, &sequence), 0);
    struct Span span = {sequence, fixture->tokens, fixture->n_tokens, SPAN_ALL_LOGITS};
    CHECK_INT(engine_step(engine, &span, 1), 0);
    double difference = max_expected_difference(&span, fixture);
    double own = max_reference_difference(&span, fixture, kv_type);
    uint32_t n = fixture_greedy_agreement(fixture, engine, sequence,
                                          span.ret + (fixture->n_tokens - 1) * span.ret_stride);
    printf("# %s, %s keys: %.3g from our reference, %.3g from the expected, %u of %u greedy\n",
           name, kv_type, own, difference, n, fixture->n_greedy);
    CHECK_NEAR(own, 0, bounds->reference);
    CHECK_NEAR(difference, 0, bounds->expected);
    CHECK(n >= bounds->n_greedy);
    sequence_free(sequence);
}

static void check_fixture(const char *name, const char *expected, const struct Bounds *bounds) {
    struct Fixture fixture;
    Engine *engine;
    Reason why = {""};
    struct EngineOptions options = {.n_threads = 2, .kv_type = bounds->kv_type};
    if (fixture_open(name, expected, &fixture) < 0) return;
    int r = engine_open(fixture.fd, &options, &engine, &why);
    if (r == 0) {
        check_engine(engine, &fixture, name, bounds);
        engine_free(engine);
    } else {
        test_fail(__FILE__, __LINE__, "%s: %d %s", name, r, why.text);
    }
    fixture_close(&fixture);
}

/* Keys and values as floats: float rounding is all that is left, but for weights that the file
 * rounded (the expected logits are those of F32). As halves: one that the engine, in float, and the
 * reference, in double, round differently moves a logit by some 1e-3, an 8-bit activation by some
 * 1e-2; where that does not happen they agree to 1e-5. */
static void check_both(const char *name, const char *expected, const struct Bounds *f32,
                       const struct Bounds *f16) {
    check_fixture(name, expected, f32);
    check_fixture(name, expected, f16);
}

static void stories_f32(void) {
    check_both("stories260K-f32", "stories260K-f32", &(struct Bounds){NULL, 1e-4, 1e-4, 40},
               &(struct Bounds){"F16", 5e-3, 1e-2, 40});
}
static void stories_f16(void) {
    check_both("stories260K-f16", "stories260K-f32", &(struct Bounds){NULL, 1e-4, 2e-2, 40},
               &(struct Bounds){"F16", 1e-4, 2e-2, 40});
}
static void stories_bf16(void) {
    check_both("stories260K-bf16", "stories260K-f32", &(struct Bounds){NULL, 1e-4, 1e-1, 40},
               &(struct Bounds){"F16", 1e-4, 1e-1, 40});
}
static void stories_q8_0(void) {
    check_both("stories260K-q8_0", "stories260K-f32", &(struct Bounds){NULL, 1e-4, 3.5e-1, 40},
               &(struct Bounds){"F16", 1e-4, 3.5e-1, 40});
}

/* The same trits and scales in six files. No activation may fall to the other side of a .5: that
 * would move a logit by some 1e-2. */
static const struct Bounds bitnet_f32 = {NULL, 1e-4, 1e-4, 40};

static void bitnet_storage(void) {
    static const char *const names[] = {
        "bitnet-b1.58-tiny-f32",  "bitnet-b1.58-tiny-tq1_0", "bitnet-b1.58-tiny-tq2_0",
        "bitnet-b1.58-tiny-i2_s", "bitnet-tiny-tq2_0",       "bitnet-tiny-tq2_0+scale",
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        check_both(names[i], "bitnet-tiny-a8", &bitnet_f32,
                   &(struct Bounds){"F16", 1e-1, 1e-1, 10});
}
static void bitnet_silu(void) {
    check_both("bitnet-tiny-f32-silu", "bitnet-tiny-silu-a8", &bitnet_f32,
               &(struct Bounds){"F16", 1e-1, 1e-1, 40});
}

/* ---- Tiny models ---- */

#define N_TOKENS 70 /* more than a page of the KV cache */

static void check_tiny_kv(struct TinyShape shape, const char *kv_type, double bound) {
    Token tokens[N_TOKENS];
    Engine *engine;
    Sequence *sequence;
    Reason why = {""};
    shape.f16_kv = strcmp(kv_type, "F16") == 0;
    struct TinyModel *model = tiny_model_new(&shape);
    int fd = tiny_model_fd(model);
    for (uint32_t i = 0; i < N_TOKENS; i++) tokens[i] = (Token)(i * i * 7 % shape.n_vocab);
    double *expected = tiny_model_logits(model, tokens, N_TOKENS);
    int r = engine_open(fd, &(struct EngineOptions){.kv_type = kv_type}, &engine, &why);
    if (r != 0) test_fail(__FILE__, __LINE__, "%d %s", r, why.text);
    REQUIRE(r == 0);
    CHECK_INT(sequence_new(engine, &sequence), 0);
    struct Span span = {sequence, tokens, N_TOKENS, SPAN_ALL_LOGITS};
    CHECK_INT(engine_step(engine, &span, 1), 0);
    double max = max_difference(&span, expected, shape.n_vocab);
    printf("# %s, %s keys: %.3g\n", shape.architecture, kv_type, max);
    CHECK_NEAR(max, 0, bound);
    sequence_free(sequence);
    engine_free(engine);
    tiny_model_free(model);
    free(expected);
    close(fd);
}

static void check_tiny(const struct TinyShape *shape, double f16_bound) {
    check_tiny_kv(*shape, "F32", 1e-5);
    check_tiny_kv(*shape, "F16", f16_bound);
}

static const struct TinyShape odd = {
    .architecture = "llama",
    .n_layers = 3,
    .n_embd = 37,
    .n_heads = 6,
    .n_kv_heads = 2,
    .head_size = 8,
    .n_ff = 51,
    .n_vocab = 45,
    .n_rot = 8,
    .n_ctx = 128,
};

static void llama_odd(void) {
    check_tiny(&odd, 1e-4);
}

static void llama_everything(void) {
    struct TinyShape shape = odd;
    shape.head_size = 24;
    shape.n_kv_heads = 6;
    shape.n_rot = 10;
    shape.untied = shape.biases = shape.rope_factors = true;
    shape.rope_linear = 3;
    check_tiny(&shape, 1e-4);
    shape.n_kv_heads = 1;
    shape.type = QUANT_F16;
    shape.activation = "relu2";
    check_tiny(&shape, 1e-3);
}

static void llama_q8_0(void) {
    struct TinyShape shape = odd;
    shape.n_embd = 64;
    shape.n_heads = 4;
    shape.n_ff = 96;
    shape.type = QUANT_Q8_0;
    check_tiny(&shape, 1e-1);
}

static void bitnet_odd(void) {
    struct TinyShape shape = odd;
    shape.architecture = "bitnet";
    check_tiny(&shape, 1e-1);
    shape.architecture = "bitnet-25";
    shape.head_size = 16;
    shape.n_rot = 12;
    check_tiny(&shape, 1e-1);
}

/* ---- LongRoPE: which list of divisors counts is decided when a model is opened ---- */

static Engine *open_long(int fd, uint32_t n_ctx, Sequence **ret, float *logits) {
    Engine *engine = NULL;
    Token tokens[20];
    for (unsigned i = 0; i < 20; i++) tokens[i] = (Token)(i * 7 % 45);
    CHECK_INT(engine_open(fd, &(struct EngineOptions){.n_ctx = n_ctx}, &engine, NULL), 0);
    CHECK_INT(sequence_new(engine, ret), 0);
    struct Span span = {*ret, tokens, 20, SPAN_LAST_LOGITS};
    CHECK_INT(engine_step(engine, &span, 1), 0);
    memcpy(logits, span.ret, 45 * sizeof *logits);
    return engine;
}

static void long_rope(void) {
    static const uint32_t contexts[] = {0, 65, 64}; /* two long, one short */
    struct TinyShape shape = odd;
    shape.rope_long = 64;
    struct TinyModel *model = tiny_model_new(&shape);
    int fd = tiny_model_fd(model);
    Engine *engines[3];
    Sequence *sequences[3];
    float logits[3][45];
    void *data;
    size_t size;
    Reason why = {""};
    for (unsigned i = 0; i < 3; i++)
        engines[i] = open_long(fd, contexts[i], &sequences[i], logits[i]);
    CHECK(memcmp(logits[0], logits[1], sizeof logits[0]) == 0);
    CHECK(memcmp(logits[0], logits[2], sizeof logits[0]) != 0);
    /* The past of one is none of the other's. */
    REQUIRE(sequence_save(sequences[0], &data, &size) == 0);
    for (unsigned i = 1; i < 3; i++) CHECK_INT(sequence_truncate(sequences[i], 0), 0);
    CHECK_INT(sequence_restore(sequences[1], data, size, &why), 0);
    CHECK_INT(sequence_restore(sequences[2], data, size, &why), -EBADMSG);
    CHECK(strstr(why.text, "another model"));
    free(data);
    for (unsigned i = 0; i < 3; i++) {
        sequence_free(sequences[i]);
        engine_free(engines[i]);
    }
    tiny_model_free(model);
    close(fd);
}

int main(void) {
    return TEST_MAIN(
        {"LongRoPE for long and for short contexts", long_rope},
        {"a llama of odd sizes", llama_odd}, {"all that a llama may have", llama_everything},
        {"Q8_0 matrices", llama_q8_0}, {"a BitNet of odd sizes", bitnet_odd},
        {"stories260K in F32", stories_f32}, {"stories260K in F16", stories_f16},
        {"stories260K in BF16", stories_bf16}, {"stories260K in Q8_0", stories_q8_0},
        {"BitNet in all its storage types", bitnet_storage}, {"BitNet with SiLU", bitnet_silu});
}
