/* The methods of a real worker behind a real socket, but Generate. */
#include "test.h"

#include <gio/gio.h>
#include <signal.h>
#include <string.h>

#include "dbus/names.h"
#include "talk.h"
#include "worker-process.h"

/* ---- Small methods ---- */

static void describe(void) {
    struct WorkerProcess worker;
    sd_bus_message *reply = NULL;
    worker_launch(&worker, &(struct FakeModel){0}, NULL);
    sd_bus *bus = worker_connect(&worker);

    CHECK(sd_bus_call_method(bus, NULL, WORKER_PATH, WORKER_INTERFACE, "Describe", NULL, &reply,
                             NULL) >= 0);
    static const struct {
        const char *name, *type, *value;
    } expected[] = {
        {"name", "s", "fake"},          {"title", "s", "A fake model"},
        {"architecture", "s", "fake"},  {"family", "s", "fake"},
        {"weights", "s", NULL},         {"kv_type", "s", ""},
        {"packed", "s", "none"},        {"draft", "b", NULL},
        {"parameters", "t", NULL},      {"weight_bytes", "t", NULL},
        {"memory_bytes", "t", NULL},    {"context_length", "u", NULL},
        {"vocabulary_size", "u", NULL}, {"can_chat", "b", NULL},
    };
    CHECK(sd_bus_message_enter_container(reply, 'a', "{sv}") > 0);
    for (size_t i = 0; i < G_N_ELEMENTS(expected); i++) {
        const char *name = NULL, *contents = NULL, *text = NULL;
        CHECK(sd_bus_message_enter_container(reply, 'e', "sv") > 0);
        CHECK(sd_bus_message_read_basic(reply, 's', &name) > 0);
        CHECK(sd_bus_message_peek_type(reply, NULL, &contents) > 0);
        CHECK_STR(name, expected[i].name);
        CHECK_STR(contents, expected[i].type);
        if (expected[i].value) {
            CHECK(sd_bus_message_read(reply, "v", "s", &text) > 0);
            CHECK_STR(text, expected[i].value);
        } else {
            CHECK(sd_bus_message_skip(reply, "v") > 0);
        }
        CHECK(sd_bus_message_exit_container(reply) >= 0);
    }
    CHECK(sd_bus_message_at_end(reply, false) > 0);
    sd_bus_message_unref(reply);
    sd_bus_unref(bus);
    worker_clear(&worker);
}

static GDBusInterfaceInfo *interface_parse(const char *xml, GDBusNodeInfo **ret) {
    g_autoptr(GError) error = NULL;
    *ret = g_dbus_node_info_new_for_xml(xml, &error);
    if (!*ret) {
        test_fail(__FILE__, __LINE__, "%s", error->message);
        return NULL;
    }
    return g_dbus_node_info_lookup_interface(*ret, WORKER_INTERFACE);
}

static void arguments_compare(const char *method, GDBusArgInfo **live, GDBusArgInfo **reviewed) {
    size_t i = 0;
    for (; reviewed && reviewed[i] && live && live[i]; i++) {
        CHECK_STR(live[i]->name, reviewed[i]->name);
        CHECK_STR(live[i]->signature, reviewed[i]->signature);
    }
    if ((reviewed && reviewed[i]) || (live && live[i]))
        test_fail(__FILE__, __LINE__, "%s: not as many arguments", method);
}

static void contract_compare(GDBusInterfaceInfo *live, GDBusInterfaceInfo *reviewed) {
    size_t n_live = 0, n = 0;
    while (live->methods && live->methods[n_live]) n_live++;
    for (; reviewed->methods[n]; n++) {
        GDBusMethodInfo *method = reviewed->methods[n];
        GDBusMethodInfo *other = g_dbus_interface_info_lookup_method(live, method->name);
        if (!other) {
            test_fail(__FILE__, __LINE__, "%s is missing", method->name);
            continue;
        }
        arguments_compare(method->name, other->in_args, method->in_args);
        arguments_compare(method->name, other->out_args, method->out_args);
    }
    CHECK_INT(n_live, n);
    CHECK(g_dbus_interface_info_lookup_signal(live, "Closing"));
}

/* The interface is the one of the reviewed XML. */
static void introspection(void) {
    const char *path = getenv("RYZEN_LLM_WORKER_XML");
    g_autofree char *xml = NULL;
    struct WorkerProcess worker;
    GDBusNodeInfo *live_node = NULL, *reviewed_node = NULL;
    sd_bus_message *reply = NULL;
    const char *text = NULL;

    if (!path || !g_file_get_contents(path, &xml, NULL, NULL)) {
        test_skip("RYZEN_LLM_WORKER_XML does not name the contract");
        return;
    }
    worker_launch(&worker, &(struct FakeModel){0}, NULL);
    sd_bus *bus = worker_connect(&worker);
    CHECK(sd_bus_call_method(bus, NULL, WORKER_PATH, "org.freedesktop.DBus.Introspectable",
                             "Introspect", NULL, &reply, NULL) >= 0);
    CHECK(sd_bus_message_read(reply, "s", &text) > 0);
    GDBusInterfaceInfo *live = interface_parse(text, &live_node);
    GDBusInterfaceInfo *reviewed = interface_parse(xml, &reviewed_node);
    CHECK(live && reviewed);
    if (live && reviewed) contract_compare(live, reviewed);
    g_dbus_node_info_unref(live_node);
    g_dbus_node_info_unref(reviewed_node);
    sd_bus_message_unref(reply);
    sd_bus_unref(bus);
    worker_clear(&worker);
}

static int tokenize(sd_bus *bus, const char *text, bool bos, bool special, int32_t *ret) {
    sd_bus_message *message = call_new(bus, "Tokenize"), *reply = NULL;
    const int32_t *tokens;
    size_t size;

    PROMPT(message, "sa{sv}", text, 2, "bos", "b", (int)bos, "special", "b", (int)special);
    CHECK(sd_bus_call(bus, message, 0, NULL, &reply) >= 0);
    CHECK(sd_bus_message_read_array(reply, 'i', (const void **)&tokens, &size) >= 0);
    memcpy(ret, tokens, size);
    sd_bus_message_unref(message);
    sd_bus_message_unref(reply);
    return (int)(size / sizeof *tokens);
}

static char *detokenize(sd_bus *bus, const int32_t *tokens, int n, char **ret_error) {
    sd_bus_message *message = call_new(bus, "Detokenize"), *reply = NULL;
    sd_bus_error error = SD_BUS_ERROR_NULL;
    const char *text;
    char *copy = NULL;

    CHECK(sd_bus_message_append_array(message, 'i', tokens, (size_t)n * sizeof *tokens) >= 0);
    PROMPT(message, "a{sv}", 0);
    if (sd_bus_call(bus, message, 0, &error, &reply) >= 0 &&
        sd_bus_message_read(reply, "s", &text) > 0)
        copy = g_strdup(text);
    *ret_error = g_strdup(error.name);
    sd_bus_error_free(&error);
    sd_bus_message_unref(message);
    sd_bus_message_unref(reply);
    return copy;
}

static void tokens_and_text(void) {
    struct WorkerProcess worker;
    int32_t tokens[64];
    worker_launch(&worker, &(struct FakeModel){0}, NULL);
    sd_bus *bus = worker_connect(&worker);

    int plain = tokenize(bus, "abc", false, false, tokens);
    CHECK_INT(tokenize(bus, "abc", true, false, tokens), plain + 1);
    CHECK_INT(tokens[0], 1);
    CHECK(tokenize(bus, "<|end|>", false, false, tokens) > 2); /* words, not a control token */
    int special = tokenize(bus, "<|end|>", false, true, tokens);
    CHECK_INT(tokens[special - 1], 5);

    g_autofree char *error = NULL, *bad = NULL, *nul = NULL, *broken = NULL;
    int n = tokenize(bus, "caf\xC3\xA9", false, false, tokens);
    g_autofree char *text = detokenize(bus, tokens, n, &error);
    CHECK_STR(text, "caf\xC3\xA9");
    g_autofree char *half = detokenize(bus, (const int32_t[]){16, 6, 17}, 3, &broken);
    CHECK(half && g_utf8_validate(half, -1, NULL) && strstr(half, "\xEF\xBF\xBD"));
    g_autofree char *none = detokenize(bus, (const int32_t[]){100000}, 1, &bad);
    CHECK(!none);
    CHECK_STR(bad, ERROR_INVALID_ARGS);
    g_autofree char *with_nul = detokenize(bus, (const int32_t[]){16, 8, 17}, 3, &nul);
    CHECK(with_nul && strstr(with_nul, "\xEF\xBF\xBD"));
    sd_bus_unref(bus);
    worker_clear(&worker);
}

/* ---- Embed ---- */

static sd_bus_message *embed(sd_bus *bus, char **inputs, sd_bus_error *error) {
    sd_bus_message *message = call_new(bus, "Embed"), *reply = NULL;
    PROMPT(message, "u", 1000);
    CHECK(sd_bus_message_append_strv(message, inputs) >= 0);
    PROMPT(message, "a{sv}", 0);
    sd_bus_call(bus, message, 0, error, &reply);
    sd_bus_message_unref(message);
    return reply;
}

static void embed_refused(sd_bus *bus, char **inputs, const char *name, const char *part) {
    sd_bus_error error = SD_BUS_ERROR_NULL;
    sd_bus_message *reply = embed(bus, inputs, &error);
    CHECK(!reply);
    CHECK_STR(error.name, name);
    CHECK(error.message && strstr(error.message, part));
    sd_bus_error_free(&error);
    sd_bus_message_unref(reply);
}

static void embeddings(void) {
    char *inputs[] = {"abc", "defgh", "abc", NULL}, *nothing[] = {NULL};
    g_autofree char *long_text = g_strnfill(200, 'x');
    char *with_long[] = {"a", long_text, NULL}, *many[300] = {NULL};
    sd_bus_error error = SD_BUS_ERROR_NULL;
    struct WorkerProcess worker;
    uint32_t n_tokens;
    worker_launch(&worker, &(struct FakeModel){.n_ctx = 100}, NULL);
    sd_bus *bus = worker_connect(&worker);

    sd_bus_message *reply = embed(bus, inputs, &error);
    CHECK(reply && sd_bus_message_enter_container(reply, 'a', "ad") > 0);
    double vectors[3][8];
    for (int i = 0; reply && i < 3; i++) {
        const double *vector;
        size_t size;
        double square = 0;
        CHECK(sd_bus_message_read_array(reply, 'd', (const void **)&vector, &size) > 0);
        CHECK_INT(size, sizeof vectors[i]);
        memcpy(vectors[i], vector, sizeof vectors[i]);
        for (int j = 0; j < 8; j++) square += vector[j] * vector[j];
        CHECK_NEAR(square, 1, 1e-12);
    }
    CHECK(memcmp(vectors[0], vectors[2], sizeof vectors[0]) == 0);
    CHECK(memcmp(vectors[0], vectors[1], sizeof vectors[0]) != 0);
    sd_bus_message_exit_container(reply);
    CHECK(sd_bus_message_read(reply, "u", &n_tokens) > 0);
    CHECK_INT(n_tokens, 5 + 7 + 5); /* BOS and the leading space too */
    sd_bus_message_unref(reply);

    for (int i = 0; i < 299; i++) many[i] = "a";
    embed_refused(bus, nothing, ERROR_INVALID_ARGS, "no inputs");
    embed_refused(bus, many, ERROR_INVALID_ARGS, "256");
    embed_refused(bus, with_long, ERROR_CONTEXT_TOO_LONG, "Input 1: The input has 202 tokens");
    sd_bus_unref(bus);
    worker_clear(&worker);
}

int main(void) {
    signal(SIGPIPE, SIG_IGN);
    if (!worker_program()) return test_skip_all("RYZEN_LLM_WORKER does not name the worker");
    return TEST_MAIN({"describe", describe}, {"introspection", introspection},
                     {"tokens and text", tokens_and_text}, {"embeddings", embeddings});
}
