/* The event stream from its pipe, whole, in pieces and broken. */
#include "api/event-reader.h"

#include <fcntl.h>
#include <json-glib/json-glib.h>
#include <unistd.h>

#include "api/limits.h"
#include "test.h"

struct Seen {
    GString *text;
    bool done, free_in_handler;
    struct Event end;
    EventReader *reader;
    size_t n;
};

static void handle(const struct Event *event, void *userdata) {
    struct Seen *seen = userdata;
    seen->n++;
    if (event->type == EVENT_DELTA) {
        g_string_append(seen->text, event->text);
    } else {
        CHECK(!seen->done);
        seen->done = true;
        seen->end = *event;
    }
    if (seen->free_in_handler) seen->reader = event_reader_free(seen->reader);
}

static void put(int fd, const char *text, size_t size) {
    if (write(fd, text, size) != (ssize_t)size) abort();
}

/* Feeds `text` in pieces of `step` bytes and closes the pipe. */
static void feed(struct Seen *seen, const char *text, size_t step) {
    int fds[2];
    size_t size = strlen(text);
    if (pipe2(fds, O_CLOEXEC) < 0) abort();
    seen->text = g_string_new(NULL);
    seen->reader = event_reader_new(fds[0], handle, seen);
    for (size_t at = 0; at < size; at += step) {
        put(fds[1], text + at, MIN(step, size - at));
        while (g_main_context_iteration(NULL, FALSE)) continue;
        if (!seen->reader || seen->done) break;
    }
    close(fds[1]);
    while (seen->reader && !seen->done) g_main_context_iteration(NULL, TRUE);
    while (g_main_context_iteration(NULL, FALSE)) continue;
    seen->reader = event_reader_free(seen->reader);
}

#define DELTA "{\"type\":\"delta\",\"text\":\"h\xc3\xa9 \\n\"}\n"
#define DONE                                                                                       \
    "{\"type\":\"done\",\"finish_reason\":\"length\",\"usage\":{\"prompt_tokens\":1,"              \
    "\"cached_tokens\":2,\"completion_tokens\":3,\"drafted_tokens\":4,\"accepted_tokens\":5}}\n"

static void whole_and_in_pieces(void) {
    for (size_t step = 1; step < 400; step += 7) {
        struct Seen seen = {0};
        feed(&seen,
             DELTA "{\"type\":\"progress\",\"done\":1,\"total\":2}\n"
                   "{\"type\":\"news\",\"x\":[{}]}\n" DELTA DONE,
             step);
        CHECK_STR(seen.text->str, "h\xc3\xa9 \nh\xc3\xa9 \n");
        CHECK(seen.done);
        CHECK_INT(seen.end.finish, FINISH_LENGTH);
        CHECK_INT(seen.end.usage.prompt_tokens, 1);
        CHECK_INT(seen.end.usage.accepted_tokens, 5);
        g_string_free(seen.text, TRUE);
    }
}

static void nothing_after_done(void) {
    struct Seen seen = {0};
    feed(&seen, DONE DELTA DONE, 10000);
    CHECK_INT(seen.n, 1);
    g_string_free(seen.text, TRUE);
}

static void errors_have_names(void) {
    struct Seen seen = {0};
    feed(&seen,
         "{\"type\":\"done\",\"finish_reason\":\"error\",\"error\":{\"name\":"
         "\"org.ryzenllm1.Error.ContextTooLong\",\"message\":\"Too long.\"}}\n",
         64);
    CHECK_INT(seen.end.finish, FINISH_ERROR);
    CHECK_INT(seen.end.problem.kind, PROBLEM_CONTEXT_TOO_LONG);
    CHECK_STR(seen.end.problem.text, "Too long.");
    g_string_free(seen.text, TRUE);
}

static void broken_ends_with_an_error(void) {
    static const char *const broken[] = {
        "",
        DELTA,
        DELTA "{\"type\":\"del",
        "x\n",
        "\n",
        "[]\n",
        "{}\n",
        "{\"type\":1}\n",
        "{\"type\":\"delta\"}\n",
        "{\"type\":\"delta\",\"text\":7}\n",
        "{\"type\":\"done\"}\n",
        "{\"type\":\"done\",\"finish_reason\":\"tired\"}\n",
    };
    for (size_t i = 0; i < G_N_ELEMENTS(broken); i++) {
        struct Seen seen = {0};
        feed(&seen, broken[i], 1000);
        CHECK_INT(seen.end.finish, FINISH_ERROR);
        CHECK_INT(seen.end.problem.kind, PROBLEM_WORKER_DIED);
        g_string_free(seen.text, TRUE);
    }
    g_autofree char *endless = g_strnfill(EVENT_LINE_MAX, 'x');
    struct Seen seen = {0};
    feed(&seen, endless, 1000);
    CHECK_INT(seen.end.problem.kind, PROBLEM_WORKER_DIED);
    g_string_free(seen.text, TRUE);
}

static void freed_by_its_handler(void) {
    struct Seen seen = {.free_in_handler = true};
    feed(&seen, DELTA DELTA DONE, 10000);
    CHECK_INT(seen.n, 1);
    g_string_free(seen.text, TRUE);
}

static void paused_reads_nothing(void) {
    struct Seen seen = {.text = g_string_new(NULL)};
    int fds[2];
    if (pipe2(fds, O_CLOEXEC) < 0) abort();
    seen.reader = event_reader_new(fds[0], handle, &seen);
    event_reader_pause(seen.reader);
    put(fds[1], DELTA DONE, strlen(DELTA DONE));
    while (g_main_context_iteration(NULL, FALSE)) continue;
    CHECK_INT(seen.n, 0);
    event_reader_resume(seen.reader);
    event_reader_resume(seen.reader);
    while (!seen.done) g_main_context_iteration(NULL, TRUE);
    CHECK_INT(seen.n, 2);
    event_reader_free(seen.reader);
    close(fds[1]);
    g_string_free(seen.text, TRUE);
}

int main(void) {
    return TEST_MAIN({"whole-and-in-pieces", whole_and_in_pieces},
                     {"nothing-after-done", nothing_after_done},
                     {"errors-have-names", errors_have_names},
                     {"broken-ends-with-an-error", broken_ends_with_an_error},
                     {"freed-by-its-handler", freed_by_its_handler},
                     {"paused-reads-nothing", paused_reads_nothing});
}
