/*
 * What a client of the HTTP door may ask of it, each limit with its reason. Those of generation
 * options are in dbus/options.h.
 */
#pragma once

/* ---- Connections ---- */
/* One descriptor and a few kilobytes each, well below the usual 1024 descriptors of a process with
 * eight pipes for each of some dozen requests. More wait in the listener's backlog. */
#define HTTP_CONNECTIONS_MAX 256u
/* One user can't take the others' share. Everyone who comes over TCP is one user here: who they are
 * is known only after the headers. */
#define HTTP_CONNECTIONS_PER_USER_MAX 64u
/* From connecting to the last byte of the request: a local client sends the
 * largest body in well under a second. */
#define HTTP_RECEIVE_SEC 20u
/* A client that takes no byte of its answer for so long is gone or stuck, and holds a place in a
 * worker's batch. */
#define HTTP_SEND_SEC 300u
#define HTTP_SWEEP_SEC 1u /* granularity of the two above */
/* After accept() failed for lack of descriptors or places. */
#define HTTP_ACCEPT_RETRY_MSEC 250u

/* ---- One request ---- */
/* A prompt of a million tokens is about 4 MiB of text; JSON escapes can double it. Headers are
 * limited to 64 KiB by libsoup. */
#define HTTP_BODY_MAX (8u << 20)
/* Of a body that is refused, so much is read and thrown away so that the client reads the refusal
 * instead of a broken pipe. */
#define HTTP_BODY_DRAIN_MAX (64u << 20)
/* What json-glib recurses on: it has no limit of its own and a stack of 8 MiB. */
#define JSON_DEPTH_MAX 64u
/* json-glib takes about 150 bytes a value: 20 MiB at most. */
#define JSON_VALUES_MAX (128u << 10)
/* A conversation has hundreds. */
#define MESSAGES_MAX 4096u
#define MODEL_NAME_MAX 64u
/* Answers to one request, over all its prompts: each is a request of its own for the service, which
 * allows a user 16 by default. */
#define CHOICES_MAX 8u

/* ---- Answers ---- */
/* Bytes of one answer that is collected before it is sent, with what is said of its tokens; it ends
 * there as if max_tokens were reached. No model has a context that large. */
#define ANSWER_MAX (16u << 20)
/* A line of the event stream has at most 4096 bytes (org.ryzenllm1.Manager.xml). */
#define EVENT_LINE_MAX 8192u
/* Bytes that wait for a slow reader before the daemon stops reading events. The worker then stops
 * at a full pipe. */
#define STREAM_PENDING_MAX (32u << 10)
#define RETRY_AFTER "2" /* seconds, as a header: a place in the queue is free about that soon */

/* ---- API keys ---- */
#define API_KEYS_MAX 64u
#define API_KEY_LENGTH_MIN 16u /* what nobody guesses */
#define API_KEY_LENGTH_MAX 256u
#define API_KEY_FILE_MAX (64u << 10)
