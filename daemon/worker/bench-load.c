#include "worker/bench-load.h"

#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <systemd/sd-bus.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "dbus/names.h"
#include "engine/bench/machine.h"
#include "engine/bench/step-work.h"
#include "engine/bench/yardstick.h"

#define MIN_STARTS 3u
#define N_STEPS 3u

/* ---- The process ---- */

struct Child {
    pid_t pid;
    int listen_fd;
    struct sockaddr_un address;
    socklen_t address_size;
};

/* A name that is no file's, and the kernel's choice: nothing has to be cleaned up. */
static int child_listen(struct Child *child) {
    const struct sockaddr_un unnamed = {.sun_family = AF_UNIX};
    child->address_size = sizeof child->address;
    child->listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (child->listen_fd < 0) return -errno;
    if (bind(child->listen_fd, (const struct sockaddr *)&unnamed, sizeof unnamed.sun_family) < 0 ||
        listen(child->listen_fd, 1) < 0 ||
        getsockname(child->listen_fd, (struct sockaddr *)&child->address, &child->address_size) < 0)
        return -errno;
    return 0;
}

/* Between fork() and exec(), in a process that has one thread. */
static void child_exec(const struct Child *child, const char *directory, const char *threads) {
    char pid[16];
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (child->listen_fd == SD_LISTEN_FDS_START)
        fcntl(SD_LISTEN_FDS_START, F_SETFD, 0);
    else
        dup2(child->listen_fd, SD_LISTEN_FDS_START);
    const int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null_fd >= 0) dup2(null_fd, STDERR_FILENO); /* what it logs is not ours */
    snprintf(pid, sizeof pid, "%d", (int)getpid());
    setenv("LISTEN_PID", pid, 1);
    setenv("LISTEN_FDS", "1", 1);
    setenv("LISTEN_FDNAMES", FD_NAME_WORKER, 1);
    execl("/proc/self/exe", "ryzen-llm-worker", "--model", directory, "--name", "bench",
          "--threads", threads, NULL);
    _exit(127);
}

static int child_start(struct Child *child, const char *directory, unsigned n_threads) {
    g_autofree char *threads = g_strdup_printf("%u", n_threads);
    int r = child_listen(child);
    if (r < 0) return r;
    child->pid = fork();
    if (child->pid < 0) return -errno;
    if (child->pid == 0) child_exec(child, directory, threads);
    return 0;
}

static void child_end(struct Child *child) {
    if (child->pid > 0) {
        kill(child->pid, SIGKILL);
        while (waitpid(child->pid, NULL, 0) < 0 && errno == EINTR) continue;
    }
    if (child->listen_fd >= 0) close(child->listen_fd);
    *child = (struct Child){.listen_fd = -1};
}

/* ---- Asking it ---- */

static int bus_open(const struct Child *child, sd_bus **ret) {
    sd_bus *bus = NULL;
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return -errno;
    int r = connect(fd, (const struct sockaddr *)&child->address, child->address_size) < 0
                ? -errno
                : sd_bus_new(&bus);
    if (r >= 0) r = sd_bus_negotiate_fds(bus, true);
    if (r >= 0) r = sd_bus_set_fd(bus, fd, fd);
    if (r >= 0) {
        r = sd_bus_start(bus);
        *ret = bus; /* which has the descriptor now */
        return r;
    }
    sd_bus_unref(bus);
    close(fd);
    return r;
}

/* Waits for one token after a prompt of one. The answer's text is nobody's. */
static int token_ask(sd_bus *bus, int stream_fd, sd_bus_error *error) {
    sd_bus_message *call = NULL, *reply = NULL;
    int r =
        sd_bus_message_new_method_call(bus, &call, NULL, WORKER_PATH, WORKER_INTERFACE, "Generate");
    if (r >= 0)
        r = sd_bus_message_append(call, "uta{sv}a{sv}h", (uint32_t)getuid(), (uint64_t)1, 1,
                                  "tokens", "ai", 1, 1, 2, "max_tokens", "u", 1, "ignore_eos", "b",
                                  1, stream_fd);
    if (r >= 0) r = sd_bus_call(bus, call, UINT64_MAX, error, &reply);
    sd_bus_message_unref(call);
    sd_bus_message_unref(reply);
    return r;
}

static int answer_wait(const struct Child *child, Reason *why) {
    sd_bus_error error = SD_BUS_ERROR_NULL;
    sd_bus *bus = NULL;
    int fds[2];
    if (pipe2(fds, O_CLOEXEC) < 0) return -errno;
    int r = bus_open(child, &bus);
    if (r >= 0) r = token_ask(bus, fds[1], &error);
    if (r < 0)
        reason_set(why, -r, "the worker does not answer: %s",
                   error.message ? error.message : g_strerror(-r));
    sd_bus_error_free(&error);
    sd_bus_flush_close_unref(bus);
    close(fds[0]);
    close(fds[1]);
    return r < 0 ? r : 0;
}

/* ---- Measuring ---- */

enum { OPENED, ANSWERED, STEPPED, N_TIMES };

struct Load {
    const struct BenchModel *model;
    const struct LoadOptions *options;
    const struct Report *report;
    struct Yardstick yardstick;
    struct Marks marks; /* beside all of them */
    struct Samples samples[N_TIMES];
    struct Work step;
    double weight_bytes, state_bytes, resident_bytes;
    char weights[STEP_WEIGHTS_SIZE];
};

static int start_measure(struct Load *self, Reason *why) {
    struct Child child = {.listen_fd = -1};
    const double start = bench_now();
    int r = child_start(&child, self->model->directory, self->options->n_threads);
    if (r == 0) r = answer_wait(&child, why);
    if (r == 0) {
        bench_sample(&self->samples[ANSWERED], bench_now() - start);
        self->resident_bytes = (double)machine_resident_bytes(child.pid);
    }
    child_end(&child);
    return r;
}

/* What a step takes when the model is warm: the first one is not counted. */
static int steps_measure(struct Load *self, Engine *engine) {
    const Token token = 1;
    Sequence *sequence;
    int r = sequence_new(engine, &sequence);
    for (unsigned i = 0; r == 0 && i <= N_STEPS; i++) {
        struct Span span = {
            .sequence = sequence, .tokens = &token, .n_tokens = 1, .output = SPAN_LAST_LOGITS};
        const double start = bench_now();
        r = engine_step(engine, &span, 1);
        if (r == 0 && i > 0) bench_sample(&self->samples[STEPPED], bench_now() - start);
    }
    if (r == 0) self->state_bytes = (double)sequence_bytes(sequence);
    sequence_free(sequence);
    return r;
}

/* The engine alone, in this process, as far as it can step. */
static int open_measure(struct Load *self, Reason *why) {
    Engine *engine;
    const double start = bench_now();
    int r = bench_model_open(self->model, self->options->n_threads, &engine, why);
    if (r != 0) return r < 0 ? r : -ESTALE;
    bench_sample(&self->samples[OPENED], bench_now() - start);
    r = steps_measure(self, engine);
    self->step = step_work(engine, 1, 1, 0);
    self->weight_bytes = (double)engine_info(engine)->weight_bytes;
    step_weights(engine, self->weights, sizeof self->weights);
    engine_free(engine);
    return r;
}

/* With a pool that has gone when a process is started, which would be pinned to its core. */
static int limits_measure(struct Load *self) {
    Pool *pool;
    int r = pool_new(self->options->n_threads, &pool);
    if (r < 0) return r;
    if (!self->yardstick.limits) r = yardstick_init(&self->yardstick, pool, self->options->limits);
    if (r == 0) yardstick_turn(&self->yardstick, pool, &self->step, &self->marks);
    pool_free(pool);
    return r;
}

static int measure(struct Load *self, Reason *why) {
    const double budget = self->options->budget_sec, start = bench_now();
    int r = 0;
    for (unsigned i = 0; r == 0 && (i < MIN_STARTS || bench_now() - start < budget); i++) {
        r = open_measure(self, why);
        if (r == 0) r = limits_measure(self);
        if (r == 0) r = start_measure(self, why);
        if (report_progress(self->report, "load", MIN(bench_now() - start, budget), budget))
            r = -ECANCELED;
    }
    return r;
}

/* ---- Telling ---- */

/* `samples` and `work` may be NULL: a number alone, or one without a limit. */
static void tell(struct Load *self, const char *name, double value, const char *unit,
                 struct Samples *samples, const struct Work *work) {
    const struct Figure figure = {
        .suite = "load",
        .model = self->options->model,
        .weights = self->weights,
        .name = name,
        .n = 1,
        .n_threads = self->options->n_threads,
        .samples = samples,
        .value = value,
        .unit = unit,
        .work = work ? *work : (struct Work){0},
        .roof = yardstick_roof(&self->yardstick, &self->marks),
    };
    self->report->figure(self->report->userdata, &figure);
}

static void first_use_tell(struct Load *self) {
    const struct BenchModel *model = self->model;
    if (model->is_lent) return;
    tell(self, "copy", model->copy_seconds, "s", NULL, NULL);
    tell(self, "pack", model->pack_seconds, "s", NULL, NULL);
    tell(self, "first use", model->copy_seconds + model->pack_seconds, "s", NULL, NULL);
    tell(self, "pack speed", (double)model->gguf_bytes / model->pack_seconds * 1e-6, "MB/s", NULL,
         NULL);
}

/* Opening reads all weights, to see that they are what they were. */
static void load_tell(struct Load *self) {
    const struct Work opening = {.bytes = self->weight_bytes};
    const double opened = bench_quantile(&self->samples[OPENED], 0.5);
    const double answered = bench_quantile(&self->samples[ANSWERED], 0.5);
    const double stepped = bench_quantile(&self->samples[STEPPED], 0.5);
    const double beside = self->resident_bytes - self->weight_bytes - self->state_bytes;
    first_use_tell(self);
    tell(self, "open", opened * 1e3, "ms", &self->samples[OPENED], &opening);
    tell(self, "connect to first token", answered * 1e3, "ms", &self->samples[ANSWERED],
         &self->step);
    tell(self, "connect less a step", (answered - stepped) * 1e3, "ms", NULL, NULL);
    tell(self, "worker resident", self->resident_bytes / (1 << 20), "MiB", NULL, NULL);
    tell(self, "worker beside weights", beside / (1 << 20), "MiB", NULL, NULL);
}

int bench_load(const struct BenchModel *model, const struct LoadOptions *options,
               const struct Report *report, Reason *why) {
    struct Load *self = g_new0(struct Load, 1);
    self->model = model;
    self->options = options;
    self->report = report;
    int r = measure(self, why);
    if (r == 0) yardstick_tell(&self->yardstick, report);
    if (r == 0) load_tell(self);
    yardstick_done(&self->yardstick);
    g_free(self);
    return r;
}
