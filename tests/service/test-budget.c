#include "test.h"

#include "service/budget.h"
#include "service/limits.h"

static void fits(void) {
    struct BudgetItem items[] = {{.bytes = 60, .idle = true}};
    CHECK_INT(budget_admit(100, 40, items, 1), BUDGET_FITS);
    CHECK(!items[0].unload);
    CHECK_INT(budget_admit(100, 100, NULL, 0), BUDGET_FITS);
}

static void never(void) {
    CHECK_INT(budget_admit(100, 101, NULL, 0), BUDGET_NEVER);
}

static void least_recently_used_goes(void) {
    struct BudgetItem items[] = {
        {.bytes = 30, .last_used = 3, .idle = true},
        {.bytes = 30, .last_used = 1, .idle = true},
        {.bytes = 30, .last_used = 2, .idle = true},
    };
    CHECK_INT(budget_admit(100, 40, items, 3), BUDGET_MAKE_ROOM);
    CHECK(!items[0].unload && items[1].unload && !items[2].unload);
    CHECK_INT(budget_admit(100, 70, items, 3), BUDGET_MAKE_ROOM);
    CHECK(!items[0].unload && items[1].unload && items[2].unload);
}

static void what_is_used_stays(void) {
    struct BudgetItem items[] = {
        {.bytes = 50, .last_used = 1},
        {.bytes = 40, .last_used = 2, .idle = true},
    };
    CHECK_INT(budget_admit(100, 50, items, 2), BUDGET_MAKE_ROOM);
    CHECK(!items[0].unload && items[1].unload);
    CHECK_INT(budget_admit(100, 60, items, 2), BUDGET_WAIT);
    CHECK(!items[0].unload && !items[1].unload); /* not in vain */
}

/* Its memory is on its way: nobody else has to go for it, and nothing starts before it is there. */
static void what_leaves_counts(void) {
    struct BudgetItem items[] = {
        {.bytes = 50, .last_used = 5, .leaving = true},
        {.bytes = 50, .last_used = 1, .idle = true},
    };
    CHECK_INT(budget_admit(100, 50, items, 2), BUDGET_MAKE_ROOM);
    CHECK(!items[0].unload && !items[1].unload);
}

/* After a reload with a smaller budget more may be used than there is. */
static void over_budget(void) {
    struct BudgetItem items[] = {{.bytes = 500, .idle = true}};
    CHECK_INT(budget_admit(100, 50, items, 1), BUDGET_MAKE_ROOM);
    CHECK(items[0].unload);
}

static void estimate(void) {
    CHECK_INT(budget_estimate(0), WORKER_RESERVE);
    CHECK(budget_estimate((uint64_t)MANIFEST_NUMBER_MAX) > (uint64_t)MANIFEST_NUMBER_MAX);
}

int main(void) {
    return TEST_MAIN(
        {"fits", fits}, {"never", never}, {"least_recently_used_goes", least_recently_used_goes},
        {"what_is_used_stays", what_is_used_stays}, {"what_leaves_counts", what_leaves_counts},
        {"over_budget", over_budget}, {"estimate", estimate});
}
