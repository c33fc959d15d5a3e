#include "client/conversation.h"

struct Message {
    const char *role; /* static */
    char *content;
};

struct Conversation {
    char *system;
    GArray *messages; /* struct Message */
};

static void message_clear(void *element) {
    struct Message *message = element;
    g_free(message->content);
}

Conversation *conversation_new(const char *system) {
    Conversation *conversation = g_new0(Conversation, 1);
    conversation->messages = g_array_new(FALSE, FALSE, sizeof(struct Message));
    g_array_set_clear_func(conversation->messages, message_clear);
    conversation_set_system(conversation, system);
    return conversation;
}

void conversation_free(Conversation *conversation) {
    if (!conversation) return;
    g_free(conversation->system);
    g_array_unref(conversation->messages);
    g_free(conversation);
}

void conversation_add(Conversation *conversation, const char *role, const char *content) {
    struct Message message = {g_intern_string(role), g_strdup(content)};
    g_array_append_val(conversation->messages, message);
}

void conversation_drop_last(Conversation *conversation) {
    if (conversation->messages->len)
        g_array_set_size(conversation->messages, conversation->messages->len - 1);
}

void conversation_set_system(Conversation *conversation, const char *system) {
    g_free(conversation->system);
    conversation->system = system && *system ? g_strdup(system) : NULL;
}

void conversation_clear(Conversation *conversation) {
    g_array_set_size(conversation->messages, 0);
}

static int message_append(sd_bus_message *to, const char *role, const char *content) {
    return sd_bus_message_append(to, "a{sv}", 2, "role", "s", role, "content", "s", content);
}

int conversation_append(const Conversation *conversation, sd_bus_message *message) {
    int r = sd_bus_message_open_container(message, 'a', "a{sv}");
    if (r >= 0 && conversation->system) r = message_append(message, "system", conversation->system);
    for (guint i = 0; r >= 0 && i < conversation->messages->len; i++) {
        struct Message *m = &g_array_index(conversation->messages, struct Message, i);
        r = message_append(message, m->role, m->content);
    }
    return r < 0 ? r : sd_bus_message_close_container(message);
}
