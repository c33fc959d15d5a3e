/*
 * Manager.Ask: a generation whose stream the daemon itself reads, so that one call is enough.
 */
#include <glib.h>

#include "api/bus-internal.h"
#include "api/event-reader.h"
#include "api/limits.h"

typedef struct BusAsk {
    BusCall *call;
    EventReader *reader;
    GString *answer;
} BusAsk;

static void ask_free(BusAsk *ask) {
    g_queue_remove(&ask->call->bus->asks, ask);
    event_reader_free(ask->reader);
    g_string_free(ask->answer, TRUE);
    g_free(ask);
}

void bus_asks_free(Bus *bus) {
    while (bus->asks.head) ask_free(bus->asks.head->data); /* the calls are freed as such */
}

static void ask_fail(BusAsk *ask, const Problem *problem) {
    BusCall *call = ask->call;
    ask_free(ask);
    bus_call_fail(call, problem);
}

static void ask_end(BusAsk *ask, const struct Event *event) {
    static const Problem cancelled = {PROBLEM_CANCELLED, "The request was cancelled."};
    if (event->finish == FINISH_ERROR || event->finish == FINISH_CANCELLED) {
        Problem problem = event->finish == FINISH_ERROR ? event->problem : cancelled;
        ask_fail(ask, &problem);
        return;
    }
    BusCall *call = ask->call;
    g_autofree char *answer = g_strdup(ask->answer->str);
    ask_free(ask);
    bus_call_return(call, "s", answer);
}

static void on_event(const struct Event *event, void *userdata) {
    BusAsk *ask = userdata;
    Problem too_long;
    if (event->type == EVENT_DONE) {
        ask_end(ask, event);
        return;
    }
    g_string_append(ask->answer, event->text);
    if (ask->answer->len <= ANSWER_MAX) return;
    problem_set(&too_long, PROBLEM_NOT_SUPPORTED,
                "The answer is longer than %u bytes: use Chat, which streams it.", ANSWER_MAX);
    ask_fail(ask, &too_long);
}

/* Greedy unless the caller wants something else: one question, one answer. */
static void greedy(struct GenerateOptions *options) {
    if (!options_is_set(options, "temperature")) options_set_number(options, "temperature", 0);
}

void bus_act_ask(BusCall *call) {
    struct BusArguments *arguments = &call->arguments;
    const struct GenerationSpec spec = {
        .model = arguments->model,
        .uid = call->peer->uid,
        .ask = arguments->text,
        .options = &arguments->options,
    };
    Problem problem;
    Request *request;
    greedy(&arguments->options);
    if (service_generate(call->bus->service, &spec, &request, &problem) < 0) {
        bus_call_fail(call, &problem);
        return;
    }
    bus_request_own(call->bus, request, call->peer);
    BusAsk *ask = g_new0(BusAsk, 1);
    ask->call = call;
    ask->answer = g_string_new(NULL);
    ask->reader = event_reader_new(request_take_stream(request), on_event, ask);
    g_queue_push_tail(&call->bus->asks, ask);
    request_unref(request);
}
