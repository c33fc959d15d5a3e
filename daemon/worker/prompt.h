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
#include "worker/conversation.h"
#include "worker/failure.h"

typedef struct Prompter Prompter;

Prompter *prompter_new(const Engine *engine);
void prompter_free(Prompter *self); /* accepts NULL */

/* Whether the model has a chat template, and one that can be rendered. */
bool prompter_can_chat(const Prompter *self);

enum PromptForm { PROMPT_MISSING, PROMPT_TEXT, PROMPT_MESSAGES, PROMPT_TOKENS, PROMPT_ASK };

/* What a caller sent. It points into the message it was read from. */
struct Prompt {
    enum PromptForm form;
    const char *text;                 /* of text and ask */
    struct Conversation conversation; /* of messages; the options for its template go in here */
    const int32_t *tokens;
    size_t n_tokens;
};

/* Reads the prompt (a{sv}, see org.ryzenllm1.Worker.xml) at the read position: InvalidArgs.
 * prompt_done() in any case. */
int prompt_read(sd_bus_message *message, struct Prompt *prompt, struct Failure *failure);
void prompt_done(struct Prompt *prompt);

/* `*ret` is malloc()ed and has at least one token, each below n_vocab. InvalidArgs, ContextTooLong,
 * NoChatTemplate, NotSupported. */
int prompter_encode_prompt(const Prompter *self, struct Prompt *prompt, Token **ret, size_t *ret_n,
                           struct Failure *failure);
/* The conversation as its template renders it, as g_free()d text of whole UTF-8 characters. The
 * same errors. */
int prompter_apply(const Prompter *self, const struct Conversation *conversation, char **ret,
                   struct Failure *failure);
/* A person's words as they are, with BOS where the model wants one. The same promises. */
int prompter_encode(const Prompter *self, const char *text, Token **ret, size_t *ret_n,
                    struct Failure *failure);
