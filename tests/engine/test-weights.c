/* Tensors as the families get them: BitNet's scale wherever files keep it, and what is refused. */
#include "engine/weights.h"

#include <errno.h>
#include <math.h>

#include "engine/pack-ternary.h"
#include "engine/quant.h"
#include "gguf-writer.h"
#include "kernels/f16.h"
#include "test.h"

#define N_OF(array) (sizeof(array) / sizeof((array)[0]))

enum { N_ROWS = 19, N_COLS = 512, N = N_ROWS * N_COLS };

/* -1, 0 or 1; the second block of 256 of every row is all zeros. */
static int trit(unsigned i) {
    return i % N_COLS >= 256 ? 0 : (int)((i * 7 + i / 5) % 3) - 1;
}

/* ---- Ternary tensors ---- */

static void write_float(uint32_t type, float scale, uint8_t *data) {
    for (unsigned i = 0; i < N; i++) {
        float x = (float)trit(i) * scale;
        uint16_t half = f16_encode(x), bf16 = (uint16_t)(f32_bits(x) >> 16);
        if (type == QUANT_F32) memcpy(data + 4 * i, &x, 4);
        if (type == QUANT_F16) memcpy(data + 2 * i, &half, 2);
        if (type == QUANT_BF16) memcpy(data + 2 * i, &bf16, 2);
    }
}

/* Where the code of weight i stands, as each format says. */
static void write_code(uint32_t type, uint8_t *data, unsigned i, unsigned code) {
    static const uint8_t POWERS[] = {81, 27, 9, 3, 1};
    uint8_t *block;
    switch (type) {
    case QUANT_TQ2_0:
        data[i / 256 * 66 + i % 256 / 128 * 32 + i % 32] |= (uint8_t)(code << i % 128 / 32 * 2);
        break;
    case QUANT_Q2_0:
        data[i / 64 * 18 + 2 + i % 64 / 4] |= (uint8_t)(code << i % 4 * 2);
        break;
    case QUANT_I2_S:
        data[i / 128 * 32 + i % 32] |= (uint8_t)(code << (6 - i % 128 / 32 * 2));
        break;
    default: /* TQ1_0: base 3 for now, see write_scales() */
        block = data + i / 256 * 54;
        i %= 256;
        if (i < 160)
            block[i % 32] += (uint8_t)(code * POWERS[i / 32]);
        else if (i < 240)
            block[32 + (i - 160) % 16] += (uint8_t)(code * POWERS[(i - 160) / 16]);
        else
            block[48 + (i - 240) % 4] += (uint8_t)(code * POWERS[(i - 240) / 4]);
    }
}

static void write_scales(uint32_t type, float scale, bool negative, uint8_t *data) {
    const struct QuantType *kind = quant_type(type);
    for (unsigned i = 0; i < N / kind->block_elements; i++) {
        bool zeros =
            trit(i * kind->block_elements) == 0 && i * kind->block_elements % N_COLS >= 256;
        uint16_t half = f16_encode(zeros ? 0 : negative && i % 3 == 0 ? -scale : scale);
        memcpy(data + (size_t)i * kind->block_bytes + kind->scales_at, &half, 2);
        for (unsigned k = 0; type == QUANT_TQ1_0 && k < 52; k++) {
            uint8_t *byte = data + (size_t)i * 54 + k;
            *byte = (uint8_t)((*byte * 256 + 242) / 243);
        }
    }
}

/* The tensor "w.weight" of trit() * scale. `negative`: some blocks' scales are below 0, and their
 * codes the other way round. */
static void add_ternary(struct GgufWriter *writer, uint32_t type, float scale, bool negative) {
    uint64_t size = 0;
    uint8_t *data = calloc(N, 4);
    const struct QuantType *kind = quant_type(type);
    quant_size(kind, N_COLS, N_ROWS, &size);
    if (kind->is_float) {
        write_float(type, scale, data);
    } else {
        for (unsigned i = 0; i < N; i++) {
            bool turned = negative && i / kind->block_elements % 3 == 0;
            write_code(type, data, i, (unsigned)((turned ? -trit(i) : trit(i)) + 1));
        }
        if (type == QUANT_I2_S)
            memcpy(data + N / 4, &scale, 4);
        else
            write_scales(type, scale, negative, data);
    }
    gguf_writer_tensor(writer, "w.weight", type, 2, (const uint64_t[]){N_COLS, N_ROWS}, data, size);
    free(data);
}

static void add_scalar(struct GgufWriter *writer, const char *name, float value) {
    if (name) gguf_writer_tensor(writer, name, QUANT_F32, 1, (const uint64_t[]){1}, &value, 4);
}

/* ---- Asking ---- */

struct Answer {
    int result; /* of asking and of filling */
    struct Matrix matrix;
    float rows[N_ROWS][N_COLS];
    Reason why;
};

static struct Answer *ask(struct GgufWriter *writer, uint32_t n_cols, unsigned flags) {
    struct Answer *ret = calloc(1, sizeof *ret);
    struct Gguf *file;
    struct Weights *weights;
    Pool *pool;
    size_t size;
    void *bytes = gguf_writer_finish(writer, &size);
    ret->result = gguf_parse(bytes, size, &file, &ret->why);
    if (ret->result == 0) {
        CHECK_INT(pool_new(2, &pool), 0);
        CHECK_INT(weights_new(file, pool, REQUANTISE_NOTHING, &weights), 0);
        ret->result = weights_matrix(weights, "w", flags, N_ROWS, n_cols, &ret->matrix, &ret->why);
        if (ret->result == 0) ret->result = weights_fill(weights, NULL, NULL, NULL, &ret->why);
        for (uint32_t r = 0; ret->result == 0 && r < N_ROWS; r++)
            matrix_row(&ret->matrix, r, ret->rows[r]);
        weights_free(weights);
        pool_free(pool);
        gguf_free(file);
    }
    free(bytes);
    return ret;
}

static void scales_in_all_places(void) {
    static const struct {
        uint32_t type;
        float scale;   /* in the tensor */
        bool negative; /* in some of its blocks */
        const char *name;
        float value;
    } cases[] = {
        {QUANT_F32, 0.3f, false, NULL, 1},
        {QUANT_F16, 0.5f, false, NULL, 1},
        {QUANT_BF16, 1.5f, false, NULL, 1},
        {QUANT_TQ1_0, 0.25f, false, NULL, 1},
        {QUANT_TQ1_0, 0.25f, true, NULL, 1},
        {QUANT_TQ2_0, 0.25f, false, NULL, 1},
        {QUANT_TQ2_0, 0.25f, true, NULL, 1},
        {QUANT_Q2_0, 0.25f, false, NULL, 1},
        {QUANT_Q2_0, 0.25f, true, NULL, 1},
        {QUANT_I2_S, 0.7f, false, NULL, 1},
        {QUANT_I2_S, -0.7f, false, NULL, 1},
        {QUANT_F32, 1, false, "w.scale", 0.37f},
        {QUANT_F16, 1, false, "w.scale", -0.37f},
        {QUANT_TQ2_0, 1, true, "w.scale", 0.37f},
        {QUANT_I2_S, 0.5f, false, "w.scale", 0.37f},
        {QUANT_F32, 1, false, "w.weight_scale", 0.37f},
        {QUANT_TQ1_0, 1, false, "w.weight_scale", 0.37f},
    };
    for (size_t i = 0; i < TERNARY_N_LAYOUTS * N_OF(cases); i++) {
        const size_t k = i / TERNARY_N_LAYOUTS;
        const enum MatrixLayout layout = ternary_layout(i % TERNARY_N_LAYOUTS);
        setenv("RYZEN_LLM_TERNARY", ternary_layout_name(i % TERNARY_N_LAYOUTS), 1);
        struct GgufWriter *writer = gguf_writer_new();
        add_ternary(writer, cases[k].type, cases[k].scale, cases[k].negative);
        add_scalar(writer, cases[k].name, cases[k].value);
        struct Answer *answer = ask(writer, N_COLS, WEIGHTS_TERNARY);
        float scale = cases[k].scale * cases[k].value;
        if (answer->result != 0) test_fail(__FILE__, __LINE__, "%s", answer->why.text);
        CHECK_INT(answer->matrix.layout, layout);
        for (unsigned j = 0; j < N && answer->result == 0; j++)
            if (answer->rows[j / N_COLS][j % N_COLS] != (float)trit(j) * scale) {
                test_fail(__FILE__, __LINE__, "case %zu, weight %u", k, j);
                break;
            }
        free(answer);
    }
    unsetenv("RYZEN_LLM_TERNARY");
}

/* What is not ternary is multiplied, too. */
static void scaled_dense(void) {
    static const struct {
        uint32_t type;
        enum MatrixLayout plain, scaled;
    } cases[] = {{QUANT_F32, MATRIX_F32, MATRIX_F32},
                 {QUANT_F16, MATRIX_F16, MATRIX_F16},
                 {QUANT_Q8_0, MATRIX_I8, MATRIX_I8},
                 {QUANT_Q4_0, MATRIX_I4, MATRIX_I4}};
    for (size_t k = 0; k < 2 * N_OF(cases); k++) {
        const bool scaled = k % 2;
        const uint32_t type = cases[k / 2].type;
        struct GgufWriter *writer = gguf_writer_new();
        const struct QuantType *kind = quant_type(type);
        uint8_t *data = calloc(N, 4);
        float *expected = calloc(N, sizeof *expected);
        uint64_t size = 0;
        quant_size(kind, N_COLS, N_ROWS, &size);
        for (uint64_t i = 0; i < size; i++) data[i] = (uint8_t)(i * 37 % 61);
        for (uint64_t i = 0; type == QUANT_F32 && i < N; i++)
            memcpy(data + 4 * i, &(float){(float)i * 0.01f}, 4);
        for (uint64_t i = 0; !kind->is_float && i < size; i += kind->block_bytes)
            memcpy(data + i, &(uint16_t){f16_encode(0.125f)}, 2);
        struct QuantMatrix source = {"w", kind, data, N_COLS, N_ROWS};
        quant_rows(&source, 0, N_ROWS, expected, N_COLS);
        gguf_writer_tensor(writer, "w.weight", type, 2, (const uint64_t[]){N_COLS, N_ROWS}, data,
                           size);
        add_scalar(writer, scaled ? "w.scale" : NULL, 0.25f);
        struct Answer *answer = ask(writer, N_COLS, 0);
        CHECK_INT(answer->result, 0);
        CHECK_INT(answer->matrix.layout, scaled ? cases[k / 2].scaled : cases[k / 2].plain);
        for (unsigned i = 0; i < N; i++) {
            float weight = expected[i] * (scaled ? 0.25f : 1);
            if (answer->matrix.layout == MATRIX_F16) weight = f16_decode(f16_encode(weight));
            if (answer->rows[i / N_COLS][i % N_COLS] != weight) {
                test_fail(__FILE__, __LINE__, "%s, weight %u", kind->name, i);
                break;
            }
        }
        free(answer);
        free(expected);
        free(data);
    }
}

/* ---- What is refused ---- */

static void check_refused(struct GgufWriter *writer, uint32_t n_cols, int expected,
                          const char *words) {
    struct Answer *answer = ask(writer, n_cols, WEIGHTS_TERNARY);
    CHECK_INT(answer->result, expected);
    if (!strstr(answer->why.text, words))
        test_fail(__FILE__, __LINE__, "\"%s\" lacks \"%s\"", answer->why.text, words);
    free(answer);
}

static void bad_scales(void) {
    struct GgufWriter *writer = gguf_writer_new();
    add_ternary(writer, QUANT_F32, 1, false);
    gguf_writer_tensor(writer, "w.scale", QUANT_F32, 1, (const uint64_t[]){2}, NULL, 8);
    check_refused(writer, N_COLS, -EBADMSG, "the tensor w.scale has 2 values");
    writer = gguf_writer_new();
    add_ternary(writer, QUANT_TQ2_0, 1, false);
    gguf_writer_tensor(writer, "w.scale", 24, 1, (const uint64_t[]){1}, NULL, 1);
    check_refused(writer, N_COLS, -ENOTSUP, "'w.scale' is of type I8 (24)");
    static const float values[] = {NAN, INFINITY};
    for (size_t i = 0; i < N_OF(values); i++) {
        writer = gguf_writer_new();
        add_ternary(writer, QUANT_F32, 1, false);
        add_scalar(writer, "w.weight_scale", values[i]);
        check_refused(writer, N_COLS, -EBADMSG, "not finite");
    }
    writer = gguf_writer_new(); /* each is finite, their product is not */
    add_ternary(writer, QUANT_F32, 1e30f, false);
    add_scalar(writer, "w.scale", 1e30f);
    check_refused(writer, N_COLS, -EBADMSG, "the scale of the tensor w.weight is not finite");
}

static void bad_numbers(void) {
    static const struct {
        uint32_t type;
        float value, scale;
        const char *words;
    } cases[] = {
        {QUANT_F16, NAN, 1, "row 3 of the tensor 'w.weight' holds a number that is not finite"},
        {QUANT_F32, INFINITY, 1, "not finite"},
        {QUANT_F16, 60000, 2, "w.weight holds a number that is too large for F16"},
        {QUANT_F32, 3e38f, 2, "too large for F32"},
    };
    for (size_t k = 0; k < N_OF(cases); k++) {
        struct GgufWriter *writer = gguf_writer_new();
        uint8_t *data = calloc(N, 4);
        size_t at = 3 * N_COLS + 77;
        for (unsigned i = 0; i < 9; i++) { /* some other values: it is not ternary */
            memcpy(data + 2 * i, &(uint16_t){(uint16_t)(0x3c00 + i)}, 2);
            if (cases[k].type == QUANT_F32) memcpy(data + 4 * i, &(float){(float)i}, 4);
        }
        if (cases[k].type == QUANT_F16)
            memcpy(data + 2 * at, &(uint16_t){f16_encode(cases[k].value)}, 2);
        else
            memcpy(data + 4 * at, &cases[k].value, 4);
        gguf_writer_tensor(writer, "w.weight", cases[k].type, 2, (const uint64_t[]){N_COLS, N_ROWS},
                           data, (cases[k].type == QUANT_F16 ? 2 : 4) * (size_t)N);
        add_scalar(writer, "w.scale", cases[k].scale);
        check_refused(writer, N_COLS, -EBADMSG, cases[k].words);
        free(data);
    }
}

static void bad_types(void) {
    static const struct {
        uint32_t type;
        const char *words;
    } cases[] = {
        {10,
         "the tensor 'w.weight' is of type Q2_K (10), which is not supported: convert the model to "
         "Q8_0 or F16"},
        {20, "type IQ4_NL (20)"},
        {16, "type IQ2_XXS (16)"},
        {7777, "type unknown (7777)"},
    };
    for (size_t i = 0; i < N_OF(cases); i++) {
        struct GgufWriter *writer = gguf_writer_new();
        gguf_writer_tensor(writer, "w.weight", cases[i].type, 2, (const uint64_t[]){N_COLS, N_ROWS},
                           NULL, 64);
        check_refused(writer, N_COLS, -ENOTSUP, cases[i].words);
    }
    static const uint32_t lookups[] = {38, 39, 42};
    for (size_t i = 0; i < N_OF(lookups); i++) {
        struct GgufWriter *writer = gguf_writer_new();
        gguf_writer_string(writer, "general.architecture", "bitnet-b1.58");
        gguf_writer_tensor(writer, "w.weight", lookups[i], 2, (const uint64_t[]){N_COLS, N_ROWS},
                           NULL, 64);
        check_refused(writer, N_COLS, -ENOTSUP,
                      i == 0 ? "'w.weight' is of type TL1 (38)" : "'w.weight' is of type TL2");
    }
    struct GgufWriter *writer = gguf_writer_new();
    gguf_writer_tensor(writer, "w.weight", QUANT_I2_S, 2, (const uint64_t[]){192, N_ROWS}, NULL,
                       192 * N_ROWS / 4 + 32);
    check_refused(writer, 192, -EBADMSG, "not whole I2_S blocks of 128");
}

int main(void) {
    return TEST_MAIN({"scales in all places", scales_in_all_places},
                     {"scaled dense matrices", scaled_dense}, {"bad scales", bad_scales},
                     {"bad numbers", bad_numbers}, {"bad types", bad_types});
}
