/* The body of an HTTP request, and a line of an event stream as the HTTP door reads it. */
#include <glib.h>
#include <json-glib/json-glib.h>
#include <stdint.h>
#include <stdlib.h>

#include "api/event-reader.h"
#include "api/limits.h"
#include "api/openai-request.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_text(const char *text) {
    if (!text || !g_utf8_validate(text, -1, NULL)) abort();
}

static void check_request(enum OpenaiKind kind, const char *text, size_t size) {
    struct OpenaiRequest request;
    struct OpenaiFault fault;
    if (openai_request_parse(kind, text, size, &request, &fault) < 0) {
        if (fault.problem.kind == PROBLEM_NONE || !fault.problem.text[0]) abort();
        return;
    }
    check_text(request.model);
    for (size_t i = 0; i < request.n_messages; i++)
        if (!message_is_complete(&request.messages[i])) abort();
    for (size_t i = 0; i < request.n_prompts; i++) check_text(request.prompts[i]);
    if (request.n < 1 || request.n * MAX(request.n_prompts, 1) > CHOICES_MAX) abort();
    if (!(request.options.temperature >= 0 && request.options.temperature <= 2)) abort();
    openai_request_done(&request);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const char *text = size ? (const char *)data : "";
    g_autoptr(JsonNode) node = NULL;
    struct Event event;
    check_request(OPENAI_CHAT, text, size);
    check_request(OPENAI_COMPLETION, text, size);
    check_request(OPENAI_TEMPLATE, text, size);
    if (event_parse(text, size, &event, &node) == 0 && event.type == EVENT_DELTA)
        check_text(event.text);
    return 0;
}
