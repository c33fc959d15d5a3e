#include "engine/sampling/logprobs.h"

#include <float.h>
#include <math.h>

#include "engine/sampling/real.h"

static float finite_or_lowest(float logit) {
    return fabsf(logit) <= FLT_MAX ? logit : -INFINITY;
}

/* In order of tokens, so that the sum does not depend on the compiler. */
static double log_total(const float *logits, uint32_t n_vocab, float top) {
    enum { BLOCK = 64 };
    double total = 0, weights[BLOCK];
    for (uint32_t start = 0; start < n_vocab; start += BLOCK) {
        uint32_t n = n_vocab - start < BLOCK ? n_vocab - start : BLOCK;
        for (uint32_t i = 0; i < n; i++)
            weights[i] = real_exp((double)finite_or_lowest(logits[start + i]) - (double)top);
        for (uint32_t i = 0; i < n; i++) total += weights[i];
    }
    return real_log(total);
}

/* The list is ordered; equals stay behind those that came before. */
static unsigned list_insert(struct TokenLogprob *list, unsigned n, unsigned n_max, Token token,
                            double value) {
    if (n == n_max && (n == 0 || value <= list[n - 1].logprob)) return n;
    if (n < n_max) n++;
    unsigned i = n - 1;
    for (; i > 0 && list[i - 1].logprob < value; i--) list[i] = list[i - 1];
    list[i] = (struct TokenLogprob){token, value};
    return n;
}

static double logprob_of(double logit, double top, double total) {
    double logprob = logit - top - total;
    return logprob > LOGPROB_IMPOSSIBLE ? logprob : LOGPROB_IMPOSSIBLE;
}

void logprobs_find(const float *logits, uint32_t n_vocab, Token chosen, unsigned n_top,
                   struct Logprobs *ret) {
    float top = -INFINITY;
    unsigned n_max = n_top < LOGPROBS_TOP_MAX ? n_top : LOGPROBS_TOP_MAX;
    *ret = (struct Logprobs){.chosen = {chosen, LOGPROB_IMPOSSIBLE}};
    for (uint32_t i = 0; i < n_vocab; i++) {
        float logit = finite_or_lowest(logits[i]);
        top = logit > top ? logit : top;
    }
    if (top == -INFINITY) return;
    for (uint32_t i = 0; n_max > 0 && i < n_vocab; i++)
        if (fabsf(logits[i]) <= FLT_MAX)
            ret->n_top = list_insert(ret->top, ret->n_top, n_max, (Token)i, (double)logits[i]);
    double total = log_total(logits, n_vocab, top);
    for (unsigned i = 0; i < ret->n_top; i++)
        ret->top[i].logprob = logprob_of(ret->top[i].logprob, (double)top, total);
    ret->chosen.logprob = logprob_of((double)finite_or_lowest(logits[chosen]), (double)top, total);
}
