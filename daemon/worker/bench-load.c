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
#include "engine/bench/inference.h"
#include "engine/bench/machine.h"

#define MIN_STARTS 3u
#define WEIGHTS_SIZE 64u /* what ModelInfo.weights may be long */

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

static uint64_t child_resident(const struct Child *child) {
    return machine_resident_bytes(child->pid);
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

static int start_measure(const struct BenchModel *model, const struct LoadOptions *options,
                         struct Samples *samples, uint64_t *ret_resident, Reason *why) {
    struct Child child = {.listen_fd = -1};
    const double start = bench_now();
    int r = child_start(&child, model->directory, options->n_threads);
    if (r == 0) r = answer_wait(&child, why);
    if (r == 0) {
        bench_sample(samples, bench_now() - start);
        *ret_resident = child_resident(&child);
    }
    child_end(&child);
    return r;
}

/* The engine alone, in this process, as far as it can step. */
static int open_measure(const struct BenchModel *model, const struct LoadOptions *options,
                        struct Samples *opened, struct Figure *figure, Reason *why) {
    static char weights[WEIGHTS_SIZE];
    Engine *engine;
    const double start = bench_now();
    int r = bench_model_open(model, options->n_threads, &engine, why);
    if (r != 0) return r < 0 ? r : -ESTALE;
    bench_sample(opened, bench_now() - start);
    figure->work = inference_work(engine, 1, 1, 0);
    g_strlcpy(weights, engine_info(engine)->weights, WEIGHTS_SIZE);
    figure->weights = weights;
    engine_free(engine);
    return 0;
}

static int measure(const struct BenchModel *model, const struct LoadOptions *options,
                   struct Samples samples[2], struct Figure *figure, uint64_t *ret_resident,
                   const struct Report *report, Reason *why) {
    const double budget = options->budget_sec, start = bench_now();
    int r = 0;
    for (unsigned i = 0; r == 0 && (i < MIN_STARTS || bench_now() - start < budget); i++) {
        r = open_measure(model, options, &samples[0], figure, why);
        if (r == 0) r = start_measure(model, options, &samples[1], ret_resident, why);
        if (report_progress(report, "load", MIN(bench_now() - start, budget), budget))
            r = -ECANCELED;
    }
    return r;
}

static void tell(const struct Report *report, struct Figure *figure, const char *name, double value,
                 const char *unit) {
    figure->name = name;
    figure->value = value;
    figure->unit = unit;
    report->figure(report->userdata, figure);
}

static void load_tell(const struct BenchModel *model, const struct Report *report,
                      struct Figure *figure, struct Samples samples[2], uint64_t resident) {
    const struct Work work = figure->work;
    figure->work = (struct Work){0};
    if (!model->is_lent) {
        tell(report, figure, "pack, first use", model->pack_seconds, "s");
        tell(report, figure, "pack speed", (double)model->gguf_bytes / model->pack_seconds * 1e-6,
             "MB/s");
    }
    tell(report, figure, "worker resident", (double)resident / (1 << 20), "MiB");
    figure->samples = &samples[0];
    tell(report, figure, "open", bench_quantile(&samples[0], 0.5) * 1e3, "ms");
    figure->samples = &samples[1];
    figure->work = work;
    tell(report, figure, "connect to first token", bench_quantile(&samples[1], 0.5) * 1e3, "ms");
}

int bench_load(const struct BenchModel *model, const struct LoadOptions *options,
               const struct Report *report, Reason *why) {
    struct Samples *samples = g_new0(struct Samples, 2);
    struct Figure figure = {
        .suite = "load",
        .model = options->model,
        .weights = "",
        .n = 1,
        .n_threads = options->n_threads,
        .roof = options->roof,
    };
    uint64_t resident = 0;
    int r = measure(model, options, samples, &figure, &resident, report, why);
    if (r == 0) load_tell(model, report, &figure, samples, resident);
    g_free(samples);
    return r;
}
