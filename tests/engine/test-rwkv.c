/* RWKV-6 and RWKV-7: logits that other code computed, files that say the same in other ways, and
 * files that are refused. That the bits are the same however the work is cut up is in
 * test-engine.c; other shapes are in tests/reference. */
#include <errno.h>
#include <unistd.h>

#include "engine/engine.h"
#include "fixture.h"
#include "kernels/kernels.h"
#include "test.h"
#include "tiny-rwkv.h"

/* ---- Fixtures ---- */

static double max_difference(const float *a, const float *b, uint32_t n) {
    double max = 0;
    for (uint32_t i = 0; i < n; i++) {
        double d = fabs((double)a[i] - (double)b[i]);
        if (!(d <= max)) max = d;
    }
    return max;
}

/* What rwkv.cpp itself computed after the same three bytes. */
static void check_rwkv_cpp(const char *name, const struct Fixture *fixture, const float *logits,
                           double bound) {
    float expected[256];
    const Token prompt[] = {0x22, 0x69, 0x6e};
    char *path = test_data(name);
    if (!path) return;
    FILE *file = fopen(path, "rb");
    REQUIRE(file && fread(expected, sizeof expected, 1, file) == 1);
    fclose(file);
    free(path);
    REQUIRE(fixture->n_tokens == 3 && fixture->n_vocab == 256);
    CHECK(memcmp(fixture->tokens, prompt, sizeof prompt) == 0);
    double difference = max_difference(logits, expected, 256);
    printf("# %s: %.3g\n", name, difference);
    CHECK_NEAR(difference, 0, bound);
}

struct Expectation {
    const char *name, *rwkv_cpp;
    double bound;
    double rwkv_cpp_bound; /* of RWKV-6: its logits are those of the unquantised model */
};

static void check_fixture(const struct Expectation *expectation, const struct Kernels *kernels) {
    struct Fixture fixture;
    Engine *engine = NULL;
    Sequence *sequence;
    Reason why = {""};
    if (fixture_open(expectation->name, expectation->name, &fixture) < 0) return;
    struct EngineOptions options = {.n_threads = 2, .kernels = kernels};
    int r = engine_open(fixture.fd, &options, &engine, &why);
    if (r != 0) test_fail(__FILE__, __LINE__, "%s: %d %s", expectation->name, r, why.text);
    REQUIRE(r == 0);
    CHECK_STR(engine_info(engine)->family, "rwkv");
    CHECK_STR(engine_info(engine)->kv_type, "");
    CHECK_INT(engine_info(engine)->n_vocab, fixture.n_vocab);
    CHECK_INT(sequence_new(engine, &sequence), 0);
    struct Span span = {sequence, fixture.tokens, fixture.n_tokens, SPAN_ALL_LOGITS};
    CHECK_INT(engine_step(engine, &span, 1), 0);
    double difference = 0;
    for (uint32_t i = 0; i < fixture.n_tokens; i++)
        difference =
            fmax(difference, max_difference(span.ret + i * span.ret_stride,
                                            fixture.logits + i * fixture.n_vocab, fixture.n_vocab));
    printf("# %s, %s: %.3g from the expected logits\n", expectation->name, kernels->tier,
           difference);
    CHECK_NEAR(difference, 0, expectation->bound);
    const float *last = span.ret + (fixture.n_tokens - 1) * span.ret_stride;
    check_rwkv_cpp(expectation->rwkv_cpp, &fixture, last, expectation->rwkv_cpp_bound);
    CHECK(fixture.n_greedy >= 16);
    CHECK_INT(fixture_greedy_agreement(&fixture, engine, sequence, last), fixture.n_greedy);
    sequence_free(sequence);
    engine_free(engine);
    fixture_close(&fixture);
}

static void fixture_6(void) {
    static const struct Expectation expectation = {
        "tiny-rwkv6-3m-f32", "rwkv-tiny/expected-logits-6v0-3m.bin", 2e-5, 0.1};
    for (unsigned i = 0; kernels_tier(i); i++) check_fixture(&expectation, kernels_tier(i));
}

static void fixture_7(void) {
    static const struct Expectation expectation = {
        "tiny-rwkv7-834K-f32", "rwkv-tiny/expected-logits-7v0-834K.bin", 2e-6, 2e-6};
    for (unsigned i = 0; kernels_tier(i); i++) check_fixture(&expectation, kernels_tier(i));
}

/* ---- Files that say the same in other ways ---- */

#define N_TOKENS 9
#define N_VOCAB 45

static bool run(const struct TinyRwkv *shape, float ret[N_TOKENS * N_VOCAB]) {
    static const Token tokens[N_TOKENS] = {3, 1, 4, 1, 5, 9, 2, 6, 44};
    Engine *engine;
    Sequence *sequence;
    Reason why = {""};
    int fd = tiny_rwkv_fd(shape);
    int r = engine_open(fd, &(struct EngineOptions){.n_threads = 1}, &engine, &why);
    close(fd);
    if (r != 0) test_fail(__FILE__, __LINE__, "%s: %d %s", shape->architecture, r, why.text);
    if (r != 0 || sequence_new(engine, &sequence) < 0) return false;
    struct Span span = {sequence, tokens, N_TOKENS, SPAN_ALL_LOGITS};
    CHECK_INT(engine_step(engine, &span, 1), 0);
    for (uint32_t i = 0; i < N_TOKENS; i++)
        memcpy(ret + i * N_VOCAB, span.ret + i * span.ret_stride, N_VOCAB * sizeof *ret);
    sequence_free(sequence);
    engine_free(engine);
    return true;
}

static void check_alike(const struct TinyRwkv *a, const struct TinyRwkv *b, bool alike) {
    float logits[2][N_TOKENS * N_VOCAB];
    REQUIRE(run(a, logits[0]) && run(b, logits[1]));
    CHECK_INT(memcmp(logits[0], logits[1], sizeof logits[0]) == 0, alike);
}

static void other_ways(void) {
    struct TinyRwkv shape = tiny_rwkv6;
    shape.separate_lerps = true;
    check_alike(&tiny_rwkv6, &shape, true);
    shape.without_ranks = true;
    shape.without = "feed_forward_length";
    check_alike(&tiny_rwkv6, &shape, true);
    shape = tiny_rwkv6;
    shape.without = "token_shift_count";
    check_alike(&tiny_rwkv6, &shape, true);
    shape.rescale = 0;
    check_alike(&tiny_rwkv6, &shape, false);
    shape = tiny_rwkv7;
    shape.without_ranks = true;
    shape.without = "context_length";
    check_alike(&tiny_rwkv7, &shape, true);
    shape.without = "feed_forward_length";
    check_alike(&tiny_rwkv7, &shape, true);
}

/* Nobody looks at layer 0's value residual. */
static void dummy(void) {
    static const char *const tensors[] = {"blk.0.time_mix_v0.weight", "blk.0.time_mix_v1.weight",
                                          "blk.0.time_mix_v2.weight"};
    struct TinyRwkv shape = tiny_rwkv7;
    for (size_t i = 0; i < sizeof tensors / sizeof *tensors; i++) {
        shape.without = tensors[i];
        check_alike(&tiny_rwkv7, &shape, true);
    }
    shape.n_layers = 1;
    shape.without_ranks = true;
    float logits[N_TOKENS * N_VOCAB];
    CHECK(run(&shape, logits));
}

/* ---- Files that are refused, with a reason that names what is wrong ---- */

static void check_refused(const struct TinyRwkv *shape, const char *expected) {
    check_refused_file(tiny_rwkv_fd(shape), expected);
}

static void check_without(struct TinyRwkv shape, const char *const *names) {
    for (; *names; names++) {
        shape.without = *names;
        check_refused(&shape, *names);
    }
}

static void refuses_what_lacks(void) {
    static const char *const both[] = {
        "embedding_length",
        "block_count",
        "wkv.head_size",
        "attention.layer_norm_epsilon",
        "token_embd.weight",
        "token_embd_norm.bias",
        "output_norm.weight",
        "output.weight",
        "blk.0.attn_norm.weight",
        "blk.1.attn_norm_2.bias",
        "blk.2.time_mix_ln.weight",
        "blk.0.time_mix_receptance.weight",
        "blk.0.time_mix_key.weight",
        "blk.1.time_mix_value.weight",
        "blk.0.time_mix_output.weight",
        "blk.0.time_mix_w1.weight",
        "blk.1.time_mix_w2.weight",
        "blk.0.channel_mix_lerp_k.weight",
        "blk.2.channel_mix_key.weight",
        "blk.0.channel_mix_value.weight",
        NULL,
    };
    static const char *const only_6[] = {
        "blk.0.time_mix_lerp_x.weight",
        "blk.0.time_mix_first.weight",
        "blk.1.time_mix_decay.weight",
        "blk.0.time_mix_decay_w1.weight",
        "blk.0.time_mix_decay_w2.weight",
        "blk.0.time_mix_gate.weight",
        "blk.2.channel_mix_lerp_r.weight",
        "blk.0.channel_mix_receptance.weight",
        NULL,
    };
    static const char *const only_7[] = {
        "blk.0.time_mix_lerp_fused.weight", "blk.0.time_mix_w0.weight",
        "blk.0.time_mix_a0.weight",         "blk.1.time_mix_a1.weight",
        "blk.0.time_mix_a2.weight",         "blk.1.time_mix_v0.weight",
        "blk.1.time_mix_v1.weight",         "blk.2.time_mix_v2.weight",
        "blk.0.time_mix_g1.weight",         "blk.0.time_mix_g2.weight",
        "blk.0.time_mix_k_k.weight",        "blk.0.time_mix_k_a.weight",
        "blk.0.time_mix_r_k.weight",        NULL,
    };
    struct TinyRwkv shape = tiny_rwkv7;
    check_without(tiny_rwkv6, both);
    check_without(tiny_rwkv6, only_6);
    check_without(tiny_rwkv7, both);
    check_without(tiny_rwkv7, only_7);
    shape.without_ranks = true;
    check_without(shape, only_7);
    shape = tiny_rwkv6;
    shape.separate_lerps = true;
    check_without(shape, (const char *const[]){"blk.1.time_mix_lerp_g.weight", NULL});
}

static void check_value(struct TinyRwkv shape, const char *key, uint32_t value,
                        const char *expected) {
    shape.key = key;
    shape.value = value;
    check_refused(&shape, expected);
}

static void refuses_other_sizes(void) {
    static const char *const numbers[] = {"context_length", "embedding_length", "block_count",
                                          "wkv.head_size", "feed_forward_length"};
    static const char *const ranks_6[] = {"time_mix_extra_dim", "time_decay_extra_dim"};
    static const char *const ranks_7[] = {"attention.decay_lora_rank", "attention.iclr_lora_rank",
                                          "attention.value_residual_mix_lora_rank",
                                          "attention.gate_lora_rank"};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        check_value(tiny_rwkv6, numbers[i], 0, numbers[i]);
        check_value(tiny_rwkv6, numbers[i], UINT32_MAX, numbers[i]);
        check_value(tiny_rwkv7, numbers[i], UINT32_MAX, numbers[i]);
    }
    for (size_t i = 0; i < 2; i++) {
        check_value(tiny_rwkv6, ranks_6[i], UINT32_MAX, ranks_6[i]);
        check_value(tiny_rwkv6, ranks_6[i], 6 + 2 * (uint32_t)i, "the model needs");
    }
    for (size_t i = 0; i < 4; i++) {
        check_value(tiny_rwkv7, ranks_7[i], 0, ranks_7[i]);
        check_value(tiny_rwkv7, ranks_7[i], 12, "the model needs");
    }
    check_value(tiny_rwkv6, "rescale_every_n_layers", UINT32_MAX, "rescale_every_n_layers");
    check_value(tiny_rwkv6, "embedding_length", 48, "token_embd.weight");
    check_value(tiny_rwkv6, "feed_forward_length", 100, "channel_mix_key");
    check_value(tiny_rwkv6, "block_count", 4, "blk.3.");
    check_value(tiny_rwkv6, "wkv.head_size", 12, "multiple of 8");
    check_value(tiny_rwkv6, "wkv.head_size", 16, "heads of 16"); /* of 72 channels */
    check_value(tiny_rwkv7, "token_shift_count", 1, "token shift");
}

/* Many layers of one large head, all within their limits. */
static void refuses_large_state(void) {
    struct TinyRwkv shape = tiny_rwkv7;
    shape.n_layers = 1;
    shape.n_heads = 1;
    shape.head_size = 1032;
    shape.key = "block_count";
    shape.value = 1024;
    check_refused(&shape, "a sequence's state");
}

/* Models of other kinds that have such names, and tensors. */
static void refuses_relatives(void) {
    struct TinyRwkv shape = tiny_rwkv7;
    shape.architecture = "arwkv7";
    check_refused(&shape, "\"arwkv7\" is not supported: it is a Qwen2");
    shape.architecture = "rwkv6qwen2";
    check_refused(&shape, "\"rwkv6qwen2\" is not supported: it is a Qwen2");
    shape.architecture = "rwkv5";
    check_refused(&shape, "\"rwkv5\" is not supported");
}

int main(void) {
    return TEST_MAIN({"a small RWKV-6", fixture_6}, {"a small RWKV-7", fixture_7},
                     {"files that say the same in other ways", other_ways},
                     {"layer 0's value residual", dummy},
                     {"files that lack something", refuses_what_lacks},
                     {"sizes that do not fit", refuses_other_sizes},
                     {"a state that is too large", refuses_large_state},
                     {"relatives of RWKV", refuses_relatives});
}
