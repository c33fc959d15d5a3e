/* Blocks written by hand, and ggml's own random ones with what it reads from them. */
#include "engine/quant.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "engine/gguf.h"
#include "engine/quant-encode.h"
#include "test.h"

#define N_OF(array) (sizeof(array) / sizeof((array)[0]))

static struct QuantMatrix matrix_of(uint32_t type, const void *data, uint64_t n_cols,
                                    uint64_t n_rows) {
    return (struct QuantMatrix){"w", quant_type(type), data, n_cols, n_rows};
}

static const uint16_t F16_HALF = 0x3800, F16_ONE = 0x3c00, F16_NAN = 0x7e00, F16_MINUS = 0xb800;

/* ---- Numbers ---- */

static void reads_half_precision(void) {
    CHECK_NEAR(quant_f16_to_f32(0x3c00), 1, 0);
    CHECK_NEAR(quant_f16_to_f32(0xc000), -2, 0);
    CHECK_NEAR(quant_f16_to_f32(0x7bff), 65504, 0);
    CHECK_NEAR(quant_f16_to_f32(0x0001), 0x1p-24, 0);
    CHECK_NEAR(quant_f16_to_f32(0x83ff), -1023 * 0x1p-24, 0);
    CHECK_NEAR(quant_f16_to_f32(0x0400), 0x1p-14, 0);
    CHECK(isinf(quant_f16_to_f32(0x7c00)) && isnan(quant_f16_to_f32(0x7c01)));
    CHECK(signbit(quant_f16_to_f32(0x8000)) && quant_f16_to_f32(0x8000) == 0);
    CHECK_NEAR(quant_bf16_to_f32(0x3fc0), 1.5, 0);
    CHECK(isnan(quant_bf16_to_f32(0x7fc0)));
#ifdef __FLT16_MANT_DIG__
    for (unsigned bits = 0; bits < 0x10000; bits++) {
        uint16_t half = (uint16_t)bits;
        _Float16 value;
        memcpy(&value, &half, sizeof value);
        float expected = (float)value, actual = quant_f16_to_f32(half);
        if (!(isnan(expected) && isnan(actual)) && memcmp(&expected, &actual, 4) != 0)
            test_fail(__FILE__, __LINE__, "half 0x%04x", bits);
    }
#endif
}

static void knows_types(void) {
    CHECK_STR(quant_type(QUANT_TQ1_0)->name, "TQ1_0");
    CHECK(!quant_type(10) && !quant_type(UINT32_MAX));
    CHECK_STR(quant_type_name(10), "Q2_K");
    CHECK(!quant_type_name(31) && !quant_type_name(1000));
    static const uint32_t IDS[] = {QUANT_F32,  QUANT_F16,   QUANT_Q4_0,  QUANT_Q4_1, QUANT_Q5_0,
                                   QUANT_Q5_1, QUANT_Q8_0,  QUANT_Q4_K,  QUANT_Q5_K, QUANT_Q6_K,
                                   QUANT_BF16, QUANT_TQ1_0, QUANT_TQ2_0, QUANT_Q2_0, QUANT_I2_S};
    for (size_t i = 0; i < N_OF(IDS); i++) {
        REQUIRE(quant_type(IDS[i]));
        CHECK_INT(quant_type(IDS[i])->id, IDS[i]);
        CHECK_STR(quant_type_name(IDS[i]), quant_type(IDS[i])->name);
    }
}

static void computes_sizes(void) {
    uint64_t size = 0;
    CHECK(quant_size(quant_type(QUANT_I2_S), 256, 3, &size));
    CHECK_INT(size, 3 * 256 / 4 + 32);
    CHECK(quant_size(quant_type(QUANT_TQ1_0), 512, 2, &size));
    CHECK_INT(size, 4 * 54);
    CHECK(!quant_size(quant_type(QUANT_TQ1_0), 255, 2, &size));
    CHECK(!quant_size(quant_type(QUANT_F32), 1ULL << 62, 1, &size));
    CHECK(!quant_size(quant_type(QUANT_F32), 1ULL << 40, 1ULL << 40, &size));
}

/* ---- Ternary blocks ---- */

static int trit(unsigned i) {
    return (int)((i * 7 + i / 5) % 3) - 1;
}

/* 256 weights of trit(first + i), each as its format's definition says. */
static void write_tq2_0(uint8_t *block, unsigned first, uint16_t scale) {
    memset(block, 0, 64);
    for (unsigned i = 0; i < 256; i++)
        block[i / 128 * 32 + i % 32] |= (uint8_t)((trit(first + i) + 1) << i % 128 / 32 * 2);
    memcpy(block + 64, &scale, 2);
}

static uint8_t base3_byte(const int8_t *trits, unsigned stride, unsigned n) {
    unsigned value = 0;
    for (unsigned i = 0; i < 5; i++)
        value = value * 3 + (i < n ? (unsigned)(trits[i * stride] + 1) : 0);
    return (uint8_t)((value * 256 + 242) / 243);
}

static void write_tq1_0(uint8_t *block, unsigned first, uint16_t scale) {
    int8_t trits[256];
    for (unsigned i = 0; i < 256; i++) trits[i] = (int8_t)trit(first + i);
    for (unsigned m = 0; m < 32; m++) block[m] = base3_byte(trits + m, 32, 5);
    for (unsigned m = 0; m < 16; m++) block[32 + m] = base3_byte(trits + 160 + m, 16, 5);
    for (unsigned m = 0; m < 4; m++) block[48 + m] = base3_byte(trits + 240 + m, 4, 4);
    memcpy(block + 52, &scale, 2);
}

static void write_i2_s(uint8_t *data, unsigned n, float scale) {
    memset(data, 0, n / 4 + 32);
    for (unsigned i = 0; i < n; i++)
        data[i / 128 * 32 + i % 32] |= (uint8_t)((trit(i) + 1) << (6 - i % 128 / 32 * 2));
    memcpy(data + n / 4, &scale, 4);
}

static void write_q2_0(uint8_t *blocks, unsigned n, uint16_t scale) {
    memset(blocks, 0, n / 64 * 18);
    for (unsigned i = 0; i < n; i++) {
        uint8_t *block = blocks + i / 64 * 18;
        memcpy(block, &scale, 2);
        block[2 + i % 64 / 4] |= (uint8_t)((trit(i) + 1) << i % 4 * 2);
    }
}

static void check_ternary(const struct QuantMatrix *matrix, float expected_scale) {
    enum { STRIDE = 600 };
    static int8_t trits[2 * STRIDE];
    static float weights[2 * STRIDE];
    float scale = 0;
    Reason why = {0};
    CHECK_INT(quant_ternary_scan(matrix, 0, matrix->n_rows, &scale, &why), 0);
    CHECK_NEAR(scale, expected_scale, 0);
    CHECK_INT(quant_check(matrix, 0, matrix->n_rows, &why), 0);
    quant_trits(matrix, 0, matrix->n_rows, trits, STRIDE);
    quant_rows(matrix, 0, matrix->n_rows, weights, STRIDE);
    for (unsigned row = 0; row < matrix->n_rows; row++)
        for (unsigned i = 0; i < matrix->n_cols; i++) {
            int expected = trit(row * (unsigned)matrix->n_cols + i);
            if (trits[row * STRIDE + i] != expected ||
                weights[row * STRIDE + i] != (float)expected * expected_scale) {
                test_fail(__FILE__, __LINE__, "%s row %u weight %u", matrix->type->name, row, i);
                return;
            }
        }
}

static void reads_ternary_types(void) {
    uint8_t blocks[4 * 66];
    for (unsigned i = 0; i < 4; i++) write_tq2_0(blocks + i * 66, i * 256, F16_HALF);
    struct QuantMatrix matrix = matrix_of(QUANT_TQ2_0, blocks, 512, 2);
    check_ternary(&matrix, 0.5f);
    for (unsigned i = 0; i < 4; i++) write_tq1_0(blocks + i * 54, i * 256, F16_HALF);
    matrix = matrix_of(QUANT_TQ1_0, blocks, 512, 2);
    check_ternary(&matrix, 0.5f);
    uint8_t q2_0[1024 / 64 * 18];
    write_q2_0(q2_0, 1024, F16_HALF);
    matrix = matrix_of(QUANT_Q2_0, q2_0, 512, 2);
    check_ternary(&matrix, 0.5f);
    uint8_t i2_s[1024 / 4 + 32];
    write_i2_s(i2_s, 1024, 0.7f);
    matrix = matrix_of(QUANT_I2_S, i2_s, 512, 2);
    check_ternary(&matrix, 0.7f);
}

/* Scales below 0 turn trits round, blocks of zeros may have any scale: still one matrix. */
static void reads_odd_scales(void) {
    static float weights[4 * 256];
    static int8_t trits[4 * 256];
    uint8_t tq1_0[4 * 54], tq2_0[4 * 66], q2_0[4 * 4 * 18];
    static const uint16_t SCALES[] = {0, 0xb800, 0x3c00, 0x3800}; /* 0, -0.5, 1, 0.5 */
    for (unsigned i = 0; i < 4; i++) {
        write_tq1_0(tq1_0 + i * 54, 7, SCALES[i]);
        write_tq2_0(tq2_0 + i * 66, 7, SCALES[i]);
        write_q2_0(q2_0 + i * 72, 256, SCALES[i]);
    }
    /* zeros in the third, whose scale is another */
    memset(tq2_0 + 2 * 66, 0x55, 64);
    for (unsigned j = 0; j < 4; j++) memset(q2_0 + 2 * 72 + j * 18 + 2, 0x55, 16);
    const int8_t zeros[5] = {0};
    memset(tq1_0 + 2 * 54, base3_byte(zeros, 1, 5), 48);
    memset(tq1_0 + 2 * 54 + 48, base3_byte(zeros, 1, 4), 4);
    const struct QuantMatrix matrices[] = {matrix_of(QUANT_TQ1_0, tq1_0, 512, 2),
                                           matrix_of(QUANT_TQ2_0, tq2_0, 512, 2),
                                           matrix_of(QUANT_Q2_0, q2_0, 512, 2)};
    for (size_t k = 0; k < N_OF(matrices); k++) {
        float scale = 0;
        CHECK_INT(quant_ternary_scan(&matrices[k], 0, 2, &scale, NULL), 0);
        CHECK_NEAR(scale, 0.5, 0);
        quant_rows(&matrices[k], 0, 2, weights, 512);
        quant_trits(&matrices[k], 0, 2, trits, 512);
        for (unsigned i = 0; i < 1024; i++)
            if ((float)trits[i] * scale != weights[i])
                test_fail(__FILE__, __LINE__, "%s weight %u", matrices[k].type->name, i);
        CHECK(trits[0] == 0 && trits[256] != 0 && trits[256] == -trits[768]);
        scale = 0; /* all blocks of row 1 but the zeros agree */
        CHECK_INT(quant_ternary_scan(&matrices[k], 1, 1, &scale, NULL), 0);
        CHECK_NEAR(scale, 0.5, 0);
    }
}

static void finds_ternary_floats(void) {
    float weights[2 * 300];
    uint16_t halves[2 * 300], bf16s[2 * 300];
    for (unsigned i = 0; i < 600; i++) {
        weights[i] = (float)trit(i) * 0.3f;
        halves[i] = trit(i) == 0 ? 0x8000 : trit(i) > 0 ? F16_HALF : F16_MINUS;
        bf16s[i] = trit(i) == 0 ? 0 : trit(i) > 0 ? 0x3fc0 : 0xbfc0;
    }
    struct QuantMatrix matrix = matrix_of(QUANT_F32, weights, 300, 2);
    check_ternary(&matrix, 0.3f);
    matrix = matrix_of(QUANT_F16, halves, 300, 2);
    check_ternary(&matrix, 0.5f);
    matrix = matrix_of(QUANT_BF16, bf16s, 300, 2);
    check_ternary(&matrix, 1.5f);
}

static int scan(const struct QuantMatrix *matrix, Reason *why) {
    float scale = 0;
    *why = (Reason){0};
    return quant_ternary_scan(matrix, 0, matrix->n_rows, &scale, why);
}

static void refuses_what_is_not_ternary(void) {
    Reason why;
    float weights[4] = {0, 0.5f, -0.5f, 0.25f};
    struct QuantMatrix matrix = matrix_of(QUANT_F32, weights, 2, 2);
    CHECK_INT(scan(&matrix, &why), QUANT_NOT_TERNARY);
    CHECK(strstr(why.text, "'w' is not ternary") && strstr(why.text, "row 1"));
    weights[3] = NAN;
    CHECK_INT(scan(&matrix, &why), -EBADMSG);
    CHECK(strstr(why.text, "row 1 of the tensor 'w'") && strstr(why.text, "not finite"));
    CHECK_INT(quant_check(&matrix, 0, 1, &why), 0);
    CHECK_INT(quant_check(&matrix, 1, 1, &why), -EBADMSG);

    uint8_t blocks[2 * 66];
    write_tq2_0(blocks, 0, F16_HALF);
    write_tq2_0(blocks + 66, 256, F16_ONE);
    matrix = matrix_of(QUANT_TQ2_0, blocks, 256, 2);
    CHECK_INT(scan(&matrix, &why), QUANT_NOT_TERNARY);
    write_tq2_0(blocks + 66, 256, F16_NAN);
    CHECK_INT(scan(&matrix, &why), -EBADMSG);
    CHECK_INT(quant_check(&matrix, 0, 2, &why), -EBADMSG);
    CHECK(strstr(why.text, "not finite"));
    write_tq2_0(blocks + 66, 256, F16_HALF);
    blocks[66] = 0xff; /* code 3 is +2 */
    CHECK_INT(scan(&matrix, &why), QUANT_NOT_TERNARY);

    /* zeros by scale, whatever the codes say */
    write_tq2_0(blocks + 66, 256, 0);
    CHECK_INT(scan(&matrix, &why), 0);
    int8_t trits[256];
    quant_trits(&matrix, 1, 1, trits, 256);
    for (unsigned i = 0; i < 256; i++) CHECK_INT(trits[i], 0);

    uint8_t i2_s[64 / 4 + 64] = {0};
    write_i2_s(i2_s, 128, INFINITY);
    matrix = matrix_of(QUANT_I2_S, i2_s, 128, 1);
    CHECK_INT(scan(&matrix, &why), -EBADMSG);
    CHECK_STR(why.text, "the scale of the tensor 'w' is not finite");
    CHECK_INT(quant_check(&matrix, 0, 1, &why), -EBADMSG);

    matrix = matrix_of(QUANT_Q8_0, blocks, 32, 1);
    CHECK_INT(scan(&matrix, &why), QUANT_NOT_TERNARY);
    CHECK(strstr(why.text, "Q8_0"));
}

static void merges_scans(void) {
    struct QuantMatrix matrix = matrix_of(QUANT_F32, NULL, 1, 1);
    Reason why = {0};
    float scale = 0;
    CHECK_INT(quant_ternary_merge(&matrix, 0, &scale, &why), 0);
    CHECK_INT(quant_ternary_merge(&matrix, 0.5f, &scale, &why), 0);
    CHECK_NEAR(scale, 0.5, 0);
    CHECK_INT(quant_ternary_merge(&matrix, 0, &scale, &why), 0);
    CHECK_INT(quant_ternary_merge(&matrix, 0.25f, &scale, &why), QUANT_NOT_TERNARY);
    CHECK(strstr(why.text, "different scales"));
    CHECK_NEAR(scale, 0.5, 0);
}

static void reads_q8_rows(void) {
    uint8_t blocks[4 * 34];
    for (unsigned i = 0; i < 4; i++) {
        uint16_t scale = i % 2 ? F16_ONE : F16_HALF;
        memcpy(blocks + i * 34, &scale, 2);
        for (unsigned j = 0; j < 32; j++) blocks[i * 34 + 2 + j] = (uint8_t)(i * 50 + j);
    }
    struct QuantMatrix matrix = matrix_of(QUANT_Q8_0, blocks, 64, 2);
    int8_t row[64];
    uint16_t scales[2];
    float weights[64];
    quant_q8_row(&matrix, 1, row, scales);
    quant_rows(&matrix, 1, 1, weights, 64);
    CHECK_INT(scales[0], F16_HALF);
    CHECK_INT(scales[1], F16_ONE);
    CHECK_INT(row[0], 100);
    CHECK_INT(row[32], (int8_t)150);
    CHECK_NEAR(weights[0], 50, 0);
    CHECK_NEAR(weights[63], (int8_t)181, 0);
}

/* ---- Encoding ---- */

static double squared_error(const float *x, const float *made, size_t n) {
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += pow((double)x[i] - (double)made[i], 2);
    return sum;
}

/* What q4 makes of x, and ggml's own rule: the largest weight is -8 times the scale. */
static void check_q4_0(const float x[32]) {
    uint8_t block[18];
    float made[32], naive[32], largest = 0;
    uint16_t scale = quant_encode_q4_0(x, block + 2);
    memcpy(block, &scale, 2);
    struct QuantMatrix matrix = matrix_of(QUANT_Q4_0, block, 32, 1);
    quant_rows(&matrix, 0, 1, made, 32);
    for (unsigned i = 0; i < 32; i++)
        if (fabsf(x[i]) > fabsf(largest)) largest = x[i];
    float d = largest / -8;
    for (unsigned i = 0; i < 32; i++)
        naive[i] = d * (fminf(15, floorf((d != 0 ? x[i] / d : 0) + 8.5f)) - 8);
    /* the scale is rounded to a half, a 2048th */
    double error = squared_error(x, made, 32), bound = squared_error(x, naive, 32);
    double size = squared_error(x, (const float[32]){0}, 32);
    if (!(error <= bound + size * 0x1p-20))
        test_fail(__FILE__, __LINE__, "error %g, ggml's is %g", error, bound);
}

static void encodes_q4_0(void) {
    float x[32] = {0};
    uint32_t random = 1;
    check_q4_0(x);
    for (unsigned k = 0; k < 300; k++) {
        for (unsigned i = 0; i < 32; i++) {
            random = random * 1664525 + 1013904223;
            x[i] = (float)((int)(random >> 8) % 2000 - 1000) * (k % 3 == 0 ? 1e-3f : 0.37f);
            if (k % 5 == 0 && i % 7) x[i] = 0;
        }
        check_q4_0(x);
    }
    /* what Q4_0 holds exactly stays as it is */
    uint8_t nibbles[16];
    for (unsigned i = 0; i < 32; i++) x[i] = (float)((int)(i % 16) - 8) * 0.25f;
    CHECK_INT(quant_encode_q4_0(x, nibbles), 0x3400);
    for (unsigned i = 0; i < 16; i++) CHECK_INT(nibbles[i], i | i << 4);
    x[3] = 1e30f;
    CHECK(isinf(quant_f16_to_f32(quant_encode_q4_0(x, nibbles))));
    for (unsigned i = 0; i < 32; i++) x[i] = 1e-42f;
    CHECK_INT(quant_encode_q4_0(x, nibbles), 0);
}

static void encodes_q8_0(void) {
    float x[32] = {0};
    int8_t q[32];
    CHECK_INT(quant_encode_q8_0(x, q), 0);
    CHECK(q[0] == 0 && q[31] == 0);
    for (unsigned i = 0; i < 32; i++) x[i] = (float)((int)i * 8 - 127);
    CHECK_INT(quant_encode_q8_0(x, q), F16_ONE);
    for (unsigned i = 0; i < 32; i++) CHECK_INT(q[i], (int)i * 8 - 127);
    x[1] = 0.5f; /* halves go away from zero */
    x[2] = -2.5f;
    x[4] = 0.49999997f;
    quant_encode_q8_0(x, q);
    CHECK(q[1] == 1 && q[2] == -3 && q[4] == 0);
    x[3] = 1e38f;
    CHECK(isinf(quant_f16_to_f32(quant_encode_q8_0(x, q))));
    for (unsigned i = 0; i < 32; i++) x[i] = 1e-42f;
    CHECK_INT(quant_encode_q8_0(x, q), 0);
}

/* ---- ggml's vectors ---- */

static void *read_file(const char *name, size_t *ret_size) {
    char *path = test_data(name);
    if (!path) return NULL;
    FILE *file = fopen(path, "rb");
    free(path);
    char *data = malloc(1 << 20);
    *ret_size = fread(data, 1, 1 << 20, file);
    fclose(file);
    return data;
}

static void encodes_as_ggml(void) {
    size_t size = 0, expected_size = 0;
    float *input = read_file("quant-vectors/q8_0-input.f32", &size);
    uint8_t *expected = read_file("quant-vectors/q8_0-encoded.blocks", &expected_size);
    if (input && expected) {
        size_t n = size / sizeof(float) / 32;
        CHECK(n > 0 && expected_size == n * 34);
        for (size_t i = 0; i < n; i++) {
            int8_t q[32];
            uint16_t scale = quant_encode_q8_0(input + 32 * i, q);
            if (memcmp(expected + 34 * i, &scale, 2) != 0 ||
                memcmp(expected + 34 * i + 2, q, 32) != 0)
                test_fail(__FILE__, __LINE__, "block %zu", i);
        }
    }
    free(input);
    free(expected);
}

/* To the bit: ggml computes in the same order. */
static void agrees_with_ggml(void) {
    static const uint32_t IDS[] = {QUANT_Q4_0,  QUANT_Q4_1,  QUANT_Q5_0, QUANT_Q5_1,
                                   QUANT_Q8_0,  QUANT_Q4_K,  QUANT_Q5_K, QUANT_Q6_K,
                                   QUANT_TQ1_0, QUANT_TQ2_0, QUANT_Q2_0};
    for (size_t i = 0; i < N_OF(IDS); i++) {
        char name[64];
        size_t size = 0, expected_size = 0;
        uint64_t needed;
        const struct QuantType *type = quant_type(IDS[i]);
        snprintf(name, sizeof name, "quant-vectors/%s.blocks", type->name);
        void *blocks = read_file(name, &size);
        snprintf(name, sizeof name, "quant-vectors/%s.f32", type->name);
        float *expected = read_file(name, &expected_size);
        if (blocks && expected) {
            size_t n = expected_size / sizeof(float);
            float *actual = malloc(expected_size);
            struct QuantMatrix matrix = matrix_of(IDS[i], blocks, n / 2, 2);
            CHECK(quant_size(type, n / 2, 2, &needed) && needed == size);
            quant_rows(&matrix, 0, 2, actual, n / 2);
            for (size_t j = 0; j < n; j++)
                if (memcmp(&actual[j], &expected[j], sizeof(float)) != 0) {
                    test_fail(__FILE__, __LINE__, "%s weight %zu: %a, expected %a", type->name, j,
                              (double)actual[j], (double)expected[j]);
                    break;
                }
            free(actual);
        }
        free(blocks);
        free(expected);
    }
}

/* The same trits in four formats: what ought to be read from one file is read from the others. */
static void agrees_across_formats(void) {
    static const char *const NAMES[] = {"f32", "tq1_0", "tq2_0", "i2_s"};
    enum { N = 512 * 256 };
    int8_t *trits[N_OF(NAMES)] = {0};
    float scales[N_OF(NAMES)] = {0};
    Reason why = {0};
    for (size_t i = 0; i < N_OF(NAMES); i++) {
        char name[64];
        snprintf(name, sizeof name, "gguf-test/bitnet-b1.58-tiny-%s.gguf", NAMES[i]);
        char *path = test_data(name);
        if (!path) break;
        struct Gguf *file = NULL;
        struct QuantMatrix matrix;
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        CHECK_INT(gguf_open(fd, &file, &why), 0);
        close(fd);
        free(path);
        CHECK_INT(gguf_matrix(gguf_tensor(file, "blk.1.ffn_down.weight"), &matrix, &why), 0);
        CHECK_INT(matrix.n_rows * matrix.n_cols, N);
        CHECK_INT(quant_ternary_scan(&matrix, 0, matrix.n_rows, &scales[i], &why), 0);
        trits[i] = malloc(N);
        quant_trits(&matrix, 0, matrix.n_rows, trits[i], matrix.n_cols);
        gguf_free(file);
        CHECK_NEAR(scales[i], scales[0], 1e-3 * (double)scales[0]); /* f16 */
        CHECK(memcmp(trits[i], trits[0], N) == 0);
    }
    for (size_t i = 0; i < N_OF(NAMES); i++) free(trits[i]);
}

int main(void) {
    return TEST_MAIN(
        {"reads half precision", reads_half_precision}, {"knows types", knows_types},
        {"computes sizes", computes_sizes}, {"reads ternary types", reads_ternary_types},
        {"reads odd scales", reads_odd_scales}, {"finds ternary floats", finds_ternary_floats},
        {"refuses what is not ternary", refuses_what_is_not_ternary},
        {"merges scans", merges_scans}, {"reads q8 rows", reads_q8_rows},
        {"encodes q4_0", encodes_q4_0}, {"encodes q8_0", encodes_q8_0},
        {"encodes as ggml", encodes_as_ggml}, {"agrees with ggml", agrees_with_ggml},
        {"agrees across formats", agrees_across_formats});
}
