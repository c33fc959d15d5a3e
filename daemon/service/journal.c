#include "service/journal.h"

#include <glib.h>
#include <stdarg.h>
#include <stdio.h>
#include <systemd/sd-journal.h>
#include <unistd.h>

static gboolean to_journal(void) {
    static int connected = -1;
    if (connected < 0) connected = g_log_writer_is_journald(STDERR_FILENO);
    return connected;
}

void journal_model(int priority, const char *model, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    g_autofree char *text = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    if (!to_journal()) {
        fprintf(stderr, "ryzen-llmd: %s\n", text);
        return;
    }
    sd_journal_send("MESSAGE=%s", text, "PRIORITY=%i", priority,
                    model ? "RYZEN_LLM_MODEL=%s" : NULL, model, NULL);
}
