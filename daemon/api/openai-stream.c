#include "api/openai-stream.h"

#include <string.h>

#include "api/http-connection.h"
#include "api/http-reply.h"
#include "api/limits.h"

struct OpenaiStream {
    SoupServerMessage *message;
    void (*drained)(void *userdata);
    void *userdata;
    size_t pending; /* bytes that libsoup has and the kernel has not */
    bool full;
    gulong wrote;
};

static void wrote(SoupServerMessage *message, guint size, gpointer userdata) {
    OpenaiStream *stream = userdata;
    stream->pending -= MIN(size, stream->pending);
    connection_set_deadline(connection_of(message), stream->pending ? HTTP_SEND_SEC : 0);
    if (!stream->full || stream->pending > STREAM_PENDING_MAX / 2) return;
    stream->full = false;
    stream->drained(stream->userdata);
}

OpenaiStream *openai_stream_new(SoupServerMessage *message, void (*drained)(void *userdata),
                                void *userdata) {
    OpenaiStream *stream = g_new0(OpenaiStream, 1);
    SoupMessageHeaders *headers = soup_server_message_get_response_headers(message);
    stream->message = g_object_ref(message);
    stream->drained = drained;
    stream->userdata = userdata;
    stream->wrote = g_signal_connect(message, "wrote-body-data", G_CALLBACK(wrote), stream);
    soup_server_message_set_status(message, SOUP_STATUS_OK, NULL);
    soup_message_headers_set_encoding(headers, SOUP_ENCODING_EOF);
    soup_message_headers_replace(headers, "Content-Type", "text/event-stream; charset=utf-8");
    soup_message_headers_replace(headers, "Cache-Control", "no-cache");
    soup_message_headers_replace(headers, "Connection", "close");
    soup_message_body_set_accumulate(soup_server_message_get_response_body(message), FALSE);
    return stream;
}

OpenaiStream *openai_stream_free(OpenaiStream *stream) {
    if (!stream) return NULL;
    g_signal_handler_disconnect(stream->message, stream->wrote);
    g_object_unref(stream->message);
    g_free(stream);
    return NULL;
}

/* Takes `text`. */
static void send_text(OpenaiStream *stream, char *text) {
    size_t size = strlen(text);
    SoupMessageBody *body = soup_server_message_get_response_body(stream->message);
    soup_message_body_append_take(body, (guchar *)text, size);
    if (stream->pending == 0)
        connection_set_deadline(connection_of(stream->message), HTTP_SEND_SEC);
    stream->pending += size;
    stream->full |= stream->pending > STREAM_PENDING_MAX;
    soup_server_message_unpause(stream->message);
}

void openai_stream_send(OpenaiStream *stream, JsonNode *event) {
    g_autofree char *json = http_json_text(event, NULL);
    send_text(stream, g_strconcat("data: ", json, "\n\n", NULL));
}

void openai_stream_send_done(OpenaiStream *stream) {
    send_text(stream, g_strdup("data: [DONE]\n\n"));
}

void openai_stream_end(OpenaiStream *stream) {
    soup_message_body_complete(soup_server_message_get_response_body(stream->message));
    soup_server_message_unpause(stream->message);
}

bool openai_stream_is_full(const OpenaiStream *stream) {
    return stream->full;
}
