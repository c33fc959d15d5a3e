/* Any bytes as a model file: whatever parses must be readable to its last byte. */
#include <stdlib.h>

#include "engine/gguf.h"
#include "engine/limits.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define KEPT_WEIGHTS 65536

static void read_tensor(const struct GgufTensor *tensor) {
    static float floats[KEPT_WEIGHTS];
    static int8_t trits[KEPT_WEIGHTS];
    struct QuantMatrix matrix;
    float scale = 0;
    if (gguf_matrix(tensor, &matrix, NULL) < 0) return;
    quant_check(&matrix, 0, matrix.n_rows, NULL);
    bool ternary = quant_ternary_scan(&matrix, 0, matrix.n_rows, &scale, NULL) == 0;
    if (matrix.n_cols > KEPT_WEIGHTS) return;
    for (uint64_t row = 0; row < matrix.n_rows; row++) {
        quant_rows(&matrix, row, 1, floats, matrix.n_cols);
        if (ternary) quant_trits(&matrix, row, 1, trits, matrix.n_cols);
        for (uint64_t i = 0; ternary && i < matrix.n_cols; i++)
            if (floats[i] != (float)trits[i] * scale) abort();
        uint16_t *scales = (uint16_t *)(void *)floats;
        if (matrix.type->id == QUANT_Q8_0) quant_q8_row(&matrix, row, trits, scales);
        if (matrix.type->id == QUANT_Q4_0) quant_q4_row(&matrix, row, (uint8_t *)trits, scales);
    }
}

static void read_keys(const struct Gguf *file) {
    static const char *const KEYS[] = {"a", "general.architecture", "general.alignment"};
    for (size_t i = 0; i < sizeof KEYS / sizeof KEYS[0]; i++) {
        struct GgufArray array;
        struct GgufString string;
        uint32_t integer;
        float number;
        bool flag;
        Reason why;
        gguf_get_u32(file, KEYS[i], &integer, &why);
        gguf_get_f32(file, KEYS[i], &number, &why);
        gguf_get_bool(file, KEYS[i], &flag, &why);
        if (gguf_get_string(file, KEYS[i], &string, &why) == 0) gguf_printable(string);
        if (gguf_get_integers(file, KEYS[i], &array, &why) == 0 && array.n > 0)
            gguf_array_integer(&array, array.n - 1);
        if (gguf_get_floats(file, KEYS[i], &array, &why) == 0 && array.n > 0)
            gguf_array_float(&array, array.n - 1);
        if (gguf_get_strings(file, KEYS[i], &array, &why) == 0)
            while (gguf_array_next(&array, &string)) gguf_printable(string);
    }
}

/* The same bytes as the parts of one model, twice: whoever says that he is both is refused,
 * whatever else is wrong with him. */
static void join(const uint8_t *data, size_t size) {
    struct Gguf *parts[2] = {NULL, NULL}, *file = NULL;
    Reason why = {0};
    for (size_t n = 1; n <= 2; n++) {
        for (size_t i = 0; i < n; i++)
            if (gguf_parse(data, size, &parts[i], NULL) < 0) abort();
        int r = gguf_join(parts, n, &file, &why);
        if (r < 0 && !why.text[0]) abort();
        if (r == 0 && n == 2) abort();
        if (r == 0) gguf_free(file);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct Gguf *file = NULL;
    Reason why = {0};
    if (gguf_parse(data, size, &file, &why) < 0) {
        if (!why.text[0]) abort(); /* every refusal has a reason */
        return 0;
    }
    read_keys(file);
    for (size_t i = 0; i < gguf_n_tensors(file); i++) {
        const struct GgufTensor *tensor = gguf_tensor_at(file, i);
        if (gguf_tensor(file, tensor->name) != tensor) abort();
        read_tensor(tensor);
    }
    gguf_free(file);
    join(data, size);
    return 0;
}
