#include "worker/failure.h"

#include <errno.h>
#include <glib.h>
#include <stdarg.h>

static const struct {
    int error;
    const char *name;
    const char *message; /* where the engine gave no reason */
} errors[] = {
    {EINVAL, ERROR_INVALID_ARGS, "An argument is not valid."},
    {E2BIG, ERROR_INVALID_ARGS, "The text is too long."},
    {EFBIG, ERROR_INVALID_ARGS, "The text is too long."},
    {ENOTSUP, ERROR_NOT_SUPPORTED, "The model cannot do this."},
    {EOVERFLOW, ERROR_CONTEXT_TOO_LONG, "The context of the model is full."},
    {EBADMSG, ERROR_BAD_MODEL, "The model file is damaged."},
    {ECANCELED, ERROR_CANCELLED, "Cancelled."},
    {ENOSPC, ERROR_NO_SPACE, "The disk is full."},
    {EDQUOT, ERROR_NO_SPACE, "The disk quota is used up."},
    {EBUSY, ERROR_BUSY, "Too many requests wait for this model. Try again later."},
    {ENOMEM, ERROR_FAILED, "There is not enough memory."},
};

static void message_take(struct Failure *failure, char *text) {
    g_autofree char *raw = text;
    g_autofree char *valid = g_utf8_make_valid(raw, -1);
    const char *end;

    g_strlcpy(failure->message, valid, sizeof failure->message);
    /* the copy may have been cut inside a character */
    if (!g_utf8_validate(failure->message, -1, &end)) failure->message[end - failure->message] = 0;
}

int failure_set(struct Failure *failure, const char *name, const char *format, ...) {
    va_list arguments;

    va_start(arguments, format);
    failure->name = name;
    message_take(failure, g_strdup_vprintf(format, arguments));
    va_end(arguments);
    return -EINVAL;
}

int failure_set_errno(struct Failure *failure, int r, const Reason *why) {
    const char *message = NULL;

    failure->name = ERROR_FAILED;
    for (gsize i = 0; i < G_N_ELEMENTS(errors); i++) {
        if (errors[i].error != -r) continue;
        failure->name = errors[i].name;
        message = errors[i].message;
    }
    if (why && why->text[0])
        message_take(failure, g_strconcat(why->text, ".", NULL));
    else
        message_take(failure,
                     message ? g_strdup(message) : g_strdup_printf("Failed: %s.", g_strerror(-r)));
    return r;
}

int failure_set_model(struct Failure *failure, int r, const Reason *why) {
    static const int of_file[] = {EINVAL, EBADMSG, ENOTSUP, EFBIG, E2BIG, ESTALE};

    failure_set_errno(failure, r, why);
    for (gsize i = 0; i < G_N_ELEMENTS(of_file); i++)
        if (r == -of_file[i]) failure->name = ERROR_BAD_MODEL;
    return r;
}

int failure_set_bus(struct Failure *failure, int r, const sd_bus_error *error) {
    if (sd_bus_error_is_set(error)) {
        failure->name = ERROR_INVALID_ARGS; /* what options_read() reports */
        message_take(failure, g_strdup(error->message ? error->message : error->name));
    } else {
        failure_set(failure, ERROR_INVALID_ARGS, "The message cannot be read: %s.", g_strerror(-r));
    }
    return r < 0 ? r : -EINVAL;
}

int failure_to_bus(const struct Failure *failure, sd_bus_error *error) {
    return sd_bus_error_set(error, failure->name, failure->message);
}
