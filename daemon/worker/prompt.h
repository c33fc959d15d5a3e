/*
 * Prompts: from what a caller sends to the tokens that the model reads.
 *
 * A Prompter belongs to one engine, and does what can be done before anything is computed: render
 * the chat template, tokenise, refuse what no context can hold. Immutable; used on the main thread.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <systemd/sd-bus.h>

#include "engine/engine.h"
#include "worker/failure.h"

typedef struct Prompter Prompter;

Prompter *prompter_new(const Engine *engine);
void prompter_free(Prompter *self); /* accepts NULL */

/* Whether the model has a chat template, and one that can be rendered. */
bool prompter_can_chat(const Prompter *self);

/* Reads the prompt (a{sv}, see org.ryzenllm1.Worker.xml) at the read position. `*ret` is malloc()ed
 * and has at least one token, each below n_vocab. `*ret_ask`: it was given as "ask". InvalidArgs,
 * ContextTooLong, NoChatTemplate, NotSupported. */
int prompter_read(const Prompter *self, sd_bus_message *message, Token **ret, size_t *ret_n,
                  bool *ret_ask, struct Failure *failure);
/* A person's words as they are, with BOS where the model wants one. The same promises. */
int prompter_encode(const Prompter *self, const char *text, Token **ret, size_t *ret_n,
                    struct Failure *failure);
