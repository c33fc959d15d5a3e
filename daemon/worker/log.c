#include "worker/log.h"

#include <glib.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>
#define SD_JOURNAL_SUPPRESS_LOCATION /* file and line of this function would say nothing */
#include <systemd/sd-journal.h>

static const char *log_model = "";
static gboolean log_to_journal;

/* JOURNAL_STREAM names the device and inode of what systemd connected to the journal. */
static gboolean stderr_is_journal(void) {
    const char *stream = g_getenv("JOURNAL_STREAM");
    unsigned long long device, inode;
    struct stat status;

    return stream && sscanf(stream, "%llu:%llu", &device, &inode) == 2 &&
           fstat(STDERR_FILENO, &status) == 0 && status.st_dev == device && status.st_ino == inode;
}

void log_open(const char *model) {
    if (model) log_model = model;
    log_to_journal = stderr_is_journal();
}

void log_message(int priority, const char *format, ...) {
    g_autofree char *text = NULL;
    va_list arguments;

    va_start(arguments, format);
    text = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    if (log_to_journal)
        sd_journal_send("MESSAGE=%s", text, "PRIORITY=%i", priority, "RYZEN_LLM_MODEL=%s",
                        log_model, NULL);
    else
        fprintf(stderr, "ryzen-llm-worker: %s%s%s\n", log_model, *log_model ? ": " : "", text);
}
