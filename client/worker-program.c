#include "client/worker-program.h"

#include <glib/gi18n.h>
#include <stdlib.h>
#include <sysexits.h>

#include "client/failure.h"

/* A program that is not installed finds its worker by this. */
static const char *worker_path(void) {
    const char *path = g_getenv("RYZEN_LLM_WORKER");
    return path && *path ? path : WORKER_PROGRAM;
}

GPtrArray *worker_arguments_new(void) {
    GPtrArray *arguments = g_ptr_array_new_with_free_func(g_free);
    g_ptr_array_add(arguments, g_strdup(worker_path()));
    return arguments;
}

void worker_argument(GPtrArray *arguments, const char *name, const char *value) {
    if (!value) return;
    g_ptr_array_add(arguments, g_strdup(name));
    g_ptr_array_add(arguments, g_strdup(value));
}

void worker_argument_count(GPtrArray *arguments, const char *name, int n) {
    g_autofree char *value = g_strdup_printf("%d", n);
    if (n != 0) worker_argument(arguments, name, value);
}

GSubprocess *worker_program_start(GPtrArray *arguments, GSubprocessFlags flags) {
    g_autoptr(GError) error = NULL;
    g_ptr_array_add(arguments, NULL);
    GSubprocess *worker = g_subprocess_newv((const char *const *)arguments->pdata, flags, &error);
    if (!worker) failure(_("Cannot start %s: %s"), worker_path(), error->message);
    return worker;
}

int worker_program_wait(GSubprocess *worker) {
    if (!g_subprocess_wait(worker, NULL, NULL)) return EXIT_FAILURE;
    if (!g_subprocess_get_if_exited(worker)) return EXIT_FAILURE;
    const int status = g_subprocess_get_exit_status(worker);
    return status == EX_USAGE ? EXIT_USAGE : status == EXIT_SUCCESS ? EXIT_SUCCESS : EXIT_FAILURE;
}
