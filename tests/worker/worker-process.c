#include "worker-process.h"

#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <glib/gstdio.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

const char *worker_program(void) {
    const char *path = getenv("RYZEN_LLM_WORKER");
    return path && access(path, X_OK) == 0 ? path : NULL;
}

static struct sockaddr_un address_of(const struct WorkerProcess *worker, const char *name) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s/%s", worker->directory, name);
    return address;
}

static int socket_at(const struct WorkerProcess *worker, const char *name, int type) {
    struct sockaddr_un address = address_of(worker, name);
    int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);

    if (bind(fd, (struct sockaddr *)&address, sizeof address) < 0) abort();
    if (type == SOCK_STREAM && listen(fd, 16) < 0) abort();
    return fd;
}

void worker_prepare(struct WorkerProcess *worker, const struct FakeModel *model) {
    *worker = (struct WorkerProcess){.listen_fd = -1, .notify_fd = -1, .error_fd = -1};
    worker->directory = g_dir_make_tmp("worker-XXXXXX", NULL);
    if (!worker->directory) abort();
    worker->model = g_build_filename(worker->directory, "model.gguf", NULL);
    if (model) fake_model_write(model, worker->model);
    worker->listen_fd = socket_at(worker, "socket", SOCK_STREAM);
    worker->notify_fd = socket_at(worker, "notify", SOCK_DGRAM);
}

static void child_environment(const struct WorkerProcess *worker) {
    g_autofree char *pid = g_strdup_printf("%d", getpid());
    g_autofree char *notify = g_build_filename(worker->directory, "notify", NULL);

    setenv("LISTEN_FDS", "1", 1);
    setenv("LISTEN_FDNAMES", "worker", 1);
    setenv("LISTEN_PID", pid, 1);
    setenv("NOTIFY_SOCKET", notify, 1);
    if (worker->watchdog) setenv("WATCHDOG_USEC", "200000", 1);
    unsetenv("WATCHDOG_PID");
}

static void child_exec(const char *const *arguments) {
    const char *argv[24] = {"ryzen-llm-worker"};

    prctl(PR_SET_PDEATHSIG, SIGKILL); /* a test that crashes leaves nobody behind */
    for (int i = 0; arguments && arguments[i] && i < 22; i++) argv[i + 1] = arguments[i];
    execv(worker_program(), (char **)argv);
    _exit(127);
}

void worker_start(struct WorkerProcess *worker, const char *const *arguments) {
    const char *all[20] = {"--model", worker->model, "--threads", "1", "--name", "fake"};
    int fds[2];

    for (int i = 0; arguments && arguments[i] && i < 12; i++) all[i + 6] = arguments[i];
    if (pipe2(fds, O_CLOEXEC) < 0) abort();
    if (worker->error_fd >= 0) close(worker->error_fd);
    worker->error_fd = fds[0];
    worker->pid = fork();
    if (worker->pid == 0) {
        dup2(fds[1], STDERR_FILENO);
        if (worker->listen_fd == 3)
            fcntl(3, F_SETFD, 0);
        else
            dup2(worker->listen_fd, 3);
        child_environment(worker);
        child_exec(all);
    }
    close(fds[1]);
}

void worker_launch(struct WorkerProcess *worker, const struct FakeModel *model,
                   const char *const *arguments) {
    worker_prepare(worker, model);
    worker_start(worker, arguments);
}

sd_bus *worker_connect(struct WorkerProcess *worker) {
    struct sockaddr_un address = address_of(worker, "socket");
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sd_bus *bus = NULL;

    if (connect(fd, (struct sockaddr *)&address, sizeof address) < 0) abort();
    if (sd_bus_new(&bus) < 0 || sd_bus_negotiate_fds(bus, 1) < 0 ||
        sd_bus_set_fd(bus, fd, fd) < 0 || sd_bus_start(bus) < 0)
        abort();
    return bus;
}

static bool has_line(const char *text, const char *line) {
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    return g_strv_contains((const char *const *)lines, line);
}

bool worker_wait_notify(struct WorkerProcess *worker, const char *what) {
    char text[512];

    for (;;) {
        /* its end shows as the end of its stderr */
        struct pollfd polls[] = {{.fd = worker->notify_fd, .events = POLLIN},
                                 {.fd = worker->error_fd, .events = 0}};
        poll(polls, 2, -1);
        if (!polls[0].revents) return false;
        ssize_t n = recv(worker->notify_fd, text, sizeof text - 1, 0);
        if (n < 0) abort();
        text[n] = '\0';
        if (has_line(text, what)) return true;
    }
}

static int status_wait(pid_t pid) {
    int status;
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR) abort();
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

int worker_wait(struct WorkerProcess *worker) {
    /* who notifies is blocked while nobody reads */
    while (worker_wait_notify(worker, "X=")) {
    }
    int status = status_wait(worker->pid);
    worker->pid = 0;
    return status;
}

char *worker_stderr(struct WorkerProcess *worker) {
    GString *text = g_string_new(NULL);
    char buffer[512];
    ssize_t n;
    while ((n = read(worker->error_fd, buffer, sizeof buffer)) > 0)
        g_string_append_len(text, buffer, n);
    return g_string_free(text, FALSE);
}

static void directory_remove(const char *path) {
    GDir *directory = g_dir_open(path, 0, NULL);
    const char *name;
    while (directory && (name = g_dir_read_name(directory))) {
        g_autofree char *file = g_build_filename(path, name, NULL);
        if (g_file_test(file, G_FILE_TEST_IS_DIR))
            directory_remove(file);
        else
            g_unlink(file);
    }
    if (directory) g_dir_close(directory);
    g_rmdir(path);
}

void worker_clear(struct WorkerProcess *worker) {
    if (worker->pid > 0) {
        kill(worker->pid, SIGTERM);
        int status = worker_wait(worker);
        if (status != 0) { /* a sanitizer has found something, as a rule */
            g_autofree char *said = worker_stderr(worker);
            g_error("the worker ended with %d: %s", status, said);
        }
    }
    if (worker->listen_fd >= 0) close(worker->listen_fd);
    if (worker->notify_fd >= 0) close(worker->notify_fd);
    if (worker->error_fd >= 0) close(worker->error_fd);
    if (worker->directory) directory_remove(worker->directory);
    g_free(worker->directory);
    g_free(worker->model);
}

pid_t worker_run_program(const char *const *arguments, int stdout_fd) {
    pid_t pid = fork();
    if (pid != 0) return pid;
    int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    dup2(stdout_fd >= 0 ? stdout_fd : null_fd, STDOUT_FILENO);
    dup2(null_fd, STDERR_FILENO);
    child_exec(arguments);
    return -1;
}
