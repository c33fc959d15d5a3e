#include "worker/prompt.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "engine/chat/chat.h"
#include "engine/text/tokenizer.h"
#include "worker/limits.h"

/* No ordinary text has longer tokens on average, whatever the vocabulary. */
#define PIECE_SIZE_MIN 64

struct Prompter {
    const Tokenizer *tokenizer;
    const struct ModelInfo *info;
    size_t text_size_max; /* more text is more tokens than the context holds */
    bool can_chat;
};

/* malloc()ed, as a job keeps them */
struct TokenList {
    Token *tokens;
    size_t n;
};

/* ---- Making ---- */

static size_t text_size_max(const Tokenizer *tokenizer, uint32_t n_ctx) {
    size_t longest = PIECE_SIZE_MIN;
    const char *piece;

    for (uint32_t token = 0; token < tokenizer_size(tokenizer); token++)
        longest = MAX(longest, tokenizer_piece(tokenizer, (Token)token, true, &piece));
    return MIN(longest * n_ctx, PROMPT_SIZE_MAX);
}

static bool template_works(const char *chat_template) {
    const struct ChatMessage message = {"user", "?"};
    struct ChatPiece *pieces;
    size_t n;

    if (!*chat_template || chat_render(chat_template, &message, 1, &pieces, &n, NULL) < 0)
        return false;
    chat_pieces_free(pieces, n);
    return true;
}

Prompter *prompter_new(const Engine *engine) {
    Prompter *self = g_new0(Prompter, 1);

    self->tokenizer = engine_tokenizer(engine);
    self->info = engine_info(engine);
    self->text_size_max = text_size_max(self->tokenizer, self->info->n_ctx);
    self->can_chat = template_works(self->info->chat_template);
    return self;
}

void prompter_free(Prompter *self) {
    g_free(self);
}

bool prompter_can_chat(const Prompter *self) {
    return self->can_chat;
}

/* ---- Text ---- */

static int size_check(const Prompter *self, size_t size, struct Failure *failure) {
    if (size <= self->text_size_max) return 0;
    failure_set(failure, ERROR_CONTEXT_TOO_LONG,
                "The prompt has %zu bytes; a context of %u tokens holds no more than %zu.", size,
                self->info->n_ctx, self->text_size_max);
    return -EOVERFLOW;
}

/* Appends the tokens of a text. */
static int list_encode(const Prompter *self, struct TokenList *list, const char *text, size_t size,
                       unsigned flags, struct Failure *failure) {
    Token *tokens = NULL;
    size_t n;

    if (!tokenizer_has_text(self->tokenizer))
        return failure_set(failure, ERROR_NOT_SUPPORTED,
                           "The model file has no tokenizer: the model takes tokens, not text.");
    int r = tokenizer_encode(self->tokenizer, text, size, flags, &tokens, &n);
    if (r < 0) return failure_set_errno(failure, r, NULL);
    Token *grown = realloc(list->tokens, (list->n + n + 1) * sizeof *grown);
    if (grown) {
        list->tokens = grown;
        if (n > 0) memcpy(grown + list->n, tokens, n * sizeof *grown);
        list->n += n;
    }
    free(tokens);
    return grown ? 0 : failure_set_errno(failure, -ENOMEM, NULL);
}

static int text_encode(const Prompter *self, const char *text, struct TokenList *list,
                       struct Failure *failure) {
    size_t size = strlen(text);
    int r = size_check(self, size, failure);
    return r < 0 ? r : list_encode(self, list, text, size, TOKENIZE_BOS, failure);
}

/* ---- Conversations ---- */

/* Templates often write the beginning-of-sequence token themselves. */
static void list_drop_second_bos(const Prompter *self, struct TokenList *list) {
    Token bos = tokenizer_bos(self->tokenizer);

    if (bos < 0 || list->n < 2 || list->tokens[0] != bos || list->tokens[1] != bos) return;
    list->n--;
    memmove(list->tokens, list->tokens + 1, list->n * sizeof *list->tokens);
}

/* SentencePiece puts a space before text that begins or that follows a control token, and none
 * where a piece goes on with the text before it. */
static unsigned piece_flags(const Prompter *self, const struct ChatPiece *piece, bool is_first,
                            const struct TokenList *list) {
    unsigned flags = piece->special ? TOKENIZE_SPECIAL : 0;

    if (is_first) return flags | TOKENIZE_BOS;
    if (list->n > 0 && tokenizer_is_control(self->tokenizer, list->tokens[list->n - 1]))
        return flags;
    return flags | TOKENIZE_MIDDLE;
}

static int pieces_encode(const Prompter *self, const struct ChatPiece *pieces, size_t n_pieces,
                         struct TokenList *list, struct Failure *failure) {
    size_t size = 0;
    int r;

    for (size_t i = 0; i < n_pieces; i++) size += pieces[i].size;
    r = size_check(self, size, failure);
    for (size_t i = 0; r >= 0 && i < n_pieces; i++) {
        unsigned flags = piece_flags(self, &pieces[i], i == 0, list);
        r = list_encode(self, list, pieces[i].text, pieces[i].size, flags, failure);
    }
    if (r >= 0) list_drop_second_bos(self, list);
    return r;
}

static int chat_encode(const Prompter *self, const struct ChatMessage *messages, size_t n_messages,
                       struct TokenList *list, struct Failure *failure) {
    struct ChatPiece *pieces;
    size_t n_pieces;
    Reason why = {""};

    if (!*self->info->chat_template) {
        failure_set(failure, ERROR_NO_CHAT_TEMPLATE,
                    "The model has no chat template: it continues text, and knows no messages.");
        return -ENOTSUP;
    }
    int r = chat_render(self->info->chat_template, messages, n_messages, &pieces, &n_pieces, &why);
    if (r < 0) return failure_set_errno(failure, r, &why);
    r = pieces_encode(self, pieces, n_pieces, list, failure);
    chat_pieces_free(pieces, n_pieces);
    return r;
}

/* ---- Reading: each gets the message at the contents of its variant ---- */

static int read_failed(struct Failure *failure, int r) {
    return failure_set_bus(failure, r, NULL);
}

static int read_text(const Prompter *self, sd_bus_message *message, struct TokenList *list,
                     struct Failure *failure) {
    const char *text;
    int r = sd_bus_message_read_basic(message, 's', &text);
    return r < 0 ? read_failed(failure, r) : text_encode(self, text, list, failure);
}

static int read_ask(const Prompter *self, sd_bus_message *message, struct TokenList *list,
                    struct Failure *failure) {
    struct ChatMessage question = {.role = "user"};
    int r = sd_bus_message_read_basic(message, 's', &question.content);
    if (r < 0) return read_failed(failure, r);
    if (!self->can_chat) return text_encode(self, question.content, list, failure);
    return chat_encode(self, &question, 1, list, failure);
}

static int read_tokens(const Prompter *self, sd_bus_message *message, struct TokenList *list,
                       struct Failure *failure) {
    const int32_t *tokens;
    size_t size;
    int r = sd_bus_message_read_array(message, 'i', (const void **)&tokens, &size);
    if (r < 0) return read_failed(failure, r);

    size_t n = size / sizeof *tokens;
    for (size_t i = 0; i < n; i++)
        if (tokens[i] < 0 || (uint32_t)tokens[i] >= self->info->n_vocab)
            return failure_set(failure, ERROR_INVALID_ARGS,
                               "Token %zu of the prompt is %d, the vocabulary has %u.", i,
                               tokens[i], self->info->n_vocab);
    list->tokens = malloc(size + 1);
    if (!list->tokens) return failure_set_errno(failure, -ENOMEM, NULL);
    if (size > 0) memcpy(list->tokens, tokens, size);
    list->n = n;
    return 0;
}

/* One message: a{sv} with role and content. */
static int message_read(sd_bus_message *message, struct ChatMessage *ret, size_t index,
                        struct Failure *failure) {
    const char *key;
    int r = sd_bus_message_enter_container(message, 'a', "{sv}");

    *ret = (struct ChatMessage){0};
    while (r >= 0 && (r = sd_bus_message_enter_container(message, 'e', "sv")) > 0) {
        r = sd_bus_message_read_basic(message, 's', &key);
        if (r < 0) break;
        const char **value = strcmp(key, "role") == 0      ? &ret->role
                             : strcmp(key, "content") == 0 ? &ret->content
                                                           : NULL;
        if (!value)
            return failure_set(failure, ERROR_INVALID_ARGS, "Message %zu has an unknown member %s.",
                               index, key);
        r = sd_bus_message_read(message, "v", "s", value);
        if (r >= 0) r = sd_bus_message_exit_container(message);
    }
    if (r >= 0) r = sd_bus_message_exit_container(message);
    if (r < 0 || !ret->role || !ret->content)
        return failure_set(failure, ERROR_INVALID_ARGS,
                           "Message %zu needs \"role\" and \"content\", both strings.", index);
    return 0;
}

static int messages_read(sd_bus_message *message, GArray *messages, struct Failure *failure) {
    struct ChatMessage one;
    int r = sd_bus_message_enter_container(message, 'a', "a{sv}");

    while (r >= 0 && (r = sd_bus_message_at_end(message, false)) == 0) {
        if (messages->len == MESSAGES_MAX)
            return failure_set(failure, ERROR_INVALID_ARGS, "There are more than %u messages.",
                               MESSAGES_MAX);
        r = message_read(message, &one, messages->len, failure);
        if (r < 0) return r;
        g_array_append_val(messages, one);
    }
    if (r >= 0) r = sd_bus_message_exit_container(message);
    if (r < 0) return read_failed(failure, r);
    if (messages->len == 0)
        return failure_set(failure, ERROR_INVALID_ARGS, "There are no messages.");
    return 0;
}

static int read_messages(const Prompter *self, sd_bus_message *message, struct TokenList *list,
                         struct Failure *failure) {
    g_autoptr(GArray) messages = g_array_new(FALSE, FALSE, sizeof(struct ChatMessage));
    int r = messages_read(message, messages, failure);

    if (r < 0) return r;
    return chat_encode(self, (const struct ChatMessage *)(const void *)messages->data,
                       messages->len, list, failure);
}

static const struct PromptForm {
    const char *name, *type;
    int (*read)(const Prompter *self, sd_bus_message *message, struct TokenList *list,
                struct Failure *failure);
} forms[] = {
    {"text", "s", read_text},
    {"messages", "aa{sv}", read_messages},
    {"tokens", "ai", read_tokens},
    {"ask", "s", read_ask},
};

static const struct PromptForm *form_find(const char *name) {
    for (gsize i = 0; i < G_N_ELEMENTS(forms); i++)
        if (strcmp(forms[i].name, name) == 0) return &forms[i];
    return NULL;
}

/* Read position: an entry of the prompt. */
static int form_read(const Prompter *self, sd_bus_message *message, struct TokenList *list,
                     const struct PromptForm **ret, struct Failure *failure) {
    const char *name;
    int r = sd_bus_message_read_basic(message, 's', &name);
    if (r < 0) return read_failed(failure, r);

    const struct PromptForm *form = form_find(name);
    if (!form || *ret)
        return failure_set(failure, ERROR_INVALID_ARGS,
                           "A prompt has exactly one of text, messages, tokens and ask.");
    r = sd_bus_message_enter_container(message, 'v', form->type);
    if (r < 0)
        return failure_set(failure, ERROR_INVALID_ARGS, "A prompt's %s has type %s.", name,
                           form->type);
    r = form->read(self, message, list, failure);
    if (r < 0) return r;
    *ret = form;
    r = sd_bus_message_exit_container(message);
    return r < 0 ? read_failed(failure, r) : 0;
}

static int prompt_read(const Prompter *self, sd_bus_message *message, struct TokenList *list,
                       const struct PromptForm **ret, struct Failure *failure) {
    int r = sd_bus_message_enter_container(message, 'a', "{sv}");

    while (r >= 0 && (r = sd_bus_message_enter_container(message, 'e', "sv")) > 0) {
        r = form_read(self, message, list, ret, failure);
        if (r < 0) return r;
        r = sd_bus_message_exit_container(message);
    }
    if (r >= 0) r = sd_bus_message_exit_container(message);
    if (r < 0) return read_failed(failure, r);
    if (!*ret)
        return failure_set(failure, ERROR_INVALID_ARGS,
                           "A prompt has exactly one of text, messages, tokens and ask.");
    return 0;
}

static int list_finish(struct TokenList *list, int r, Token **ret, size_t *ret_n,
                       struct Failure *failure) {
    if (r >= 0 && list->n == 0) r = failure_set(failure, ERROR_INVALID_ARGS, "The text is empty.");
    if (r < 0) {
        free(list->tokens);
        return r;
    }
    *ret = list->tokens;
    *ret_n = list->n;
    return 0;
}

int prompter_read(const Prompter *self, sd_bus_message *message, Token **ret, size_t *ret_n,
                  bool *ret_ask, struct Failure *failure) {
    struct TokenList list = {NULL, 0};
    const struct PromptForm *form = NULL;

    int r = prompt_read(self, message, &list, &form, failure);
    r = list_finish(&list, r, ret, ret_n, failure);
    if (r >= 0) *ret_ask = form->read == read_ask;
    return r;
}

int prompter_encode(const Prompter *self, const char *text, Token **ret, size_t *ret_n,
                    struct Failure *failure) {
    struct TokenList list = {NULL, 0};

    return list_finish(&list, text_encode(self, text, &list, failure), ret, ret_n, failure);
}
