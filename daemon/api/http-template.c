#include "api/http-template.h"

#include "api/http-connection.h"
#include "api/http-reply.h"
#include "api/limits.h"
#include "api/openai-answer.h"
#include "api/openai-request.h"

struct Application {
    SoupServerMessage *message;
    gulong finished, disconnected;
    bool over; /* nobody waits for the answer */
};

static void message_over(SoupServerMessage *message, gpointer userdata) {
    ((struct Application *)userdata)->over = true;
}

static void reply(SoupServerMessage *message, const Problem *problem, const char *text) {
    if (problem->kind) {
        http_reply_problem(message, problem, NULL);
        return;
    }
    JsonObject *object = json_object_new();
    json_object_set_string_member(object, "prompt", text);
    http_reply(message, SOUP_STATUS_OK, json_node_init_object(json_node_alloc(), object));
    json_object_unref(object);
}

static void applied(const Problem *problem, const char *text, void *userdata) {
    struct Application *self = userdata;
    g_clear_signal_handler(&self->finished, self->message);
    g_clear_signal_handler(&self->disconnected, self->message);
    if (!self->over) {
        reply(self->message, problem, text);
        connection_set_deadline(connection_of(self->message), HTTP_SEND_SEC);
        soup_server_message_unpause(self->message);
    }
    g_object_unref(self->message);
    g_free(self);
}

static void start(Service *service, const struct OpenaiRequest *request,
                  SoupServerMessage *message) {
    struct Application *self = g_new0(struct Application, 1);
    self->message = g_object_ref(message);
    self->finished = g_signal_connect(message, "finished", G_CALLBACK(message_over), self);
    self->disconnected = g_signal_connect(message, "disconnected", G_CALLBACK(message_over), self);
    soup_server_message_pause(message);
    connection_set_deadline(connection_of(message), 0); /* a model may have to be loaded */
    const Model *model = openai_find_model(service, request->model);
    service_apply_template(service, model ? model_name(model) : request->model, request->messages,
                           request->n_messages, &request->options, applied, self);
}

void http_template_run(Service *service, SoupServerMessage *message) {
    SoupMessageBody *body = soup_server_message_get_request_body(message);
    g_autoptr(GBytes) bytes = soup_message_body_flatten(body);
    struct OpenaiRequest request = {0};
    struct OpenaiFault fault;
    gsize size;
    const char *data = g_bytes_get_data(bytes, &size);
    if (openai_request_parse(OPENAI_TEMPLATE, data ? data : "", size, &request, &fault) < 0) {
        http_reply_problem(message, &fault.problem, *fault.param ? fault.param : NULL);
        return;
    }
    start(service, &request, message);
    openai_request_done(&request);
}
