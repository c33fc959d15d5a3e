/* ryzen-llm install: a model from a GGUF file, which is opened here and read by the service. */
#include <errno.h>
#include <glib/gi18n.h>
#include <stdio.h>
#include <stdlib.h>

#include "client/arguments.h"
#include "client/failure.h"
#include "client/interrupt.h"
#include "client/model-file.h"
#include "client/model.h"
#include "client/name.h"
#include "client/output.h"
#include "client/printable.h"
#include "client/progress.h"
#include "client/request.h"

typedef struct Install {
    char *name, *weights, *kv_type, *draft_path;
    gboolean replace;
    ModelFile model, draft;
    GString *report; /* what is to be said when it is done */
    Request *request;
    Progress *progress;
    GMainLoop *loop;
} Install;

static void install_done(Install *install) {
    request_free(install->request);
    progress_free(install->progress);
    if (install->loop) g_main_loop_unref(install->loop);
    model_file_close(&install->model);
    model_file_close(&install->draft);
    if (install->report) g_string_free(install->report, TRUE);
    g_free(install->name);
    g_free(install->weights);
    g_free(install->kv_type);
    g_free(install->draft_path);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Install, install_done)

/* What the service calls the stages, and what a person does. */
static const struct {
    const char *stage, *label;
} stages[] = {
    {"copy", N_("Copying")}, {"draft", N_("Packing the draft model")}, {"pack", N_("Packing")}};

static const char *stage_label(const char *stage) {
    for (size_t i = 0; i < G_N_ELEMENTS(stages); i++)
        if (g_str_equal(stages[i].stage, stage)) return _(stages[i].label);
    return _("Installing");
}

/* One kind of matrices that became another: "requantised" in org.ryzenllm1.Manager.xml. */
static void report_add(Install *install, const struct Event *event) {
    JsonObject *line = json_node_get_object(event->root);
    g_autofree char *before = output_bytes((uint64_t)event_number(line, "bytes_before"));
    g_autofree char *after = output_bytes((uint64_t)event_number(line, "bytes_after"));
    if (g_str_equal(event->stage, "draft")) g_string_append(install->report, _("Draft model: "));
    const double n_matrices = event_number(line, "matrices");
    g_string_append_printf(
        install->report,
        ngettext("Requantised %.0f matrix from %s to %s: %s became %s; the worst "
                 "relative error is %.2g %%.\n",
                 "Requantised %.0f matrices from %s to %s: %s became %s; the worst "
                 "relative error is %.2g %%.\n",
                 (unsigned long)n_matrices),
        n_matrices, event_string(line, "from"), event_string(line, "to"), before, after,
        100 * event_number(line, "worst_error"));
}

static void install_event(const struct Event *event, void *userdata) {
    Install *install = userdata;
    if (event->type == EVENT_PROGRESS)
        progress_update(install->progress, stage_label(event->stage), event->done, event->total);
    if (event->type == EVENT_REQUANTISED) report_add(install, event);
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

static int words_check(const Install *install, const struct Verb *verb) {
    static const char *const weights[] = {"file", "q8", "q4", NULL};
    static const char *const kv_types[] = {"f32", "f16", "i8", NULL};
    if (install->weights && !g_strv_contains(weights, install->weights))
        return failure_usage(verb, _("--weights must be file, q8 or q4."));
    if (install->kv_type && !g_strv_contains(kv_types, install->kv_type))
        return failure_usage(verb, _("--kv must be f32, f16 or i8."));
    return ARGUMENTS_READ;
}

static int files_open(Install *install, const char *path) {
    int r = model_file_open(path, &install->model);
    if (r == 0 && install->draft_path) r = model_file_open(install->draft_path, &install->draft);
    if (r < 0 || install->model.n + install->draft.n <= MODEL_FILES_MAX) return r;
    failure_hint(_("Merge the parts with \"llama-gguf-split --merge\"."),
                 _("A model and its draft model have at most %u files together."), MODEL_FILES_MAX);
    return -E2BIG;
}

static int install_parse(Install *install, const struct Verb *verb, int argc, char **argv) {
    const GOptionEntry entries[] = {
        {"name", 'n', 0, G_OPTION_ARG_FILENAME, &install->name,
         N_("Name of the model; the file's name if not given"), N_("NAME")},
        {"replace", 0, 0, G_OPTION_ARG_NONE, &install->replace,
         N_("Replace an installed model of this name"), NULL},
        {"weights", 0, 0, G_OPTION_ARG_FILENAME, &install->weights,
         N_("Make dense matrices smaller and less exact: q8 or q4 (file: as they are)"),
         N_("TYPE")},
        {"kv", 0, 0, G_OPTION_ARG_FILENAME, &install->kv_type,
         N_("Keep keys and values as f32, f16 or i8; what suits the model if not given"),
         N_("TYPE")},
        {"draft", 0, 0, G_OPTION_ARG_FILENAME, &install->draft_path,
         N_("Small model of the same vocabulary, to guess ahead for this one"), N_("FILE")},
        {NULL},
    };
    struct Arguments arguments = {.entries = entries};
    int code = arguments_parse(&arguments, verb, argc, argv);
    if (code != ARGUMENTS_READ) return code;
    g_auto(GStrv) files = arguments.rest;
    code = words_check(install, verb);
    if (code == ARGUMENTS_READ) code = name_choose(install, verb, files[0]);
    if (code != ARGUMENTS_READ) return code;
    return files_open(install, files[0]) < 0 ? EXIT_FAILURE : ARGUMENTS_READ;
}

static int files_append(sd_bus_message *call, const char *name, const int *fds, unsigned n) {
    if (n == 0) return 0;
    int r = sd_bus_message_open_container(call, 'e', "sv");
    if (r >= 0) r = sd_bus_message_append(call, "s", name);
    if (r >= 0) r = sd_bus_message_open_container(call, 'v', "ah");
    if (r >= 0) r = sd_bus_message_open_container(call, 'a', "h");
    for (unsigned i = 0; r >= 0 && i < n; i++) r = sd_bus_message_append(call, "h", fds[i]);
    for (int i = 0; r >= 0 && i < 3; i++) r = sd_bus_message_close_container(call);
    return r;
}

static int word_append(sd_bus_message *call, const char *name, const char *word) {
    return word ? sd_bus_message_append(call, "{sv}", name, "s", word) : 0;
}

static int install_options_append(sd_bus_message *call, const Install *install) {
    int r = sd_bus_message_open_container(call, 'a', "{sv}");
    if (r >= 0 && install->replace) r = sd_bus_message_append(call, "{sv}", "replace", "b", 1);
    if (r >= 0) r = files_append(call, "parts", install->model.fds + 1, install->model.n - 1);
    if (r >= 0) r = files_append(call, "draft", install->draft.fds, install->draft.n);
    if (r >= 0) r = word_append(call, "weights", install->weights);
    if (r >= 0) r = word_append(call, "kv_type", install->kv_type);
    return r < 0 ? r : sd_bus_message_close_container(call);
}

static bool install_run(Install *install, Connection *connection) {
    sd_bus_message *call = connection_manager(connection, "InstallModel");
    sd_bus_message_append(call, "sh", install->name, install->model.fds[0]);
    install_options_append(call, install);

    install->report = g_string_new(NULL);
    install->loop = g_main_loop_new(NULL, FALSE);
    install->progress = progress_new();
    g_autoptr(Interrupt) interrupt = interrupt_new(install_interrupted, install);
    install->request = request_new(connection, call, &handlers, install);
    g_main_loop_run(install->loop);
    progress_clear(install->progress);
    return interrupt_happened(interrupt);
}

/* What has been found out by timing on this machine. */
static void layouts_tell(Connection *connection, const char *name) {
    g_auto(Model) model = {0};
    if (model_get(connection, name, &model) < 0 || !model.ternary_layouts) return;
    g_autofree char *layouts = printable_line(model.ternary_layouts);
    if (*layouts) printf(_("Fastest ternary layouts, by columns: %s\n"), layouts);
}

int verb_install(const struct Verb *verb, int argc, char **argv) {
    g_autoptr(Connection) connection = NULL;
    g_auto(Install) install = {0};
    int code = install_parse(&install, verb, argc, argv);
    if (code != ARGUMENTS_READ) return code;
    if (connection_open(&connection) < 0) return EXIT_FAILURE;

    bool interrupted = install_run(&install, connection);
    const struct Outcome *outcome = request_outcome(install.request);
    /* Ctrl-C may have come too late: then it is installed, and that counts. */
    if (g_str_equal(outcome->finish_reason, "stop")) {
        fputs(install.report->str, stdout);
        if (install.weights && !install.report->len && !g_str_equal(install.weights, "file"))
            printf(_("No matrix became smaller: the weights are what they were.\n"));
        layouts_tell(connection, install.name);
        printf(_("Installed %s.\n"), install.name);
        return EXIT_SUCCESS;
    }
    if (interrupted) return EXIT_INTERRUPTED;
    if (*outcome->error_name) return failure_named(outcome->error_name, outcome->error_message);
    return failure(_("The installation was cancelled."));
}
