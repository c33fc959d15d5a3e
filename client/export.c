#include "client/export.h"

#include <gio/gio.h>
#include <glib/gi18n.h>
#include <stdlib.h>

#include "client/event.h"
#include "client/progress.h"
#include "client/worker-program.h"

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

int export_model(const struct SuiteOptions *options, const char *path) {
    g_autoptr(GPtrArray) arguments = worker_arguments_new();
    worker_argument(arguments, "--synthesize", *options->shapes);
    worker_argument(arguments, "--output", path);
    worker_argument(arguments, "--weights", options->weights);
    worker_argument_count(arguments, "--layers", options->n_layers);
    worker_argument_count(arguments, "--vocabulary", options->n_vocab);
    g_autoptr(GSubprocess) worker = worker_program_start(arguments, G_SUBPROCESS_FLAGS_STDOUT_PIPE);
    if (!worker) return EXIT_FAILURE;
    progress_follow(worker);
    return worker_program_wait(worker);
}

int export_list(void) {
    g_autoptr(GPtrArray) arguments = worker_arguments_new();
    worker_argument(arguments, "--synthesize", "list");
    g_autoptr(GSubprocess) worker = worker_program_start(arguments, G_SUBPROCESS_FLAGS_NONE);
    return worker ? worker_program_wait(worker) : EXIT_FAILURE;
}
