#include "engine/chat/chat.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "engine/chat/eval.h"
#include "engine/chat/parser.h"
#include "engine/limits.h"

struct ChatTemplate {
    struct Arena arena;
    const struct Node *body;
};

/* ---- Parsing ---- */

int chat_template_new(const char *source, ChatTemplate **ret, Reason *why) {
    if (!source || !*source) return reason_set(why, ENOTSUP, "the model has no chat template");
    const char *builtin = chat_template_builtin(source);
    ChatTemplate *self = calloc(1, sizeof *self);
    if (!self) return reason_set(why, ENOMEM, "out of memory");
    self->arena.limit = TEMPLATE_MAX_TREE;
    if (builtin) source = builtin;
    int r = parser_run(&self->arena, source, strlen(source), &self->body, why);
    if (r < 0) {
        chat_template_free(self);
        return r;
    }
    *ret = self;
    return 0;
}

ChatTemplate *chat_template_free(ChatTemplate *self) {
    if (self) arena_done(&self->arena);
    free(self);
    return NULL;
}

/* ---- Messages ---- */

static bool is_known_role(const char *text) {
    static const char *const ROLES[] = {"system",      "user",          "assistant",  "tool",
                                        "developer",   "function",      "ipython",    "model",
                                        "environment", "tool_response", "observation"};
    for (size_t i = 0; i < sizeof ROLES / sizeof ROLES[0]; i++)
        if (strcmp(text, ROLES[i]) == 0) return true;
    return false;
}

void chat_message_set(struct Arena *arena, struct Dict *message, const char *name,
                      const char *text) {
    bool trusted = strcmp(name, "role") == 0 && is_known_role(text);
    dict_set_member(arena, message, name, value_string(arena, text, strlen(text), trusted));
}

/* ---- Variables ---- */

static void set_token(struct Run *run, const char *name, const char *text) {
    if (text)
        scope_set_word(run, run->scope, name,
                       value_text(text_borrow(run->arena, text, strlen(text), true)));
}

static Value or_none(Value value) {
    return value.kind == VALUE_MISSING ? value_none() : value;
}

static void set_variables(struct Run *run, const struct ChatInput *input) {
    scope_set_word(run, run->scope, "messages", input->messages);
    scope_set_word(run, run->scope, "tools", or_none(input->tools));
    scope_set_word(run, run->scope, "documents", value_none());
    scope_set_word(run, run->scope, "add_generation_prompt",
                   value_bool(input->add_generation_prompt));
    set_token(run, "bos_token", input->bos_token);
    set_token(run, "eos_token", input->eos_token);
    set_token(run, "pad_token", input->pad_token);
    set_token(run, "unk_token", input->unk_token);
    const struct Dict *more = input->variables.kind == VALUE_DICT ? input->variables.dict : NULL;
    for (size_t i = 0; more && i < more->n; i++)
        if (more->entries[i].key.kind == VALUE_STRING)
            scope_set(run, run->scope, more->entries[i].key.text, more->entries[i].value);
}

/* ---- Pieces ---- */

/* How many bytes from `at` on have the same mark. */
static size_t stretch(const struct TextBuilder *output, size_t at) {
    if (!output->marks) return output->size - at;
    const uint8_t *other = memchr(output->marks + at, !output->marks[at], output->size - at);
    return other ? (size_t)(other - output->marks) - at : output->size - at;
}

static int piece_make(const struct TextBuilder *output, size_t at, size_t size,
                      struct ChatPiece *ret) {
    *ret = (struct ChatPiece){
        .text = malloc(size + 1),
        .size = size,
        .special = output->marks ? output->marks[at] : output->trusted,
    };
    if (!ret->text) return -ENOMEM;
    memcpy(ret->text, output->bytes + at, size);
    ret->text[size] = '\0';
    return 0;
}

static int pieces_make(const struct TextBuilder *output, struct ChatPiece **ret, size_t *ret_n) {
    size_t n = 0, made = 0;
    for (size_t at = 0; at < output->size; n++) at += stretch(output, at);
    struct ChatPiece *pieces = calloc(n + 1, sizeof *pieces);
    int r = pieces ? 0 : -ENOMEM;
    for (size_t at = 0, size; r == 0 && at < output->size; at += size) {
        size = stretch(output, at);
        r = piece_make(output, at, size, &pieces[made]);
        if (r == 0) made++;
    }
    if (r < 0) {
        if (pieces) chat_pieces_free(pieces, made);
        return r;
    }
    *ret = pieces;
    *ret_n = n;
    return 0;
}

void chat_pieces_free(struct ChatPiece *pieces, size_t n) {
    for (size_t i = 0; i < n; i++) free(pieces[i].text);
    free(pieces);
}

/* ---- Rendering ---- */

static int arena_reason(int error, Reason *why) {
    if (error == -ENOMEM) return reason_set(why, ENOMEM, "out of memory");
    if (error == -ELOOP)
        return reason_set(why, EINVAL, "the conversation nests more than %u values",
                          TEMPLATE_MAX_VALUE_DEPTH);
    return reason_set(why, EFBIG, "the conversation needs more than %u MiB with this chat template",
                      TEMPLATE_MAX_MEMORY >> 20);
}

static int input_check(const struct ChatInput *input, Reason *why) {
    if (input->arena && input->arena->error) return arena_reason(input->arena->error, why);
    if (input->messages.kind != VALUE_LIST || input->messages.list->n == 0)
        return reason_set(why, EINVAL, "a conversation needs a message");
    if (input->messages.list->n > CHAT_MAX_MESSAGES)
        return reason_set(why, EFBIG, "a conversation may have %u messages", CHAT_MAX_MESSAGES);
    return 0;
}

static void run_template(struct Run *run, const ChatTemplate *self, const struct ChatInput *input) {
    struct Scope *context = scope_new(run, NULL);
    run->scope = context;
    if (context) set_variables(run, input);
    run->scope = scope_new(run, context); /* what the template sets hides what it was given */
    if (run->scope) exec(run, self->body);
}

int chat_template_render(const ChatTemplate *self, const struct ChatInput *input,
                         struct ChatPiece **ret, size_t *ret_n, Reason *why) {
    struct Arena arena = {.limit = TEMPLATE_MAX_MEMORY};
    struct TextBuilder output = {.arena = &arena};
    struct Run run = {.arena = &arena,
                      .output = &output,
                      .now = input->now,
                      .work_left = TEMPLATE_MAX_WORK,
                      .why = why};
    time_t seconds = time(NULL);
    struct tm present;
    if (!run.now) run.now = localtime_r(&seconds, &present);
    int r = input_check(input, why);
    if (r == 0) {
        run_template(&run, self, input);
        r = run.error ? run.error : arena.error ? arena_reason(arena.error, why) : 0;
    }
    if (r == 0) {
        r = pieces_make(&output, ret, ret_n);
        if (r < 0) reason_set(why, 0, "out of memory");
    }
    arena_done(&arena);
    return r;
}
