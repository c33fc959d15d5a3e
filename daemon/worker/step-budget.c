#include "worker/step-budget.h"

#include <glib.h>
#include <stdbool.h>

/* A new measurement's part: the past counts for some four steps. */
#define WEIGHT 0.25

/* Of the slope in proportion: two sizes side by side differ by noise. */
#define LEAST_SLOPE 0.25

#define N_SINGLE 16u /* sizes one apart */

static uint32_t size_of(unsigned i) {
    if (i < N_SINGLE) return i + 1;
    const unsigned octave = (i - N_SINGLE) / 4, quarter = (i - N_SINGLE) % 4;
    return (5 + quarter) * (4u << octave);
}

/* The largest of at most n tokens (n >= 1). */
static unsigned index_below(uint32_t n) {
    unsigned i = 0;
    while (i + 1 < STEP_BUDGET_SIZES && size_of(i + 1) <= n) i++;
    return i;
}

static bool is_known(const struct StepBudget *self, unsigned i) {
    return self->sizes[i].when > 0 && self->n_measured - self->sizes[i].when < STEP_BUDGET_MEMORY;
}

/* Between two sizes it counts as the smaller one's cost: rather too much than too little. */
void step_budget_add(struct StepBudget *self, uint32_t n_tokens, double usec) {
    if (n_tokens == 0 || !(usec > 0)) return;
    const unsigned i = index_below(n_tokens);
    double *mean = &self->sizes[i].usec;
    *mean = is_known(self, i) ? *mean + WEIGHT * (usec - *mean) : usec;
    self->sizes[i].when = ++self->n_measured;
}

/* The nearest size from `i` on in the direction of `by` that is known; STEP_BUDGET_SIZES: none. */
static unsigned known_from(const struct StepBudget *self, unsigned i, int by) {
    while (i < STEP_BUDGET_SIZES && !is_known(self, i)) i += (unsigned)by; /* past 0: far above */
    return MIN(i, STEP_BUDGET_SIZES);
}

static double slope(const struct StepBudget *self, unsigned low, unsigned high) {
    return (self->sizes[high].usec - self->sizes[low].usec) / (size_of(high) - size_of(low));
}

/* In proportion to the smallest size that is known, which does not fit. */
static uint32_t shrink(const struct StepBudget *self, double usec, uint32_t first) {
    const unsigned i = known_from(self, 0, 1);
    if (i == STEP_BUDGET_SIZES) return first;
    const double n = size_of(i) * (usec / self->sizes[i].usec);
    return n >= 1 ? size_of(index_below((uint32_t)n)) : 0;
}

/* What a token more costs from a size on: on the way to the next known one above, which is too
 * much, or as on the way from the one below, or in proportion, which is the most that it can be. */
static double slope_above(const struct StepBudget *self, unsigned i) {
    const unsigned below = known_from(self, i - 1, -1), above = known_from(self, i + 1, 1);
    const double most = self->sizes[i].usec / size_of(i);
    if (above < STEP_BUDGET_SIZES) return slope(self, i, above);
    if (below < STEP_BUDGET_SIZES) return CLAMP(slope(self, below, i), LEAST_SLOPE * most, most);
    return most;
}

/* The next sizes up, as far as nothing is known of them. */
static uint32_t grow(const struct StepBudget *self, double usec, unsigned from) {
    const double more = (usec - self->sizes[from].usec) / slope_above(self, from);
    const uint32_t n = size_of(from) + (uint32_t)MIN(more, (double)size_of(from));
    unsigned i = from;
    while (i + 1 < STEP_BUDGET_SIZES && !is_known(self, i + 1) && size_of(i + 1) <= n) i++;
    return size_of(i);
}

uint32_t step_budget_fit(const struct StepBudget *self, double usec, uint32_t first) {
    unsigned i = STEP_BUDGET_SIZES;
    while (i > 0 && !(is_known(self, i - 1) && self->sizes[i - 1].usec <= usec)) i--;
    return i > 0 ? grow(self, usec, i - 1) : shrink(self, usec, first);
}
