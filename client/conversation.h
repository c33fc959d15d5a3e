/*
 * The messages of a conversation, in order.
 */
#pragma once

#include <glib.h>
#include <systemd/sd-bus.h>

typedef struct Conversation Conversation;

/* `system` may be NULL: then there is no system message. */
Conversation *conversation_new(const char *system);
void conversation_free(Conversation *conversation);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Conversation, conversation_free)

/* `role` is "user" or "assistant". */
void conversation_add(Conversation *conversation, const char *role, const char *content);
/* Takes the last message back. */
void conversation_drop_last(Conversation *conversation);
/* Replaces the system message; NULL or "" removes it. */
void conversation_set_system(Conversation *conversation, const char *system);
/* Forgets all but the system message. */
void conversation_clear(Conversation *conversation);

/* Appends aa{sv}. */
int conversation_append(const Conversation *conversation, sd_bus_message *message);
