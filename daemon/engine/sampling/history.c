#include "engine/sampling/history.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int history_init(struct History *history, uint32_t n_max) {
    *history = (struct History){.n_max = n_max};
    if (n_max == 0) return 0;
    history->tokens = malloc(2 * (size_t)n_max * sizeof *history->tokens);
    return history->tokens ? 0 : -ENOMEM;
}

void history_done(struct History *history) {
    free(history->tokens);
    history->tokens = NULL;
}

void history_push(struct History *history, Token token) {
    if (history->n_max == 0) return;
    if (history->n_stale == history->n_max) { /* the memory is full: once in n_max tokens */
        memcpy(history->tokens, history->tokens + history->n_stale,
               history->n * sizeof *history->tokens);
        history->n_stale = 0;
    }
    if (history->n == history->n_max)
        history->n_stale++;
    else
        history->n++;
    history->tokens[history->n_stale + history->n - 1] = token;
}
