/*
 * The limits of what the daemon can make a worker do, each with its reason. What a model file can
 * make the engine do is limited in engine/limits.h.
 */
#pragma once

/* ---- What enters by the bus (sd-bus itself takes messages of up to 128 MiB) ---- */

/* Text of one prompt. A context of a million tokens holds some 4 MiB of prose; tokenising this much
 * takes a second or two, in which no other request can start. */
#define PROMPT_SIZE_MAX (16u << 20)
/* Text of one Tokenize, and of one Detokenize's answer: a reply has at most 4 bytes a byte of text,
 * 16 MiB, where D-Bus allows arrays of 64. */
#define TEXT_SIZE_MAX (4u << 20)
/* Tokens of one Detokenize: past every context. */
#define DETOKENIZE_TOKENS_MAX (1u << 20)
/* Inputs of one Embed: a reply of 256 vectors of 8192 doubles has 16 MiB. */
#define EMBED_INPUTS_MAX 256u
/* Messages of one conversation; what they say is limited by PROMPT_SIZE_MAX. */
#define MESSAGES_MAX 4096u
/* JSON text of tools and tool calls: json-glib recurses on depth, and takes some 150 bytes a value.
 */
#define JSON_DEPTH_MAX 64u
#define JSON_VALUES_MAX (128u << 10)
/* The daemon needs one, a test a few. Each costs a descriptor and sd-bus's buffers. */
#define CONNECTIONS_MAX 32u

/* ---- JSON schemas (their text is an option: dbus/option-row.c) ---- */

/* json-glib recurses on depth. Schemas that people write have ten levels. */
#define SCHEMA_DEPTH_MAX 64u
/* Places of a schema that become a rule of the grammar, joined ones included: a schema that joins
 * itself with something else would never come to an end. */
#define SCHEMA_RULES_MAX 8192u
/* What is written: GRAMMAR_MAX_SIZE of the engine. */
#define SCHEMA_GRAMMAR_MAX (2u << 20)
/* Numbers that are written out for multipleOf between two bounds, and rules for it without. */
#define SCHEMA_MULTIPLES_MAX 1000u
#define SCHEMA_REMAINDERS_MAX 100u
/* Groups in a pattern's groups: its reader recurses. */
#define PATTERN_NESTING_MAX 32u
/* Of a pattern's {m,n}: GRAMMAR_MAX_REPETITIONS of the engine. */
#define PATTERN_REPETITIONS_MAX 65536u

/* ---- Who computes, who waits ---- */

/* Every sequence may grow to a full context of memory. */
#define SEQUENCES_DEFAULT 8u
#define SEQUENCES_MAX 64u
/* Waiting costs two descriptors each (the stream, and the call that carries it): together with
 * twice SEQUENCES_MAX this stays below the usual 1024. */
#define QUEUE_DEFAULT 64u
#define QUEUE_MAX 256u

/* ---- One step ---- */

/* Logits and activations are allocated for this many tokens. */
#define STEP_TOKENS_MAX 512u
/* How long a step may take while somebody waits for the next token, which is the rhythm he sees: at
 * most so many times as long as without the others' prompts, or so long, where that is more; ... */
#define STEP_SLOWDOWN 2.0
#define STEP_USEC_SHARED 100000
/* ... and while nobody does, which is how late somebody new begins, and a cancellation is noticed;
 * twice as long for steps that would have fewer tokens than make matrix products efficient: 64 of a
 * 7B model on two cores are read a third faster than in three steps. Prompts are cut to fit. */
#define STEP_USEC_ALONE 500000
#define STEP_TOKENS_EFFICIENT 64u
/* Tokens of the first step that has a prompt: nothing was measured yet. */
#define STEP_TOKENS_FIRST 64u
/* Tokens of prompts in a step at least, whatever it takes: they have to come to an end. */
#define STEP_PROMPT_MIN 4u
/* Steps with prompts, for those who generate, until one without, which tells what they cost them.
 */
#define STEP_MIXED_MAX 64u

/* ---- Model files ---- */

/* Parts of one model: each takes a descriptor, of which a process may have 1024; hubs split at
 * 50 GB. */
#define PARTS_MAX 256u
/* Two words; json-glib recurses, and so few bytes cannot nest deep. */
#define SETTINGS_SIZE_MAX 1024u

/* ---- A model that cannot be loaded ---- */

/* How long those who wait for it have to ask why. The daemon asks as soon as it is connected. */
#define REFUSAL_MSEC 2000

/* ---- Readers that do not read (times in microseconds) ---- */

/* A parked generation computes nothing but keeps its memory. It may always keep it so long, ... */
#define PARKED_GRACE_USEC (10 * G_USEC_PER_SEC)
/* ... and at most so long: a person's pause, not a forgotten program. Between the two it gives way
 * as soon as another one needs its place. */
#define PARKED_MAX_USEC (600 * G_USEC_PER_SEC)
/* How long the last line waits for a reader whose pipe is full, when the generation has ended by
 * itself, and when it was cancelled and he has said that he no longer cares. */
#define LINGER_USEC (60 * G_USEC_PER_SEC)
#define LINGER_CANCELLED_USEC (1 * G_USEC_PER_SEC)
