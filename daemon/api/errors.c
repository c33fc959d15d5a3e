#include "api/errors.h"

#include <stddef.h>

#include "dbus/names.h"

#define CALLER "invalid_request_error" /* another request may do better */
#define SERVER "server_error"          /* the same one may, later */

static const struct ErrorRow rows[N_PROBLEM_KINDS] = {
    {PROBLEM_NONE, "", 200, SERVER, NULL},
    {PROBLEM_INVALID_ARGUMENT, ERROR_INVALID_ARGS, 400, CALLER, NULL},
    {PROBLEM_ACCESS_DENIED, ERROR_ACCESS_DENIED, 403, CALLER, "access_denied"},
    {PROBLEM_NO_SUCH_MODEL, ERROR_NO_SUCH_MODEL, 404, CALLER, "model_not_found"},
    {PROBLEM_NO_SUCH_REQUEST, ERROR_NO_SUCH_REQUEST, 404, CALLER, "request_not_found"},
    {PROBLEM_MODEL_EXISTS, ERROR_MODEL_EXISTS, 409, CALLER, "model_exists"},
    {PROBLEM_MODEL_IN_USE, ERROR_MODEL_IN_USE, 409, CALLER, "model_in_use"},
    {PROBLEM_BAD_MODEL, ERROR_BAD_MODEL, 500, SERVER, "bad_model"},
    {PROBLEM_READ_ONLY, ERROR_READ_ONLY, 403, CALLER, "read_only"},
    {PROBLEM_BUSY, ERROR_BUSY, 503, SERVER, "busy"},
    {PROBLEM_WORKER_DIED, ERROR_WORKER_DIED, 502, SERVER, "worker_died"},
    {PROBLEM_CONTEXT_TOO_LONG, ERROR_CONTEXT_TOO_LONG, 400, CALLER, "context_length_exceeded"},
    {PROBLEM_NO_CHAT_TEMPLATE, ERROR_NO_CHAT_TEMPLATE, 400, CALLER, "no_chat_template"},
    {PROBLEM_NOT_SUPPORTED, ERROR_NOT_SUPPORTED, 400, CALLER, "not_supported"},
    {PROBLEM_CANCELLED, ERROR_CANCELLED, 499, CALLER, "cancelled"},
    {PROBLEM_NO_SPACE, ERROR_NO_SPACE, 507, SERVER, "no_space"},
    {PROBLEM_FAILED, ERROR_FAILED, 500, SERVER, NULL},
};

const struct ErrorRow *error_row(enum ProblemKind kind) {
    return &rows[kind < N_PROBLEM_KINDS ? kind : PROBLEM_FAILED];
}
