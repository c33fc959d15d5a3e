/*
 * Server-sent events in the answer of one HTTP request, no faster than the client reads them. The
 * body ends with the connection, in HTTP/1.0 and 1.1 alike: ending a chunked one makes libsoup
 * write from a thread that blocks.
 */
#pragma once

#include <json-glib/json-glib.h>
#include <libsoup/soup.h>
#include <stdbool.h>

typedef struct OpenaiStream OpenaiStream;

/* Starts the answer of a paused message. `drained` is called when the client has caught up after
 * openai_stream_is_full(). */
OpenaiStream *openai_stream_new(SoupServerMessage *message, void (*drained)(void *userdata),
                                void *userdata);
OpenaiStream *openai_stream_free(OpenaiStream *stream);
/* Takes `event`. */
void openai_stream_send(OpenaiStream *stream, JsonNode *event);
/* "[DONE]" */
void openai_stream_send_done(OpenaiStream *stream);
/* Nothing follows. */
void openai_stream_end(OpenaiStream *stream);
/* So much waits for the client that no more events should be made. */
bool openai_stream_is_full(const OpenaiStream *stream);
