#include "client/failure.h"

#include <glib.h>
#include <glib/gi18n.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "client/output.h"
#include "client/printable.h"
#include "dbus/names.h"

/* What a person can do about an error. */
static const struct Hint {
    const char *name, *hint;
} hints[] = {
    {ERROR_NO_SUCH_MODEL, N_("See \"ryzen-llm models\" for the names of installed models.")},
    {ERROR_MODEL_EXISTS, N_("Use --replace to replace it, or --name to choose another name.")},
    {ERROR_MODEL_IN_USE, N_("Try again when its requests have ended, or cancel them with "
                            "\"ryzen-llm unload --force\".")},
    {ERROR_READ_ONLY, N_("It belongs to a package: remove it with the package manager.")},
    {ERROR_BUSY, N_("Try again later; \"ryzen-llm status\" shows what is going on.")},
    {ERROR_WORKER_DIED,
     N_("The next request starts a new one; \"journalctl -u 'ryzen-llm-model@*'\" may say why it "
        "died.")},
    {ERROR_CONTEXT_TOO_LONG,
     N_("Shorten the prompt; \"ryzen-llm show\" tells a model's context length.")},
    {ERROR_NO_CHAT_TEMPLATE, N_("Use \"ryzen-llm ask --raw\" to continue plain text.")},
    {ERROR_NO_SPACE, N_("Remove a model that is no longer needed with \"ryzen-llm remove\".")},
    {ERROR_ACCESS_DENIED, N_("Run it from an active desktop or console session, or with sudo.")},
    {"org.freedesktop.DBus.Error.InteractiveAuthorizationRequired",
     N_("Run it from an active desktop or console session, or with sudo.")},
    {"org.freedesktop.DBus.Error.ServiceUnknown",
     N_("It has just ended: start it with \"sudo systemctl start ryzen-llmd\".")},
    {"org.freedesktop.DBus.Error.NoReply",
     N_("The service ended before it answered; \"journalctl -u ryzen-llmd\" may say why.")},
};

static const char *hint_find(const char *name) {
    for (size_t i = 0; i < G_N_ELEMENTS(hints); i++)
        if (g_strcmp0(hints[i].name, name) == 0) return _(hints[i].hint);
    return NULL;
}

static void say(const char *message, const char *hint) {
    g_autofree char *clean = printable_line(message);
    fflush(stdout); /* in the order in which it happened */
    fprintf(stderr, "%sryzen-llm:%s %s\n", output_style(stderr, STYLE_ERROR),
            output_style(stderr, STYLE_PLAIN), clean);
    if (hint) fprintf(stderr, "%s\n", hint);
}

int failure(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    g_autofree char *message = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    say(message, NULL);
    return EXIT_FAILURE;
}

int failure_hint(const char *hint, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    g_autofree char *message = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    say(message, hint);
    return EXIT_FAILURE;
}

int failure_named(const char *name, const char *message) {
    say(message && *message ? message : name, hint_find(name));
    return EXIT_FAILURE;
}

int failure_usage(const struct Verb *verb, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    g_autofree char *message = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    g_autofree char *hint = g_strdup_printf(_("Try \"ryzen-llm %s%s--help\"."),
                                            verb ? verb->name : "", verb ? " " : "");
    say(message, hint);
    return EXIT_USAGE;
}
