/*
 * A complete answer: JSON in a message of libsoup, errors in OpenAI's shape. For use in a handler,
 * or later with the message paused, followed by soup_server_message_unpause().
 */
#pragma once

#include <json-glib/json-glib.h>
#include <libsoup/soup.h>

#include "service/problem.h"

/* What HTTP itself refuses, before any question to the service. */
enum HttpRefusal {
    HTTP_NO_SUCH_PATH,
    HTTP_WRONG_METHOD,
    HTTP_BODY_TOO_LARGE,
    HTTP_NO_KEY,
    HTTP_WRONG_KEY,
    HTTP_FOREIGN_HOST,
    HTTP_FOREIGN_ORIGIN,
};

/* Takes `body`. */
void http_reply(SoupServerMessage *message, unsigned status, JsonNode *body);
/* `param` (may be NULL) is the field of the request that is at fault. */
void http_reply_problem(SoupServerMessage *message, const Problem *problem, const char *param);
/* `allow` is the Allow header of HTTP_WRONG_METHOD, else NULL. */
void http_reply_refusal(SoupServerMessage *message, enum HttpRefusal refusal, const char *allow);

/* {"error":{"message","type","param","code"}} */
JsonNode *http_error_node(const Problem *problem, const char *param);
/* Takes `node`. */
char *http_json_text(JsonNode *node, size_t *ret_size);
