/*
 * Stop strings: finds the first place where one of some strings begins in a text that arrives in
 * pieces, and holds back what may still become one. Text that was let through never has to be taken
 * back. Pieces and stop strings are whole UTF-8 characters, and so is what comes out.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>

typedef struct StopString StopString;

/* Copies `stops` (NULL-terminated, or NULL: never stops); the strings are not empty. */
StopString *stopstring_new(char *const *stops);
void stopstring_free(StopString *self); /* accepts NULL */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(StopString, stopstring_free)

/* Adds a piece and appends to `out` what is certain to be before any stop string. Returns true
 * when a stop string was found: the rest of the text is gone, and nothing may be pushed again. */
bool stopstring_push(StopString *self, const char *text, gsize size, GString *out);
/* The text has ended: appends what was held back. */
void stopstring_finish(StopString *self, GString *out);
