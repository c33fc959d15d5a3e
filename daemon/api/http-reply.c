#include "api/http-reply.h"

#include "api/errors.h"
#include "api/limits.h"

static const struct {
    unsigned status;
    const char *code, *text;
} refusals[] = {
    [HTTP_NO_SUCH_PATH] = {404, "not_found", "There is nothing at this path."},
    [HTTP_WRONG_METHOD] = {405, "method_not_allowed", "This path does not have this method."},
    [HTTP_BODY_TOO_LARGE] = {413, "body_too_large", "The body of the request is too large."},
    [HTTP_NO_KEY] = {401, "invalid_api_key",
                     "An API key is needed: send \"Authorization: Bearer KEY\"."},
    [HTTP_WRONG_KEY] = {401, "invalid_api_key", "This API key is not known."},
    [HTTP_FOREIGN_HOST] = {403, "foreign_host",
                           "Only requests to localhost, 127.0.0.1 or [::1] with the right port are "
                           "served."},
    [HTTP_FOREIGN_ORIGIN] = {403, "foreign_origin", "Web pages from elsewhere are not served."},
};

static void set_string(JsonObject *object, const char *name, const char *value) {
    if (value)
        json_object_set_string_member(object, name, value);
    else
        json_object_set_null_member(object, name);
}

static JsonNode *error_node(const char *text, const char *type, const char *param,
                            const char *code) {
    JsonObject *error = json_object_new(), *outer = json_object_new();
    g_autofree char *whole = g_utf8_make_valid(text, -1); /* it may quote the caller, cut short */
    set_string(error, "message", whole);
    set_string(error, "type", type);
    set_string(error, "param", param);
    set_string(error, "code", code);
    json_object_set_object_member(outer, "error", error);
    JsonNode *node = json_node_init_object(json_node_alloc(), outer);
    json_object_unref(outer);
    return node;
}

JsonNode *http_error_node(const Problem *problem, const char *param) {
    const struct ErrorRow *row = error_row(problem->kind);
    return error_node(problem->text, row->openai_type, param, row->openai_code);
}

char *http_json_text(JsonNode *node, size_t *ret_size) {
    g_autoptr(JsonGenerator) generator = json_generator_new();
    gsize size;
    json_generator_set_root(generator, node);
    char *text = json_generator_to_data(generator, &size);
    json_node_unref(node);
    if (ret_size) *ret_size = size;
    return text;
}

void http_reply(SoupServerMessage *message, unsigned status, JsonNode *body) {
    size_t size;
    char *text = http_json_text(body, &size);
    SoupMessageHeaders *headers = soup_server_message_get_response_headers(message);
    soup_message_headers_replace(headers, "Cache-Control", "no-store");
    soup_message_headers_replace(headers, "Connection", "close");
    soup_server_message_set_status(message, status, NULL);
    soup_server_message_set_response(message, "application/json", SOUP_MEMORY_TAKE, text, size);
}

void http_reply_problem(SoupServerMessage *message, const Problem *problem, const char *param) {
    unsigned status = error_row(problem->kind)->http_status;
    if (status == SOUP_STATUS_SERVICE_UNAVAILABLE) {
        SoupMessageHeaders *headers = soup_server_message_get_response_headers(message);
        soup_message_headers_replace(headers, "Retry-After", RETRY_AFTER);
    }
    http_reply(message, status, http_error_node(problem, param));
}

void http_reply_refusal(SoupServerMessage *message, enum HttpRefusal refusal, const char *allow) {
    SoupMessageHeaders *headers = soup_server_message_get_response_headers(message);
    if (allow) soup_message_headers_replace(headers, "Allow", allow);
    if (refusals[refusal].status == SOUP_STATUS_UNAUTHORIZED)
        soup_message_headers_replace(headers, "WWW-Authenticate", "Bearer realm=\"ryzen-llm\"");
    http_reply(
        message, refusals[refusal].status,
        error_node(refusals[refusal].text, "invalid_request_error", NULL, refusals[refusal].code));
}
