/*
 * Where the daemon's log lines go: the journal with structured fields when standard error is
 * connected to it, else standard error. Never prompts, tokens or answers.
 */
#pragma once

#include <syslog.h>

#define journal_print(priority, ...) journal_model(priority, NULL, __VA_ARGS__)
/* With the field RYZEN_LLM_MODEL=. */
void journal_model(int priority, const char *model, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
