/*
 * An answer as it comes: runs one generation to its end, prints its text on stdout while it grows,
 * shows how far a long prompt is, and lets Ctrl-C cancel it.
 */
#pragma once

#include <json-glib/json-glib.h>

#include "client/request.h"

typedef struct Answer Answer;

/* Waits for the end of the generation that `message` (taken) asks for. `silent`: only collects. */
Answer *answer_run(Connection *connection, sd_bus_message *message, bool silent);
void answer_free(Answer *answer);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Answer, answer_free)

const char *answer_text(const Answer *answer);
const struct Outcome *answer_outcome(const Answer *answer);
/* 0, or said: EXIT_INTERRUPTED, or EXIT_FAILURE; nothing is said when nobody reads stdout. */
int answer_exit_code(const Answer *answer);

/* {"answer", "model", "finish_reason", "usage", "timings"} on stdout, where it got so far. */
void answer_json(const Answer *answer, const char *model);
/* One line of timings on stderr. */
void answer_timings(const Answer *answer, const char *model);
