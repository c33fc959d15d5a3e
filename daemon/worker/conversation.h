/*
 * Conversations as callers send them: messages of strings, with JSON text for what is nested.
 * Rendered by a chat template, they are a prompt. The strings belong to whoever sent them, and live
 * at least as long.
 */
#pragma once

#include <glib.h>
#include <systemd/sd-bus.h>

#include "engine/chat/chat.h"
#include "worker/failure.h"

/* NULL: the message has no such member. */
struct ConversationMessage {
    const char *role, *content, *name, *tool_call_id, *reasoning_content;
    const char *tool_calls; /* a JSON array */
};

struct Conversation {
    GArray *messages;                         /* struct ConversationMessage */
    const char *tools, *chat_template_kwargs; /* JSON: an array, an object; or NULL */
    bool leave_open;                          /* no generation prompt at the end */
};

/* Reads aa{sv} at the read position. InvalidArgs. `*ret` has messages then; conversation_done(). */
int conversation_read(sd_bus_message *message, struct Conversation *ret, struct Failure *failure);
void conversation_init(struct Conversation *self);
void conversation_done(struct Conversation *self);

/* The pieces of the prompt, as chat_template_render(). The arguments of tool calls are
 * objects for the template, or, when it can't do with that, the JSON text. `tokens`: bos_token and
 * so on. InvalidArgs says what the template says. */
int conversation_render(const struct Conversation *self, const ChatTemplate *chat_template,
                        const struct ChatInput *tokens, struct ChatPiece **ret, size_t *ret_n,
                        struct Failure *failure);
