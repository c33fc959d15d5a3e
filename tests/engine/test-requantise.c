/* Weights that are requantised on request: which become what, and that it is another model then. */
#include <errno.h>
#include <math.h>
#include <sys/mman.h>
#include <unistd.h>

#include "engine/engine.h"
#include "engine/quant-encode.h"
#include "engine/quant.h"
#include "engine/weights.h"
#include "kernels/f16.h"
#include "test.h"
#include "tiny-model.h"

#define N_OF(array) (sizeof(array) / sizeof((array)[0]))

/* ---- One matrix ---- */

static float weight_of(unsigned i) {
    return (float)((int)(i * 2654435761u >> 16) % 2001 - 1000) * 0.0013f;
}

/* A matrix of weight_of(), or of whatever Q8_0 blocks hold. */
static struct Gguf *file_with(const char *name, uint32_t type, uint32_t n_rows, uint32_t n_cols,
                              bool ternary, void **ret_bytes) {
    struct GgufWriter *writer = gguf_writer_new();
    uint8_t *data = calloc((size_t)n_rows * n_cols, 4);
    size_t size;
    uint64_t bytes = 0;
    for (unsigned i = 0; i < n_rows * n_cols; i++) {
        float x = ternary ? (float)((int)(i % 3) - 1) * 0.5f : weight_of(i);
        uint16_t half = f16_encode(x), bf16 = (uint16_t)(f32_bits(x) >> 16);
        if (type == QUANT_F32) memcpy(data + 4 * i, &x, 4);
        if (type == QUANT_F16) memcpy(data + 2 * i, &half, 2);
        if (type == QUANT_BF16) memcpy(data + 2 * i, &bf16, 2);
    }
    for (unsigned i = 0; type == QUANT_Q8_0 && i < n_rows * n_cols / 32; i++) {
        float x[32];
        int8_t q[32];
        for (unsigned j = 0; j < 32; j++) x[j] = weight_of(i * 32 + j);
        uint16_t scale = quant_encode_q8_0(x, q);
        memcpy(data + 34 * i, &scale, 2);
        memcpy(data + 34 * i + 2, q, 32);
    }
    quant_size(quant_type(type), n_cols, n_rows, &bytes);
    gguf_writer_tensor(writer, name, type, 2, (const uint64_t[]){n_cols, n_rows}, data, bytes);
    free(data);
    *ret_bytes = gguf_writer_finish(writer, &size);
    struct Gguf *file = NULL;
    CHECK_INT(gguf_parse(*ret_bytes, size, &file, NULL), 0);
    return file;
}

/* Encodes and decodes a row, blocks of 32 and the rest filled up with zeros. */
static void expect_row(const float *row, uint32_t n_cols, enum MatrixLayout layout, float *ret) {
    for (uint32_t c = 0; c < n_cols; c += 32) {
        float x[32] = {0}, made[32];
        int8_t q[32];
        uint8_t nibbles[16];
        uint32_t n = n_cols - c < 32 ? n_cols - c : 32;
        memcpy(x, row + c, n * sizeof *x);
        float scale = f16_decode(layout == MATRIX_I8 ? quant_encode_q8_0(x, q)
                                                     : quant_encode_q4_0(x, nibbles));
        for (unsigned j = 0; j < 32; j++)
            made[j] = scale * (float)(layout == MATRIX_I8 ? q[j]
                                      : j < 16            ? (nibbles[j] & 15) - 8
                                                          : (nibbles[j - 16] >> 4) - 8);
        memcpy(ret + c, made, n * sizeof *ret);
    }
}

struct Expected {
    const char *name; /* without ".weight" */
    uint32_t type;
    bool ternary;
    enum Requantise asked;
    enum MatrixLayout layout;
    const char *to; /* NULL: not requantised */
};

static void check_matrix(const struct Expected *expected, uint32_t n_rows, uint32_t n_cols) {
    char name[64];
    void *bytes;
    float *row = calloc(n_cols, sizeof *row), *made = calloc(n_cols, sizeof *made),
          *got = calloc(n_cols, sizeof *got);
    struct Weights *weights;
    struct Matrix matrix;
    struct QuantMatrix source;
    struct PackReport report;
    double error = 0, sum = 0;
    Pool *pool;
    Reason why = {""};
    snprintf(name, sizeof name, "%s.weight", expected->name);
    struct Gguf *file = file_with(name, expected->type, n_rows, n_cols, expected->ternary, &bytes);
    REQUIRE(file && pool_new(3, &pool) == 0);
    REQUIRE(weights_new(file, pool, expected->asked, &weights) == 0);
    CHECK_INT(weights_matrix(weights, expected->name, expected->ternary ? WEIGHTS_TERNARY : 0,
                             n_rows, n_cols, &matrix, &why),
              0);
    CHECK_INT(weights_fill(weights, NULL, NULL, NULL, &why), 0);
    CHECK_INT(matrix.layout, expected->layout);
    weights_report(weights, &report);
    CHECK_INT(report.n_changes, expected->to ? 1 : 0);
    gguf_matrix(gguf_tensor(file, name), &source, NULL);
    for (uint32_t r = 0; r < n_rows; r++) {
        quant_rows(&source, r, 1, row, n_cols);
        memcpy(made, row, n_cols * sizeof *row);
        if (expected->to) expect_row(row, n_cols, matrix.layout, made);
        if (!expected->to && matrix.layout == MATRIX_F16)
            for (uint32_t c = 0; c < n_cols; c++) made[c] = f16_decode(f16_encode(row[c]));
        matrix_row(&matrix, r, got);
        for (uint32_t c = 0; c < n_cols; c++) {
            if (got[c] != made[c]) {
                test_fail(__FILE__, __LINE__, "%s %s %u,%u: %g, expected %g", name,
                          source.type->name, r, c, (double)got[c], (double)made[c]);
                r = n_rows - 1;
                break;
            }
            error += pow((double)row[c] - (double)made[c], 2);
            sum += pow((double)row[c], 2);
        }
    }
    if (expected->to && report.n_changes == 1) {
        CHECK_STR(report.changes[0].from, source.type->name);
        CHECK_STR(report.changes[0].to, expected->to);
        CHECK_INT(report.changes[0].n_matrices, 1);
        CHECK_INT(report.changes[0].bytes_before, gguf_tensor(file, name)->size);
        CHECK_INT(report.changes[0].bytes_after, matrix_size(matrix.layout, n_rows, n_cols));
        if (n_rows >= 700) CHECK(report.changes[0].bytes_after < report.changes[0].bytes_before);
        CHECK_NEAR(report.worst_error, sqrt(error / sum), 1e-5);
        CHECK_STR(report.worst_name, name);
    }
    weights_free(weights);
    pool_free(pool);
    gguf_free(file);
    free(bytes);
    free(row);
    free(made);
    free(got);
}

static void what_becomes_what(void) {
    static const struct Expected cases[] = {
        {"blk.0.ffn_up", QUANT_F16, false, REQUANTISE_NOTHING, MATRIX_F16, NULL},
        {"blk.0.ffn_up", QUANT_F16, false, REQUANTISE_Q8, MATRIX_I8, "Q8_0"},
        {"blk.0.ffn_up", QUANT_F16, false, REQUANTISE_Q4, MATRIX_I4, "Q4_0"},
        {"blk.0.ffn_up", QUANT_F32, false, REQUANTISE_Q8, MATRIX_I8, "Q8_0"},
        {"blk.0.ffn_up", QUANT_F32, false, REQUANTISE_Q4, MATRIX_I4, "Q4_0"},
        {"blk.0.ffn_up", QUANT_BF16, false, REQUANTISE_Q8, MATRIX_I8, "Q8_0"},
        {"blk.0.ffn_up", QUANT_BF16, false, REQUANTISE_Q4, MATRIX_I4, "Q4_0"},
        {"blk.0.ffn_up", QUANT_Q8_0, false, REQUANTISE_Q8, MATRIX_I8, NULL},
        {"blk.0.ffn_up", QUANT_Q8_0, false, REQUANTISE_Q4, MATRIX_I4, "Q4_0"},
        {"token_embd", QUANT_F16, false, REQUANTISE_Q4, MATRIX_I8, "Q8_0"},
        {"output", QUANT_F16, false, REQUANTISE_Q4, MATRIX_I8, "Q8_0"},
        {"output", QUANT_Q8_0, false, REQUANTISE_Q4, MATRIX_I8, NULL},
        {"blk.0.attn_output", QUANT_F16, false, REQUANTISE_Q4, MATRIX_I4, "Q4_0"},
        {"blk.0.time_mix_w1", QUANT_F16, false, REQUANTISE_Q8, MATRIX_F16, NULL},
        {"blk.0.time_mix_decay_w2", QUANT_F32, false, REQUANTISE_Q4, MATRIX_F32, NULL},
        {"blk.0.time_mix_key", QUANT_F16, false, REQUANTISE_Q4, MATRIX_I4, "Q4_0"},
        {"blk.0.ffn_up", QUANT_F16, true, REQUANTISE_Q8, MATRIX_T2, NULL},
        {"blk.0.ffn_up", QUANT_F32, true, REQUANTISE_Q4, MATRIX_T2, NULL},
    };
    for (size_t i = 0; i < N_OF(cases); i++) {
        check_matrix(&cases[i], 37, 96);
        check_matrix(&cases[i], 700, 1024); /* more than a piece */
        if (cases[i].type != QUANT_Q8_0) check_matrix(&cases[i], 33, 70);
    }
}

static void too_large(void) {
    static const enum Requantise asked[] = {REQUANTISE_Q8, REQUANTISE_Q4};
    for (size_t i = 0; i < N_OF(asked); i++) {
        struct GgufWriter *writer = gguf_writer_new();
        float data[2 * 32] = {[40] = 1e9f};
        size_t size;
        struct Gguf *file;
        struct Weights *weights;
        struct Matrix matrix;
        Pool *pool;
        Reason why = {""};
        gguf_writer_tensor(writer, "w.weight", QUANT_F32, 2, (const uint64_t[]){32, 2}, data,
                           sizeof data);
        void *bytes = gguf_writer_finish(writer, &size);
        REQUIRE(gguf_parse(bytes, size, &file, NULL) == 0 && pool_new(1, &pool) == 0);
        REQUIRE(weights_new(file, pool, asked[i], &weights) == 0);
        CHECK_INT(weights_matrix(weights, "w", 0, 2, 32, &matrix, &why), 0);
        CHECK_INT(weights_fill(weights, NULL, NULL, NULL, &why), -EBADMSG);
        CHECK(strstr(why.text, "w.weight") && strstr(why.text, "too large for Q"));
        weights_free(weights);
        pool_free(pool);
        gguf_free(file);
        free(bytes);
    }
}

/* ---- A model ---- */

static const struct TinyShape dense = {
    "llama", 2, 64, 4, 2, 16, 96, 45, 16, 64, .type = QUANT_F16, .untied = true};
static const struct TinyShape exact = {"llama",           1, 64, 2, 2, 32, 96, 33, 32, 64,
                                       .type = QUANT_Q8_0};

static int model_fd(const struct TinyShape *shape) {
    struct TinyModel *model = tiny_model_new(shape);
    int fd = tiny_model_fd(model);
    tiny_model_free(model);
    return fd;
}

static Sequence *run(Engine *engine, float *ret_logits) {
    static const Token tokens[] = {3, 1, 4, 1, 5, 9, 2, 6};
    Sequence *sequence = NULL;
    CHECK_INT(sequence_new(engine, &sequence), 0);
    struct Span span = {sequence, tokens, 8, SPAN_LAST_LOGITS};
    CHECK_INT(engine_step(engine, &span, 1), 0);
    memcpy(ret_logits, span.ret, engine_info(engine)->n_vocab * sizeof *ret_logits);
    return sequence;
}

static Engine *open_as(int fd, enum Requantise requantise) {
    Engine *engine = NULL;
    Reason why = {""};
    int r = engine_open(fd, &(struct EngineOptions){.requantise = requantise}, &engine, &why);
    if (r != 0) test_fail(__FILE__, __LINE__, "%d %s", r, why.text);
    return engine;
}

/* Packed or not: one model; with and without: two. */
static void another_model(void) {
    static const char *const names[] = {"F16", "F16→Q8_0", "F16→Q4_0"};
    Engine *engines[3];
    float logits[3][64], packed_logits[64];
    void *saved[3];
    size_t sizes[3];
    int fd = model_fd(&dense);
    for (int i = 0; i < 3; i++) {
        struct PackReport report;
        Reason why = {""};
        int out = memfd_create("packed", MFD_CLOEXEC);
        const struct EnginePackOptions options = {.requantise = (enum Requantise)i};
        engines[i] = open_as(fd, (enum Requantise)i);
        REQUIRE(engines[i]);
        CHECK_INT(engine_pack(fd, out, &options, &report, &why), 0);
        CHECK_INT(report.n_changes, i); /* q4: the body Q4_0, the two ends Q8_0 */
        CHECK((i > 0) == (report.worst_error > 0.001) &&
              report.worst_error < (i == 2 ? 0.12 : 0.01));
        Engine *packed = open_as(out, REQUANTISE_NOTHING);
        REQUIRE(packed);
        const struct ModelInfo *info = engine_info(packed);
        CHECK_STR(info->weights, names[i]);
        CHECK_STR(engine_info(engines[i])->weights, names[i]);
        CHECK(memcmp(info->fingerprint, engine_info(engines[i])->fingerprint, 16) == 0);
        CHECK_INT(info->weight_bytes, engine_info(engines[i])->weight_bytes);
        Sequence *a = run(engines[i], logits[i]), *b = run(packed, packed_logits);
        CHECK(memcmp(logits[i], packed_logits, info->n_vocab * sizeof(float)) == 0);
        CHECK_INT(sequence_save(b, &saved[i], &sizes[i]), 0);
        sequence_free(a);
        sequence_free(b);
        engine_free(packed);
        close(out);
        for (int j = 0; j < i; j++)
            CHECK(memcmp(engine_info(engines[i])->fingerprint, engine_info(engines[j])->fingerprint,
                         16) != 0);
    }
    CHECK(engine_info(engines[1])->weight_bytes < engine_info(engines[0])->weight_bytes);
    CHECK(engine_info(engines[2])->weight_bytes < engine_info(engines[1])->weight_bytes);
    for (int i = 0; i < 3; i++)
        for (int j = 0; j < 3; j++) {
            Sequence *sequence;
            Reason why = {""};
            REQUIRE(sequence_new(engines[i], &sequence) == 0);
            CHECK_INT(sequence_restore(sequence, saved[j], sizes[j], &why), i == j ? 0 : -EBADMSG);
            sequence_free(sequence);
        }
    for (int i = 0; i < 3; i++) {
        engine_free(engines[i]);
        free(saved[i]);
    }
    close(fd);
}

/* Where there is nothing to make smaller the model stays the one that it is. */
static void nothing_to_do(void) {
    int fd = model_fd(&exact);
    Engine *plain = open_as(fd, REQUANTISE_NOTHING), *asked = open_as(fd, REQUANTISE_Q8);
    REQUIRE(plain && asked);
    CHECK(memcmp(engine_info(plain)->fingerprint, engine_info(asked)->fingerprint, 16) == 0);
    CHECK_STR(engine_info(asked)->weights, "Q8_0");
    engine_free(plain);
    engine_free(asked);
    close(fd);
}

int main(void) {
    setenv("RYZEN_LLM_TERNARY", "t2", 1);
    return TEST_MAIN({"what becomes what", what_becomes_what}, {"too large", too_large},
                     {"another model", another_model}, {"nothing to do", nothing_to_do});
}
