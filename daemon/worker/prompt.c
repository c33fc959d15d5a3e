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
    size_t text_size_max;        /* more text is more tokens than the context holds */
    ChatTemplate *chat_template; /* NULL: `template_error` and why */
    int template_error;
    Reason template_reason;
    struct ChatInput tokens; /* only its tokens' names, which are owned */
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

static const char *token_text(const Tokenizer *tokenizer, Token token) {
    const char *text;
    if (token < 0) return NULL;
    size_t size = tokenizer_piece(tokenizer, token, true, &text);
    return g_strndup(text, size);
}

/* Its own template, or the form that models of its kind are known to have. */
static const char *template_source(const struct ModelInfo *info) {
    const char *form = chat_template_default(info->architecture);
    return *info->chat_template || !form ? info->chat_template : form;
}

static bool template_works(const Prompter *self) {
    const struct ConversationMessage question = {.role = "user", .content = "?"};
    struct Conversation conversation;
    struct ChatPiece *pieces;
    struct Failure failure = {NULL};
    size_t n;

    if (!self->chat_template) return false;
    conversation_init(&conversation);
    g_array_append_val(conversation.messages, question);
    int r = conversation_render(&conversation, self->chat_template, &self->tokens, &pieces, &n,
                                &failure);
    if (r >= 0) chat_pieces_free(pieces, n);
    conversation_done(&conversation);
    return r >= 0;
}

Prompter *prompter_new(const Engine *engine) {
    Prompter *self = g_new0(Prompter, 1);

    self->tokenizer = engine_tokenizer(engine);
    self->info = engine_info(engine);
    self->text_size_max = text_size_max(self->tokenizer, self->info->n_ctx);
    self->tokens.bos_token = token_text(self->tokenizer, tokenizer_bos(self->tokenizer));
    self->tokens.eos_token = token_text(self->tokenizer, tokenizer_eos(self->tokenizer));
    self->template_error = chat_template_new(template_source(self->info), &self->chat_template,
                                             &self->template_reason);
    self->can_chat = template_works(self);
    return self;
}

void prompter_free(Prompter *self) {
    if (!self) return;
    chat_template_free(self->chat_template);
    g_free((char *)self->tokens.bos_token);
    g_free((char *)self->tokens.eos_token);
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

static int pieces_encode(const Prompter *self, const struct ChatPiece *pieces, size_t n_pieces,
                         struct TokenList *list, struct Failure *failure) {
    g_autofree struct TextPart *parts = g_new(struct TextPart, n_pieces + 1);
    size_t size = 0;

    for (size_t i = 0; i < n_pieces; i++) {
        parts[i] = (struct TextPart){pieces[i].text, pieces[i].size, pieces[i].special};
        size += pieces[i].size;
    }
    int r = size_check(self, size, failure);
    if (r < 0) return r;
    r = tokenizer_encode_parts(self->tokenizer, parts, n_pieces, TOKENIZE_BOS, &list->tokens,
                               &list->n);
    if (r < 0) return failure_set_errno(failure, r, NULL);
    list_drop_second_bos(self, list);
    return 0;
}

static int conversation_pieces(const Prompter *self, const struct Conversation *conversation,
                               struct ChatPiece **ret, size_t *ret_n, struct Failure *failure) {
    if (!self->chat_template && self->template_error == -ENOTSUP)
        return failure_set(failure, ERROR_NO_CHAT_TEMPLATE,
                           "The model has no chat template: it continues text, and knows no "
                           "messages.");
    if (!self->chat_template)
        return failure_set_errno(failure, self->template_error, &self->template_reason);
    return conversation_render(conversation, self->chat_template, &self->tokens, ret, ret_n,
                               failure);
}

static int conversation_encode(const Prompter *self, const struct Conversation *conversation,
                               struct TokenList *list, struct Failure *failure) {
    struct ChatPiece *pieces;
    size_t n_pieces;

    int r = conversation_pieces(self, conversation, &pieces, &n_pieces, failure);
    if (r < 0) return r;
    r = pieces_encode(self, pieces, n_pieces, list, failure);
    chat_pieces_free(pieces, n_pieces);
    return r;
}

int prompter_apply(const Prompter *self, const struct Conversation *conversation, char **ret,
                   struct Failure *failure) {
    g_autoptr(GString) text = g_string_new(NULL);
    struct ChatPiece *pieces;
    size_t n_pieces;

    int r = conversation_pieces(self, conversation, &pieces, &n_pieces, failure);
    if (r < 0) return r;
    for (size_t i = 0; i < n_pieces; i++)
        g_string_append_len(text, pieces[i].text, (gssize)pieces[i].size);
    chat_pieces_free(pieces, n_pieces);
    *ret = g_utf8_make_valid(text->str, (gssize)text->len);
    return 0;
}

/* ---- Reading: each gets the message at the contents of its variant ---- */

static int read_failed(struct Failure *failure, int r) {
    return failure_set_bus(failure, r, NULL);
}

static int read_text(sd_bus_message *message, struct Prompt *prompt, struct Failure *failure) {
    int r = sd_bus_message_read_basic(message, 's', &prompt->text);
    return r < 0 ? read_failed(failure, r) : 0;
}

static int read_tokens(sd_bus_message *message, struct Prompt *prompt, struct Failure *failure) {
    size_t size;
    int r = sd_bus_message_read_array(message, 'i', (const void **)&prompt->tokens, &size);
    prompt->n_tokens = size / sizeof *prompt->tokens;
    return r < 0 ? read_failed(failure, r) : 0;
}

static int read_messages(sd_bus_message *message, struct Prompt *prompt, struct Failure *failure) {
    return conversation_read(message, &prompt->conversation, failure);
}

static const struct {
    const char *name, *type;
    int (*read)(sd_bus_message *message, struct Prompt *prompt, struct Failure *failure);
} forms[] = {
    [PROMPT_TEXT] = {"text", "s", read_text},
    [PROMPT_MESSAGES] = {"messages", "aa{sv}", read_messages},
    [PROMPT_TOKENS] = {"tokens", "ai", read_tokens},
    [PROMPT_ASK] = {"ask", "s", read_text},
};

static enum PromptForm form_find(const char *name) {
    for (gsize i = PROMPT_TEXT; i < G_N_ELEMENTS(forms); i++)
        if (strcmp(forms[i].name, name) == 0) return i;
    return PROMPT_MISSING;
}

/* Read position: an entry of the prompt. */
static int form_read(sd_bus_message *message, struct Prompt *prompt, struct Failure *failure) {
    const char *name;
    int r = sd_bus_message_read_basic(message, 's', &name);
    if (r < 0) return read_failed(failure, r);

    enum PromptForm form = form_find(name);
    if (form == PROMPT_MISSING || prompt->form != PROMPT_MISSING)
        return failure_set(failure, ERROR_INVALID_ARGS,
                           "A prompt has exactly one of text, messages, tokens and ask.");
    r = sd_bus_message_enter_container(message, 'v', forms[form].type);
    if (r < 0)
        return failure_set(failure, ERROR_INVALID_ARGS, "A prompt's %s has type %s.", name,
                           forms[form].type);
    prompt->form = form;
    r = forms[form].read(message, prompt, failure);
    if (r < 0) return r;
    r = sd_bus_message_exit_container(message);
    return r < 0 ? read_failed(failure, r) : 0;
}

int prompt_read(sd_bus_message *message, struct Prompt *prompt, struct Failure *failure) {
    *prompt = (struct Prompt){0};
    conversation_init(&prompt->conversation);
    int r = sd_bus_message_enter_container(message, 'a', "{sv}");
    while (r >= 0 && (r = sd_bus_message_enter_container(message, 'e', "sv")) > 0) {
        r = form_read(message, prompt, failure);
        if (r < 0) return r;
        r = sd_bus_message_exit_container(message);
    }
    if (r >= 0) r = sd_bus_message_exit_container(message);
    if (r < 0) return read_failed(failure, r);
    if (prompt->form == PROMPT_MISSING)
        return failure_set(failure, ERROR_INVALID_ARGS,
                           "A prompt has exactly one of text, messages, tokens and ask.");
    return 0;
}

void prompt_done(struct Prompt *prompt) {
    conversation_done(&prompt->conversation);
}

/* ---- Encoding: each appends to an empty list ---- */

static int encode_text(const Prompter *self, struct Prompt *prompt, struct TokenList *list,
                       struct Failure *failure) {
    return text_encode(self, prompt->text, list, failure);
}

static int encode_messages(const Prompter *self, struct Prompt *prompt, struct TokenList *list,
                           struct Failure *failure) {
    return conversation_encode(self, &prompt->conversation, list, failure);
}

static int encode_ask(const Prompter *self, struct Prompt *prompt, struct TokenList *list,
                      struct Failure *failure) {
    const struct ConversationMessage question = {.role = "user", .content = prompt->text};

    if (!self->can_chat) return text_encode(self, prompt->text, list, failure);
    g_array_append_val(prompt->conversation.messages, question);
    return conversation_encode(self, &prompt->conversation, list, failure);
}

static int encode_tokens(const Prompter *self, struct Prompt *prompt, struct TokenList *list,
                         struct Failure *failure) {
    size_t size = prompt->n_tokens * sizeof *prompt->tokens;

    for (size_t i = 0; i < prompt->n_tokens; i++)
        if (prompt->tokens[i] < 0 || (uint32_t)prompt->tokens[i] >= self->info->n_vocab)
            return failure_set(failure, ERROR_INVALID_ARGS,
                               "Token %zu of the prompt is %d, the vocabulary has %u.", i,
                               prompt->tokens[i], self->info->n_vocab);
    list->tokens = malloc(size + 1);
    if (!list->tokens) return failure_set_errno(failure, -ENOMEM, NULL);
    if (size > 0) memcpy(list->tokens, prompt->tokens, size);
    list->n = prompt->n_tokens;
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

int prompter_encode_prompt(const Prompter *self, struct Prompt *prompt, Token **ret, size_t *ret_n,
                           struct Failure *failure) {
    static int (*const encoders[])(const Prompter *, struct Prompt *, struct TokenList *,
                                   struct Failure *) = {
        [PROMPT_TEXT] = encode_text,
        [PROMPT_MESSAGES] = encode_messages,
        [PROMPT_TOKENS] = encode_tokens,
        [PROMPT_ASK] = encode_ask,
    };
    struct TokenList list = {NULL, 0};

    return list_finish(&list, encoders[prompt->form](self, prompt, &list, failure), ret, ret_n,
                       failure);
}

int prompter_encode(const Prompter *self, const char *text, Token **ret, size_t *ret_n,
                    struct Failure *failure) {
    struct TokenList list = {NULL, 0};

    return list_finish(&list, text_encode(self, text, &list, failure), ret, ret_n, failure);
}
