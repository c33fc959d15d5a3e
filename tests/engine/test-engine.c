/* What engine.h promises: the same bits however the work is cut up, all or nothing, sequences that
 * are forked, truncated, saved and restored. */
#include <errno.h>
#include <unistd.h>

#include "engine/engine.h"
#include "engine/limits.h"
#include "engine/quant.h"
#include "engine/text/tokenizer.h"
#include "kernels/kernels.h"
#include "test.h"
#include "tiny-mamba.h"
#include "tiny-model.h"
#include "tiny-rwkv.h"

#define N_TOKENS 150 /* three pages of the KV cache */
#define N_VOCAB 45

static const struct TinyShape llama = {
    .architecture = "llama",
    .n_layers = 2,
    .n_embd = 72,
    .n_heads = 6,
    .n_kv_heads = 2,
    .head_size = 16,
    .n_ff = 100,
    .n_vocab = N_VOCAB,
    .n_rot = 16,
    .n_ctx = 160,
    .untied = true,
};

static Token tokens[N_TOKENS];

static int model_fd(const char *architecture) {
    struct TinyShape shape = llama;
    if (strcmp(architecture, "fake") == 0) return fake_model_fd(N_VOCAB, 160, 0, 0);
    if (strcmp(architecture, "mamba") == 0) return tiny_mamba_fd(&tiny_mamba);
    if (strcmp(architecture, "mamba2") == 0) return tiny_mamba_fd(&tiny_mamba2);
    if (strcmp(architecture, "rwkv6") == 0) return tiny_rwkv_fd(&tiny_rwkv6);
    if (strcmp(architecture, "rwkv7") == 0) return tiny_rwkv_fd(&tiny_rwkv7);
    if (strcmp(architecture, "fake, by 32") == 0) return fake_model_fd(N_VOCAB, 160, 0, 32);
    shape.architecture = architecture;
    struct TinyModel *model = tiny_model_new(&shape);
    int fd = tiny_model_fd(model);
    tiny_model_free(model);
    return fd;
}

/* "fake, by 32" goes back to multiples of 32 tokens only, as a recurrent family would. */
static const char *const architectures[] = {"llama", "bitnet", "qwen2", "fake", "fake, by 32",
                                            "mamba", "mamba2", "rwkv6", "rwkv7"};
#define N_ARCHITECTURES (sizeof architectures / sizeof *architectures)

static void open_tokens(void) {
    for (uint32_t i = 0; i < N_TOKENS; i++) tokens[i] = (Token)((i * i + 3 * i) % N_VOCAB);
}

static Engine *open_engine(const char *architecture, unsigned n_threads,
                           const struct Kernels *kernels) {
    Engine *engine = NULL;
    Reason why = {""};
    int fd = model_fd(architecture);
    struct EngineOptions options = {.n_threads = n_threads, .kernels = kernels};
    if (strcmp(architecture, "bitnet") == 0) options.kv_type = "F16"; /* llama's will be F32 */
    if (strcmp(architecture, "qwen2") == 0) options.kv_type = "I8";
    int r = engine_open(fd, &options, &engine, &why);
    if (r != 0) test_fail(__FILE__, __LINE__, "%s: %d %s", architecture, r, why.text);
    close(fd);
    open_tokens();
    return engine;
}

static Sequence *new_sequence(Engine *engine) {
    Sequence *sequence = NULL;
    CHECK_INT(sequence_new(engine, &sequence), 0);
    return sequence;
}

/* Feeds tokens [from, to) in chunks; the logits of the last one to `ret`. */
static void feed(Engine *engine, Sequence *sequence, uint32_t from, uint32_t to, uint32_t chunk,
                 float *ret) {
    for (uint32_t at = from; at < to; at += chunk) {
        uint32_t n = to - at < chunk ? to - at : chunk;
        struct Span span = {sequence, tokens + at, n, SPAN_LAST_LOGITS};
        int r = engine_step(engine, &span, 1);
        CHECK_INT(r, 0);
        if (r == 0) memcpy(ret, span.ret, N_VOCAB * sizeof *ret);
    }
}

static bool same(const float *a, const float *b) {
    return memcmp(a, b, N_VOCAB * sizeof *a) == 0;
}

/* ---- The same bits ---- */

static void chunks(void) {
    for (size_t i = 0; i < N_ARCHITECTURES; i++) {
        Engine *engine = open_engine(architectures[i], 2, NULL);
        REQUIRE(engine);
        float whole[N_VOCAB], cut[N_VOCAB];
        Sequence *sequence = new_sequence(engine);
        feed(engine, sequence, 0, N_TOKENS, N_TOKENS, whole);
        CHECK_INT(sequence_length(sequence), N_TOKENS);
        for (uint32_t chunk = 1; chunk < 80; chunk = chunk * 3 + 1) {
            CHECK_INT(sequence_truncate(sequence, 0), 0);
            feed(engine, sequence, 0, N_TOKENS, chunk, cut);
            CHECK(same(whole, cut));
        }
        sequence_free(sequence);
        engine_free(engine);
    }
}

static void threads_and_tiers(void) {
    for (size_t i = 0; i < N_ARCHITECTURES; i++) {
        float first[N_VOCAB], other[N_VOCAB];
        bool is_first = true;
        for (unsigned tier = 0; kernels_tier(tier); tier++)
            for (unsigned n = 1; n <= 3; n++) {
                Engine *engine = open_engine(architectures[i], n, kernels_tier(tier));
                REQUIRE(engine);
                CHECK_INT(engine_n_threads(engine), n);
                Sequence *sequence = new_sequence(engine);
                /* all at once: smaller steps stay on one thread */
                feed(engine, sequence, 0, N_TOKENS, N_TOKENS, is_first ? first : other);
                if (!is_first) CHECK(same(first, other));
                is_first = false;
                sequence_free(sequence);
                engine_free(engine);
            }
    }
}

/* Three users in one step, one of them alone before. */
static void batches(void) {
    for (size_t i = 0; i < N_ARCHITECTURES; i++) {
        Engine *engine = open_engine(architectures[i], 2, NULL);
        REQUIRE(engine);
        float alone[N_VOCAB], all[10 * N_VOCAB];
        Sequence *a = new_sequence(engine), *b = new_sequence(engine), *c = new_sequence(engine);
        feed(engine, a, 0, 100, 100, alone);
        for (uint32_t at = 100; at < 110; at++)
            feed(engine, a, at, at + 1, 1, all + (at - 100) * N_VOCAB);

        CHECK_INT(sequence_truncate(a, 100), 0);
        feed(engine, b, 0, 7, 7, alone);
        struct Span spans[] = {
            {c, tokens + 50, 80, SPAN_NOTHING},
            {a, tokens + 100, 10, SPAN_ALL_LOGITS},
            {b, tokens + 7, 3, SPAN_EMBEDDINGS},
        };
        REQUIRE(engine_step(engine, spans, 3) == 0);
        CHECK(!spans[0].ret);
        for (uint32_t j = 0; j < 10; j++)
            CHECK(same(spans[1].ret + j * spans[1].ret_stride, all + j * N_VOCAB));
        CHECK(spans[2].ret && spans[2].ret_stride >= engine_info(engine)->n_embd);
        CHECK_INT(sequence_length(b), 10);
        sequence_free(a);
        sequence_free(b);
        sequence_free(c);
        engine_free(engine);
    }
}

/* ---- Sequences ---- */

static void forks(void) {
    for (size_t i = 0; i < N_ARCHITECTURES; i++) {
        Engine *engine = open_engine(architectures[i], 1, NULL);
        REQUIRE(engine);
        float expected[N_VOCAB], other[N_VOCAB], got[N_VOCAB];
        Sequence *a = new_sequence(engine), *b, *c;
        feed(engine, a, 0, N_TOKENS, 64, expected);
        sequence_truncate(a, 0);
        feed(engine, a, 0, 70, 64, got);
        REQUIRE(sequence_fork(a, &b) == 0);
        REQUIRE(sequence_fork(b, &c) == 0);
        CHECK_INT(sequence_truncate(c, 66), 0);
        feed(engine, a, 30, 70, 64, other); /* goes another way, on the page shared with b and c */
        feed(engine, c, 66, N_TOKENS, 20, got);
        CHECK(same(got, expected));
        sequence_free(c);
        feed(engine, b, 70, N_TOKENS, 64, got);
        CHECK(same(got, expected));
        sequence_free(b);
        CHECK_INT(sequence_truncate(a, 70), 0);
        feed(engine, a, 70, N_TOKENS, 64, got);
        CHECK(same(got, expected));
        CHECK_INT(sequence_truncate(a, N_TOKENS + 1), -EINVAL);
        CHECK(sequence_bytes(a) > 0);
        sequence_free(a);
        engine_free(engine);
    }
}

static void saves(void) {
    static const uint32_t lengths[] = {0, 1, 63, 64, 65, 130};
    for (size_t i = 0; i < N_ARCHITECTURES; i++) {
        Engine *engine = open_engine(architectures[i], 1, NULL);
        Engine *again = open_engine(architectures[i], 2, NULL);
        REQUIRE(engine && again);
        float expected[N_VOCAB], got[N_VOCAB];
        Sequence *a = new_sequence(engine);
        feed(engine, a, 0, N_TOKENS, 64, expected);
        for (size_t j = 0; j < sizeof lengths / sizeof *lengths; j++) {
            void *data, *twice;
            size_t size, size_twice;
            Reason why = {""};
            CHECK_INT(sequence_truncate(a, lengths[j]), 0);
            REQUIRE(sequence_save(a, &data, &size) == 0);
            Sequence *b = new_sequence(again);
            CHECK_INT(sequence_restore(b, data, size, &why), 0);
            CHECK_STR(why.text, "");
            CHECK_INT(sequence_length(b), lengths[j]);
            REQUIRE(sequence_save(b, &twice, &size_twice) == 0);
            CHECK(size == size_twice && memcmp(data, twice, size) == 0);
            feed(again, b, lengths[j], N_TOKENS, 64, got);
            CHECK(same(got, expected));
            feed(engine, a, lengths[j], N_TOKENS, 64, got);
            CHECK(same(got, expected));
            CHECK_INT(sequence_restore(a, data, size, &why), -EINVAL); /* not empty */
            sequence_free(b);
            free(data);
            free(twice);
        }
        sequence_free(a);
        engine_free(engine);
        engine_free(again);
    }
}

/* Foreign, damaged in every bit of the header and some of the rest, cut short, too long. */
static void refuses_saves(void) {
    Engine *engine = open_engine("llama", 1, NULL), *other = open_engine("bitnet", 1, NULL);
    REQUIRE(engine && other);
    float logits[N_VOCAB];
    uint8_t *data;
    size_t size;
    Reason why = {""};
    Sequence *a = new_sequence(engine), *b = new_sequence(engine), *c = new_sequence(other);
    feed(engine, a, 0, 70, 70, logits);
    REQUIRE(sequence_save(a, (void **)&data, &size) == 0);
    CHECK_INT(sequence_restore(c, data, size, &why), -EBADMSG);
    CHECK(strstr(why.text, "another model"));
    for (size_t i = 0; i < size; i += i < 100 ? 1 : 1009) {
        data[i] ^= 0x10;
        if (sequence_restore(b, data, size, &why) != -EBADMSG)
            test_fail(__FILE__, __LINE__, "byte %zu is not checked", i);
        data[i] ^= 0x10;
        CHECK_INT(sequence_length(b), 0);
    }
    for (size_t n = 0; n < size; n += n < 100 ? 1 : 1009)
        CHECK_INT(sequence_restore(b, data, n, &why), -EBADMSG);
    data = realloc(data, size + 1);
    data[size] = 0;
    CHECK_INT(sequence_restore(b, data, size + 1, &why), -EBADMSG);
    CHECK_INT(sequence_restore(b, data, size, &why), 0);
    free(data);
    sequence_free(a);
    sequence_free(b);
    sequence_free(c);
    engine_free(engine);
    engine_free(other);
}

/* ---- Types of keys and values ---- */

static Engine *open_kv(uint32_t n_ctx, const struct EngineOptions *options) {
    struct TinyShape shape = llama;
    Engine *engine = NULL;
    shape.n_ctx = n_ctx;
    struct TinyModel *model = tiny_model_new(&shape);
    int fd = tiny_model_fd(model);
    CHECK_INT(engine_open(fd, options, &engine, NULL), 0);
    tiny_model_free(model);
    close(fd);
    return engine;
}

static void check_kv_type(uint32_t n_ctx, const struct EngineOptions *options,
                          const char *expected) {
    Engine *engine = open_kv(n_ctx, options);
    REQUIRE(engine);
    CHECK_STR(engine_info(engine)->kv_type, expected);
    engine_free(engine);
}

/* Up to the limit, whatever the context is cut to. */
static void kv_types(void) {
    const uint32_t position = llama.n_layers * 2 * llama.n_kv_heads * llama.head_size * 4;
    const uint32_t n_ctx = (uint32_t)(MODEL_MAX_F32_KV / position);
    check_kv_type(n_ctx, NULL, "F32");
    check_kv_type(n_ctx + 1, NULL, "F16");
    check_kv_type(n_ctx + 1, &(struct EngineOptions){.n_ctx = 10}, "F16");
    check_kv_type(n_ctx + 1, &(struct EngineOptions){.kv_type = "F32"}, "F32");
    check_kv_type(n_ctx, &(struct EngineOptions){.kv_type = "F16"}, "F16");
    check_kv_type(n_ctx, &(struct EngineOptions){.kv_type = "I8"}, "I8");

    Engine *engine;
    Reason why = {""};
    int fd = model_fd("llama");
    CHECK_INT(engine_open(fd, &(struct EngineOptions){.kv_type = "F8"}, &engine, &why), -EINVAL);
    CHECK(strstr(why.text, "F8"));
    close(fd);
}

/* Other logits, another size, and a saved sequence of one is none of the other. */
static void check_foreign_kv(const char *a_type, const char *b_type) {
    Engine *engine = open_kv(160, &(struct EngineOptions){.kv_type = a_type});
    Engine *other = open_kv(160, &(struct EngineOptions){.kv_type = b_type});
    REQUIRE(engine && other);
    float logits[N_VOCAB], rounded[N_VOCAB];
    void *data;
    size_t size;
    Reason why = {""};
    Sequence *a = new_sequence(engine), *b = new_sequence(other);
    feed(engine, a, 0, 70, 70, logits);
    feed(other, b, 0, 70, 70, rounded);
    CHECK(!same(logits, rounded));
    CHECK(sequence_bytes(a) > 3 * sequence_bytes(b) / 2);
    CHECK_INT(sequence_truncate(b, 0), 0);
    REQUIRE(sequence_save(a, &data, &size) == 0);
    CHECK_INT(sequence_restore(b, data, size, &why), -EBADMSG);
    CHECK(strstr(why.text, "another type"));
    free(data);
    sequence_free(a);
    sequence_free(b);
    engine_free(engine);
    engine_free(other);
}

static void refuses_foreign_kv(void) {
    check_foreign_kv(NULL, "F16");
    check_foreign_kv("F16", "I8");
}

/* What has to be computed again passes the largest step. */
static void far_back(void) {
    float expected[2][N_VOCAB], got[2][N_VOCAB];
    Engine *engine;
    int fd = fake_model_fd(N_VOCAB, 160, 0, 100);
    struct EngineOptions options = {.n_threads = 1, .max_tokens = 20};
    REQUIRE(engine_open(fd, &options, &engine, NULL) == 0);
    close(fd);
    open_tokens();
    Sequence *a = new_sequence(engine), *b = new_sequence(engine), *c;
    feed(engine, a, 0, 99, 20, expected[0]);
    feed(engine, b, 0, 99, 20, expected[1]);
    for (uint32_t length = 90; length < 98; length++) {
        CHECK_INT(sequence_truncate(a, length), 0);
        REQUIRE(sequence_fork(a, &c) == 0);
        CHECK_INT(sequence_length(c), length);
        CHECK_INT(sequence_truncate(b, 98), 0);
        struct Span spans[] = {{a, tokens + length, 99 - length, SPAN_LAST_LOGITS},
                               {b, tokens + 98, 1, SPAN_LAST_LOGITS}};
        REQUIRE(engine_step(engine, spans, 2) == 0);
        CHECK(same(spans[0].ret, expected[0]) && same(spans[1].ret, expected[1]));
        feed(engine, c, length, 99, 3, got[0]);
        CHECK(same(got[0], expected[0]));
        sequence_free(c);
    }
    sequence_free(a);
    sequence_free(b);
    engine_free(engine);
}

/* ---- All or nothing ---- */

static void errors(void) {
    for (size_t i = 0; i < N_ARCHITECTURES; i++) {
        Engine *engine = open_engine(architectures[i], 1, NULL);
        REQUIRE(engine);
        float expected[N_VOCAB], got[N_VOCAB];
        const Token wrong[] = {1, N_VOCAB}, negative[] = {-1};
        Token many[600] = {0};
        Sequence *a = new_sequence(engine), *b = new_sequence(engine);
        feed(engine, a, 0, 80, 80, expected);
        CHECK_INT(sequence_truncate(a, 70), 0);
        feed(engine, b, 0, 10, 10, got);

        struct Span outside[] = {{a, tokens, 2}, {b, wrong, 2}}, below[] = {{a, negative, 1}};
        struct Span twice[] = {{a, tokens, 2}, {a, tokens, 2}}, empty[] = {{a, tokens, 0}};
        struct Span too_long[] = {{b, tokens, 3}, {a, tokens, 91}};
        struct Span too_many[] = {{a, many, 80}, {b, many, 140}, {NULL, many, 300}};
        too_many[2].sequence = new_sequence(engine);
        CHECK_INT(engine_step(engine, outside, 2), -EINVAL);
        CHECK_INT(engine_step(engine, below, 1), -EINVAL);
        CHECK_INT(engine_step(engine, twice, 2), -EINVAL);
        CHECK_INT(engine_step(engine, empty, 1), -EINVAL);
        CHECK_INT(engine_step(engine, too_long, 2), -EOVERFLOW);
        too_many[2].n_tokens = 160;
        CHECK_INT(engine_step(engine, too_many, 3), 0); /* 380 of 512 */
        CHECK_INT(sequence_truncate(a, 70), 0);
        CHECK_INT(sequence_truncate(b, 10), 0);
        CHECK_INT(engine_step(engine, NULL, 0), 0);

        CHECK_INT(sequence_length(a), 70);
        CHECK_INT(sequence_length(b), 10);
        feed(engine, a, 70, 80, 3, got);
        CHECK(same(got, expected));
        sequence_free(a);
        sequence_free(b);
        sequence_free(too_many[2].sequence);
        engine_free(engine);
    }
}

static void step_limit(void) {
    Engine *engine;
    int fd = fake_model_fd(N_VOCAB, 0, 0, 0);
    struct EngineOptions options = {.n_threads = 1, .max_tokens = 20, .n_ctx = 30};
    REQUIRE(engine_open(fd, &options, &engine, NULL) == 0);
    CHECK_INT(engine_max_tokens(engine), 20);
    CHECK_INT(engine_info(engine)->n_ctx, 30);
    Sequence *a = new_sequence(engine), *b = new_sequence(engine);
    struct Span spans[] = {{a, tokens, 15}, {b, tokens, 6}};
    CHECK_INT(engine_step(engine, spans, 2), -E2BIG);
    CHECK_INT(sequence_length(a), 0);
    CHECK_INT(engine_step(engine, spans, 1), 0);
    CHECK_INT(engine_step(engine, spans, 1), 0);
    CHECK_INT(engine_step(engine, spans, 1), -EOVERFLOW);
    sequence_free(a);
    sequence_free(b);
    engine_free(engine);
    options.max_tokens = 1u << 30;
    CHECK_INT(engine_open(fd, &options, &engine, NULL), -EINVAL);
    close(fd);
}

/* ---- The fake family ---- */

static void fake(void) {
    Engine *engine;
    int fd = fake_model_fd(30, 0, 4, 0);
    REQUIRE(engine_open(fd, NULL, &engine, NULL) == 0);
    close(fd);
    const struct ModelInfo *info = engine_info(engine);
    CHECK_STR(info->name, "fake");
    CHECK_STR(info->family, "fake");
    CHECK_STR(info->chat_template, "");
    CHECK_INT(info->n_ctx, 4096);
    CHECK_INT(tokenizer_size(engine_tokenizer(engine)), 30);
    Sequence *sequence = new_sequence(engine);
    const Token past[] = {5, 7, 5, 7};
    struct Span span = {sequence, past, 4, SPAN_ALL_LOGITS};
    CHECK_INT(engine_step(engine, &span, 1), 0);
    uint32_t h = ((5 + 1) * 31u + 7 + 1) % 29; /* of 29 tokens that are not the end, 2 */
    CHECK(span.ret[span.ret_stride + h + (h >= 2)] == 10.0f);
    CHECK(span.ret[3 * span.ret_stride + 2] == 10.0f); /* the end, after four */
    sequence_free(sequence);
    engine_free(engine);
}

int main(void) {
    return TEST_MAIN({"whole and in chunks", chunks}, {"threads and tiers", threads_and_tiers},
                     {"alone and in a batch", batches}, {"fork and truncate", forks},
                     {"far back", far_back}, {"save and restore", saves},
                     {"bad saves are refused", refuses_saves},
                     {"keys and values in F16, F32 or I8", kv_types},
                     {"saves in another type are refused", refuses_foreign_kv},
                     {"errors leave no trace", errors}, {"limits of a step", step_limit},
                     {"the fake family", fake});
}
