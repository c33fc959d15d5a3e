/*
 * Everything that comes from outside the daemon's core has a limit, and the limit a reason.
 */
#pragma once

/* Directory, unit, socket and object names are made of a model's name: 64 fits all of them
 * (sun_path has 108). */
#define MODEL_NAME_MAX 64
/* Far more models than a machine has disk for; a directory of rubbish does not fill memory. */
#define MODELS_MAX 1024
/* A manifest is half a kilobyte and a chat template, and those are tens of kilobytes at most. */
#define MANIFEST_SIZE_MAX (1 << 20)
/* json-glib recurses; a manifest has two levels. */
#define MANIFEST_DEPTH_MAX 16
/* Numbers in a manifest are added and multiplied: below 2^50 no sum of MODELS_MAX overflows. */
#define MANIFEST_NUMBER_MAX (INT64_C(1) << 50)
/* Ternary layouts are timed for 8 numbers of columns at most (engine/pack-ternary.h). */
#define MANIFEST_TRIALS_MAX 8u
/* A configuration file is read by a person. */
#define CONFIG_SIZE_MAX (1 << 20)

/* A million tokens are about four megabytes of text. */
#define PROMPT_SIZE_MAX (16u << 20)
#define MESSAGES_MAX 4096
/* Embedding is one worker call: more inputs in several calls let others in between. */
#define EMBED_INPUTS_MAX 256
#define TOKENS_MAX (1u << 20)
/* An answer that is collected for one reply (Ask) is kept in memory. */
#define ANSWER_SIZE_MAX (8u << 20)
/* A line of the stream is written at once or not at all: PIPE_BUF. */
#define STREAM_LINE_MAX 4096
/* Descriptors are everybody's: a reader that has stopped reading holds one this long after the
 * end. */
#define STREAM_DRAIN_MSEC 60000

/* Copying and packing are bound by the disk; more at once only make all of them slower. */
#define INSTALLS_MAX 2
/* Files of one model and its draft model together: they come as descriptors of one message, of
 * which the system bus lets 16 pass (max_message_unix_fds of dbus-daemon). Whoever has more parts
 * can merge them. */
#define INSTALL_FILES_MAX 16
/* Kinds of tensors that the packer may have requantised; the engine's PACK_MAX_CHANGES. */
#define REQUANTISED_MAX 32
/* A tensor type's name has up to 8. */
#define TYPE_NAME_MAX 16
/* The magic and the counts of a GGUF file; a shorter one can't be a model. */
#define MODEL_FILE_SIZE_MIN 24
/* Progress of an installation is for a person's eyes. */
#define PROGRESS_INTERVAL_MSEC 200

/* sd-bus gives an unanswered authentication 90 s; our own words come before that. A packed model
 * loads in milliseconds, a GGUF file that is packed in memory in tens of seconds. */
#define LOAD_TIMEOUT_USEC (80 * UINT64_C(1000000))
/* Tokenizing or embedding at TOKENS_MAX on a slow machine. */
#define CALL_TIMEOUT_USEC (300 * UINT64_C(1000000))
/* A worker that was told to exit stores what it computed; then it is killed. */
#define EXIT_TIMEOUT_USEC (15 * UINT64_C(1000000))
/* How long a request waits for other models' memory before it hears Busy: a person would have
 * given up. */
#define ROOM_TIMEOUT_USEC (120 * UINT64_C(1000000))
/* ... and how long requests for models that are loaded may overtake it, so that it does not starve.
 */
#define ROOM_PATIENCE_USEC (5 * UINT64_C(1000000))
/* Calls that a worker is given besides those that it computes (its --queue): it knows whose readers
 * have stopped, and shares its places out among users. With 64 sequences these are two descriptors
 * for each of 128 calls, far below the usual 1024. */
#define WORKER_QUEUE 64
/* More sequences than that no processor computes at once; the worker's SEQUENCES_MAX. */
#define MAX_SEQUENCES_MAX 64
/* A worker that leaves again and again while calls arrive is broken. */
#define RESEND_MAX 3
/* A worker that fails to start is tried again after 1, 2, 4, ... seconds. */
#define BACKOFF_FIRST_USEC (UINT64_C(1000000))
#define BACKOFF_MAX_USEC (60 * UINT64_C(1000000))
/* How long to wait for word of how a worker ended, before saying that it is not known. */
#define EXPLAIN_TIMEOUT_MSEC 1000
/* A clean stop waits this long for workers to acknowledge that their requests were cancelled. */
#define STOP_TIMEOUT_MSEC 5000

/* What a worker needs besides its weights (buffers, sequences) until it says so itself: an eighth
 * of the weights, and this. */
#define WORKER_RESERVE (UINT64_C(64) << 20)

/* A finished request can still be looked at and cancelled for a moment: its caller may not know
 * yet. */
#define LINGER_MSEC 5000
#define LINGER_MAX 256
