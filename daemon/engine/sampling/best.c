#include "engine/sampling/best.h"

#include <string.h>

/* Whole numbers in the order of floats, of which compilers make vectors; INT32_MIN for what is not
 * finite. The sum makes one zero of two. */
static inline int32_t order_of(float logit) {
    float one_zero = logit + 0.0f;
    int32_t bits;
    memcpy(&bits, &one_zero, sizeof bits);
    int32_t magnitude = bits & INT32_MAX, sign = bits >> 31;
    int32_t endless = -(magnitude >= 0x7f800000);
    return (((magnitude ^ sign) - sign) & ~endless) | (INT32_MIN & endless);
}

static Token best_of_all(const float *logits, uint32_t n_vocab) {
    int32_t top = INT32_MIN;
    for (uint32_t i = 0; i < n_vocab; i++) {
        int32_t order = order_of(logits[i]);
        top = order > top ? order : top;
    }
    if (top == INT32_MIN) return -1;
    uint32_t i = 0;
    while (order_of(logits[i]) != top) i++;
    return (Token)i;
}

Token best_token(const float *logits, uint32_t n_vocab, const uint64_t *allowed) {
    if (!allowed) return best_of_all(logits, n_vocab);
    Token best = -1;
    int32_t top = INT32_MIN;
    for (uint32_t word = 0; word <= (n_vocab - 1) / 64; word++)
        for (uint64_t bits = allowed[word]; bits; bits &= bits - 1) {
            uint32_t i = 64 * word + (uint32_t)__builtin_ctzll(bits);
            if (i >= n_vocab || order_of(logits[i]) <= top) continue;
            top = order_of(logits[i]);
            best = (Token)i;
        }
    return best;
}
