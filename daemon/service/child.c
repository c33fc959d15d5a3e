#include "service/child.h"

#include <errno.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <glib.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "dbus/names.h"
#include "service/limits.h"

#define LISTEN_FDS_START 3

/* One of the child's outputs, cut into lines. */
struct Output {
    Child *child;
    int fd;
    guint source;
    GString *line;
    void (*take)(Child *child, const char *line);
};

struct Child {
    pid_t pid; /* 0: reaped */
    guint watch;
    struct Output out, err;
    struct ChildEvents events;
    void *userdata;
    struct WorkerEnd end;
};

/* ---- Output ---- */

static void take_line(Child *child, const char *line) {
    if (child->events.line) child->events.line(line, child->userdata);
}

static void take_words(Child *child, const char *line) {
    if (!*line) return;
    g_autofree char *valid = g_utf8_make_valid(line, -1);
    for (char *c = valid; *c; c++) /* a terminal may read it, and a model file may have its say */
        if (g_ascii_iscntrl(*c)) *c = ' ';
    fprintf(stderr, "%s\n", valid);
    g_strlcpy(child->end.words, valid, sizeof child->end.words);
    const char *end; /* a character may have been cut in two */
    g_utf8_validate(child->end.words, -1, &end);
    child->end.words[end - child->end.words] = '\0';
}

static void output_flush(struct Output *output) {
    output->take(output->child, output->line->str);
    g_string_truncate(output->line, 0);
}

/* FALSE at the end. A line that is too long is cut. */
static gboolean output_read(struct Output *output) {
    char buffer[4096];
    ssize_t n = read(output->fd, buffer, sizeof buffer);
    if (n < 0) return errno == EAGAIN || errno == EINTR;
    for (ssize_t i = 0; i < n; i++) {
        if (buffer[i] == '\n')
            output_flush(output);
        else if (output->line->len < STREAM_LINE_MAX && buffer[i])
            g_string_append_c(output->line, buffer[i]);
    }
    return n > 0;
}

static gboolean on_output(int fd, GIOCondition condition, void *userdata) {
    struct Output *output = userdata;
    if (output_read(output)) return G_SOURCE_CONTINUE;
    output->source = 0;
    return G_SOURCE_REMOVE;
}

static void output_init(struct Output *output, Child *child, int fd,
                        void (*take)(Child *child, const char *line)) {
    *output = (struct Output){child, fd, 0, g_string_new(NULL), take};
    output->source = g_unix_fd_add(fd, G_IO_IN | G_IO_HUP, on_output, output);
}

/* What is left in the pipe. Grandchildren may still hold the other end. */
static void output_drain(struct Output *output) {
    for (int i = 0; output->source && i < 64; i++) {
        struct pollfd pfd = {.fd = output->fd, .events = POLLIN};
        if (poll(&pfd, 1, 0) <= 0 || !output_read(output)) break;
    }
    if (output->line->len) output_flush(output);
}

static void output_done(struct Output *output) {
    g_clear_handle_id(&output->source, g_source_remove);
    if (output->line) g_string_free(output->line, TRUE);
    if (output->fd >= 0) close(output->fd);
}

/* ---- The process ---- */

/* Everything that the child needs between fork() and exec(), where only async-signal-safe functions
 * are allowed. */
struct Exec {
    const char *const *argv;
    char **envp;
    char *listen_pid; /* within envp: digits go here */
    int listen_fd, out_fd, err_fd, null_fd;
    pid_t parent;
};

static void write_decimal(char *to, unsigned value) {
    char digits[16];
    size_t n = 0;
    do digits[n++] = (char)('0' + value % 10);
    while (value /= 10);
    while (n) *to++ = digits[--n];
    *to = '\0';
}

static void child_exec(const struct Exec *exec) {
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    signal(SIGPIPE, SIG_DFL);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != exec->parent) _exit(127);

    if (exec->listen_pid) write_decimal(exec->listen_pid, (unsigned)getpid());
    /* The sources lie above the targets (see above_standard()), so none is overwritten. */
    if (dup2(exec->null_fd, 0) < 0 || dup2(exec->out_fd, 1) < 0 || dup2(exec->err_fd, 2) < 0)
        _exit(127);
    if (exec->listen_fd >= 0 && dup2(exec->listen_fd, LISTEN_FDS_START) < 0) _exit(127);
    close_range(exec->listen_fd >= 0 ? LISTEN_FDS_START + 1 : LISTEN_FDS_START, ~0U, 0);
    execve(exec->argv[0], (char *const *)exec->argv, exec->envp);
    static const char message[] = "the program can't be executed\n";
    if (write(2, message, sizeof message - 1) < 0) _exit(126);
    _exit(127);
}

/* Ours, without what is meant for us, plus the socket's. */
static char **environment(bool listens, char **ret_listen_pid) {
    char **envp = g_get_environ();
    static const char *const ours[] = {"LISTEN_PID",    "LISTEN_FDS",   "LISTEN_FDNAMES",
                                       "NOTIFY_SOCKET", "WATCHDOG_PID", "WATCHDOG_USEC"};
    for (size_t i = 0; i < G_N_ELEMENTS(ours); i++) envp = g_environ_unsetenv(envp, ours[i]);
    if (!listens) return envp;
    envp = g_environ_setenv(envp, "LISTEN_FDS", "1", TRUE);
    envp = g_environ_setenv(envp, "LISTEN_FDNAMES", FD_NAME_WORKER, TRUE);
    envp = g_environ_setenv(envp, "LISTEN_PID", "0000000000000000", TRUE);
    for (char **entry = envp; *entry; entry++)
        if (g_str_has_prefix(*entry, "LISTEN_PID="))
            *ret_listen_pid = *entry + strlen("LISTEN_PID=");
    return envp;
}

/* A copy of `fd` that dup2() onto 0..3 can't hit. */
static int above_standard(int fd) {
    return fcntl(fd, F_DUPFD_CLOEXEC, LISTEN_FDS_START + 1);
}

static pid_t spawn(const char *const *argv, int listen_fd, int out_fd, int err_fd) {
    char *listen_pid = NULL;
    g_auto(GStrv) envp = environment(listen_fd >= 0, &listen_pid);
    int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    struct Exec exec = {
        .argv = argv,
        .envp = envp,
        .listen_pid = listen_pid,
        .listen_fd = listen_fd >= 0 ? above_standard(listen_fd) : -1,
        .out_fd = above_standard(out_fd),
        .err_fd = above_standard(err_fd),
        .null_fd = above_standard(null_fd),
        .parent = getpid(),
    };
    pid_t pid = fork();
    if (pid == 0) child_exec(&exec);
    int r = pid < 0 ? -errno : 0;
    if (exec.listen_fd >= 0) close(exec.listen_fd);
    close(exec.out_fd);
    close(exec.err_fd);
    close(exec.null_fd);
    close(null_fd);
    return r < 0 ? r : pid;
}

static void on_exit_status(GPid pid, int status, void *userdata) {
    Child *child = userdata;
    child->pid = 0;
    child->watch = 0;
    child->end.kind = WIFSIGNALED(status) ? END_KILLED : END_EXITED;
    child->end.code = WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status);
    output_drain(&child->out);
    output_drain(&child->err);
    struct WorkerEnd end = child->end; /* the callee may free the child */
    child->events.ended(&end, child->userdata);
}

int child_new(const char *const *argv, int listen_fd, const struct ChildEvents *events,
              void *userdata, Child **ret, Problem *why) {
    int out[2], err[2];
    if (pipe2(out, O_CLOEXEC) < 0)
        return problem_set(why, PROBLEM_FAILED, "Can't make a pipe: %s.", g_strerror(errno));
    if (pipe2(err, O_CLOEXEC) < 0) {
        problem_set(why, PROBLEM_FAILED, "Can't make a pipe: %s.", g_strerror(errno));
        close(out[0]);
        close(out[1]);
        return -1;
    }
    pid_t pid = spawn(argv, listen_fd, out[1], err[1]);
    close(out[1]);
    close(err[1]);
    if (pid < 0) {
        close(out[0]);
        close(err[0]);
        return problem_set(why, PROBLEM_FAILED, "Can't start %s: %s.", argv[0], g_strerror(-pid));
    }
    Child *child = g_new0(Child, 1);
    child->pid = pid;
    child->events = *events;
    child->userdata = userdata;
    output_init(&child->out, child, out[0], take_line);
    output_init(&child->err, child, err[0], take_words);
    child->watch = g_child_watch_add(pid, on_exit_status, child);
    *ret = child;
    return 0;
}

static void on_orphan_exit(GPid pid, int status, void *userdata) {}

Child *child_free(Child *child) {
    if (!child) return NULL;
    g_clear_handle_id(&child->watch, g_source_remove);
    if (child->pid) {
        kill(child->pid, SIGTERM);
        g_child_watch_add(child->pid, on_orphan_exit, NULL); /* reaps it */
    }
    output_done(&child->out);
    output_done(&child->err);
    g_free(child);
    return NULL;
}

void child_signal(Child *child, int signal) {
    if (child->pid) kill(child->pid, signal);
}
