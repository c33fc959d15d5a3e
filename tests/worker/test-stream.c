#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "events.h"
#include "worker/event.h"
#include "worker/stream.h"

/* ---- Lines ---- */

static void check_delta(const char *text, size_t size, const char *expected) {
    GString *lines = g_string_new(NULL);
    event_delta(lines, text, size);
    CHECK_STR(lines->str, expected);
    g_string_free(lines, TRUE);
}

static void delta_escapes(void) {
    check_delta("a", 1, "{\"type\":\"delta\",\"text\":\"a\"}\n");
    check_delta("", 0, "");
    check_delta("\"\\\n\r\t\x01/", 7,
                "{\"type\":\"delta\",\"text\":\"\\\"\\\\\\n\\r\\t\\u0001/\"}\n");
    check_delta("a\0b", 3,
                "{\"type\":\"delta\",\"text\":\"a\xEF\xBF\xBD"
                "b\"}\n");
    check_delta("\xF0\x9F\x98\x80\x7F", 5,
                "{\"type\":\"delta\",\"text\":\"\xF0\x9F\x98\x80\x7F\"}\n");
}

/* A text that fills many lines arrives whole, in lines that are short enough, cut at no worse a
 * place than between two characters. */
static void check_long(const char *unit, size_t n) {
    GString *text = g_string_new(NULL), *lines = g_string_new(NULL);
    struct Events events;
    int fd;

    for (size_t i = 0; i < n; i++) g_string_append(text, unit);
    event_delta(lines, text->str, text->len);
    events_open(&events, 1 << 20, &fd);
    CHECK_INT(write(fd, lines->str, lines->len), lines->len);
    close(fd);
    events_drain(&events);
    CHECK_INT(events.n_bad, 0);
    CHECK(events.n_deltas > 1);
    CHECK_STR(events.text->str, text->str);
    events_clear(&events);
    g_string_free(text, TRUE);
    g_string_free(lines, TRUE);
}

static void long_delta_is_split(void) {
    check_long("x", 20000);
    check_long("\x01", 20000);
    check_long("\xE2\x82\xAC", 5000);
    check_long("a\"\xF0\x9F\x98\x80\x02", 5000);
}

static void done_line(void) {
    const struct Usage usage = {1, 2, 3, 4, 5};
    const struct Timings timings = {1.5, 2.5, 3.5, 4.5, 5.5};
    struct Failure failure = {NULL};
    GString *lines = g_string_new(NULL);

    event_done(lines, "stop", &usage, &timings, &failure);
    CHECK_STR(lines->str,
              "{\"type\":\"done\",\"finish_reason\":\"stop\",\"usage\":{\"prompt_tokens\":1,"
              "\"cached_tokens\":2,\"completion_tokens\":3,\"drafted_tokens\":4,"
              "\"accepted_tokens\":5},\"timings\":{\"queue_ms\":1.500,\"prompt_ms\":2.500,"
              "\"generate_ms\":3.500,\"prompt_per_second\":4.500,\"tokens_per_second\":5.500}}\n");
    g_string_truncate(lines, 0);
    failure_set(&failure, ERROR_BUSY, "no \"room\" \xFF");
    event_done(lines, "error", NULL, NULL, &failure);
    CHECK_STR(lines->str, "{\"type\":\"done\",\"finish_reason\":\"error\",\"error\":{\"name\":"
                          "\"org.ryzenllm1.Error.Busy\",\"message\":"
                          "\"no \\\"room\\\" \xEF\xBF\xBD\"}}\n");
    g_string_free(lines, TRUE);
}

/* A message is cut to size between two characters. */
static void failure_is_valid_text(void) {
    struct Failure failure;
    GString *text = g_string_new("x");

    for (int i = 0; i < 500; i++) g_string_append(text, "\xE2\x82\xAC");
    failure_set(&failure, ERROR_FAILED, "%s", text->str);
    CHECK(g_utf8_validate(failure.message, -1, NULL));
    CHECK(strlen(failure.message) > sizeof failure.message - 5);
    g_string_free(text, TRUE);
}

/* ---- Pipes ---- */

static void only_write_ends_of_pipes(void) {
    int fds[2], sockets[2];
    Stream *stream;

    CHECK_INT(pipe2(fds, O_CLOEXEC), 0);
    CHECK_INT(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets), 0);
    CHECK_INT(stream_new(fds[0], &stream), -EINVAL);
    CHECK_INT(stream_new(sockets[0], &stream), -EINVAL);
    CHECK_INT(stream_new(-1, &stream), -EBADF);
    for (int i = 0; i < 2; i++) close(fds[i]), close(sockets[i]);
}

static Stream *stream_over(struct Events *events, int size) {
    Stream *stream = NULL;
    int fd;

    events_open(events, size, &fd);
    CHECK_INT(stream_new(fd, &stream), 0);
    close(fd); /* the stream has its own */
    return stream;
}

static enum StreamState write_one(Stream *stream) {
    GString *lines = g_string_new(NULL);
    event_delta(lines, "0123456789", 10);
    enum StreamState state = stream_write(stream, lines);
    g_string_free(lines, TRUE);
    return state;
}

static void full_and_writable_again(void) {
    struct Events events;
    Stream *stream = stream_over(&events, 4096);
    unsigned n = 1;

    while (write_one(stream) == STREAM_OPEN) n++;
    CHECK_INT(stream_state(stream), STREAM_FULL);
    CHECK_INT(stream_flush(stream), STREAM_FULL);
    CHECK_INT(write_one(stream), STREAM_FULL); /* kept as well */
    events_drain(&events);
    CHECK_INT(stream_flush(stream), STREAM_OPEN);
    events_drain(&events);
    CHECK_INT(events.n_deltas, n + 1);
    CHECK_INT(events.n_bad, 0);
    CHECK_INT(events.text->len, 10 * (n + 1));
    stream_free(stream);
    CHECK(!events_next(&events)); /* the end */
    events_clear(&events);
}

/* The other side of the pipe's open file learns that the last line is in it, and not before. */
static void told_when_the_last_line_is_in(void) {
    struct Events events;
    Stream *stream = stream_over(&events, 4096);
    GString *last = g_string_new(NULL);

    while (write_one(stream) == STREAM_OPEN) continue;
    event_done(last, "stop", NULL, NULL, NULL);
    CHECK_INT(stream_end(stream, last), STREAM_FULL);
    CHECK(!(fcntl(stream_fd(stream), F_GETFL) & STREAM_TOLD_FLAG));
    events_drain(&events);
    CHECK_INT(stream_flush(stream), STREAM_OPEN);
    CHECK(fcntl(stream_fd(stream), F_GETFL) & STREAM_TOLD_FLAG);
    events_drain(&events);
    CHECK_INT(events.n_done, 1);
    g_string_free(last, TRUE);
    stream_free(stream);
    events_clear(&events);
}

static void reader_gone(void) {
    struct Events events;
    Stream *stream = stream_over(&events, 0);

    events_close(&events);
    CHECK_INT(write_one(stream), STREAM_GONE);
    CHECK_INT(write_one(stream), STREAM_GONE);
    CHECK_INT(stream_flush(stream), STREAM_GONE);
    stream_free(stream);
    events_clear(&events);
}

int main(void) {
    signal(SIGPIPE, SIG_IGN);
    return TEST_MAIN({"delta escapes", delta_escapes}, {"long delta is split", long_delta_is_split},
                     {"done line", done_line}, {"failure is valid text", failure_is_valid_text},
                     {"only write ends of pipes", only_write_ends_of_pipes},
                     {"full and writable again", full_and_writable_again},
                     {"told when the last line is in", told_when_the_last_line_is_in},
                     {"reader gone", reader_gone});
}
