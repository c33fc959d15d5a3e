#include "client/event.h"

#include <errno.h>
#include <glib.h>

#include "tests/test.h"

static int parse(const char *line, struct Event *ret) {
    return event_parse(line, strlen(line), ret);
}

static void delta(void) {
    struct Event event = {0};
    REQUIRE(parse("{\"type\":\"delta\",\"text\":\"a\\n\\u00e9\",\"token\":5}", &event) == 0);
    CHECK_INT(event.type, EVENT_DELTA);
    CHECK_STR(event.text, "a\n\u00e9");
    event_done(&event);
}

static void progress(void) {
    struct Event event = {0};
    REQUIRE(parse("{\"type\":\"progress\",\"done\":3,\"total\":5000000000,\"stage\":\"copy\"}",
                  &event) == 0);
    CHECK_INT(event.type, EVENT_PROGRESS);
    CHECK_INT(event.done, 3);
    CHECK_INT(event.total, 5000000000);
    CHECK_STR(event.stage, "copy");
    event_done(&event);
}

static void done(void) {
    struct Event event = {0};
    REQUIRE(parse("{\"type\":\"done\",\"finish_reason\":\"error\","
                  "\"usage\":{\"prompt_tokens\":9,\"accepted_tokens\":2,\"more\":[]},"
                  "\"timings\":{\"queue_ms\":1.5,\"prompt_ms\":2},"
                  "\"error\":{\"name\":\"N\",\"message\":\"M\"}}",
                  &event) == 0);
    CHECK_INT(event.type, EVENT_DONE);
    CHECK_STR(event.finish_reason, "error");
    CHECK_INT(event.usage.prompt_tokens, 9);
    CHECK_INT(event.usage.accepted_tokens, 2);
    CHECK_INT(event.usage.cached_tokens, 0);
    CHECK_NEAR(event.timings.queue_ms, 1.5, 0);
    CHECK_NEAR(event.timings.prompt_ms, 2, 0);
    CHECK_STR(event.error_name, "N");
    CHECK_STR(event.error_message, "M");
    event_done(&event);
}

static void wrong_members_are_absent(void) {
    struct Event event = {0};
    REQUIRE(
        parse("{\"type\":\"done\",\"text\":1,\"finish_reason\":{},\"usage\":[1],\"timings\":null,"
              "\"error\":\"x\",\"done\":-1,\"total\":1e300}",
              &event) == 0);
    CHECK_STR(event.text, "");
    CHECK_STR(event.finish_reason, "");
    CHECK_STR(event.error_name, "");
    CHECK_INT(event.done, 0);
    CHECK_INT(event.total, 0);
    event_done(&event);
}

static void unknown_types_are_other(void) {
    static const char *const lines[] = {"{}", "{\"type\":\"tool_call\"}", "{\"type\":7}"};
    for (size_t i = 0; i < G_N_ELEMENTS(lines); i++) {
        struct Event event = {.type = EVENT_DONE};
        REQUIRE(parse(lines[i], &event) == 0);
        CHECK_INT(event.type, EVENT_OTHER);
        event_done(&event);
    }
}

static void refuses(void) {
    static const char *const lines[] = {
        "",  " ",       "[]",        "\"x\"",
        "1", "null",    "{\"type\"", "{\"type\":\"delta\",\"text\":\"\xff\"}",
        "x", "{} trail"};
    struct Event event = {0};
    for (size_t i = 0; i < G_N_ELEMENTS(lines); i++)
        if (parse(lines[i], &event) != -EBADMSG)
            test_fail(__FILE__, __LINE__, "line %zu was accepted", i);
    CHECK_INT(event_parse("{}\0", 3, &event), -EBADMSG);
}

/* As deep and as long as the limit allows, and beyond. */
static void limits(void) {
    struct Event event = {0};
    g_autofree char *deep = g_strnfill(EVENT_LINE_MAX - 1, '[');
    CHECK_INT(parse(deep, &event), -EBADMSG);
    g_autofree char *blanks = g_strnfill(EVENT_LINE_MAX - 3, ' ');
    g_autofree char *longest = g_strconcat("{", blanks, "}", NULL);
    REQUIRE(parse(longest, &event) == 0);
    event_done(&event);
    g_autofree char *too_long = g_strconcat("{ ", blanks, "}", NULL);
    CHECK_INT(parse(too_long, &event), -EBADMSG);
}

int main(void) {
    return TEST_MAIN({"delta", delta}, {"progress", progress}, {"done", done},
                     {"wrong members are absent", wrong_members_are_absent},
                     {"unknown types are other", unknown_types_are_other}, {"refuses", refuses},
                     {"limits", limits});
}
