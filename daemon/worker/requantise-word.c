#include "worker/requantise-word.h"

#include <glib.h>

static const char *const words[] = {
    [REQUANTISE_NOTHING] = "file", [REQUANTISE_Q8] = "q8", [REQUANTISE_Q4] = "q4"};

const char *requantise_word(enum Requantise requantise) {
    return words[requantise];
}

bool requantise_parse(const char *word, enum Requantise *ret) {
    for (gsize i = 0; i < G_N_ELEMENTS(words); i++)
        if (g_str_equal(word, words[i])) {
            *ret = (enum Requantise)i;
            return true;
        }
    return false;
}
