#include "engine/sampling/candidates.h"

#include "engine/sampling/real.h"

static bool is_better(struct Candidate a, struct Candidate b) {
    return a.logit > b.logit || (a.logit == b.logit && a.token < b.token);
}

/* ---- Ranking ---- */

/* A heap's order is `above`: who goes on top. */
static inline void sift_down(struct Candidate *heap, uint32_t n, uint32_t i,
                             bool (*above)(struct Candidate a, struct Candidate b)) {
    struct Candidate moved = heap[i];
    for (uint32_t child = 2 * i + 1; child < n; child = 2 * i + 1) {
        if (child + 1 < n && above(heap[child + 1], heap[child])) child++;
        if (!above(heap[child], moved)) break;
        heap[i] = heap[child];
        i = child;
    }
    heap[i] = moved;
}

static inline void heap_make(struct Candidate *heap, uint32_t n,
                             bool (*above)(struct Candidate a, struct Candidate b)) {
    for (uint32_t i = n / 2; i-- > 0;) sift_down(heap, n, i, above);
}

struct Candidate candidates_ranked(struct Candidates *candidates, uint32_t i) {
    struct Candidate *heap = candidates->data;
    while (candidates->n_ranked <= i) {
        uint32_t n = candidates->n - candidates->n_ranked;
        if (!candidates->is_heap) heap_make(heap, n, is_better);
        candidates->is_heap = true;
        struct Candidate top = heap[0];
        heap[0] = heap[n - 1];
        heap[n - 1] = top;
        candidates->n_ranked++;
        sift_down(heap, n - 1, 0, is_better);
    }
    return heap[candidates->n - 1 - i];
}

float candidates_top(const struct Candidates *candidates) {
    if (candidates->n_ranked) return candidates->data[candidates->n - 1].logit;
    float top = candidates->data[0].logit;
    for (uint32_t i = 1; i < candidates->n; i++)
        top = candidates->data[i].logit > top ? candidates->data[i].logit : top;
    return top;
}

void candidates_unrank(struct Candidates *candidates) {
    candidates->n_ranked = 0;
    candidates->is_heap = false;
}

/* ---- Probabilities ---- */

/* Sums run in the order of `data`, so that they do not depend on the compiler. */
double candidates_total(const struct Candidates *candidates) {
    enum { BLOCK = 64 };
    double top = (double)candidates_top(candidates), total = 0, weights[BLOCK];
    for (uint32_t start = 0; start < candidates->n; start += BLOCK) {
        uint32_t n = candidates->n - start < BLOCK ? candidates->n - start : BLOCK;
        const struct Candidate *data = candidates->data + start;
        for (uint32_t i = 0; i < n; i++) weights[i] = real_exp((double)data[i].logit - top);
        for (uint32_t i = 0; i < n; i++) total += weights[i];
    }
    return total;
}

double candidates_mean(const struct Candidates *candidates, double total) {
    double top = (double)candidates_top(candidates), sum = 0;
    for (uint32_t i = 0; i < candidates->n; i++) {
        double distance = (double)candidates->data[i].logit - top;
        sum += distance * real_exp(distance);
    }
    return sum / total;
}

/* ---- Truncating ---- */

static bool is_worse(struct Candidate a, struct Candidate b) {
    return is_better(b, a);
}

/* Brings the `n` best of unordered candidates to the front, in no order: a heap of them with the
 * worst on top, which the others are compared with. */
static void select_best(struct Candidates *candidates, uint32_t n) {
    struct Candidate *heap = candidates->data;
    heap_make(heap, n, is_worse);
    for (uint32_t i = n; i < candidates->n; i++) {
        if (!is_better(heap[i], heap[0])) continue;
        heap[0] = heap[i];
        sift_down(heap, n, 0, is_worse);
    }
    candidates->n = n;
}

void candidates_keep_best(struct Candidates *candidates, uint32_t n) {
    if (n == 0) n = 1;
    if (n >= candidates->n) return;
    if (candidates->n_ranked == 0 && !candidates->is_heap && n <= candidates->n / 8)
        select_best(candidates, n);
    candidates_ranked(candidates, n - 1);
    candidates->data += candidates->n - n;
    candidates->n = candidates->n_ranked = n;
}

void candidates_keep_above(struct Candidates *candidates, double logit, uint32_t min_keep) {
    struct Candidate *data = candidates->data;
    uint32_t n = 0, n_kept = 0;
    for (uint32_t i = 0; i < candidates->n; i++) n += (double)data[i].logit >= logit;
    if (n == candidates->n) return;
    if (n < min_keep || n == 0) {
        candidates_keep_best(candidates, min_keep);
        return;
    }
    bool all_ranked = candidates->n_ranked == candidates->n;
    for (uint32_t i = 0; i < candidates->n; i++)
        if ((double)data[i].logit >= logit) data[n_kept++] = data[i];
    candidates->n = n;
    candidates->n_ranked = all_ranked ? n : 0;
    candidates->is_heap = false;
}

void candidates_drop_best(struct Candidates *candidates, uint32_t n) {
    if (n == 0) return;
    candidates_ranked(candidates, n - 1);
    candidates->n -= n;
    candidates->n_ranked -= n;
}
