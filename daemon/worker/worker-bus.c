#include "worker/worker-bus.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "dbus/names.h"
#include "dbus/options.h"
#include "engine/text/tokenizer.h"
#include "worker/call.h"
#include "worker/embed.h"
#include "worker/generate.h"
#include "worker/limits.h"
#include "worker/prompt.h"
#include "worker/scheduler.h"
#include "worker/worker.h"

static const Engine *connection_engine(void *connection) {
    return scheduler_engine(worker_scheduler(connection_worker(connection)));
}

static const Tokenizer *connection_tokenizer(void *connection) {
    return engine_tokenizer(connection_engine(connection));
}

/* ---- Describe ---- */

/* Strings from files are bytes; D-Bus wants UTF-8. */
static int text_append(sd_bus_message *reply, const char *name, const char *text) {
    g_autofree char *valid = g_utf8_make_valid(text, -1);
    return sd_bus_message_append(reply, "{sv}", name, "s", valid);
}

static int texts_append(sd_bus_message *reply, const char *name, const struct ModelInfo *info) {
    int r = text_append(reply, "name", name);
    if (r >= 0) r = text_append(reply, "title", info->name);
    if (r >= 0) r = text_append(reply, "architecture", info->architecture);
    if (r >= 0) r = text_append(reply, "family", info->family);
    if (r >= 0) r = text_append(reply, "weights", info->weights);
    if (r >= 0) r = text_append(reply, "kv_type", info->kv_type);
    return r;
}

static int description_append(sd_bus_message *reply, const Worker *worker) {
    Scheduler *scheduler = worker_scheduler(worker);
    const struct ModelInfo *info = engine_info(scheduler_engine(scheduler));
    const Engine *draft = scheduler_drafting(scheduler)->model;
    uint64_t of_draft = draft ? engine_info(draft)->weight_bytes : 0;
    uint64_t memory_bytes =
        info->weight_bytes + of_draft + scheduler_load(scheduler).sequence_bytes;

    int r = sd_bus_message_open_container(reply, 'a', "{sv}");
    if (r >= 0) r = texts_append(reply, worker_name(worker), info);
    if (r >= 0)
        r = sd_bus_message_append(reply, "{sv}{sv}", "packed", "s",
                                  packed_state_name(worker_packed(worker)), "draft", "b",
                                  draft != NULL);
    if (r >= 0)
        r = sd_bus_message_append(reply, "{sv}{sv}{sv}", "parameters", "t", info->n_parameters,
                                  "weight_bytes", "t", info->weight_bytes, "memory_bytes", "t",
                                  memory_bytes);
    if (r >= 0)
        r = sd_bus_message_append(reply, "{sv}{sv}{sv}", "context_length", "u", info->n_ctx,
                                  "vocabulary_size", "u", info->n_vocab, "can_chat", "b",
                                  (int)prompter_can_chat(worker_prompter(worker)));
    return r < 0 ? r : sd_bus_message_close_container(reply);
}

static int method_describe(sd_bus_message *message, void *userdata, sd_bus_error *error) {
    sd_bus_message *reply = NULL;

    int r = sd_bus_message_new_method_return(message, &reply);
    if (r >= 0) r = description_append(reply, connection_worker(userdata));
    if (r >= 0) r = sd_bus_send(NULL, reply, NULL);
    sd_bus_message_unref(reply);
    return r;
}

/* ---- Tokenize, Detokenize ---- */

/* Reads an a{sv} of flags that start as false. */
static int flags_read(sd_bus_message *message, const char *const *names, unsigned *ret,
                      sd_bus_error *error) {
    const char *name;
    int value, r;

    r = sd_bus_message_enter_container(message, 'a', "{sv}");
    while (r >= 0 && (r = sd_bus_message_enter_container(message, 'e', "sv")) > 0) {
        r = sd_bus_message_read_basic(message, 's', &name);
        if (r < 0) return r;
        unsigned i = 0;
        while (names[i] && strcmp(names[i], name) != 0) i++;
        if (!names[i])
            return sd_bus_error_setf(error, ERROR_INVALID_ARGS, "There is no option %s.", name);
        if (sd_bus_message_read(message, "v", "b", &value) < 0)
            return sd_bus_error_setf(error, ERROR_INVALID_ARGS, "Option %s has type b.", name);
        if (value) *ret |= 1u << i;
        r = sd_bus_message_exit_container(message);
    }
    return r < 0 ? r : sd_bus_message_exit_container(message);
}

static int tokens_reply(sd_bus_message *message, const Token *tokens, size_t n) {
    sd_bus_message *reply = NULL;

    int r = sd_bus_message_new_method_return(message, &reply);
    if (r >= 0) r = sd_bus_message_append_array(reply, 'i', tokens, n * sizeof *tokens);
    if (r >= 0) r = sd_bus_send(NULL, reply, NULL);
    sd_bus_message_unref(reply);
    return r;
}

static int method_tokenize(sd_bus_message *message, void *userdata, sd_bus_error *error) {
    static const char *const names[] = {"bos", "special", NULL};
    const char *text;
    unsigned set = 0;
    Token *tokens;
    size_t n;

    int r = sd_bus_message_read_basic(message, 's', &text);
    if (r >= 0) r = flags_read(message, names, &set, error);
    if (r < 0) return r;
    if (strlen(text) > TEXT_SIZE_MAX)
        return sd_bus_error_setf(error, ERROR_INVALID_ARGS,
                                 "The text has %zu bytes; at most %u are taken at once.",
                                 strlen(text), TEXT_SIZE_MAX);
    if (!tokenizer_has_text(connection_tokenizer(userdata)))
        return sd_bus_error_set(error, ERROR_NOT_SUPPORTED, "The model file has no tokenizer.");
    unsigned flags = (set & 1 ? TOKENIZE_BOS : 0) | (set & 2 ? TOKENIZE_SPECIAL : 0);
    r = tokenizer_encode(connection_tokenizer(userdata), text, strlen(text), flags, &tokens, &n);
    if (r < 0) return r;
    r = tokens_reply(message, tokens, n);
    free(tokens);
    return r;
}

/* Size of the text, or a negative errno with `error` set. */
static int64_t tokens_check(const Tokenizer *tokenizer, const Token *tokens, size_t n,
                            sd_bus_error *error) {
    const char *piece;
    int64_t size = 0;

    if (n > DETOKENIZE_TOKENS_MAX)
        return sd_bus_error_setf(error, ERROR_INVALID_ARGS,
                                 "There are %zu tokens; at most %u are taken at once.", n,
                                 DETOKENIZE_TOKENS_MAX);
    for (size_t i = 0; i < n; i++) {
        if (tokens[i] < 0 || (uint32_t)tokens[i] >= tokenizer_size(tokenizer))
            return sd_bus_error_setf(error, ERROR_INVALID_ARGS,
                                     "Token %zu is %d, the vocabulary has %u.", i, tokens[i],
                                     tokenizer_size(tokenizer));
        size += (int64_t)tokenizer_piece(tokenizer, tokens[i], false, &piece);
    }
    if (size > TEXT_SIZE_MAX)
        return sd_bus_error_setf(error, ERROR_INVALID_ARGS,
                                 "The text has %" PRIi64 " bytes; at most %u are given at once.",
                                 size, TEXT_SIZE_MAX);
    return size;
}

static int method_detokenize(sd_bus_message *message, void *userdata, sd_bus_error *error) {
    static const char *const names[] = {NULL};
    const Tokenizer *tokenizer = connection_tokenizer(userdata);
    const int32_t *tokens;
    unsigned set = 0;
    char *text;
    size_t size, n;

    int r = sd_bus_message_read_array(message, 'i', (const void **)&tokens, &size);
    if (r >= 0) r = flags_read(message, names, &set, error);
    if (r < 0) return r;
    n = size / sizeof *tokens;
    if (tokens_check(tokenizer, tokens, n, error) < 0) return -EINVAL;
    r = tokenizer_decode(tokenizer, tokens, n, false, &text, &size);
    if (r < 0) return r;
    g_autofree char *valid = g_utf8_make_valid(text, (gssize)size);
    free(text);
    return sd_bus_reply_method_return(message, "s", valid);
}

/* ---- ApplyTemplate ---- */

static int apply(Connection *connection, sd_bus_message *message, char **ret,
                 struct Failure *failure, sd_bus_error *error) {
    struct Conversation conversation;
    struct GenerateOptions options;

    conversation_init(&conversation);
    options_init(&options);
    int r = conversation_read(message, &conversation, failure);
    if (r >= 0) r = options_read(message, &options, error);
    conversation.tools = options.tools;
    conversation.chat_template_kwargs = options.chat_template_kwargs;
    conversation.leave_open = !options.add_generation_prompt;
    if (r >= 0)
        r = prompter_apply(worker_prompter(connection_worker(connection)), &conversation, ret,
                           failure);
    options_done(&options);
    conversation_done(&conversation);
    return r;
}

static int method_apply_template(sd_bus_message *message, void *userdata, sd_bus_error *error) {
    struct Failure failure = {NULL};
    g_autofree char *text = NULL;

    int r = apply(userdata, message, &text, &failure, error);
    if (r >= 0) return sd_bus_reply_method_return(message, "s", text);
    return failure.name ? failure_to_bus(&failure, error) : r;
}

/* ---- Cancel, Exit ---- */

static int method_cancel(sd_bus_message *message, void *userdata, sd_bus_error *error) {
    uint64_t id;
    int r = sd_bus_message_read(message, "t", &id);
    if (r < 0) return r;

    Call *call = connection_find_call(userdata, id);
    if (call) call_cancel(call);
    return sd_bus_reply_method_return(message, NULL);
}

static int method_exit(sd_bus_message *message, void *userdata, sd_bus_error *error) {
    int r = sd_bus_reply_method_return(message, NULL);
    worker_stop(connection_worker(userdata));
    return r;
}

/* ---- The table ---- */

typedef int (*Method)(sd_bus_message *message, void *userdata, sd_bus_error *error);

/* Every call keeps the worker from becoming idle; one whose model is not there has one answer. */
static int handle(Method method, sd_bus_message *message, void *userdata, sd_bus_error *error) {
    Worker *worker = connection_worker(userdata);
    const struct Failure *failure = worker_failure(worker);

    worker_touch(worker);
    return failure ? failure_to_bus(failure, error) : method(message, userdata, error);
}

#define HANDLER(name, function)                                                                    \
    static int name(sd_bus_message *message, void *userdata, sd_bus_error *error) {                \
        return handle(function, message, userdata, error);                                         \
    }

HANDLER(handle_describe, method_describe)
HANDLER(handle_generate, generate_handle)
HANDLER(handle_cancel, method_cancel)
HANDLER(handle_embed, embed_handle)
HANDLER(handle_tokenize, method_tokenize)
HANDLER(handle_detokenize, method_detokenize)
HANDLER(handle_apply_template, method_apply_template)
HANDLER(handle_exit, method_exit)

/* clang-format off: one method a paragraph, as in the XML */
static const sd_bus_vtable vtable[] = {
    SD_BUS_VTABLE_START(0),
    SD_BUS_METHOD_WITH_ARGS("Describe", SD_BUS_NO_ARGS, SD_BUS_ARGS("a{sv}", description),
                            handle_describe, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD_WITH_ARGS(
        "Generate",
        SD_BUS_ARGS("u", namespace, "t", id, "a{sv}", prompt, "a{sv}", options, "h", stream),
        SD_BUS_ARGS("s", finish_reason, "a{st}", usage, "a{sd}", timings), handle_generate,
        SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD_WITH_ARGS("Cancel", SD_BUS_ARGS("t", id), SD_BUS_NO_RESULT, handle_cancel,
                            SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD_WITH_ARGS("Embed", SD_BUS_ARGS("u", namespace, "as", inputs, "a{sv}", options),
                            SD_BUS_ARGS("aad", embeddings, "u", n_tokens), handle_embed,
                            SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD_WITH_ARGS("Tokenize", SD_BUS_ARGS("s", text, "a{sv}", options),
                            SD_BUS_ARGS("ai", tokens), handle_tokenize, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD_WITH_ARGS("Detokenize", SD_BUS_ARGS("ai", tokens, "a{sv}", options),
                            SD_BUS_ARGS("s", text), handle_detokenize, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD_WITH_ARGS("ApplyTemplate", SD_BUS_ARGS("aa{sv}", messages, "a{sv}", options),
                            SD_BUS_ARGS("s", text), handle_apply_template,
                            SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD_WITH_ARGS("Exit", SD_BUS_NO_ARGS, SD_BUS_NO_RESULT, handle_exit,
                            SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_SIGNAL("Closing", "", 0),
    SD_BUS_VTABLE_END,
};
/* clang-format on */

int worker_bus_add(sd_bus *bus, Connection *connection) {
    return sd_bus_add_object_vtable(bus, NULL, WORKER_PATH, WORKER_INTERFACE, vtable, connection);
}
