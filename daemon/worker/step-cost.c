#include "worker/step-cost.h"

/* A new measurement's part: the past counts for some ten steps. */
#define WEIGHT 0.15

void step_cost_add(struct StepCost *self, uint32_t n_tokens, double usec) {
    if (n_tokens == 0 || n_tokens > STEP_COST_TOKENS || !(usec > 0)) return;
    double *mean = &self->usec[n_tokens];
    *mean = *mean > 0 ? *mean + WEIGHT * (usec - *mean) : usec;
}

/* The nearest size below (or above) n that was measured; 0: none. */
static uint32_t measured_below(const struct StepCost *self, uint32_t n) {
    while (n > 0 && !(self->usec[n] > 0)) n--;
    return n;
}

static uint32_t measured_above(const struct StepCost *self, uint32_t n) {
    while (n <= STEP_COST_TOKENS && !(self->usec[n] > 0)) n++;
    return n <= STEP_COST_TOKENS ? n : 0;
}

/* More tokens never cost less: what says otherwise is noise. */
static double line(double y0, double slope, double x) {
    return y0 + (slope > 0 ? slope : 0) * x;
}

double step_cost(const struct StepCost *self, uint32_t n_tokens) {
    if (n_tokens > STEP_COST_TOKENS) n_tokens = STEP_COST_TOKENS;
    uint32_t low = measured_below(self, n_tokens), high = measured_above(self, n_tokens);
    if (low == n_tokens && low > 0) return self->usec[low];
    if (low == 0) return high > 0 ? self->usec[high] : 0;
    if (high == 0) {
        high = low;
        low = measured_below(self, high - 1);
    }
    double slope = low > 0 ? (self->usec[high] - self->usec[low]) / (high - low)
                           : STEP_COST_PRIOR * self->usec[high];
    uint32_t from = n_tokens > high || low == 0 ? high : low;
    return line(self->usec[from], slope, n_tokens - from);
}
