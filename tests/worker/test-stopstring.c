#include "test.h"

#include <string.h>

#include "worker/stopstring.h"

/* Pushes `text` in pieces of n bytes; returns what came out, and whether it stopped. */
static char *run(const char *const *stops, const char *text, size_t n, bool *ret_stopped) {
    g_autoptr(StopString) stop = stopstring_new((char *const *)stops);
    GString *out = g_string_new(NULL);
    size_t size = strlen(text);
    bool stopped = false;

    for (size_t i = 0; i < size && !stopped; i += n)
        stopped = stopstring_push(stop, text + i, MIN(n, size - i), out);
    if (!stopped) stopstring_finish(stop, out);
    *ret_stopped = stopped;
    return g_string_free(out, FALSE);
}

static void check_all_cuts(const char *const *stops, const char *text, const char *expected,
                           bool expected_stopped) {
    for (size_t n = 1; n <= strlen(text); n++) {
        bool stopped;
        g_autofree char *out = run(stops, text, n, &stopped);
        CHECK_STR(out, expected);
        CHECK_INT(stopped, expected_stopped);
    }
}

static void none(void) {
    check_all_cuts(NULL, "all of it", "all of it", false);
}

static void found(void) {
    const char *const stops[] = {"END", NULL};
    check_all_cuts(stops, "one END two", "one ", true);
    check_all_cuts(stops, "END", "", true);
    check_all_cuts(stops, "one EN", "one EN", false);
    check_all_cuts(stops, "EEEND", "EE", true);
    check_all_cuts(stops, "ENEND", "EN", true);
}

/* The place decides, not the order in which they were given. */
static void first_wins(void) {
    const char *const stops[] = {"two", "one", NULL};
    check_all_cuts(stops, "a one two", "a ", true);
    check_all_cuts(stops, "a two one", "a ", true);
}

static void overlapping(void) {
    const char *const stops[] = {"abcabd", NULL};
    check_all_cuts(stops, "xabcabcabdy", "xabc", true);
}

static void one_is_the_start_of_another(void) {
    const char *const stops[] = {"\n\nUser", "\n\n", NULL};
    check_all_cuts(stops, "a\n\nUser", "a", true);
    check_all_cuts(stops, "a\nb", "a\nb", false);
}

/* What can no longer become a stop string is not held back. */
static void holds_back_no_more_than_needed(void) {
    const char *const stops[] = {"stop", NULL};
    g_autoptr(StopString) stop = stopstring_new((char *const *)stops);
    GString *out = g_string_new(NULL);

    CHECK(!stopstring_push(stop, "a st", 4, out));
    CHECK_STR(out->str, "a ");
    CHECK(!stopstring_push(stop, "e", 1, out));
    CHECK_STR(out->str, "a ste");
    CHECK(!stopstring_push(stop, "s", 1, out));
    CHECK_STR(out->str, "a ste");
    stopstring_finish(stop, out);
    CHECK_STR(out->str, "a stes");
    g_string_free(out, TRUE);
}

/* Held text is cut between characters only. */
static void characters_stay_whole(void) {
    const char *const stops[] = {"\xC3\xA9\xC3\xA8", NULL}; /* e acute, e grave */
    g_autoptr(StopString) stop = stopstring_new((char *const *)stops);
    GString *out = g_string_new(NULL);
    const char *text = "\xC3\xA9\xC3\xA9\xC3\xA7\xC3\xA9\xC3\xA8";

    for (size_t i = 0; i < 8; i += 2) {
        CHECK(!stopstring_push(stop, text + i, 2, out));
        CHECK(g_utf8_validate(out->str, (gssize)out->len, NULL));
    }
    CHECK(stopstring_push(stop, text + 8, 2, out));
    CHECK_STR(out->str, "\xC3\xA9\xC3\xA9\xC3\xA7");
    g_string_free(out, TRUE);
}

int main(void) {
    return TEST_MAIN({"none", none}, {"found", found}, {"first wins", first_wins},
                     {"overlapping", overlapping},
                     {"one is the start of another", one_is_the_start_of_another},
                     {"holds back no more than needed", holds_back_no_more_than_needed},
                     {"characters stay whole", characters_stay_whole});
}
