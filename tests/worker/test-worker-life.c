/* How a real worker comes, whom it lets in, and how it goes. */
#include "test.h"

#include <errno.h>
#include <grp.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "dbus/names.h"
#include "talk.h"
#include "worker-process.h"

/* ---- Coming and going ---- */

static int handle_closing(sd_bus_message *message, void *userdata, sd_bus_error *error) {
    *(bool *)userdata = true;
    return 0;
}

static void closing_watch(sd_bus *bus, bool *closing) {
    *closing = false;
    CHECK(sd_bus_match_signal(bus, NULL, NULL, WORKER_PATH, WORKER_INTERFACE, "Closing",
                              handle_closing, closing) >= 0);
}

/* Until the other end hangs up. */
static void connection_drain(sd_bus *bus) {
    int r;
    while ((r = sd_bus_process(bus, NULL)) >= 0 && sd_bus_is_open(bus) > 0)
        if (r == 0) sd_bus_wait(bus, UINT64_MAX);
}

static void idle_exit(void) {
    const char *const arguments[] = {"--idle-timeout", "1", NULL};
    struct WorkerProcess worker;
    struct Talk talk;
    bool closing;
    worker_launch(&worker, &(struct FakeModel){0}, arguments);
    sd_bus *bus = worker_connect(&worker);

    closing_watch(bus, &closing);
    talk_short(bus, 1, &talk);
    talk_finish(bus, &talk);
    talk_clear(&talk);
    connection_drain(bus);
    CHECK(closing);
    CHECK_INT(worker_wait(&worker), 0);
    sd_bus_unref(bus);

    /* the socket is still there: a connection waits for the next worker */
    bus = worker_connect(&worker);
    worker_start(&worker, arguments);
    talk_short(bus, 1, &talk);
    talk_finish(bus, &talk);
    CHECK_STR(talk.answer.finish_reason, "length");
    talk_clear(&talk);
    sd_bus_unref(bus);
    CHECK_INT(worker_wait(&worker), 0);

    /* nobody ever comes */
    worker_start(&worker, arguments);
    CHECK_INT(worker_wait(&worker), 0);
    worker_clear(&worker);
}

/* Not idle while somebody computes, however quiet the connection. */
static void busy_is_not_idle(void) {
    const char *const arguments[] = {"--idle-timeout", "1", NULL};
    struct WorkerProcess worker;
    struct Talk talk;
    bool closing;
    worker_launch(&worker, &(struct FakeModel){.delay_usec = 1000}, arguments);
    sd_bus *bus = worker_connect(&worker);

    closing_watch(bus, &closing);
    sd_bus_message *m = talk_begin(bus, 1);
    PROMPT(m, "a{sv}a{sv}", 1, "text", "s", "a", 2, "max_tokens", "u", 1500, "ignore_eos", "b", 1);
    talk_send(bus, m, &talk, 0);
    talk_finish(bus, &talk);
    CHECK_STR(talk.answer.finish_reason, "length");
    CHECK(!closing);
    talk_clear(&talk);
    sd_bus_unref(bus);
    worker_clear(&worker);
}

/* However it is told to leave: who runs is cancelled and answered, all are told, the exit is clean.
 */
static void check_leaves(void (*tell)(struct WorkerProcess *worker, sd_bus *bus)) {
    struct WorkerProcess worker;
    struct Talk talks[3];
    bool closing;
    worker_launch(&worker, &model_slow, NULL);
    sd_bus *bus = worker_connect(&worker);

    closing_watch(bus, &closing);
    talk_endless(bus, 0, &talks[0], 0);
    talk_endless(bus, 1, &talks[1], 4096); /* parked, soon */
    talk_endless(bus, 2, &talks[2], 0);
    CHECK(events_next(&talks[0].events));
    tell(&worker, bus);
    for (int i = 0; i < 3; i++) {
        answer_wait(bus, &talks[i].answer);
        CHECK_STR(talks[i].answer.finish_reason, "cancelled");
    }
    connection_drain(bus);
    CHECK(closing);
    events_finish(&talks[0].events);
    CHECK_STR(events_finish_reason(&talks[0].events), "cancelled");
    CHECK(worker_wait_notify(&worker, "STOPPING=1"));
    CHECK_INT(worker_wait(&worker), 0);
    for (int i = 0; i < 3; i++) talk_clear(&talks[i]);
    sd_bus_unref(bus);
    worker_clear(&worker);
}

static void tell_signal(struct WorkerProcess *worker, sd_bus *bus) {
    kill(worker->pid, SIGTERM);
}

static void tell_exit(struct WorkerProcess *worker, sd_bus *bus) {
    CHECK(sd_bus_call_method(bus, NULL, WORKER_PATH, WORKER_INTERFACE, "Exit", NULL, NULL, NULL) >=
          0);
}

static void terminated(void) {
    check_leaves(tell_signal);
}

static void exit_method(void) {
    check_leaves(tell_exit);
}

static void tells_systemd(void) {
    struct WorkerProcess worker;
    struct Talk talk;

    worker_prepare(&worker, &model_slow);
    worker.watchdog = true;
    worker_start(&worker, NULL);
    CHECK(worker_wait_notify(&worker, "READY=1"));
    CHECK(worker_wait_notify(&worker, "WATCHDOG=1"));
    sd_bus *bus = worker_connect(&worker);
    talk_endless(bus, 1, &talk, 0);
    CHECK(worker_wait_notify(&worker, "STATUS=Computing"));
    CHECK(worker_wait_notify(&worker, "WATCHDOG=1"));
    CHECK(worker_wait_notify(&worker, "WATCHDOG=1"));
    talk_clear(&talk);
    sd_bus_unref(bus);
    worker_clear(&worker);
}

static void check_bad_model(struct WorkerProcess *worker, const char *part) {
    worker_start(worker, NULL);
    CHECK(!worker_wait_notify(worker, "READY=1"));
    CHECK_INT(worker_wait(worker), 1);
    g_autofree char *said = worker_stderr(worker);
    if (!strstr(said, part)) test_fail(__FILE__, __LINE__, "\"%s\" lacks \"%s\"", said, part);
}

static void bad_models(void) {
    struct WorkerProcess worker;
    worker_prepare(&worker, NULL);

    check_bad_model(&worker, "No such file");
    CHECK(g_file_set_contents(worker.model, "This is not a model.", -1, NULL));
    check_bad_model(&worker, "Cannot load");
    fake_model_write(&(struct FakeModel){0}, worker.model);
    CHECK_INT(truncate(worker.model, 300), 0);
    check_bad_model(&worker, "Cannot load");
    worker_clear(&worker);
}

/* Who waits for a model that cannot be loaded hears why, whatever he asks; then the worker leaves.
 */
static void refuses_in_words(void) {
    static const char *const methods[] = {"Describe", "Exit"};
    struct WorkerProcess worker;
    sd_bus_error error = SD_BUS_ERROR_NULL;
    worker_prepare(&worker, NULL);
    CHECK(g_file_set_contents(worker.model, "This is not a model.", -1, NULL));
    sd_bus *bus = worker_connect(&worker); /* as the daemon: nobody listens yet */
    worker_start(&worker, NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(methods); i++) {
        CHECK(sd_bus_call_method(bus, NULL, WORKER_PATH, WORKER_INTERFACE, methods[i], &error, NULL,
                                 NULL) < 0);
        CHECK_STR(error.name, ERROR_BAD_MODEL);
        if (!error.message || !strstr(error.message, "GGUF"))
            test_fail(__FILE__, __LINE__, "%s: %s", methods[i], error.message);
        sd_bus_error_free(&error);
    }
    sd_bus_close(bus);
    sd_bus_unref(bus);
    CHECK_INT(worker_wait(&worker), 1);
    worker_clear(&worker);
}

static void bad_usage(void) {
    struct WorkerProcess worker;
    worker_prepare(&worker, NULL);
    const char *const wrong[][3] = {
        {"--threads", "-1"}, {"--max-sequences", "0"}, {"--queue", "100000"}, {"--what"}, {"what"}};

    for (size_t i = 0; i < G_N_ELEMENTS(wrong); i++) {
        worker_start(&worker, wrong[i]);
        CHECK_INT(worker_wait(&worker), 64);
    }
    worker_clear(&worker);
}

/* Somebody else's process connects and is shown the door. Returns true when it was hung up. */
static bool stranger_is_refused(struct WorkerProcess *worker, uid_t uid) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int status;

    snprintf(address.sun_path, sizeof address.sun_path, "%s/socket", worker->directory);
    chmod(worker->directory, 0755);
    chmod(address.sun_path, 0666);
    pid_t pid = fork();
    if (pid == 0) {
        char byte;
        if (setgroups(0, NULL) < 0 || setresgid(uid, uid, uid) < 0 || setresuid(uid, uid, uid) < 0)
            _exit(2);
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (connect(fd, (struct sockaddr *)&address, sizeof address) < 0) _exit(3);
        if (write(fd, "\0AUTH ANONYMOUS\r\n", 17) < 0) _exit(errno == EPIPE ? 0 : 4);
        ssize_t n = read(fd, &byte, 1);
        _exit(n > 0 ? 1 : 0);
    }
    waitpid(pid, &status, 0);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static void strangers(void) {
    const char *const arguments[] = {"--peer-user", "65533", NULL};
    struct WorkerProcess worker;
    if (geteuid() != 0) {
        test_skip("only root can be somebody else");
        return;
    }
    worker_launch(&worker, &(struct FakeModel){0}, arguments);
    CHECK(worker_wait_notify(&worker, "READY=1"));
    CHECK(stranger_is_refused(&worker, 65534));
    CHECK(!stranger_is_refused(&worker, 65533));
    worker_clear(&worker);
}

int main(void) {
    signal(SIGPIPE, SIG_IGN);
    if (!worker_program()) return test_skip_all("RYZEN_LLM_WORKER does not name the worker");
    return TEST_MAIN({"idle exit", idle_exit}, {"busy is not idle", busy_is_not_idle},
                     {"terminated", terminated}, {"exit method", exit_method},
                     {"tells systemd", tells_systemd}, {"bad models", bad_models},
                     {"refuses in words", refuses_in_words}, {"bad usage", bad_usage},
                     {"strangers", strangers});
}
