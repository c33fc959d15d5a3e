#include "engine/model.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "engine/limits.h"

struct Key {
    char text[128];
};

static struct Key key_of(const struct ModelFile *file, const char *name) {
    struct Key key;
    snprintf(key.text, sizeof key.text, "%s.%s", file->architecture, name);
    return key;
}

int model_require(const struct ModelFile *file, int r, const char *name, Reason *why) {
    return gguf_require(r, key_of(file, name).text, why);
}

/* One value a layer: what all have in common. */
static int equal_elements(const struct GgufArray *array, const char *key, uint32_t *ret,
                          Reason *why) {
    if (array->n == 0) return reason_set(why, EBADMSG, "%s is an empty array", key);
    int64_t value = gguf_array_integer(array, 0);
    for (uint64_t i = 1; i < array->n; i++)
        if (gguf_array_integer(array, i) != value)
            return reason_set(why, ENOTSUP, "%s differs from layer to layer", key);
    if (value < 0 || value > UINT32_MAX) return reason_set(why, EBADMSG, "%s is out of range", key);
    *ret = (uint32_t)value;
    return 0;
}

static int get_u32(const struct ModelFile *file, const char *key, uint32_t *ret, Reason *why) {
    struct GgufArray array;
    int r = gguf_get_integers(file->gguf, key, &array, NULL);
    return r == 0 ? equal_elements(&array, key, ret, why) : gguf_get_u32(file->gguf, key, ret, why);
}

int model_u32(const struct ModelFile *file, const char *name, uint32_t min, uint32_t max,
              uint32_t *ret, Reason *why) {
    struct Key key = key_of(file, name);
    uint32_t value;
    int r = get_u32(file, key.text, &value, why);
    if (r != 0) return r;
    if (value < min || value > max)
        return reason_set(why, EBADMSG, "%s is %u, not within %u and %u", key.text, value, min,
                          max);
    *ret = value;
    return 0;
}

int model_u32s(const struct ModelFile *file, const char *name, uint32_t min, uint32_t max,
               uint32_t n, uint32_t *ret, Reason *why) {
    const struct Key key = key_of(file, name);
    struct GgufArray array;
    if (gguf_get_integers(file->gguf, key.text, &array, NULL) != 0) {
        uint32_t value;
        int r = model_u32(file, name, min, max, &value, why);
        for (uint32_t i = 0; r == 0 && i < n; i++) ret[i] = value;
        return r;
    }
    if (array.n != n)
        return reason_set(why, EBADMSG, "%s has %llu values for %u layers", key.text,
                          (unsigned long long)array.n, n);
    for (uint32_t i = 0; i < n; i++) {
        const int64_t value = gguf_array_integer(&array, i);
        if (value < min || value > max)
            return reason_set(why, EBADMSG, "%s is %lld in layer %u, not within %u and %u",
                              key.text, (long long)value, i, min, max);
        ret[i] = (uint32_t)value;
    }
    return 0;
}

int model_f32(const struct ModelFile *file, const char *name, float *ret, Reason *why) {
    return gguf_get_f32(file->gguf, key_of(file, name).text, ret, why);
}

int model_bool(const struct ModelFile *file, const char *name, bool *ret, Reason *why) {
    return gguf_get_bool(file->gguf, key_of(file, name).text, ret, why);
}

int model_string(const struct ModelFile *file, const char *name, char *ret, size_t size,
                 Reason *why) {
    struct Key key = key_of(file, name);
    struct GgufString string;
    int r = gguf_get_string(file->gguf, key.text, &string, why);
    if (r != 0) return r;
    if (string.size >= size) return reason_set(why, EBADMSG, "%s is too long", key.text);
    memcpy(ret, string.data, string.size);
    ret[string.size] = '\0';
    return 0;
}

int model_vocabulary(const struct ModelFile *file, uint32_t *ret, Reason *why) {
    uint64_t n = weights_n_rows(file->weights, "token_embd.weight");
    if (n == 0) return reason_set(why, EBADMSG, "the tensor token_embd.weight is missing");
    if (n > TOKENIZER_MAX_TOKENS)
        return reason_set(why, EFBIG, "the embedding has %llu tokens, the limit is %u",
                          (unsigned long long)n, TOKENIZER_MAX_TOKENS);
    *ret = (uint32_t)n;
    return 0;
}
