/*
 * Whether one more model fits into memory, and which loaded ones have to go for it. Pure
 * arithmetic: the workers ask and act.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A loaded model. */
struct BudgetItem {
    uint64_t bytes;
    int64_t last_used; /* any clock */
    bool idle;         /* may be unloaded */
    bool leaving;      /* is being unloaded */
    bool unload;       /* the answer */
};

enum BudgetVerdict {
    BUDGET_FITS,
    BUDGET_MAKE_ROOM, /* unload what is marked and wait for what leaves */
    BUDGET_WAIT,      /* too much is in use */
    BUDGET_NEVER,     /* larger than the whole budget */
};

/* What a model will need, before its worker says so. */
uint64_t budget_estimate(uint64_t weight_bytes);
/* Marks the least recently used idle items until `need` fits; marks nothing unless that is enough.
 */
enum BudgetVerdict budget_admit(uint64_t limit, uint64_t need, struct BudgetItem *items, size_t n);
