/*
 * ryzen-llm-worker, started for what needs no service: models are made up and measured by the
 * program that runs them.
 */
#pragma once

#include <gio/gio.h>

/* The installed one, or the one that RYZEN_LLM_WORKER names. NULL, after saying why. Its stderr is
 * ours. */
GSubprocess *worker_program_start(GPtrArray *arguments, GSubprocessFlags flags);
/* Its arguments, to be added to. */
GPtrArray *worker_arguments_new(void);
void worker_argument(GPtrArray *arguments, const char *name, const char *value); /* NULL: not */
void worker_argument_count(GPtrArray *arguments, const char *name, int n);       /* 0: not */
/* What it exits with, in the command's own codes. */
int worker_program_wait(GSubprocess *worker);
