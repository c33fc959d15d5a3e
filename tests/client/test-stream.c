#include "client/stream.h"

#include <errno.h>
#include <unistd.h>

#include "tests/test.h"

/* What a stream brought. */
struct Seen {
    GString *text;
    int n_events, n_ended, r;
};

static void on_event(const struct Event *event, void *userdata) {
    struct Seen *seen = userdata;
    seen->n_events++;
    g_string_append(seen->text, event->text);
}

static void on_ended(int r, void *userdata) {
    struct Seen *seen = userdata;
    seen->n_ended++;
    seen->r = r;
}

static const struct StreamHandlers handlers = {on_event, on_ended};

/* Writes the bytes in pieces of `n_piece`, each read before the next, then closes. */
static struct Seen play(const char *bytes, size_t n_piece) {
    struct Seen seen = {.text = g_string_new(NULL)};
    size_t n = strlen(bytes);
    int fds[2];
    if (pipe(fds) < 0) abort();
    Stream *stream = stream_new(fds[0], &handlers, &seen);
    for (size_t at = 0; at < n; at += n_piece) {
        size_t n_now = MIN(n_piece, n - at);
        if (write(fds[1], bytes + at, n_now) != (ssize_t)n_now) abort();
        while (g_main_context_iteration(NULL, FALSE)) continue;
    }
    close(fds[1]);
    while (seen.n_ended == 0) g_main_context_iteration(NULL, TRUE);
    while (g_main_context_iteration(NULL, FALSE)) continue;
    stream_free(stream);
    return seen;
}

static void check(const char *bytes, size_t n_piece, int n_events, const char *text, int r) {
    struct Seen seen = play(bytes, n_piece);
    CHECK_INT(seen.n_events, n_events);
    CHECK_STR(seen.text->str, text);
    CHECK_INT(seen.n_ended, 1);
    CHECK_INT(seen.r, r);
    g_string_free(seen.text, TRUE);
}

#define A "{\"type\":\"delta\",\"text\":\"a\u00e9\"}\n"
#define B "{\"type\":\"delta\",\"text\":\"b\"}\n"
#define DONE "{\"type\":\"done\",\"finish_reason\":\"stop\"}\n"

static void any_pieces(void) {
    for (size_t n_piece = 1; n_piece <= sizeof A B DONE; n_piece++)
        check(A B DONE, n_piece, 3, "a\u00e9b", 0);
}

static void nothing_after_done(void) {
    check(A DONE B, 1000, 2, "a\u00e9", 0);
    check(A DONE "garbage\n", 1000, 2, "a\u00e9", 0);
}

static void breaks_off(void) {
    check("", 1, 0, "", -EPIPE);
    check(A, 1000, 1, "a\u00e9", -EPIPE);
    check(A "{\"type\":\"done\"}", 1000, 1, "a\u00e9", -EPIPE);
}

static void garbage(void) {
    check(A "garbage\n" B DONE, 1000, 1, "a\u00e9", -EBADMSG);
    check("\n" DONE, 1000, 0, "", -EBADMSG);
}

static void line_limit(void) {
    g_autofree char *text = g_strnfill(EVENT_LINE_MAX - strlen(B) + 1, 'x');
    g_autofree char *longest =
        g_strconcat("{\"type\":\"delta\",\"text\":\"", text, "\"}\n" DONE, NULL);
    check(longest, 1000, 2, text, 0);
    g_autofree char *endless = g_strnfill(3 * EVENT_LINE_MAX, ' ');
    check(endless, 1000, 0, "", -EBADMSG);
}

int main(void) {
    return TEST_MAIN({"any pieces", any_pieces}, {"nothing after done", nothing_after_done},
                     {"breaks off", breaks_off}, {"garbage", garbage}, {"line limit", line_limit});
}
