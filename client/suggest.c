#include "client/suggest.h"

#include <glib.h>
#include <limits.h>
#include <string.h>

#define WORD_MAX 63u

unsigned suggest_distance(const char *a, const char *b) {
    size_t n_a = strlen(a), n_b = strlen(b);
    unsigned d[WORD_MAX + 1][WORD_MAX + 1];
    if (n_a > WORD_MAX || n_b > WORD_MAX) return UINT_MAX;

    for (size_t i = 0; i <= n_a; i++) d[i][0] = (unsigned)i;
    for (size_t j = 0; j <= n_b; j++) d[0][j] = (unsigned)j;
    for (size_t i = 1; i <= n_a; i++)
        for (size_t j = 1; j <= n_b; j++) {
            d[i][j] = MIN(d[i - 1][j], d[i][j - 1]) + 1;
            d[i][j] = MIN(d[i][j], d[i - 1][j - 1] + (a[i - 1] != b[j - 1]));
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                d[i][j] = MIN(d[i][j], d[i - 2][j - 2] + 1);
        }
    return d[n_a][n_b];
}

const char *suggest(const char *word, const char *const *words) {
    const char *nearest = NULL;
    unsigned least = UINT_MAX;
    for (; *words; words++) {
        unsigned distance = suggest_distance(word, *words);
        if (distance < least) {
            least = distance;
            nearest = *words;
        }
    }
    /* "lst" may be "list"; "x" is not "ask". */
    return least <= 2 && least < strlen(word) ? nearest : NULL;
}
