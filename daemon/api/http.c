#include "api/http.h"

#include <libsoup/soup.h>
#include <string.h>
#include <unistd.h>

#include "api/http-auth.h"
#include "api/http-connection.h"
#include "api/http-listener.h"
#include "api/http-reply.h"
#include "api/http-template.h"
#include "api/limits.h"
#include "api/openai-answer.h"
#include "api/openai-exchange.h"

#define INTAKE_KEY "ryzen-llm-intake"

struct Http {
    Service *service;
    SoupServer *server;
    Connections *connections;
    GPtrArray *listeners;
};

/* What is known of a request once its headers were accepted. */
struct Intake {
    uid_t uid;
    size_t received; /* bytes of body */
};

/* ---- Routes ---- */

typedef void (*RouteHandler)(Http *http, uid_t uid, SoupServerMessage *message, const char *rest);

static void health(Http *http, uid_t uid, SoupServerMessage *message, const char *rest) {
    JsonObject *object = json_object_new();
    json_object_set_string_member(object, "status", "ok");
    http_reply(message, SOUP_STATUS_OK, json_node_init_object(json_node_alloc(), object));
    json_object_unref(object);
}

static void models(Http *http, uid_t uid, SoupServerMessage *message, const char *rest) {
    g_autofree Model **all = service_list_models(http->service);
    http_reply(message, SOUP_STATUS_OK, openai_model_list(all));
}

static void model(Http *http, uid_t uid, SoupServerMessage *message, const char *rest) {
    Model *found = openai_find_model(http->service, rest);
    if (found) {
        JsonObject *object = openai_model(found);
        http_reply(message, SOUP_STATUS_OK, json_node_init_object(json_node_alloc(), object));
        json_object_unref(object);
    } else {
        Problem problem;
        problem_set(&problem, PROBLEM_NO_SUCH_MODEL, "There is no model \"%s\".", rest);
        http_reply_problem(message, &problem, "model");
    }
}

static void chat(Http *http, uid_t uid, SoupServerMessage *message, const char *rest) {
    openai_exchange_run(http->service, &openai_chat, uid, message);
}

static void completion(Http *http, uid_t uid, SoupServerMessage *message, const char *rest) {
    openai_exchange_run(http->service, &openai_completion, uid, message);
}

static void apply_template(Http *http, uid_t uid, SoupServerMessage *message, const char *rest) {
    http_template_run(http->service, message);
}

/* A path that ends in a slash takes the rest of the path as an argument. */
static const struct Route {
    const char *path, *method, *allow;
    RouteHandler handle;
} routes[] = {
    {"/health", "GET", "GET, HEAD", health},
    {"/v1/models", "GET", "GET, HEAD", models},
    {"/v1/models/", "GET", "GET, HEAD", model},
    {"/v1/chat/completions", "POST", "POST", chat},
    {"/v1/completions", "POST", "POST", completion},
    {"/apply-template", "POST", "POST", apply_template},
};

static const struct Route *route_find(const char *path) {
    for (size_t i = 0; i < G_N_ELEMENTS(routes); i++) {
        size_t length = strlen(routes[i].path);
        bool prefix = routes[i].path[length - 1] == '/';
        if (prefix ? strncmp(path, routes[i].path, length) == 0 && path[length]
                   : strcmp(path, routes[i].path) == 0)
            return &routes[i];
    }
    return NULL;
}

/* libsoup leaves the body away by itself when it was HEAD. */
static bool route_has_method(const struct Route *route, const char *method) {
    if (strcmp(method, "HEAD") == 0) method = "GET";
    return strcmp(method, route->method) == 0;
}

/* ---- A request comes in ---- */

/* The rest of the body is read and thrown away: a client that is still sending would not see an
 * answer. */
static void refuse(SoupServerMessage *message, enum HttpRefusal refusal, const char *allow) {
    SoupMessageBody *body = soup_server_message_get_request_body(message);
    soup_message_body_set_accumulate(body, FALSE);
    soup_message_body_truncate(body);
    http_reply_refusal(message, refusal, allow);
}

static void got_chunk(SoupServerMessage *message, GBytes *chunk, gpointer userdata) {
    struct Intake *intake = userdata;
    intake->received += g_bytes_get_size(chunk);
    if (intake->received > HTTP_BODY_DRAIN_MAX)
        connection_hang_up(connection_of(message));
    else if (intake->received > HTTP_BODY_MAX && soup_server_message_get_status(message) == 0)
        refuse(message, HTTP_BODY_TOO_LARGE, NULL);
}

static bool authenticate(SoupServerMessage *message, uid_t *ret_uid,
                         enum HttpRefusal *ret_refusal) {
    const Connection *connection = connection_of(message);
    const Listener *listener = connection_listener(connection);
    *ret_uid = connection_user(connection);
    return !listener_is_tcp(listener) ||
           http_auth_check(listener_keys(listener), listener_port(listener),
                           soup_server_message_get_request_headers(message), ret_uid, ret_refusal);
}

/* Before the body is read. */
static void got_headers(SoupServer *server, SoupServerMessage *message, const char *path,
                        GHashTable *query, gpointer userdata) {
    struct Intake *intake = g_new0(struct Intake, 1);
    SoupMessageHeaders *headers = soup_server_message_get_request_headers(message);
    const struct Route *route = route_find(path);
    enum HttpRefusal refusal;
    g_object_set_data_full(G_OBJECT(message), INTAKE_KEY, intake, g_free);
    g_signal_connect(message, "got-chunk", G_CALLBACK(got_chunk), intake);

    if (!authenticate(message, &intake->uid, &refusal))
        refuse(message, refusal, NULL);
    else if (!route)
        refuse(message, HTTP_NO_SUCH_PATH, NULL);
    else if (!route_has_method(route, soup_server_message_get_method(message)))
        refuse(message, HTTP_WRONG_METHOD, route->allow);
    else if (soup_message_headers_get_encoding(headers) == SOUP_ENCODING_CONTENT_LENGTH &&
             soup_message_headers_get_content_length(headers) > (goffset)HTTP_BODY_MAX)
        refuse(message, HTTP_BODY_TOO_LARGE, NULL);
}

static void got_request(SoupServer *server, SoupServerMessage *message, const char *path,
                        GHashTable *query, gpointer userdata) {
    const struct Intake *intake = g_object_get_data(G_OBJECT(message), INTAKE_KEY);
    const struct Route *route = route_find(path);
    route->handle(userdata, intake->uid, message, path + strlen(route->path));
}

/* ---- The server ---- */

int http_new(Service *service, Http **ret, Problem *why) {
    Http *http = g_new0(Http, 1);
    http->service = service;
    http->listeners = g_ptr_array_new();
    http->server = soup_server_new(NULL, NULL);
    http->connections = connections_new(http->server);
    soup_server_add_early_handler(http->server, NULL, got_headers, http, NULL);
    soup_server_add_handler(http->server, NULL, got_request, http, NULL);
    *ret = http;
    return 0;
}

int http_listen_fd(Http *http, int fd, bool tcp, const char *api_key_file, Problem *why) {
    Listener *listener;
    ApiKeys *keys = tcp ? api_keys_new(api_key_file) : NULL;
    int r = listener_new(http->connections, fd, tcp, keys, &listener);
    if (r < 0) {
        problem_set(why, PROBLEM_FAILED, "The HTTP socket: %s.", g_strerror(-r));
        return r;
    }
    g_ptr_array_add(http->listeners, listener);
    return 0;
}

Http *http_free(Http *http) {
    if (!http) return NULL;
    soup_server_disconnect(http->server);
    connections_free(http->connections);
    for (size_t i = 0; i < http->listeners->len; i++) listener_free(http->listeners->pdata[i]);
    g_ptr_array_unref(http->listeners);
    g_object_unref(http->server);
    g_free(http);
    return NULL;
}
