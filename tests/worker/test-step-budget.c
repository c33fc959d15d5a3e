/* A budget that finds what fits, on machines of all kinds. */
#include "test.h"

#include "step-machines.h"
#include "worker/step-budget.h"

static double tokens_only(double n) {
    return 1000 * n;
}

static Cost *const costs[] = {fast, slow, panels, tokens_only};
#define N_COSTS (sizeof costs / sizeof *costs)

static uint32_t most(Cost *cost, double usec) {
    uint32_t n = 0;
    while (n < 4096 && cost(n + 1) <= usec) n++;
    return n;
}

/* From few tokens or from too many, it comes close within ten steps, and stays below. */
static void finds_what_fits(void) {
    static const uint32_t firsts[] = {4, 64, 4096};
    static const double targets[] = {300000, 600000};

    for (size_t k = 0; k < N_COSTS * 6; k++) {
        Cost *cost = costs[k / 6];
        const double usec = targets[k % 2];
        struct StepBudget budget = {.n_measured = 0};
        for (int i = 0; i < 10; i++) {
            const uint32_t n = step_budget_fit(&budget, usec, firsts[k / 2 % 3]);
            step_budget_add(&budget, n, cost(n));
        }
        const uint32_t n = step_budget_fit(&budget, usec, 0), best = most(cost, usec);
        if (n > best || n < 0.7 * best)
            test_fail(__FILE__, __LINE__, "%zu: %u tokens, %u would fit", k, n, best);
    }
}

/* It never takes more than twice what it is known to afford, and where nothing fits it says so. */
static void careful(void) {
    struct StepBudget budget = {.n_measured = 0};
    CHECK_INT(step_budget_fit(&budget, 1000, 64), 64);
    step_budget_add(&budget, 3, 1);
    CHECK_INT(step_budget_fit(&budget, 1000, 64), 6);
    budget = (struct StepBudget){.n_measured = 0};
    step_budget_add(&budget, 1, 2000);
    CHECK_INT(step_budget_fit(&budget, 1000, 64), 0);
}

/* A machine that is busy for a while, and then is not. */
static void follows(void) {
    struct StepBudget budget = {.n_measured = 0};
    uint32_t n = 0, n_busy = 0;
    for (int i = 0; i < 600; i++) {
        n = step_budget_fit(&budget, 500000, 64);
        if (i == 299) n_busy = n;
        step_budget_add(&budget, n, slow(n) * (i >= 100 && i < 300 ? 2 : 1));
    }
    CHECK(n_busy <= 5 && n_busy >= 3);
    CHECK(n <= 17 && n >= 12);
}

/* What is between two sizes counts as the smaller one. */
static void sizes(void) {
    for (uint32_t n = 1; n < 6000; n++) {
        struct StepBudget budget = {.n_measured = 0};
        step_budget_add(&budget, n, 1000);
        const uint32_t fits = step_budget_fit(&budget, 1000, 0);
        CHECK(fits <= n && (fits >= 0.8 * n || n > 4096));
        if (n <= 16) CHECK_INT(fits, n);
    }
}

int main(void) {
    return TEST_MAIN({"finds what fits", finds_what_fits}, {"careful", careful},
                     {"follows", follows}, {"sizes", sizes});
}
