/*
 * ryzen-llm-worker: one loaded model behind one inherited socket, or one model file made ready to
 * be loaded (--pack), or made up (--synthesize), or what they are worth (--bench).
 */
#include <errno.h>
#include <glib.h>
#include <locale.h>
#include <pwd.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sysexits.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "dbus/names.h"
#include "worker/bench.h"
#include "worker/limits.h"
#include "worker/log.h"
#include "worker/pack.h"
#include "worker/requantise-word.h"
#include "worker/synthesize.h"
#include "worker/worker.h"

struct Arguments {
    char *model, *name, *output, *peer_user;
    char *shape, *weights, *suite, *threads, **shapes, **figures;
    double budget_sec;
    int n_layers, n_vocab, n_threads, n_ctx, idle_sec, max_sequences, queue;
    gboolean pack, version;
};

static int usage_error(const char *message) {
    g_printerr("ryzen-llm-worker: %s\n", message);
    return EX_USAGE;
}

/* Of one number; --bench takes a list. */
static bool threads_parse(struct Arguments *arguments) {
    guint64 n = 0;
    if (arguments->threads && !arguments->suite &&
        !g_ascii_string_to_unsigned(arguments->threads, 10, 0, G_MAXINT, &n, NULL))
        return false;
    arguments->n_threads = (int)n;
    return true;
}

static bool numbers_are_sane(const struct Arguments *arguments) {
    return arguments->n_layers >= 0 && arguments->n_vocab >= 0 && arguments->budget_sec >= 0 &&
           arguments->n_ctx >= 0 && arguments->idle_sec >= 0 && arguments->max_sequences >= 1 &&
           arguments->max_sequences <= (int)SEQUENCES_MAX && arguments->queue >= 0 &&
           arguments->queue <= (int)QUEUE_MAX;
}

static bool arguments_parse(int argc, char **argv, struct Arguments *ret) {
    const GOptionEntry entries[] = {
        {"model", 0, 0, G_OPTION_ARG_FILENAME, &ret->model, "Model file, or its directory", "PATH"},
        {"name", 0, 0, G_OPTION_ARG_STRING, &ret->name, "Name of the installed model", "NAME"},
        {"threads", 0, 0, G_OPTION_ARG_STRING, &ret->threads,
         "Threads (0: one per core); a list for --bench", "N"},
        {"context", 0, 0, G_OPTION_ARG_INT, &ret->n_ctx, "Context size (0: the model's)", "N"},
        {"idle-timeout", 0, 0, G_OPTION_ARG_INT, &ret->idle_sec, "Leave when idle (0: never)",
         "SECONDS"},
        {"max-sequences", 0, 0, G_OPTION_ARG_INT, &ret->max_sequences,
         "Requests that compute at once", "N"},
        {"queue", 0, 0, G_OPTION_ARG_INT, &ret->queue, "Requests that may wait", "N"},
        {"peer-user", 0, 0, G_OPTION_ARG_STRING, &ret->peer_user,
         "User who may connect, besides root and our own", "USER"},
        {"pack", 0, 0, G_OPTION_ARG_NONE, &ret->pack, "Check a model file and pack it", NULL},
        {"output", 0, 0, G_OPTION_ARG_FILENAME, &ret->output,
         "Directory that --pack, file that --synthesize writes", "PATH"},
        {"weights", 0, 0, G_OPTION_ARG_STRING, &ret->weights,
         "What --pack makes of dense matrices (file, q8, q4); tensor type of --synthesize", "TYPE"},
        {"synthesize", 0, 0, G_OPTION_ARG_STRING, &ret->shape,
         "Write a model with random weights (\"list\": name the shapes)", "SHAPE"},
        {"bench", 0, 0, G_OPTION_ARG_STRING, &ret->suite,
         "Measure: inference, kernels, load, concurrency, or all", "SUITE"},
        {"shape", 0, 0, G_OPTION_ARG_STRING_ARRAY, &ret->shapes,
         "Model for --bench; again for more", "SHAPE"},
        {"figure", 0, 0, G_OPTION_ARG_STRING_ARRAY, &ret->figures,
         "Of --bench inference, \"decode\", \"prompt 128\"; again for more (all)", "NAME"},
        {"budget", 0, 0, G_OPTION_ARG_DOUBLE, &ret->budget_sec, "Of --bench, for a figure",
         "SECONDS"},
        {"layers", 0, 0, G_OPTION_ARG_INT, &ret->n_layers, "Its layers (0: as the shape)", "N"},
        {"vocabulary", 0, 0, G_OPTION_ARG_INT, &ret->n_vocab, "Its tokens (0: as the shape)", "N"},
        {"version", 0, 0, G_OPTION_ARG_NONE, &ret->version, "Show the version", NULL},
        {NULL},
    };
    g_autoptr(GOptionContext) context = g_option_context_new("- serve one model");
    g_autoptr(GError) error = NULL;

    g_option_context_add_main_entries(context, entries, NULL);
    if (g_option_context_parse(context, &argc, &argv, &error) && argc == 1) return true;
    usage_error(error ? error->message : "There are arguments that no option belongs to");
    return false;
}

/* The one listening socket that we were given; a negative errno. */
static int listener_find(void) {
    char **names = NULL;
    int found = -ENOTCONN;

    int n = sd_listen_fds_with_names(1, &names);
    for (int i = 0; i < n; i++) {
        int fd = SD_LISTEN_FDS_START + i;
        if (g_str_equal(names[i], FD_NAME_WORKER) && sd_is_socket(fd, AF_UNIX, SOCK_STREAM, 1) > 0)
            found = fd;
        free(names[i]);
    }
    free(names);
    return n < 0 ? n : found;
}

/* A name or a number; (uid_t)-1 is nobody. */
static int user_find(const char *user, uid_t *ret) {
    guint64 number;

    *ret = (uid_t)-1;
    if (!user) return 0;
    if (g_ascii_string_to_unsigned(user, 10, 0, G_MAXUINT32 - 1, &number, NULL)) {
        *ret = (uid_t)number;
        return 0;
    }
    const struct passwd *entry = getpwnam(user);
    if (!entry) return -ENOENT;
    *ret = entry->pw_uid;
    return 0;
}

static int serve(const struct Arguments *arguments, const char *name) {
    uid_t peer_uid;
    int listen_fd = listener_find();

    if (listen_fd < 0)
        return usage_error("No listening socket named \"" FD_NAME_WORKER "\" was passed");
    if (user_find(arguments->peer_user, &peer_uid) < 0)
        return usage_error("There is no user of the name given as --peer-user");
    const struct WorkerOptions options = {
        .model = arguments->model,
        .name = name,
        .listen_fd = listen_fd,
        .peer_uid = peer_uid,
        .n_threads = (unsigned)arguments->n_threads,
        .n_ctx = (unsigned)arguments->n_ctx,
        .idle_sec = (unsigned)arguments->idle_sec,
        .max_sequences = (unsigned)arguments->max_sequences,
        .queue = (unsigned)arguments->queue,
    };
    return worker_run(&options);
}

static int synthesize(const struct Arguments *arguments) {
    if (g_str_equal(arguments->shape, "list")) {
        synthesize_list();
        return EXIT_SUCCESS;
    }
    if (!arguments->output) return usage_error("--synthesize needs --output");
    const struct SynthesizeOptions options = {
        .shape = arguments->shape,
        .weights = arguments->weights,
        .output = arguments->output,
        .n_layers = (unsigned)arguments->n_layers,
        .n_vocab = (unsigned)arguments->n_vocab,
    };
    return synthesize_run(&options);
}

static int bench(const struct Arguments *arguments) {
    const struct BenchOptions options = {
        .suite = arguments->suite,
        .shapes = (const char *const *)arguments->shapes,
        .model = arguments->model,
        .figures = (const char *const *)arguments->figures,
        .threads = arguments->threads,
        .weights = arguments->weights,
        .n_layers = (unsigned)arguments->n_layers,
        .n_vocab = (unsigned)arguments->n_vocab,
        .budget_sec = arguments->budget_sec,
    };
    return bench_run(&options);
}

static int pack(const struct Arguments *arguments, const char *name) {
    const struct PackOptions options = {
        .model = arguments->model,
        .output = arguments->output,
        .name = name,
        .weights = arguments->weights,
    };
    enum Requantise known;

    if (!options.output) return usage_error("--pack needs --output");
    if (options.weights && !requantise_parse(options.weights, &known))
        return usage_error("--weights is file, q8 or q4");
    return pack_run(&options);
}

static int run(struct Arguments *arguments) {
    if (arguments->version) {
        g_print("ryzen-llm-worker %s\n", RYZEN_LLM_VERSION);
        return EXIT_SUCCESS;
    }
    if (!threads_parse(arguments) || !numbers_are_sane(arguments))
        return usage_error("A number is out of its range");
    if (arguments->shape) return synthesize(arguments);
    if (arguments->suite) return bench(arguments);
    if (!arguments->model) return usage_error("--model is missing");

    g_autofree char *own_name = g_path_get_basename(
        arguments->pack && arguments->output ? arguments->output : arguments->model);
    const char *name = arguments->name ? arguments->name : own_name;
    log_open(name);
    if (arguments->pack) return pack(arguments, name);
    if (arguments->weights) return usage_error("--weights goes with --pack");
    return serve(arguments, name);
}

int main(int argc, char **argv) {
    struct Arguments arguments = {.max_sequences = SEQUENCES_DEFAULT, .queue = QUEUE_DEFAULT};

    setlocale(LC_CTYPE, "C.UTF-8"); /* what GLib prints, whoever starts us */
    signal(SIGPIPE, SIG_IGN); /* readers that leave are an error of write() */
    int status = arguments_parse(argc, argv, &arguments) ? run(&arguments) : EX_USAGE;
    g_free(arguments.model);
    g_free(arguments.name);
    g_free(arguments.output);
    g_free(arguments.peer_user);
    g_free(arguments.shape);
    g_free(arguments.weights);
    g_free(arguments.suite);
    g_free(arguments.threads);
    g_strfreev(arguments.shapes);
    g_strfreev(arguments.figures);
    return status;
}
