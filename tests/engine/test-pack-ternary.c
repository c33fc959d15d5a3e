/* The layouts of ternary weights: the same logits, and a choice that a packed file remembers. */
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "engine/engine.h"
#include "engine/pack-ternary.h"
#include "engine/packed.h"
#include "engine/quant.h"
#include "test.h"
#include "tiny-model.h"

#define N_TOKENS 90u

/* Columns that are no multiples of 20, one head of 16 rows. */
static const struct TinyShape shapes[] = {
    {"bitnet", 2, 48, 3, 1, 16, 70, 45, 16, 128},
    {"bitnet-b1.58", 1, 96, 4, 2, 24, 161, 45, 24, 128, .type = QUANT_F16},
    {"bitnet-b1.58", 1, 20, 1, 1, 20, 419, 45, 20, 128},
};

#define N_OF(array) (sizeof(array) / sizeof *(array))

static int shape_fd(size_t i) {
    struct TinyModel *model = tiny_model_new(&shapes[i]);
    int fd = tiny_model_fd(model);
    tiny_model_free(model);
    return fd;
}

static Engine *open_as(int fd, const char *layout, unsigned n_threads,
                       const struct Kernels *kernels) {
    const struct EngineOptions options = {.n_threads = n_threads, .kernels = kernels};
    Engine *engine = NULL;
    Reason why = {""};
    if (layout)
        setenv("RYZEN_LLM_TERNARY", layout, 1);
    else
        unsetenv("RYZEN_LLM_TERNARY");
    int r = engine_open(fd, &options, &engine, &why);
    if (r != 0) test_fail(__FILE__, __LINE__, "%d %s", r, why.text);
    unsetenv("RYZEN_LLM_TERNARY");
    return engine;
}

/* Logits of N_TOKENS tokens, in steps of `chunk`. */
static float *run(Engine *engine, uint32_t chunk) {
    const uint32_t n_vocab = engine_info(engine)->n_vocab;
    float *ret = calloc(N_TOKENS * n_vocab, sizeof *ret);
    Token tokens[N_TOKENS];
    Sequence *sequence;
    for (uint32_t i = 0; i < N_TOKENS; i++) tokens[i] = (Token)(3 + i * i % (n_vocab - 3));
    CHECK_INT(sequence_new(engine, &sequence), 0);
    for (uint32_t at = 0; at < N_TOKENS; at += chunk) {
        uint32_t n = N_TOKENS - at < chunk ? N_TOKENS - at : chunk;
        struct Span span = {sequence, tokens + at, n, SPAN_ALL_LOGITS};
        CHECK_INT(engine_step(engine, &span, 1), 0);
        for (uint32_t i = 0; i < n && span.ret; i++)
            memcpy(ret + (at + i) * n_vocab, span.ret + i * span.ret_stride, n_vocab * sizeof *ret);
    }
    sequence_free(sequence);
    return ret;
}

/* Logits of every tier and cut, against those of MATRIX_T2. */
static void compare_layout(int fd, const char *layout, Engine *t2, const float *expected) {
    static const uint32_t chunks[] = {1, 3, 7, 20, N_TOKENS};
    const size_t size = N_TOKENS * engine_info(t2)->n_vocab * sizeof(float);
    for (unsigned tier = 0; kernels_tier(tier); tier++) {
        Engine *engine = open_as(fd, layout, 1 + tier, kernels_tier(tier));
        REQUIRE(engine);
        CHECK(memcmp(engine_info(engine)->fingerprint, engine_info(t2)->fingerprint,
                     sizeof engine_info(t2)->fingerprint) == 0);
        for (size_t k = 0; k < N_OF(chunks); k++) {
            float *got = run(engine, chunks[k]);
            CHECK(memcmp(expected, got, size) == 0);
            free(got);
        }
        engine_free(engine);
    }
}

static void same_logits(void) {
    for (size_t i = 0; i < N_OF(shapes); i++) {
        int fd = shape_fd(i);
        Engine *t2 = open_as(fd, ternary_layout_name(0), 1, NULL);
        REQUIRE(t2);
        float *expected = run(t2, N_TOKENS);
        for (unsigned k = 1; k < TERNARY_N_LAYOUTS; k++)
            compare_layout(fd, ternary_layout_name(k), t2, expected);
        free(expected);
        engine_free(t2);
        close(fd);
    }
}

static unsigned count(int fd, enum MatrixLayout layout) {
    struct Packed *packed;
    unsigned n = 0;
    if (packed_open(fd, kernels_variant(kernels_best()), &packed, NULL) != 0) return 0;
    for (uint64_t i = 0; i < packed->header->n_entries; i++)
        n += packed->entries[i].layout == layout;
    packed_free(packed);
    return n;
}

/* What a packed file is does not depend on what would be chosen when it is opened. */
static void remembered(void) {
    for (unsigned i = 0; i < TERNARY_N_LAYOUTS; i++) {
        int source = shape_fd(1), fd = memfd_create("packed", MFD_CLOEXEC);
        setenv("RYZEN_LLM_TERNARY", ternary_layout_name(i), 1);
        REQUIRE(engine_pack(source, fd, NULL, NULL, NULL) == 0);
        for (unsigned k = 0; k < TERNARY_N_LAYOUTS; k++)
            CHECK_INT(count(fd, ternary_layout(k)), k == i ? 7 : 0);
        Engine *packed = open_as(fd, ternary_layout_name((i + 1) % TERNARY_N_LAYOUTS), 2, NULL),
               *other = open_as(source, NULL, 1, NULL);
        REQUIRE(packed && other);
        float *got = run(packed, 11), *expected = run(other, N_TOKENS);
        CHECK(memcmp(expected, got, N_TOKENS * engine_info(other)->n_vocab * sizeof *got) == 0);
        free(expected);
        free(got);
        engine_free(packed);
        engine_free(other);
        close(source);
        close(fd);
    }
}

/* Decoding counts most. */
static void choice(void) {
    static const struct {
        struct TernaryTrial trial;
        unsigned expected;
    } rows[] = {
        {{.times = {{1, 1, 1}, {1, 1, 1}, {1, 1, 1}}}, 0},
        {{.times = {{1, 0.98, 0.98}, {1, 0.98, 0.98}, {1, 0.98, 0.98}}}, 1},
        {{.times = {{5e-3, 4.5e-3, 4.8e-3}, {1e-3, 1e-3, 1e-3}, {1e-4, 1e-4, 1e-4}}}, 1},
        {{.times = {{5e-3, 4.8e-3, 4.5e-3}, {1e-3, 1e-3, 1e-3}, {1e-4, 1e-4, 1e-4}}}, 2},
        {{.times = {{1, 0.8, 1}, {1, 1.2, 1}, {1, 1.2, 1}}}, 1},
        {{.times = {{1, 0.95, 1}, {1, 1.2, 1}, {1, 1.2, 1}}}, 0},
        {{.times = {{1, 1, 1}, {1, 1, 0.99}, {1, 1, 0.5}}}, 2},
        {{.times = {{1, 3, 1.3}, {1, 3, 0.5}, {1, 3, 0.5}}}, 0},
    };
    for (size_t i = 0; i < N_OF(rows); i++)
        CHECK_INT(ternary_choose(&rows[i].trial), rows[i].expected);
}

static void trial(void) {
    struct TernaryTrials trials = {0};
    Pool *pool;
    REQUIRE(pool_new(2, &pool) == 0);
    unsetenv("RYZEN_LLM_TERNARY");
    CHECK_INT(pack_ternary(pool, &trials, 1000, 1000), MATRIX_T2);
    CHECK_INT(trials.n, 0); /* too small for one */
    enum MatrixLayout layout = pack_ternary(pool, &trials, 4096, 4096);
    if (kernels_best() == kernels_tier(0)) {
        CHECK_INT(layout, MATRIX_T2);
        CHECK_INT(trials.n, 0); /* nothing to choose from */
        pool_free(pool);
        return;
    }
    const struct TernaryTrial *made = &trials.trials[0];
    CHECK_INT(trials.n, 1);
    CHECK_INT(made->n_cols, 4096);
    CHECK_INT(layout, ternary_layout(made->chosen));
    for (unsigned i = 0; i < TERNARY_N_CASES * TERNARY_N_LAYOUTS; i++)
        CHECK(made->times[i / TERNARY_N_LAYOUTS][i % TERNARY_N_LAYOUTS] > 0);
    /* Never one that was found slow here. */
    CHECK(ternary_cost(made, made->chosen) <= 1);
    /* The second time is not timed, which might come out otherwise. */
    for (unsigned i = 0; i < TERNARY_N_LAYOUTS; i++) {
        trials.trials[0].chosen = i;
        CHECK_INT(pack_ternary(pool, &trials, 11008, 4096), ternary_layout(i));
    }
    CHECK_INT(trials.n, 1);
    for (unsigned i = 0; i < TERNARY_N_LAYOUTS; i++) {
        setenv("RYZEN_LLM_TERNARY", ternary_layout_name(i), 1);
        CHECK_INT(pack_ternary(pool, &trials, 1, 1), ternary_layout(i));
    }
    unsetenv("RYZEN_LLM_TERNARY");
    pool_free(pool);
}

int main(void) {
    return TEST_MAIN({"same logits", same_logits}, {"remembered", remembered}, {"choice", choice},
                     {"trial", trial});
}
