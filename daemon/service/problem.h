/*
 * What can go wrong, in the service's own words. The doors translate a problem into their dialect
 * in one table (api/errors.c): a D-Bus error name, an HTTP status with OpenAI's type and code.
 */
#pragma once

enum ProblemKind {
    PROBLEM_NONE,
    PROBLEM_INVALID_ARGUMENT,
    PROBLEM_ACCESS_DENIED,
    PROBLEM_NO_SUCH_MODEL,
    PROBLEM_NO_SUCH_REQUEST,
    PROBLEM_MODEL_EXISTS,
    PROBLEM_MODEL_IN_USE,
    PROBLEM_BAD_MODEL,
    PROBLEM_READ_ONLY,
    PROBLEM_BUSY,
    PROBLEM_WORKER_DIED,
    PROBLEM_CONTEXT_TOO_LONG,
    PROBLEM_NO_CHAT_TEMPLATE,
    PROBLEM_NOT_SUPPORTED,
    PROBLEM_CANCELLED,
    PROBLEM_NO_SPACE,
    PROBLEM_FAILED,
    N_PROBLEM_KINDS,
};

typedef struct Problem {
    enum ProblemKind kind; /* PROBLEM_NONE: all is well */
    char text[384];        /* a sentence for a person: what is wrong and what to do */
} Problem;

/* Fills `problem` (may be NULL) and returns -1, so that `return problem_set(...)` reads well. */
int problem_set(Problem *problem, enum ProblemKind kind, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The D-Bus error name of a kind, and back (PROBLEM_FAILED for a name that is not ours): workers
 * and streams carry names. */
const char *problem_name(enum ProblemKind kind);
enum ProblemKind problem_from_name(const char *error_name);
