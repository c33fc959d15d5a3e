#include "worker/stopstring.h"

#include <string.h>

struct StopString {
    char **stops;
    GString *held; /* read, and not yet let through */
};

StopString *stopstring_new(char *const *stops) {
    StopString *self = g_new(StopString, 1);
    self->stops = g_strdupv((char **)stops);
    self->held = g_string_new(NULL);
    return self;
}

void stopstring_free(StopString *self) {
    if (!self) return;
    g_strfreev(self->stops);
    g_string_free(self->held, TRUE);
    g_free(self);
}

/* Where the first stop string begins, or the text's size. */
static gsize match_find(const StopString *self) {
    const GString *held = self->held;
    gsize first = held->len;

    for (char **stop = self->stops; stop && *stop; stop++) {
        const char *found = memmem(held->str, held->len, *stop, strlen(*stop));
        if (found) first = MIN(first, (gsize)(found - held->str));
    }
    return first;
}

/* Size of the longest end of the text with which a stop string begins. */
static gsize partial_size(const GString *held, const char *stop) {
    gsize size = MIN(held->len, strlen(stop) - 1);

    while (size > 0 && memcmp(held->str + held->len - size, stop, size) != 0) size--;
    return size;
}

static gsize held_size(const StopString *self) {
    gsize longest = 0;

    for (char **stop = self->stops; stop && *stop; stop++)
        longest = MAX(longest, partial_size(self->held, *stop));
    return longest;
}

bool stopstring_push(StopString *self, const char *text, gsize size, GString *out) {
    GString *held = self->held;

    g_string_append_len(held, text, (gssize)size);
    gsize match = match_find(self);
    bool found = match < held->len;
    gsize n_free = found ? match : held->len - held_size(self);
    g_string_append_len(out, held->str, (gssize)n_free);
    g_string_erase(held, 0, found ? -1 : (gssize)n_free);
    return found;
}

void stopstring_finish(StopString *self, GString *out) {
    g_string_append_len(out, self->held->str, (gssize)self->held->len);
    g_string_truncate(self->held, 0);
}
