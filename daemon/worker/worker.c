#include "worker/worker.h"

#include <errno.h>
#include <glib-unix.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "worker/limits.h"
#include "worker/log.h"
#include "worker/model-path.h"
#include "worker/notify.h"

struct Worker {
    struct WorkerOptions options;
    GMainLoop *loop;
    Scheduler *scheduler;
    Prompter *prompter; /* NULL: still loading */
    Notify *notify;
    GPtrArray *connections; /* Connection * */
    guint listen_source;    /* 0: not listening */
    guint idle_source;      /* 0: not armed */
    gint64 touched_usec;
    enum PackedState packed; /* the compute thread's until it has opened the model */
    struct Failure failure;  /* to load the model */
    int status;              /* of the process */
};

const char *worker_name(const Worker *self) {
    return self->options.name;
}

Scheduler *worker_scheduler(const Worker *self) {
    return self->scheduler;
}

const Prompter *worker_prompter(const Worker *self) {
    return self->prompter;
}

enum PackedState worker_packed(const Worker *self) {
    return self->packed;
}

const struct Failure *worker_failure(const Worker *self) {
    return self->failure.name ? &self->failure : NULL;
}

void worker_stop(Worker *self) {
    g_main_loop_quit(self->loop);
}

/* ---- Idle ---- */

void worker_touch(Worker *self) {
    self->touched_usec = g_get_monotonic_time();
    notify_set_busy(self->notify, scheduler_n_jobs(self->scheduler) > 0);
}

static bool has_unread(const Worker *self) {
    for (guint i = 0; i < self->connections->len; i++)
        if (connection_has_unread(self->connections->pdata[i])) return true;
    return false;
}

static gboolean idle_check(gpointer userdata);

static void idle_arm(Worker *self, gint64 wait_usec) {
    self->idle_source =
        g_timeout_add((guint)CLAMP(wait_usec / 1000, 1, G_MAXINT), idle_check, self);
}

static gboolean idle_check(gpointer userdata) {
    Worker *self = userdata;
    gint64 idle_usec = self->options.idle_sec * G_USEC_PER_SEC;
    gint64 left_usec = self->touched_usec + idle_usec - g_get_monotonic_time();

    self->idle_source = 0;
    if (scheduler_n_jobs(self->scheduler) > 0) {
        idle_arm(self, idle_usec); /* the end of the job touches */
    } else if (left_usec > 0) {
        idle_arm(self, left_usec);
    } else if (has_unread(self)) {
        idle_arm(self, G_USEC_PER_SEC / 10); /* reading it touches, if it is a call */
    } else {
        log_message(LOG_INFO, "Idle for %u seconds, leaving", self->options.idle_sec);
        worker_stop(self);
    }
    return G_SOURCE_REMOVE;
}

/* ---- Connections ---- */

void worker_remove_connection(Worker *self, Connection *connection) {
    g_ptr_array_remove(self->connections, connection);
    connection_free(connection);
    if (worker_failure(self) && self->connections->len == 0) worker_stop(self);
}

static void connection_add(Worker *self, int fd) {
    Connection *connection;

    if (!connection_peer_is_allowed(fd, self->options.peer_uid)) {
        log_message(LOG_WARNING, "Refused a connection of another user");
        close(fd);
    } else if (self->connections->len >= CONNECTIONS_MAX) {
        log_message(LOG_WARNING, "Refused a connection: there are %u", CONNECTIONS_MAX);
        close(fd);
    } else {
        int r = connection_new(self, fd, &connection);
        if (r < 0)
            log_message(LOG_WARNING, "Cannot serve a connection: %s", g_strerror(-r));
        else
            g_ptr_array_add(self->connections, connection);
    }
}

static gboolean handle_connect(int listen_fd, GIOCondition condition, gpointer userdata) {
    Worker *self = userdata;
    int fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

    if (fd < 0) return G_SOURCE_CONTINUE; /* it went away, or another worker was quicker */
    worker_touch(self);
    connection_add(self, fd);
    return G_SOURCE_CONTINUE;
}

/* ---- Loading ---- */

/* On the compute thread. */
static int model_open(void *userdata, Engine **ret, Engine **ret_draft, Reason *why) {
    Worker *self = userdata;
    const struct EngineOptions options = {
        .n_threads = self->options.n_threads,
        .n_ctx = self->options.n_ctx,
        .max_tokens = STEP_TOKENS_MAX,
    };
    int r = model_path_open(self->options.model, &options, ret, &self->packed, why);
    if (r == 0) model_path_open_draft(self->options.model, *ret, ret_draft, &self->packed);
    return r;
}

static void serve(Worker *self) {
    const Engine *engine = scheduler_engine(self->scheduler);

    self->prompter = prompter_new(engine);
    self->listen_source = g_unix_fd_add(self->options.listen_fd, G_IO_IN, handle_connect, self);
    notify_ready(self->notify, self->scheduler);
    worker_touch(self);
    if (self->options.idle_sec > 0) idle_arm(self, self->options.idle_sec * G_USEC_PER_SEC);
    log_message(LOG_INFO, "Loaded %s with %u threads", self->options.model,
                engine_n_threads(engine));
}

static gboolean handle_refused(gpointer userdata) {
    Worker *self = userdata;
    self->idle_source = 0;
    worker_stop(self);
    return G_SOURCE_REMOVE;
}

/* Whoever loads the model by connecting is to hear why it can't be: he asks it to describe itself,
 * and leaves. Nobody can hold us up. */
static void refuse(Worker *self) {
    struct pollfd pending = {.fd = self->options.listen_fd, .events = POLLIN};
    int fd;

    while (poll(&pending, 1, 0) > 0) {
        fd = accept4(self->options.listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd < 0) break;
        connection_add(self, fd);
    }
    if (self->connections->len > 0)
        self->idle_source = g_timeout_add(REFUSAL_MSEC, handle_refused, self);
    else
        worker_stop(self);
}

static void handle_opened(void *userdata, int r, const Reason *why) {
    Worker *self = userdata;

    if (r >= 0) {
        serve(self);
        return;
    }
    log_message(LOG_ERR, "Cannot load %s: %s", self->options.model,
                why->text[0] ? why->text : g_strerror(-r));
    failure_set_model(&self->failure, r, why);
    notify_failed(self->notify, -r, self->failure.message);
    self->status = EXIT_FAILURE;
    refuse(self);
}

/* ---- Leaving ---- */

static gboolean handle_signal(gpointer userdata) {
    Worker *self = userdata;

    log_message(LOG_INFO, "Asked to leave");
    /* Loading cannot be interrupted, and has nothing to lose. */
    if (!self->prompter) _exit(EXIT_SUCCESS);
    worker_stop(self);
    return G_SOURCE_REMOVE;
}

/* In this order: no more calls, their jobs are cancelled and answered, everyone is told. */
static void leave(Worker *self) {
    if (!worker_failure(self)) notify_stopping(self->notify);
    if (self->listen_source) g_source_remove(self->listen_source);
    if (self->idle_source) g_source_remove(self->idle_source);
    for (guint i = 0; i < self->connections->len; i++)
        connection_pause(self->connections->pdata[i]);
    scheduler_free(self->scheduler); /* whose callbacks still ask for it */
    self->scheduler = NULL;
    for (guint i = 0; i < self->connections->len && !worker_failure(self); i++)
        connection_say_closing(self->connections->pdata[i]);
    while (self->connections->len > 0) worker_remove_connection(self, self->connections->pdata[0]);
}

static int worker_init(Worker *self, const struct WorkerOptions *options) {
    const struct SchedulerOptions scheduler_options = {
        .max_sequences = options->max_sequences,
        .queue = options->queue,
        .parked_grace_usec = PARKED_GRACE_USEC,
        .parked_max_usec = PARKED_MAX_USEC,
        .open = model_open,
        .opened = handle_opened,
        .userdata = self,
    };

    self->options = *options;
    self->loop = g_main_loop_new(NULL, FALSE);
    self->connections = g_ptr_array_new();
    self->notify = notify_new();
    self->scheduler = scheduler_new(&scheduler_options, NULL);
    return self->scheduler ? 0 : -EMFILE;
}

static void worker_done(Worker *self) {
    prompter_free(self->prompter);
    notify_free(self->notify);
    g_ptr_array_unref(self->connections);
    g_main_loop_unref(self->loop);
}

int worker_run(const struct WorkerOptions *options) {
    Worker self = {.status = EXIT_SUCCESS};
    int r = worker_init(&self, options);

    if (r < 0) {
        log_message(LOG_ERR, "Cannot start: %s", g_strerror(-r));
        self.status = EXIT_FAILURE;
    } else {
        guint terminate = g_unix_signal_add(SIGTERM, handle_signal, &self);
        guint interrupt = g_unix_signal_add(SIGINT, handle_signal, &self);
        g_main_loop_run(self.loop);
        leave(&self);
        (void)terminate, (void)interrupt; /* removed with the process */
    }
    worker_done(&self);
    return self.status;
}
