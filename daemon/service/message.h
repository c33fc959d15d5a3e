/*
 * Messages of a conversation, as they travel between callers, doors and workers: a few strings,
 * by their names in D-Bus (org.ryzenllm1.Manager.xml).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <systemd/sd-bus.h>

/* NULL: it has no such member. g_malloc()ed where a comment says "owned". */
struct Message {
    const char *role, *content; /* content may be absent where there are tool_calls */
    const char *name, *tool_call_id, *reasoning_content;
    const char *tool_calls; /* a JSON array */
};

/* The place of a member, for reading by name; NULL: there is none of this name. */
const char **message_member(struct Message *message, const char *name);
/* What any conversation may have; the chat template decides the rest. */
bool message_is_complete(const struct Message *message);

/* Owned copies. */
struct Message *messages_copy(const struct Message *messages, size_t n);
void messages_free(struct Message *messages, size_t n); /* owned ones; accepts NULL */
/* Bytes of all members. */
size_t messages_size(const struct Message *messages, size_t n);
/* Appends aa{sv}. */
int messages_append(sd_bus_message *m, const struct Message *messages, size_t n);
