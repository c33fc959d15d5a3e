/* Generate, of a real worker behind a real socket: what it takes, what it refuses, how it ends. */
#include "test.h"

#include <signal.h>
#include <string.h>

#include "dbus/names.h"
#include "talk.h"
#include "worker-process.h"

static void prompt_forms(void) {
    struct WorkerProcess worker;
    struct Talk talks[4];
    worker_launch(&worker, &(struct FakeModel){.end_after = 30, .delay_usec = 10}, NULL);
    sd_bus *bus = worker_connect(&worker);

    sd_bus_message *text = talk_begin(bus, 1);
    PROMPT(text, "a{sv}a{sv}", 1, "text", "s", "abc", 1, "progress", "b", 1);
    talk_send(bus, text, &talks[0], 0);
    sd_bus_message *tokens = talk_begin(bus, 2);
    PROMPT(tokens, "a{sv}a{sv}", 1, "tokens", "ai", 3, 1, 20, 21, 0);
    talk_send(bus, tokens, &talks[1], 0);
    sd_bus_message *messages = talk_begin(bus, 3);
    PROMPT(messages, "a{sv}a{sv}", 1, "messages", "aa{sv}", 1, 2, "role", "s", "user", "content",
           "s", "abc", 1, "temperature", "d", 0.0);
    talk_send(bus, messages, &talks[2], 0);
    sd_bus_message *ask = talk_begin(bus, 4);
    PROMPT(ask, "a{sv}a{sv}", 1, "ask", "s", "abc", 0);
    talk_send(bus, ask, &talks[3], 0);

    for (int i = 0; i < 4; i++) {
        talk_finish(bus, &talks[i]);
        CHECK_STR(talks[i].answer.finish_reason, "stop");
        CHECK_STR(events_finish_reason(&talks[i].events), "stop");
        CHECK_INT(talks[i].answer.prompt_tokens, events_usage(&talks[i].events, "prompt_tokens"));
        CHECK_INT(talks[i].answer.completion_tokens,
                  events_usage(&talks[i].events, "completion_tokens"));
        CHECK(talks[i].answer.prompt_tokens + talks[i].answer.completion_tokens <= 30);
        CHECK(talks[i].answer.prompt_ms > 0);
    }
    CHECK(talks[0].events.n_progress > 0);
    CHECK_INT(talks[1].events.n_progress, 0);
    CHECK_INT(talks[1].answer.prompt_tokens, 3);
    /* a question is a conversation of one message, and greedy */
    CHECK_STR(talks[3].events.text->str, talks[2].events.text->str);
    for (int i = 0; i < 4; i++) talk_clear(&talks[i]);
    sd_bus_unref(bus);
    worker_clear(&worker);
}

/* Sends one that must fail, in the reply and on the stream. */
static void talk_refused(sd_bus *bus, sd_bus_message *message, const char *name, const char *part) {
    struct Talk talk;

    talk_send(bus, message, &talk, 0);
    talk_finish(bus, &talk);
    CHECK_STR(talk.answer.error, name);
    CHECK_STR(events_finish_reason(&talk.events), "error");
    CHECK_INT(events_usage(&talk.events, "prompt_tokens"), 0);
    CHECK_STR(events_error_name(&talk.events), name);
    CHECK_STR(events_error_message(&talk.events), talk.answer.message);
    if (!talk.answer.message || !strstr(talk.answer.message, part))
        test_fail(__FILE__, __LINE__, "\"%s\" does not say \"%s\"", talk.answer.message, part);
    talk_clear(&talk);
}

static void refused_prompts(void) {
    struct WorkerProcess worker;
    g_autofree char *long_text = g_strnfill(200, 'x');
    g_autofree char *huge_text = g_strnfill(1 << 20, 'x');
    worker_launch(&worker, &(struct FakeModel){.n_ctx = 100}, NULL);
    sd_bus *bus = worker_connect(&worker);
    sd_bus_message *m;

    m = talk_begin(bus, 1);
    PROMPT(m, "a{sv}a{sv}", 1, "text", "s", "a", 1, "colour", "s", "red");
    talk_refused(bus, m, ERROR_INVALID_ARGS, "colour");
    m = talk_begin(bus, 1);
    PROMPT(m, "a{sv}a{sv}", 1, "text", "s", "a", 1, "temperature", "d", 17.0);
    talk_refused(bus, m, ERROR_INVALID_ARGS, "temperature");
    m = talk_begin(bus, 1);
    PROMPT(m, "a{sv}a{sv}", 1, "text", "s", "a", 1, "grammar", "d", 1.0);
    talk_refused(bus, m, ERROR_INVALID_ARGS, "grammar has type s");
    m = talk_begin(bus, 1);
    PROMPT(m, "a{sv}a{sv}", 1, "text", "s", "a", 1, "draft", "s", "often");
    talk_refused(bus, m, ERROR_INVALID_ARGS, "draft must be auto, off, lookup or model");
    m = talk_begin(bus, 1);
    PROMPT(m, "a{sv}a{sv}", 0, 0);
    talk_refused(bus, m, ERROR_INVALID_ARGS, "exactly one");
    m = talk_begin(bus, 1);
    PROMPT(m, "a{sv}a{sv}", 2, "text", "s", "a", "ask", "s", "b", 0);
    talk_refused(bus, m, ERROR_INVALID_ARGS, "exactly one");
    m = talk_begin(bus, 1);
    PROMPT(m, "a{sv}a{sv}", 1, "text", "u", 7, 0);
    talk_refused(bus, m, ERROR_INVALID_ARGS, "type s");
    m = talk_begin(bus, 1);
    PROMPT(m, "a{sv}a{sv}", 1, "tokens", "ai", 0, 0);
    talk_refused(bus, m, ERROR_INVALID_ARGS, "empty");
    m = talk_begin(bus, 1);
    PROMPT(m, "a{sv}a{sv}", 1, "tokens", "ai", 2, 1, -4, 0);
    talk_refused(bus, m, ERROR_INVALID_ARGS, "Token 1");
    m = talk_begin(bus, 1);
    PROMPT(m, "a{sv}a{sv}", 1, "messages", "aa{sv}", 1, 1, "role", "s", "user", 0);
    talk_refused(bus, m, ERROR_INVALID_ARGS, "content");
    m = talk_begin(bus, 1);
    PROMPT(m, "a{sv}a{sv}", 1, "messages", "aa{sv}", 0, 0);
    talk_refused(bus, m, ERROR_INVALID_ARGS, "no messages");
    m = talk_begin(bus, 1);
    PROMPT(m, "a{sv}a{sv}", 1, "messages", "aa{sv}", 1, 2, "role", "s", "user", "parrot", "s", "a",
           0);
    talk_refused(bus, m, ERROR_INVALID_ARGS, "parrot");
    m = talk_begin(bus, 1);
    PROMPT(m, "a{sv}a{sv}", 1, "messages", "aa{sv}", 1, 2, "role", "s", "assistant", "tool_calls",
           "s", "{}", 0);
    talk_refused(bus, m, ERROR_INVALID_ARGS, "tool_calls must be a JSON array");
    m = talk_begin(bus, 1);
    PROMPT(m, "a{sv}a{sv}", 1, "text", "s", long_text, 0);
    talk_refused(bus, m, ERROR_CONTEXT_TOO_LONG, "202 tokens; the context holds 100");
    m = talk_begin(bus, 1);
    PROMPT(m, "a{sv}a{sv}", 1, "text", "s", huge_text, 0);
    talk_refused(bus, m, ERROR_CONTEXT_TOO_LONG, "1048576 bytes");
    sd_bus_unref(bus);
    worker_clear(&worker);
}

/* "a", as a `source`, with one option. */
static void check_refused(sd_bus *bus, const char *source, const char *name, const char *value,
                          const char *error, const char *expected) {
    sd_bus_message *m = talk_begin(bus, 1);
    PROMPT(m, "a{sv}a{sv}", 1, source, "s", "a", 1, name, "s", value);
    talk_refused(bus, m, error, expected);
}

static void wrong_tools_are_refused(void) {
    static const struct {
        const char *name, *value;
    } OPTIONS[] = {{"tools", "{}"}, {"tools", "[1,"}, {"chat_template_kwargs", "[]"}};
    struct WorkerProcess worker;
    worker_launch(&worker, &(struct FakeModel){0}, NULL);
    sd_bus *bus = worker_connect(&worker);

    for (gsize i = 0; i < G_N_ELEMENTS(OPTIONS); i++)
        check_refused(bus, "ask", OPTIONS[i].name, OPTIONS[i].value, ERROR_INVALID_ARGS,
                      OPTIONS[i].name);
    sd_bus_unref(bus);
    worker_clear(&worker);
}

static char *apply(sd_bus *bus, const char *content, int open) {
    sd_bus_message *reply = NULL;
    const char *text;
    int r = sd_bus_call_method(bus, NULL, WORKER_PATH, WORKER_INTERFACE, "ApplyTemplate", NULL,
                               &reply, "aa{sv}a{sv}", 1, 2, "role", "s", "user", "content", "s",
                               content, 1, "add_generation_prompt", "b", open);
    char *copy =
        r >= 0 && sd_bus_message_read(reply, "s", &text) >= 0 ? g_strdup(text) : g_strdup("");
    sd_bus_message_unref(reply);
    return copy;
}

static void templates_are_shown(void) {
    struct WorkerProcess worker;
    worker_launch(&worker, &(struct FakeModel){0}, NULL);
    sd_bus *bus = worker_connect(&worker);
    g_autofree char *text = apply(bus, "<|end|>", 1);
    CHECK_STR(text, "<|user|><|end|><|assistant|>");
    sd_bus_unref(bus);
    worker_clear(&worker);
}

/* Before anything is computed, with the place of the mistake. */
static void wrong_grammars_are_refused(void) {
    static const struct {
        const char *name, *value, *error, *expected;
    } OPTIONS[] = {
        {"grammar", "root ::= x", ERROR_INVALID_ARGS,
         "Option grammar: line 1, column 10: there is no rule x."},
        {"grammar", "root ::= <nothing>", ERROR_INVALID_ARGS, "<nothing>"},
        {"json_schema", "{\"not\":{}}", ERROR_NOT_SUPPORTED,
         "Option json_schema: $.not is not supported."},
        {"json_schema", "{\"type\":1}", ERROR_INVALID_ARGS, "$.type must be"},
        {"json_schema", "{", ERROR_INVALID_ARGS, "not valid JSON"},
    };
    struct WorkerProcess worker;
    worker_launch(&worker, &(struct FakeModel){0}, NULL);
    sd_bus *bus = worker_connect(&worker);

    for (gsize i = 0; i < G_N_ELEMENTS(OPTIONS); i++)
        check_refused(bus, "text", OPTIONS[i].name, OPTIONS[i].value, OPTIONS[i].error,
                      OPTIONS[i].expected);
    sd_bus_message *m = talk_begin(bus, 1);
    PROMPT(m, "a{sv}a{sv}", 1, "text", "s", "a", 2, "grammar", "s", "root ::= \"a\"", "json_schema",
           "s", "{}");
    talk_refused(bus, m, ERROR_INVALID_ARGS, "exclude each other");
    sd_bus_unref(bus);
    worker_clear(&worker);
}

static void no_template(void) {
    struct WorkerProcess worker;
    struct Talk talks[2];
    worker_launch(&worker, &(struct FakeModel){.no_template = true}, NULL);
    sd_bus *bus = worker_connect(&worker);

    sd_bus_message *m = talk_begin(bus, 1);
    PROMPT(m, "a{sv}a{sv}", 1, "messages", "aa{sv}", 1, 2, "role", "s", "user", "content", "s", "a",
           0);
    talk_refused(bus, m, ERROR_NO_CHAT_TEMPLATE, "no chat template");
    /* a question is raw text then, and greedy */
    m = talk_begin(bus, 2);
    PROMPT(m, "a{sv}a{sv}", 1, "ask", "s", "abc", 1, "max_tokens", "u", 9);
    talk_send(bus, m, &talks[0], 0);
    m = talk_begin(bus, 3);
    PROMPT(m, "a{sv}a{sv}", 1, "text", "s", "abc", 2, "max_tokens", "u", 9, "temperature", "d",
           0.0);
    talk_send(bus, m, &talks[1], 0);
    for (int i = 0; i < 2; i++) talk_finish(bus, &talks[i]);
    CHECK_STR(talks[0].events.text->str, talks[1].events.text->str);
    for (int i = 0; i < 2; i++) talk_clear(&talks[i]);
    sd_bus_unref(bus);
    worker_clear(&worker);
}

static void not_a_pipe(void) {
    struct WorkerProcess worker;
    struct Answer answer = {0};
    worker_launch(&worker, &(struct FakeModel){0}, NULL);
    sd_bus *bus = worker_connect(&worker);
    sd_bus_message *m = talk_begin(bus, 1);

    PROMPT(m, "a{sv}a{sv}h", 1, "text", "s", "a", 0, worker.listen_fd);
    CHECK(sd_bus_call_async(bus, NULL, m, handle_answer, &answer, UINT64_MAX) >= 0);
    answer_wait(bus, &answer);
    CHECK_STR(answer.error, ERROR_INVALID_ARGS);
    answer_clear(&answer);
    sd_bus_message_unref(m);
    sd_bus_unref(bus);
    worker_clear(&worker);
}

static void busy(void) {
    const char *const arguments[] = {"--max-sequences", "1", "--queue", "1", NULL};
    struct WorkerProcess worker;
    struct Talk running, queued;
    worker_launch(&worker, &model_slow, arguments);
    sd_bus *bus = worker_connect(&worker);

    talk_endless(bus, 1, &running, 0);
    talk_endless(bus, 2, &queued, 0);
    sd_bus_message *m = talk_begin(bus, 2);
    PROMPT(m, "a{sv}a{sv}", 1, "text", "s", "a", 0);
    talk_refused(bus, m, ERROR_INVALID_ARGS, "id");
    m = talk_begin(bus, 3);
    PROMPT(m, "a{sv}a{sv}", 1, "text", "s", "a", 0);
    talk_refused(bus, m, ERROR_BUSY, "Too many");
    talk_clear(&running);
    talk_clear(&queued);
    sd_bus_unref(bus);
    worker_clear(&worker);
}

static void cancel(void) {
    struct WorkerProcess worker;
    struct Talk by_call, by_pipe;
    worker_launch(&worker, &model_slow, NULL);
    sd_bus *bus = worker_connect(&worker);

    talk_endless(bus, 7, &by_call, 0);
    talk_endless(bus, 8, &by_pipe, 0);
    CHECK(events_next(&by_call.events));
    CHECK(events_next(&by_pipe.events));
    CHECK(sd_bus_call_method(bus, NULL, WORKER_PATH, WORKER_INTERFACE, "Cancel", NULL, NULL, "t",
                             (uint64_t)7) >= 0);
    talk_finish(bus, &by_call);
    CHECK_STR(by_call.answer.finish_reason, "cancelled");
    CHECK_STR(events_finish_reason(&by_call.events), "cancelled");
    CHECK(!by_pipe.answer.there);
    events_close(&by_pipe.events);
    answer_wait(bus, &by_pipe.answer);
    CHECK_STR(by_pipe.answer.finish_reason, "cancelled");
    CHECK(sd_bus_call_method(bus, NULL, WORKER_PATH, WORKER_INTERFACE, "Cancel", NULL, NULL, "t",
                             (uint64_t)99) >= 0);
    talk_clear(&by_call);
    talk_clear(&by_pipe);
    sd_bus_unref(bus);
    worker_clear(&worker);
}

/* A daemon that dies takes its generations with it, and nobody else's. */
static void connection_lost(void) {
    struct WorkerProcess worker;
    struct Talk lost, kept;
    worker_launch(&worker, &model_slow, NULL);
    sd_bus *first = worker_connect(&worker), *second = worker_connect(&worker);

    talk_endless(first, 1, &lost, 0);
    talk_endless(second, 1, &kept, 0);
    CHECK(events_next(&lost.events));
    sd_bus_close(first);
    sd_bus_unref(first);
    events_finish(&lost.events);
    CHECK_STR(events_finish_reason(&lost.events), "cancelled");
    events_drain(&kept.events);
    CHECK(events_next(&kept.events));
    CHECK_INT(kept.events.n_done, 0);
    talk_clear(&lost);
    talk_clear(&kept);
    sd_bus_unref(second);
    worker_clear(&worker);
}

/* Eight at once: one never reads, one goes away, six get what they would get alone. */
static void eight_at_once(void) {
    struct WorkerProcess worker;
    struct Talk alone, talks[8];
    worker_launch(&worker, &model_slow, NULL);
    sd_bus *bus = worker_connect(&worker);

    talk_short(bus, 100, &alone);
    talk_finish(bus, &alone);
    talk_endless(bus, 0, &talks[0], 4096);
    talk_endless(bus, 1, &talks[1], 0);
    for (int i = 2; i < 8; i++) talk_short(bus, (uint64_t)i, &talks[i]);
    CHECK(events_next(&talks[1].events));
    events_close(&talks[1].events);
    for (int i = 2; i < 8; i++) {
        talk_finish(bus, &talks[i]);
        CHECK_STR(talks[i].events.text->str, alone.events.text->str);
        CHECK_STR(talks[i].answer.finish_reason, "length");
    }
    answer_wait(bus, &talks[1].answer);
    CHECK_STR(talks[1].answer.finish_reason, "cancelled");
    CHECK(!talks[0].answer.there);
    for (int i = 0; i < 8; i++) talk_clear(&talks[i]);
    talk_clear(&alone);
    sd_bus_unref(bus);
    worker_clear(&worker);
}

int main(void) {
    signal(SIGPIPE, SIG_IGN);
    if (!worker_program()) return test_skip_all("RYZEN_LLM_WORKER does not name the worker");
    return TEST_MAIN({"prompt forms", prompt_forms}, {"refused prompts", refused_prompts},
                     {"wrong tools are refused", wrong_tools_are_refused},
                     {"templates are shown", templates_are_shown},
                     {"wrong grammars and schemas are refused", wrong_grammars_are_refused},
                     {"no template", no_template}, {"not a pipe", not_a_pipe}, {"busy", busy},
                     {"cancel", cancel}, {"connection lost", connection_lost},
                     {"eight at once", eight_at_once});
}
