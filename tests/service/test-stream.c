#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <signal.h>
#include <unistd.h>

#include "dbus/names.h"
#include "service/request-internal.h"

static void turn(void) {
    while (g_main_context_iteration(NULL, FALSE)) continue;
}

/* All that is in a pipe until its end, or for now when it is non-blocking. */
static GString *drain(int fd) {
    GString *text = g_string_new(NULL);
    char buffer[4096];
    ssize_t n;
    while ((n = read(fd, buffer, sizeof buffer)) > 0) g_string_append_len(text, buffer, n);
    return text;
}

static void fill(int fd) {
    char line[1024];
    memset(line, ' ', sizeof line);
    while (write(fd, line, sizeof line) > 0) continue;
    CHECK_INT(errno, EAGAIN);
}

static void told_once(void) {
    Stream *stream;
    REQUIRE(stream_new(&stream) == 0);
    int fd = stream_take(stream);
    CHECK_INT(stream_take(stream), -1);
    CHECK_INT(fcntl(fd, F_GETFL) & O_NONBLOCK, 0);
    CHECK(fcntl(stream_write_fd(stream), F_GETFL) & O_NONBLOCK);
    stream_send(stream, "one");
    stream_end(stream, "two");
    GString *text = drain(fd);
    CHECK_STR(text->str, "one\ntwo\n");
    g_string_free(text, TRUE);
    close(fd);
}

/* A worker that said the last line and died before its reply: the daemon has another descriptor of
 * the same open file. */
static void told_by_a_worker(void) {
    Stream *stream;
    REQUIRE(stream_new(&stream) == 0);
    int fd = stream_take(stream), workers_fd = dup(stream_write_fd(stream));
    CHECK_INT(write(workers_fd, "last\n", 5), 5);
    CHECK_INT(fcntl(workers_fd, F_SETFL, O_NONBLOCK | STREAM_TOLD_FLAG), 0);
    close(workers_fd);
    stream_end(stream, "died");
    GString *text = drain(fd);
    CHECK_STR(text->str, "last\n");
    g_string_free(text, TRUE);
    close(fd);
}

/* The last line waits until there is room. */
static void full_pipe(void) {
    Stream *stream;
    REQUIRE(stream_new(&stream) == 0);
    int fd = stream_take(stream);
    fill(stream_write_fd(stream));
    stream_send(stream, "lost");
    stream_end(stream, "the last line");
    fcntl(fd, F_SETFL, O_NONBLOCK);
    GString *text = drain(fd);
    CHECK(!strstr(text->str, "last"));
    g_string_free(text, TRUE);
    turn();
    text = drain(fd);
    CHECK_STR(text->str, "the last line\n");
    g_string_free(text, TRUE);
    close(fd);
}

static void full_pipe_and_nobody(void) {
    Stream *stream;
    REQUIRE(stream_new(&stream) == 0);
    int fd = stream_take(stream);
    fill(stream_write_fd(stream));
    stream_end(stream, "the last line");
    close(fd);
    turn(); /* freed: AddressSanitizer would tell */
}

static int n_cancelled, n_finished, n_changes;

static void on_cancel(Request *request, void *userdata) {
    n_cancelled++;
}

static void on_finished(Request *request, void *userdata) {
    n_finished++;
}

static void on_changed(Request *request, void *userdata) {
    n_changes++;
}

static Request *request_make(void) {
    const struct RequestKeeper keeper = {on_changed, NULL};
    Request *request = NULL;
    n_cancelled = n_finished = n_changes = 0;
    CHECK_INT(request_new(7, 1000, "m", &keeper, &request, NULL), 0);
    request_set_cancel(request, on_cancel, NULL);
    request_set_finished(request, on_finished, NULL);
    return request;
}

static void reader_leaves(void) {
    Request *request = request_make();
    close(request_take_stream(request));
    turn();
    CHECK_INT(n_cancelled, 1);
    request_cancel(request);
    CHECK_INT(n_cancelled, 1);
    request_finish(request, &(struct Outcome){.reason = FINISH_CANCELLED});
    CHECK_INT(n_finished, 1);
    request_unref(request);
}

static void ends_with_words(void) {
    Request *request = request_make();
    int fd = request_take_stream(request);
    Problem problem = {PROBLEM_WORKER_DIED, "\"It\" died \xff\n"};
    request_set_state(request, REQUEST_RUNNING);
    request_fail(request, &problem, false);
    GString *text = drain(fd);
    CHECK(
        g_str_has_prefix(text->str, "{\"type\":\"done\",\"finish_reason\":\"error\",\"usage\":{"));
    CHECK(strstr(text->str, "\"error\":{\"name\":\"org.ryzenllm1.Error.WorkerDied\"") != NULL);
    CHECK(g_utf8_validate(text->str, -1, NULL));
    CHECK(strchr(text->str, '\n') == text->str + text->len - 1);
    CHECK_INT(n_changes, 2);
    CHECK_INT(n_finished, 1);
    CHECK_INT(request_take_stream(request), -1);
    g_string_free(text, TRUE);
    close(fd);
    request_unref(request);
}

/* The worker wrote the last line itself. */
static void ends_without_words(void) {
    Request *request = request_make();
    int fd = request_take_stream(request);
    request_finish(request, &(struct Outcome){.reason = FINISH_STOP, .told = true});
    GString *text = drain(fd);
    CHECK_STR(text->str, "");
    g_string_free(text, TRUE);
    close(fd);
    request_unref(request);
}

/* Who asks late is told later, not from within. */
static void watcher_comes_late(void) {
    Request *request = request_make();
    request_finish(request, &(struct Outcome){.reason = FINISH_STOP});
    CHECK_INT(n_finished, 1);
    request_set_finished(request, on_finished, NULL);
    CHECK_INT(n_finished, 1);
    turn();
    CHECK_INT(n_finished, 2);
    request_unref(request);
}

int main(void) {
    signal(SIGPIPE, SIG_IGN); /* as the daemon does */
    return TEST_MAIN({"told_once", told_once}, {"told_by_a_worker", told_by_a_worker},
                     {"full_pipe", full_pipe}, {"full_pipe_and_nobody", full_pipe_and_nobody},
                     {"reader_leaves", reader_leaves}, {"ends_with_words", ends_with_words},
                     {"ends_without_words", ends_without_words},
                     {"watcher_comes_late", watcher_comes_late});
}
