/* ryzen-llm install: a model from a GGUF file, which is opened here and read by the service. */
#include <errno.h>
#include <fcntl.h>
#include <glib/gi18n.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client/arguments.h"
#include "client/failure.h"
#include "client/interrupt.h"
#include "client/name.h"
#include "client/progress.h"
#include "client/request.h"

typedef struct Install {
    char *name;
    gboolean replace;
    int fd;
    Request *request;
    Progress *progress;
    GMainLoop *loop;
} Install;

static void install_done(Install *install) {
    request_free(install->request);
    progress_free(install->progress);
    if (install->loop) g_main_loop_unref(install->loop);
    if (install->fd >= 0) close(install->fd);
    g_free(install->name);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Install, install_done)

/* What the service calls the stages, and what a person does. */
static const struct {
    const char *stage, *label;
} stages[] = {{"copy", N_("Copying")}, {"pack", N_("Packing")}};

static const char *stage_label(const char *stage) {
    for (size_t i = 0; i < G_N_ELEMENTS(stages); i++)
        if (g_str_equal(stages[i].stage, stage)) return _(stages[i].label);
    return _("Installing");
}

static void install_event(const struct Event *event, void *userdata) {
    Install *install = userdata;
    if (event->type == EVENT_PROGRESS)
        progress_update(install->progress, stage_label(event->stage), event->done, event->total);
}

static void install_ended(Request *request, void *userdata) {
    Install *install = userdata;
    g_main_loop_quit(install->loop);
}

static void install_interrupted(void *userdata) {
    Install *install = userdata;
    request_cancel(install->request);
}

static const struct RequestHandlers handlers = {install_event, install_ended};

static int file_open(const char *path, int *ret_fd) {
    struct stat status;
    /* Not blocking: whoever passes a FIFO is told, not kept waiting. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0 || fstat(fd, &status) < 0) {
        int r = -errno;
        failure(_("Cannot open %s: %s"), path, g_strerror(-r));
        if (fd >= 0) close(fd);
        return r;
    }
    if (!S_ISREG(status.st_mode)) {
        failure(_("%s is not a regular file."), path);
        close(fd);
        return -EINVAL;
    }
    *ret_fd = fd;
    return 0;
}

static int name_choose(Install *install, const struct Verb *verb, const char *path) {
    if (!install->name) install->name = name_from_file(path);
    if (!install->name)
        return failure_usage(verb, _("No model name can be made of %s: give one with --name."),
                             path);
    if (!name_is_valid(install->name))
        return failure_usage(verb,
                             _("\"%s\" cannot be a model's name: it has 1 to 64 letters, digits "
                               "and . _ - and starts with a letter or a digit."),
                             install->name);
    return ARGUMENTS_READ;
}

static int install_parse(Install *install, const struct Verb *verb, int argc, char **argv) {
    const GOptionEntry entries[] = {
        {"name", 'n', 0, G_OPTION_ARG_FILENAME, &install->name,
         N_("Name of the model; the file's name if not given"), N_("NAME")},
        {"replace", 0, 0, G_OPTION_ARG_NONE, &install->replace,
         N_("Replace an installed model of this name"), NULL},
        {NULL},
    };
    struct Arguments arguments = {.entries = entries};
    int code = arguments_parse(&arguments, verb, argc, argv);
    if (code != ARGUMENTS_READ) return code;
    g_auto(GStrv) files = arguments.rest;
    code = name_choose(install, verb, files[0]);
    if (code != ARGUMENTS_READ) return code;
    return file_open(files[0], &install->fd) < 0 ? EXIT_FAILURE : ARGUMENTS_READ;
}

static bool install_run(Install *install, Connection *connection) {
    sd_bus_message *call = connection_manager(connection, "InstallModel");
    sd_bus_message_append(call, "sh", install->name, install->fd);
    connection_append_flag(call, "replace", install->replace);

    install->loop = g_main_loop_new(NULL, FALSE);
    install->progress = progress_new();
    g_autoptr(Interrupt) interrupt = interrupt_new(install_interrupted, install);
    install->request = request_new(connection, call, &handlers, install);
    g_main_loop_run(install->loop);
    progress_clear(install->progress);
    return interrupt_happened(interrupt);
}

int verb_install(const struct Verb *verb, int argc, char **argv) {
    g_autoptr(Connection) connection = NULL;
    g_auto(Install) install = {.fd = -1};
    int code = install_parse(&install, verb, argc, argv);
    if (code != ARGUMENTS_READ) return code;
    if (connection_open(&connection) < 0) return EXIT_FAILURE;

    bool interrupted = install_run(&install, connection);
    const struct Outcome *outcome = request_outcome(install.request);
    /* Ctrl-C may have come too late: then it is installed, and that counts. */
    if (g_str_equal(outcome->finish_reason, "stop")) {
        printf(_("Installed %s.\n"), install.name);
        return EXIT_SUCCESS;
    }
    if (interrupted) return EXIT_INTERRUPTED;
    if (*outcome->error_name) return failure_named(outcome->error_name, outcome->error_message);
    return failure(_("The installation was cancelled."));
}
