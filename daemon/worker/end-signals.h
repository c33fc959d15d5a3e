/*
 * SIGTERM and SIGINT for work that leaves nothing unfinished behind: they wait, and are looked for
 * between pieces of it.
 */
#pragma once

#include <stdbool.h>

/* From here on both only make the descriptor readable, in this thread and all that it starts. */
int end_signals_open(void);
bool end_signals_came(int fd);
