/*
 * The log: structured fields to the journal where it is there, else lines on stderr. Any thread.
 * Never prompts, tokens or answers.
 */
#pragma once

#include <syslog.h> /* LOG_ERR, ... */

/* `model` (may be NULL) goes with every message; it must live as long as the process. */
void log_open(const char *model);
void log_message(int priority, const char *format, ...) __attribute__((format(printf, 2, 3)));
