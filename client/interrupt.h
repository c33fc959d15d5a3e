/*
 * Ctrl-C while something runs that can be cancelled. The first one is told in the default main
 * context, so that what came so far is kept; the second one ends the program at once, even where it
 * is stuck in a write to a pager. Where SIGINT was ignored from the start (nohup, a script's
 * background job), it stays ignored.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>

typedef struct Interrupt Interrupt;

/* One at a time. */
Interrupt *interrupt_new(void (*interrupted)(void *userdata), void *userdata);
/* From then on Ctrl-C does what it did before. */
void interrupt_free(Interrupt *interrupt);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Interrupt, interrupt_free)

bool interrupt_happened(const Interrupt *interrupt);
