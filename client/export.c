#include "client/export.h"

#include <gio/gio.h>
#include <glib/gi18n.h>
#include <stdlib.h>

#include "client/event.h"
#include "client/failure.h"
#include "client/progress.h"

/* A program that is not installed finds its worker by this. */
static const char *worker_path(void) {
    const char *path = g_getenv("RYZEN_LLM_WORKER");
    return path && *path ? path : WORKER_PROGRAM;
}

static GSubprocess *worker_start(const char *const *arguments, GSubprocessFlags flags) {
    g_autoptr(GPtrArray) argv = g_ptr_array_new();
    g_autoptr(GError) error = NULL;

    g_ptr_array_add(argv, (char *)worker_path());
    for (; *arguments; arguments++) g_ptr_array_add(argv, (char *)*arguments);
    g_ptr_array_add(argv, NULL);
    GSubprocess *worker = g_subprocess_newv((const char *const *)argv->pdata, flags, &error);
    if (!worker) failure(_("Cannot start %s: %s"), worker_path(), error->message);
    return worker;
}

static int worker_wait(GSubprocess *worker) {
    if (!g_subprocess_wait(worker, NULL, NULL)) return EXIT_FAILURE;
    return g_subprocess_get_if_exited(worker) ? g_subprocess_get_exit_status(worker) : EXIT_FAILURE;
}

static void progress_follow(GSubprocess *worker) {
    g_autoptr(Progress) progress = progress_new();
    g_autoptr(GDataInputStream) lines =
        g_data_input_stream_new(g_subprocess_get_stdout_pipe(worker));
    gsize length;
    char *line;

    while ((line = g_data_input_stream_read_line(lines, &length, NULL, NULL))) {
        struct Event event;
        if (event_parse(line, length, &event) == 0) {
            if (event.type == EVENT_PROGRESS)
                progress_update(progress, _("Writing"), event.done, event.total);
            event_done(&event);
        }
        g_free(line);
    }
}

int export_model(const char *shape, const char *weights, const char *path) {
    const char *arguments[] = {"--synthesize", shape, "--output", path, NULL, NULL, NULL};
    if (weights) {
        arguments[4] = "--weights";
        arguments[5] = weights;
    }
    g_autoptr(GSubprocess) worker = worker_start(arguments, G_SUBPROCESS_FLAGS_STDOUT_PIPE);
    if (!worker) return EXIT_FAILURE;
    progress_follow(worker);
    return worker_wait(worker);
}

int export_list(void) {
    static const char *const arguments[] = {"--synthesize", "list", NULL};
    g_autoptr(GSubprocess) worker = worker_start(arguments, G_SUBPROCESS_FLAGS_NONE);
    return worker ? worker_wait(worker) : EXIT_FAILURE;
}
