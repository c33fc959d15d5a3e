/*
 * How far something is, as a bar on stderr that is drawn over itself. Only on a terminal: elsewhere
 * every call does nothing.
 */
#pragma once

#include <glib.h>
#include <stdint.h>

typedef struct Progress Progress;

Progress *progress_new(void);
/* `label` says what is being done. Cheap: it is drawn at most ten times a second. */
void progress_update(Progress *progress, const char *label, uint64_t done, uint64_t total);
/* Wipes the bar, so that something else can be printed. */
void progress_clear(Progress *progress);
/* Wipes it for good. */
void progress_free(Progress *progress);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Progress, progress_free)
