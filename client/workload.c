#include "client/workload.h"

static const char *const words[] = {
    "river",  "engine",  "morning", "letter",  "window", "garden", "number",  "silver",
    "market", "winter",  "signal",  "paper",   "stone",  "bridge", "answer",  "travel",
    "yellow", "machine", "kitchen", "library", "ocean",  "simple", "thunder", "village",
    "memory", "circle",  "forest",  "planet",  "music",  "island", "copper",  "station",
};

/* Each word is a token or more. The first ones differ, so nothing stored fits, not even the
 * beginning. */
static char *text_make(unsigned n_words) {
    GString *text = g_string_new(NULL);
    g_string_append_printf(text, "%u", g_random_int());
    for (unsigned i = 0; i < n_words; i++)
        g_string_append_printf(text, " %s", words[g_random_int() % G_N_ELEMENTS(words)]);
    return g_string_free(text, FALSE);
}

static int tokenize(Connection *connection, const char *model, const char *text,
                    sd_bus_message **ret_reply) {
    sd_bus_message *call = connection_manager(connection, "Tokenize");
    sd_bus_message_append(call, "ssa{sv}", model, text, 0);
    return connection_call(connection, call, ret_reply);
}

static int detokenize(Connection *connection, const char *model, const int32_t *tokens,
                      size_t n_tokens, char **ret) {
    sd_bus_message *reply = NULL;
    const char *text;
    sd_bus_message *call = connection_manager(connection, "Detokenize");
    sd_bus_message_append(call, "s", model);
    sd_bus_message_append_array(call, 'i', tokens, n_tokens * sizeof *tokens);
    sd_bus_message_append(call, "a{sv}", 0);
    int r = connection_call(connection, call, &reply);
    if (r >= 0) r = sd_bus_message_read(reply, "s", &text);
    if (r >= 0) *ret = g_strdup(text);
    sd_bus_message_unref(reply);
    return r;
}

int workload_prompt(Connection *connection, const char *model, unsigned n_tokens, char **ret) {
    g_autofree char *text = text_make(n_tokens);
    sd_bus_message *reply = NULL;
    const void *tokens;
    size_t size;
    int r = tokenize(connection, model, text, &reply);
    if (r >= 0) r = sd_bus_message_read_array(reply, 'i', &tokens, &size);
    if (r >= 0)
        r = detokenize(connection, model, tokens, MIN(size / sizeof(int32_t), n_tokens), ret);
    sd_bus_message_unref(reply);
    return r;
}
