/*
 * Talking to a worker over its bus: calls that are answered later, and generations with the stream
 * they write to. Aborts on what no test expects: a lost connection, a stream that is not as
 * documented.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <systemd/sd-bus.h>

#include "events.h"
#include "fake-model.h"

/* A model on which talk_endless() takes minutes. */
extern const struct FakeModel model_slow;

/* What came of a call that was sent. */
struct Answer {
    bool there;
    char *error, *message; /* NULL: success */
    char *finish_reason;
    uint64_t prompt_tokens, completion_tokens;
    double prompt_ms;
};

sd_bus_message *call_new(sd_bus *bus, const char *member);
/* The callback of sd_bus_call_async() for a Generate; `userdata` is the Answer. */
int handle_answer(sd_bus_message *reply, void *userdata, sd_bus_error *error);
void answer_wait(sd_bus *bus, struct Answer *answer);
void answer_clear(struct Answer *answer);

/* A generation: its stream, its reply. */
struct Talk {
    struct Events events;
    struct Answer answer;
};

/* Appends prompt and options, as sd_bus_message_append(). */
#define PROMPT(message, ...) g_assert_true(sd_bus_message_append((message), __VA_ARGS__) >= 0)

/* A Generate that still wants prompt and options; talk_send() takes it. */
sd_bus_message *talk_begin(sd_bus *bus, uint64_t id);
/* `pipe_size` 0: the usual. */
void talk_send(sd_bus *bus, sd_bus_message *message, struct Talk *talk, int pipe_size);
/* One that goes on for longer than the test will wait, and one of 20 tokens. */
void talk_endless(sd_bus *bus, uint64_t id, struct Talk *talk, int pipe_size);
void talk_short(sd_bus *bus, uint64_t id, struct Talk *talk);
/* Reads all of the stream and waits for the reply. */
void talk_finish(sd_bus *bus, struct Talk *talk);
void talk_clear(struct Talk *talk);
