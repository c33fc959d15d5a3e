/*
 * One table: what went wrong, in the service's words, and what each door calls it.
 */
#pragma once

#include "service/problem.h"

struct ErrorRow {
    enum ProblemKind kind;
    const char *dbus_name;
    unsigned http_status;
    const char *openai_type, *openai_code; /* the code may be NULL: JSON's null */
};

/* Never NULL: a kind that is not in the table is PROBLEM_FAILED. */
const struct ErrorRow *error_row(enum ProblemKind kind);
