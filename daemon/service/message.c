#include "service/message.h"

#include <glib.h>
#include <string.h>

#define FIELD(name) offsetof(struct Message, name)

static const struct {
    const char *name;
    size_t offset;
} members[] = {
    {"role", FIELD(role)},
    {"content", FIELD(content)},
    {"name", FIELD(name)},
    {"tool_call_id", FIELD(tool_call_id)},
    {"reasoning_content", FIELD(reasoning_content)},
    {"tool_calls", FIELD(tool_calls)},
};

static const char **member(const struct Message *message, size_t index) {
    return (const char **)(void *)((char *)message + members[index].offset);
}

const char **message_member(struct Message *message, const char *name) {
    for (size_t i = 0; i < G_N_ELEMENTS(members); i++)
        if (strcmp(members[i].name, name) == 0) return member(message, i);
    return NULL;
}

bool message_is_complete(const struct Message *message) {
    return message->role && *message->role && (message->content || message->tool_calls);
}

struct Message *messages_copy(const struct Message *messages, size_t n) {
    struct Message *copy = g_new0(struct Message, n);
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < G_N_ELEMENTS(members); j++)
            *member(&copy[i], j) = g_strdup(*member(&messages[i], j));
    return copy;
}

void messages_free(struct Message *messages, size_t n) {
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < G_N_ELEMENTS(members); j++) g_free((char *)*member(&messages[i], j));
    g_free(messages);
}

size_t messages_size(const struct Message *messages, size_t n) {
    size_t size = 0;
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < G_N_ELEMENTS(members); j++) {
            const char *text = *member(&messages[i], j);
            size += text ? strlen(text) : 0;
        }
    return size;
}

static int message_append(sd_bus_message *m, const struct Message *message) {
    int r = sd_bus_message_open_container(m, 'a', "{sv}");
    for (size_t i = 0; r >= 0 && i < G_N_ELEMENTS(members); i++) {
        const char *text = *member(message, i);
        if (text) r = sd_bus_message_append(m, "{sv}", members[i].name, "s", text);
    }
    return r < 0 ? r : sd_bus_message_close_container(m);
}

int messages_append(sd_bus_message *m, const struct Message *messages, size_t n) {
    int r = sd_bus_message_open_container(m, 'a', "a{sv}");
    for (size_t i = 0; r >= 0 && i < n; i++) r = message_append(m, &messages[i]);
    return r < 0 ? r : sd_bus_message_close_container(m);
}
