/*
 * ryzen-llmd: puts the service and its doors together and runs the loop.
 */
#include <errno.h>
#include <glib-unix.h>
#include <glib.h>
#include <locale.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sysexits.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "api/bus.h"
#include "api/http.h"
#include "dbus/names.h"
#include "notify.h"
#include "service/journal.h"
#include "service/service.h"

struct Arguments {
    gboolean user, version;
    char *config_file, *supervisor, *http_socket, **assignments;
};

typedef struct Daemon {
    struct Arguments arguments;
    struct Config config;
    GMainLoop *loop;
    Service *service;
    Bus *bus;
    Http *http;
    Notify *notify;
    char *http_path; /* of the listener that we made ourselves */
    int status;      /* of the process */
    bool stopping;
} Daemon;

static int fail(const char *text) {
    journal_print(LOG_ERR, "%s", text);
    return -1;
}

/* ---- Command line and configuration ---- */

static int arguments_parse(int argc, char **argv, struct Arguments *ret) {
    const GOptionEntry entries[] = {
        {"user", 0, 0, G_OPTION_ARG_NONE, &ret->user, "Serve one user, on the session bus", NULL},
        {"config", 0, 0, G_OPTION_ARG_FILENAME, &ret->config_file, "Configuration file", "FILE"},
        {"set", 0, 0, G_OPTION_ARG_STRING_ARRAY, &ret->assignments,
         "An option on top of the configuration", "SECTION.KEY=VALUE"},
        {"supervisor", 0, 0, G_OPTION_ARG_STRING, &ret->supervisor, "Who starts workers",
         "auto|systemd|spawn"},
        {"http-socket", 0, 0, G_OPTION_ARG_FILENAME, &ret->http_socket,
         "Listen here when systemd passes no socket", "PATH"},
        {"version", 0, 0, G_OPTION_ARG_NONE, &ret->version, "Show the version", NULL},
        {NULL},
    };
    g_autoptr(GOptionContext) context = g_option_context_new("- serve local language models");
    g_autoptr(GError) error = NULL;
    g_option_context_add_main_entries(context, entries, NULL);
    if (!g_option_context_parse(context, &argc, &argv, &error)) return fail(error->message);
    return argc == 1 ? 0 : fail("There are arguments that no option belongs to.");
}

static void arguments_done(struct Arguments *arguments) {
    g_free(arguments->config_file);
    g_free(arguments->supervisor);
    g_free(arguments->http_socket);
    g_strfreev(arguments->assignments);
}

static char *config_path(const struct Arguments *arguments) {
    if (arguments->config_file) return g_strdup(arguments->config_file);
    if (!arguments->user) return g_strdup(CONFIG_FILE);
    return g_build_filename(g_get_user_config_dir(), "ryzen-llm", "ryzen-llmd.conf", NULL);
}

/* "Section.Key=Value" */
static int assign(struct Config *config, const char *assignment, Problem *why) {
    g_auto(GStrv) parts = g_strsplit(assignment, "=", 2);
    char *dot = strchr(parts[0], '.');
    if (!dot || !parts[1])
        return problem_set(why, PROBLEM_INVALID_ARGUMENT, "--set needs SECTION.KEY=VALUE, not %s.",
                           assignment);
    *dot = '\0';
    return config_assign(config, parts[0], dot + 1, parts[1], why);
}

static int config_read(const struct Arguments *arguments, struct Config *ret, Problem *why) {
    g_autofree char *path = config_path(arguments);
    config_init(ret, arguments->user);
    int r = config_load(ret, path, why);
    for (char **a = arguments->assignments; r >= 0 && a && *a; a++) r = assign(ret, *a, why);
    if (r >= 0 && arguments->supervisor)
        r = config_assign(ret, "Service", "Supervisor", arguments->supervisor, why);
    if (r < 0) config_done(ret);
    return r;
}

/* ---- Sockets ---- */

static int listen_at(const char *path, Problem *why) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    g_autofree char *directory = g_path_get_dirname(path);
    if (g_strlcpy(address.sun_path, path, sizeof address.sun_path) >= sizeof address.sun_path)
        return problem_set(why, PROBLEM_INVALID_ARGUMENT, "The path %s is too long for a socket.",
                           path);
    g_mkdir_with_parents(directory, 0700);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    unlink(path); /* a former daemon's: the bus name says that none runs */
    mode_t mask = umask(0177);
    int r = fd < 0 ? -1 : bind(fd, (struct sockaddr *)&address, sizeof address);
    umask(mask);
    if (r == 0) r = listen(fd, SOMAXCONN);
    if (r == 0) return fd;
    problem_set(why, PROBLEM_FAILED, "Can't listen at %s: %s.", path, g_strerror(errno));
    if (fd >= 0) close(fd);
    return -1;
}

/* Ours, where systemd gave none: in --user mode always, else when asked to. */
static int http_listen_own(Daemon *daemon, Problem *why) {
    const char *given = daemon->arguments.http_socket;
    if (!given && !daemon->arguments.user) return 0;
    g_autofree char *path =
        given ? g_strdup(given)
              : g_build_filename(daemon->config.runtime_directory, "http.sock", NULL);
    int fd = listen_at(path, why);
    if (fd < 0 || http_listen_fd(daemon->http, fd, false, NULL, why) < 0) return -1;
    daemon->http_path = g_steal_pointer(&path);
    return 0;
}

static int http_listen_named(Daemon *daemon, const char *name, int fd, Problem *why) {
    bool tcp = !strcmp(name, FD_NAME_TCP);
    if (!tcp && strcmp(name, FD_NAME_HTTP)) {
        journal_print(LOG_WARNING, "A socket named \"%s\" was passed: not known, closed.", name);
        close(fd);
        return 0;
    }
    return http_listen_fd(daemon->http, fd, tcp, daemon->config.api_key_file, why);
}

static int http_listen(Daemon *daemon, Problem *why) {
    char **names = NULL;
    int n = sd_listen_fds_with_names(1, &names), r = 0;
    if (n < 0) return problem_set(why, PROBLEM_FAILED, "Passed sockets: %s.", g_strerror(-n));
    for (int i = 0; i < n; i++) {
        if (r >= 0) r = http_listen_named(daemon, names[i], SD_LISTEN_FDS_START + i, why);
        free(names[i]);
    }
    free(names);
    return n > 0 ? r : http_listen_own(daemon, why);
}

/* ---- Signals ---- */

static void on_stopped(void *userdata) {
    Daemon *daemon = userdata;
    g_main_loop_quit(daemon->loop);
}

static void stop(Daemon *daemon) {
    if (daemon->stopping) return;
    daemon->stopping = true;
    notify_stopping(daemon->notify);
    service_stop(daemon->service, on_stopped, daemon);
}

static gboolean on_terminate(void *userdata) {
    stop(userdata);
    return G_SOURCE_CONTINUE;
}

static void on_bus_lost(void *userdata) {
    Daemon *daemon = userdata;
    journal_print(LOG_ERR, "The connection to the bus is lost.");
    daemon->status = EXIT_FAILURE;
    stop(daemon);
}

/* A wrong configuration changes nothing. */
static gboolean on_reload(void *userdata) {
    Daemon *daemon = userdata;
    struct Config config;
    Problem problem;
    if (daemon->stopping) return G_SOURCE_CONTINUE;
    notify_reloading(daemon->notify);
    if (config_read(&daemon->arguments, &config, &problem) < 0) {
        journal_print(LOG_ERR, "Not reloaded: %s", problem.text);
    } else {
        config_done(&daemon->config);
        daemon->config = config;
        service_reload(daemon->service, &daemon->config, &problem);
    }
    notify_ready(daemon->notify);
    return G_SOURCE_CONTINUE;
}

/* ---- Life ---- */

static int daemon_open(Daemon *daemon, Problem *why) {
    if (service_new(&daemon->config, &daemon->service, why) < 0) return -1;
    daemon->notify = notify_new(daemon->service);
    if (bus_new(daemon->service, daemon->arguments.user, on_bus_lost, daemon, &daemon->bus, why) <
        0)
        return -1;
    if (http_new(daemon->service, &daemon->http, why) < 0) return -1;
    return http_listen(daemon, why);
}

static void daemon_close(Daemon *daemon) {
    http_free(daemon->http);
    bus_free(daemon->bus);
    notify_free(daemon->notify);
    service_free(daemon->service);
    if (daemon->http_path) unlink(daemon->http_path);
    g_free(daemon->http_path);
    g_main_loop_unref(daemon->loop);
    config_done(&daemon->config);
}

static int daemon_run(Daemon *daemon) {
    Problem problem;
    daemon->loop = g_main_loop_new(NULL, FALSE);
    if (daemon_open(daemon, &problem) < 0) {
        fail(problem.text);
        daemon_close(daemon);
        return EXIT_FAILURE;
    }
    g_unix_signal_add(SIGTERM, on_terminate, daemon);
    g_unix_signal_add(SIGINT, on_terminate, daemon);
    g_unix_signal_add(SIGHUP, on_reload, daemon);
    notify_ready(daemon->notify);
    g_main_loop_run(daemon->loop);
    daemon_close(daemon);
    return daemon->status;
}

int main(int argc, char **argv) {
    Daemon daemon = {0};
    Problem problem;
    int status = EXIT_SUCCESS;

    setlocale(LC_CTYPE, "C.UTF-8"); /* what GLib prints, whoever starts us */
    signal(SIGPIPE, SIG_IGN); /* readers that leave are an error of write() */
    if (arguments_parse(argc, argv, &daemon.arguments) < 0) {
        status = EX_USAGE;
    } else if (daemon.arguments.version) {
        g_print("ryzen-llmd %s\n", RYZEN_LLM_VERSION);
    } else if (config_read(&daemon.arguments, &daemon.config, &problem) < 0) {
        fail(problem.text);
        status = EX_CONFIG;
    } else {
        status = daemon_run(&daemon);
    }
    arguments_done(&daemon.arguments);
    return status;
}
