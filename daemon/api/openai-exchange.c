#include "api/openai-exchange.h"

#include <string.h>
#include <unistd.h>

#include "api/event-reader.h"
#include "api/http-connection.h"
#include "api/http-reply.h"
#include "api/limits.h"
#include "api/openai-answer.h"
#include "api/openai-stream.h"

typedef struct Exchange Exchange;

/* One answer to one prompt. */
struct Choice {
    Exchange *exchange;
    unsigned index;
    Request *request; /* NULL when it has ended */
    EventReader *reader;
    GString *text;            /* unless it is streamed */
    OpenaiLogprobs *logprobs; /* NULL: not asked for */
    struct Event end;         /* its last event, while its request has not finished */
    enum FinishReason finish;
    bool done;
};

struct Exchange {
    SoupServerMessage *message;
    gulong finished, disconnected;
    struct OpenaiRequest request;
    struct OpenaiAnswer answer;
    OpenaiStream *stream; /* once it has begun */
    struct Usage usage;   /* of all choices that are done */
    size_t n_choices, n_done;
    struct Choice choices[CHOICES_MAX];
};

/* ---- The end ---- */

/* Cancels what runs. Idempotent; also from the handler of an event. */
static void exchange_stop(Exchange *exchange) {
    connection_watch(connection_of(exchange->message), NULL, NULL);
    for (size_t i = 0; i < exchange->n_choices; i++) {
        struct Choice *choice = &exchange->choices[i];
        if (choice->request) request_set_finished(choice->request, NULL, NULL);
        if (choice->request && !choice->done) request_cancel(choice->request);
        choice->request = request_unref(choice->request);
        choice->reader = event_reader_free(choice->reader);
    }
}

static void exchange_free(Exchange *exchange) {
    exchange_stop(exchange);
    for (size_t i = 0; i < exchange->n_choices; i++) {
        if (exchange->choices[i].text) g_string_free(exchange->choices[i].text, TRUE);
        openai_logprobs_free(exchange->choices[i].logprobs);
    }
    openai_stream_free(exchange->stream);
    openai_answer_done(&exchange->answer);
    openai_request_done(&exchange->request);
    g_clear_signal_handler(&exchange->finished, exchange->message);
    g_clear_signal_handler(&exchange->disconnected, exchange->message);
    g_object_unref(exchange->message);
    g_free(exchange);
}

/* libsoup has written everything, failed to, or lost the connection. */
static void message_over(SoupServerMessage *message, gpointer userdata) {
    exchange_free(userdata);
}

/* The connection is useless now, but libsoup finds out only by trying to write. */
static void client_gone(void *userdata) {
    Exchange *exchange = userdata;
    exchange_stop(exchange);
    connection_hang_up(connection_of(exchange->message));
    if (exchange->stream) {
        openai_stream_end(exchange->stream);
    } else {
        soup_server_message_set_status(exchange->message, SOUP_STATUS_INTERNAL_SERVER_ERROR, NULL);
        soup_server_message_unpause(exchange->message);
    }
}

/* The whole answer is in libsoup's hands: nothing is left to cancel, and its end is awaited. */
static void exchange_replied(Exchange *exchange) {
    exchange_stop(exchange);
    connection_set_deadline(connection_of(exchange->message), HTTP_SEND_SEC);
    if (exchange->stream)
        openai_stream_end(exchange->stream);
    else
        soup_server_message_unpause(exchange->message);
}

/* The worker names the option; which field it came from is known here. */
static bool is_about_constraint(const Problem *problem) {
    return g_str_has_prefix(problem->text, "Option grammar") ||
           g_str_has_prefix(problem->text, "Option json_schema");
}

static const char *param_of(const Exchange *exchange, const Problem *problem) {
    if (is_about_constraint(problem)) return exchange->request.constraint_field;
    return problem->kind == PROBLEM_NO_SUCH_MODEL      ? "model"
           : problem->kind == PROBLEM_CONTEXT_TOO_LONG ? exchange->answer.dialect->input
                                                       : NULL;
}

static void exchange_fail(Exchange *exchange, const Problem *problem) {
    const char *param = param_of(exchange, problem);
    if (exchange->stream)
        openai_stream_send(exchange->stream, http_error_node(problem, param));
    else
        http_reply_problem(exchange->message, problem, param);
    exchange_replied(exchange);
}

/* ---- The answer at once ---- */

static void reply_whole(Exchange *exchange) {
    JsonArray *choices = json_array_new();
    for (size_t i = 0; i < exchange->n_choices; i++) {
        const struct Choice *choice = &exchange->choices[i];
        json_array_add_object_element(choices, openai_choice(&exchange->answer, choice->index,
                                                             choice->text->str, choice->logprobs,
                                                             choice->finish));
    }
    http_reply(exchange->message, SOUP_STATUS_OK,
               openai_answer_node(&exchange->answer, choices, &exchange->usage));
    exchange_replied(exchange);
}

/* ---- The answer as a stream ---- */

static void stream_drained(void *userdata) {
    Exchange *exchange = userdata;
    for (size_t i = 0; i < exchange->n_choices; i++)
        if (exchange->choices[i].reader) event_reader_resume(exchange->choices[i].reader);
}

static void stream_send(Exchange *exchange, JsonNode *event) {
    openai_stream_send(exchange->stream, event);
    if (!openai_stream_is_full(exchange->stream)) return;
    for (size_t i = 0; i < exchange->n_choices; i++)
        if (exchange->choices[i].reader) event_reader_pause(exchange->choices[i].reader);
}

static void stream_begin(Exchange *exchange) {
    if (exchange->stream) return;
    exchange->stream = openai_stream_new(exchange->message, stream_drained, exchange);
    for (size_t i = 0; exchange->answer.dialect->set_opening && i < exchange->n_choices; i++)
        openai_stream_send(exchange->stream,
                           openai_opening_chunk(&exchange->answer, exchange->choices[i].index,
                                                exchange->request.include_usage));
}

static void stream_finish(Exchange *exchange) {
    if (exchange->request.include_usage)
        openai_stream_send(exchange->stream,
                           openai_usage_chunk(&exchange->answer, &exchange->usage));
    openai_stream_send_done(exchange->stream);
    exchange_replied(exchange);
}

/* ---- Events ---- */

/* Answers to the same prompt share it: it counts once. */
static void usage_add(Exchange *exchange, const struct Choice *choice, const struct Usage *usage) {
    bool first = choice->index % exchange->request.n == 0;
    exchange->usage.prompt_tokens += first ? usage->prompt_tokens : 0;
    exchange->usage.cached_tokens += first ? usage->cached_tokens : 0;
    exchange->usage.completion_tokens += usage->completion_tokens;
    exchange->usage.drafted_tokens += usage->drafted_tokens;
    exchange->usage.accepted_tokens += usage->accepted_tokens;
}

static void choice_done(struct Choice *choice, enum FinishReason finish,
                        const struct Usage *usage) {
    Exchange *exchange = choice->exchange;
    choice->done = true;
    choice->finish = finish;
    usage_add(exchange, choice, usage);
    exchange->n_done++;
    bool all = exchange->n_done == exchange->n_choices;
    if (exchange->request.stream) {
        stream_begin(exchange);
        stream_send(exchange, openai_last_chunk(&exchange->answer, choice->index, finish,
                                                exchange->request.include_usage));
        if (all) stream_finish(exchange);
    } else if (all) {
        reply_whole(exchange);
    }
}

static gsize choice_size(const struct Choice *choice) {
    return choice->text->len + (choice->logprobs ? openai_logprobs_size(choice->logprobs) : 0);
}

static void choice_delta(struct Choice *choice, const struct Event *event) {
    Exchange *exchange = choice->exchange;
    const char *text = event->text;
    if (choice->logprobs) openai_logprobs_add(choice->logprobs, text, event->logprobs);
    if (exchange->request.stream) {
        bool nothing = !*text && choice->logprobs && !openai_logprobs_size(choice->logprobs);
        if (nothing) return; /* the rest of a token is yet to come */
        stream_begin(exchange);
        stream_send(exchange,
                    openai_delta_chunk(&exchange->answer, choice->index, text, choice->logprobs,
                                       exchange->request.include_usage));
        return;
    }
    g_string_append(choice->text, text);
    if (choice_size(choice) <= ANSWER_MAX) return;
    request_cancel(choice->request);
    choice->reader = event_reader_free(choice->reader);
    choice_done(choice, FINISH_LENGTH, &(struct Usage){0});
}

static void choice_finished(Request *request, void *userdata) {
    struct Choice *choice = userdata;
    const struct Event *event = &choice->end;
    Problem problem = event->problem;
    if (event->finish == FINISH_CANCELLED)
        problem_set(&problem, PROBLEM_CANCELLED, "The request was cancelled.");
    if (event->finish == FINISH_STOP || event->finish == FINISH_LENGTH) {
        choice_done(choice, event->finish, &event->usage);
    } else {
        choice->done = true;
        exchange_fail(choice->exchange, &problem);
    }
}

/* The end is told when the service knows of it too: a client's next request finds its place free.
 */
static void choice_event(const struct Event *event, void *userdata) {
    struct Choice *choice = userdata;
    if (event->type == EVENT_DELTA) {
        choice_delta(choice, event);
        return;
    }
    choice->end = *event;
    /* An error may be the stream's alone: without a reader the request ends. */
    if (event->finish == FINISH_ERROR) choice->reader = event_reader_free(choice->reader);
    request_set_finished(choice->request, choice_finished, choice);
}

/* ---- The beginning ---- */

/* Different choices need different seeds; which ones is documented: seed + i. */
static int choice_start(Exchange *exchange, Service *service, uid_t uid, size_t index,
                        Problem *why) {
    struct OpenaiRequest *request = &exchange->request;
    struct Choice *choice = &exchange->choices[index];
    size_t answer = index % request->n;
    struct GenerateOptions options = request->options; /* borrows `stop` */
    if (options_is_set(&options, "seed")) options.seed += answer;
    struct GenerationSpec spec = {
        .model = exchange->answer.model,
        .uid = uid,
        .text = request->prompts ? request->prompts[index / request->n] : NULL,
        .messages = request->messages,
        .n_messages = request->n_messages,
        .options = &options,
    };
    *choice = (struct Choice){.exchange = exchange, .index = (unsigned)index};
    exchange->n_choices = index + 1;
    if (!request->stream) choice->text = g_string_new(NULL);
    if (options_is_set(&options, "logprobs")) choice->logprobs = openai_logprobs_new();
    int r = service_generate(service, &spec, &choice->request, why);
    if (r < 0) return r;
    choice->reader = event_reader_new(request_take_stream(choice->request), choice_event, choice);
    return 0;
}

static void exchange_start(Exchange *exchange, Service *service, uid_t uid) {
    size_t n = MAX(exchange->request.n_prompts, 1) * exchange->request.n;
    Problem why = {0};
    soup_server_message_pause(exchange->message);
    for (size_t i = 0; i < n; i++) {
        if (choice_start(exchange, service, uid, i, &why) == 0) continue;
        exchange_fail(exchange, &why);
        return;
    }
    connection_set_deadline(connection_of(exchange->message), 0);
    connection_watch(connection_of(exchange->message), client_gone, exchange);
}

static Model *find_model(Service *service, const char *name, struct OpenaiFault *fault) {
    Model *model = openai_find_model(service, name);
    if (model) return model;
    g_strlcpy(fault->param, "model", sizeof fault->param);
    problem_set(&fault->problem, PROBLEM_NO_SUCH_MODEL, "There is no model \"%s\".", name);
    return NULL;
}

void openai_exchange_run(Service *service, const struct OpenaiDialect *dialect, uid_t uid,
                         SoupServerMessage *message) {
    SoupMessageBody *body = soup_server_message_get_request_body(message);
    g_autoptr(GBytes) bytes = soup_message_body_flatten(body);
    struct OpenaiRequest request = {0};
    struct OpenaiFault fault;
    gsize size;
    const char *data = g_bytes_get_data(bytes, &size);
    Model *model = NULL;
    if (openai_request_parse(dialect->kind, data ? data : "", size, &request, &fault) == 0)
        model = find_model(service, request.model, &fault);
    soup_message_body_truncate(body); /* it has been understood; answers can take minutes */
    if (!model) {
        openai_request_done(&request);
        http_reply_problem(message, &fault.problem, *fault.param ? fault.param : NULL);
        return;
    }
    Exchange *exchange = g_new0(Exchange, 1);
    exchange->message = g_object_ref(message);
    exchange->request = request;
    openai_answer_init(&exchange->answer, dialect, model);
    exchange->finished = g_signal_connect(message, "finished", G_CALLBACK(message_over), exchange);
    exchange->disconnected =
        g_signal_connect(message, "disconnected", G_CALLBACK(message_over), exchange);
    exchange_start(exchange, service, uid);
}
