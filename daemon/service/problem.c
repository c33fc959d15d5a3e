#include "service/problem.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "dbus/names.h"

static const char *const names[N_PROBLEM_KINDS] = {
    [PROBLEM_NONE] = "",
    [PROBLEM_INVALID_ARGUMENT] = ERROR_INVALID_ARGS,
    [PROBLEM_ACCESS_DENIED] = ERROR_ACCESS_DENIED,
    [PROBLEM_NO_SUCH_MODEL] = ERROR_NO_SUCH_MODEL,
    [PROBLEM_NO_SUCH_REQUEST] = ERROR_NO_SUCH_REQUEST,
    [PROBLEM_MODEL_EXISTS] = ERROR_MODEL_EXISTS,
    [PROBLEM_MODEL_IN_USE] = ERROR_MODEL_IN_USE,
    [PROBLEM_BAD_MODEL] = ERROR_BAD_MODEL,
    [PROBLEM_READ_ONLY] = ERROR_READ_ONLY,
    [PROBLEM_BUSY] = ERROR_BUSY,
    [PROBLEM_WORKER_DIED] = ERROR_WORKER_DIED,
    [PROBLEM_CONTEXT_TOO_LONG] = ERROR_CONTEXT_TOO_LONG,
    [PROBLEM_NO_CHAT_TEMPLATE] = ERROR_NO_CHAT_TEMPLATE,
    [PROBLEM_NOT_SUPPORTED] = ERROR_NOT_SUPPORTED,
    [PROBLEM_CANCELLED] = ERROR_CANCELLED,
    [PROBLEM_NO_SPACE] = ERROR_NO_SPACE,
    [PROBLEM_FAILED] = ERROR_FAILED,
};

int problem_set(Problem *problem, enum ProblemKind kind, const char *format, ...) {
    if (!problem) return -1;
    va_list arguments;
    va_start(arguments, format);
    problem->kind = kind;
    vsnprintf(problem->text, sizeof problem->text, format, arguments);
    va_end(arguments);
    return -1;
}

const char *problem_name(enum ProblemKind kind) {
    return names[kind];
}

enum ProblemKind problem_from_name(const char *error_name) {
    for (enum ProblemKind kind = PROBLEM_NONE + 1; kind < N_PROBLEM_KINDS; kind++)
        if (error_name && strcmp(names[kind], error_name) == 0) return kind;
    return PROBLEM_FAILED;
}
