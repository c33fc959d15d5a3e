#include "service/budget.h"

#include "service/limits.h"

uint64_t budget_estimate(uint64_t weight_bytes) {
    return weight_bytes + weight_bytes / 8 + WORKER_RESERVE;
}

/* The idle item to go next, or NULL. */
static struct BudgetItem *oldest(struct BudgetItem *items, size_t n) {
    struct BudgetItem *found = NULL;
    for (size_t i = 0; i < n; i++) {
        struct BudgetItem *item = &items[i];
        if (!item->idle || item->leaving || item->unload) continue;
        if (!found || item->last_used < found->last_used) found = item;
    }
    return found;
}

enum BudgetVerdict budget_admit(uint64_t limit, uint64_t need, struct BudgetItem *items, size_t n) {
    uint64_t used = 0, to_come = 0;
    if (need > limit) return BUDGET_NEVER;
    for (size_t i = 0; i < n; i++) {
        items[i].unload = false;
        used += items[i].bytes;
        if (items[i].leaving) to_come += items[i].bytes;
    }
    if (used <= limit - need) return BUDGET_FITS;

    while (used - to_come > limit - need) {
        struct BudgetItem *item = oldest(items, n);
        if (!item) {
            for (size_t i = 0; i < n; i++) items[i].unload = false;
            return BUDGET_WAIT;
        }
        item->unload = true;
        to_come += item->bytes;
    }
    return BUDGET_MAKE_ROOM;
}
