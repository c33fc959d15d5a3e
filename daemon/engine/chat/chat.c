#include "engine/chat/chat.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "engine/limits.h"

enum Role { SYSTEM, USER, ASSISTANT, N_ROLES };

static const char *const ROLES[N_ROLES] = {"system", "user", "assistant"};

/* In the texts of a family, names of control tokens stand between two of these. */
#define MARK '\1'
#define SPECIAL(name) "\1" name "\1"

struct Turn {
    const char *before, *after; /* around a message; NULL: the template leaves the role out */
};

/* A family of templates, recognised by strings that all stand in them. */
struct Family {
    const char *markers[3];
    struct Turn turns[N_ROLES];
    const char *user_after_system; /* instead of the user's `before`, or NULL */
    const char *prompt;            /* where the answer starts */
    bool trim;                     /* white space around messages */
};

#define LLAMA3(role) SPECIAL("<|start_header_id|>") role SPECIAL("<|end_header_id|>") "\n\n"
#define CHATML(role) SPECIAL("<|im_start|>") role "\n"

/* The first that fits counts. */
static const struct Family FAMILIES[] = {
    /* Llama 3 */
    {.markers = {"<|start_header_id|>", "<|eot_id|>"},
     .turns = {{LLAMA3("system"), SPECIAL("<|eot_id|>")},
               {LLAMA3("user"), SPECIAL("<|eot_id|>")},
               {LLAMA3("assistant"), SPECIAL("<|eot_id|>")}},
     .prompt = LLAMA3("assistant"),
     .trim = true},
    /* ChatML: Qwen, SmolLM */
    {.markers = {"<|im_start|>", "<|im_end|>"},
     .turns = {{CHATML("system"), SPECIAL("<|im_end|>") "\n"},
               {CHATML("user"), SPECIAL("<|im_end|>") "\n"},
               {CHATML("assistant"), SPECIAL("<|im_end|>") "\n"}},
     .prompt = CHATML("assistant")},
    /* BitNet b1.58 2B-4T, as its tokenizer says */
    {.markers = {"capitalize", "Assistant: ", "<|eot_id|>"},
     .turns = {{"System: ", SPECIAL("<|eot_id|>")},
               {"User: ", SPECIAL("<|eot_id|>")},
               {"Assistant: ", SPECIAL("<|eot_id|>")}},
     .prompt = "Assistant: ",
     .trim = true},
    /* The same model's GGUF file has another template, which it was not trained on. */
    {.markers = {"BITNETAssistant: "},
     .turns = {{"System: ", SPECIAL("<|eot_id|>")},
               {"User: ", SPECIAL("<|eot_id|>")},
               {"Assistant: ", SPECIAL("<|eot_id|>")}},
     .prompt = "Assistant: ",
     .trim = true},
    /* Llama 2 */
    {.markers = {"[INST]", "<<SYS>>", "[/INST]"},
     .turns = {{"[INST] <<SYS>>\n", "\n<</SYS>>\n\n"},
               {"[INST] ", " [/INST]"},
               {" ", " " SPECIAL("</s><s>")}},
     .user_after_system = "",
     .prompt = "",
     .trim = true},
    /* The embedded model */
    {.markers = {"<|user|>{{ message['content'] }}", "{{ message['content'] }}<|end|>"},
     .turns = {{NULL, NULL},
               {SPECIAL("<|user|>"), ""},
               {SPECIAL("<|assistant|>"), SPECIAL("<|end|>")}},
     .prompt = SPECIAL("<|assistant|>")},
    /* Zephyr, TinyLlama: the names of roles are words, only the end is a token */
    {.markers = {"<|user|>\\n", "<|assistant|>", "eos_token"},
     .turns = {{"<|system|>\n", SPECIAL("</s>") "\n"},
               {"<|user|>\n", SPECIAL("</s>") "\n"},
               {"<|assistant|>\n", SPECIAL("</s>") "\n"}},
     .prompt = "<|assistant|>\n"},
    {.markers = {"<|user|>\n", "<|assistant|>", "eos_token"},
     .turns = {{"<|system|>\n", SPECIAL("</s>") "\n"},
               {"<|user|>\n", SPECIAL("</s>") "\n"},
               {"<|assistant|>\n", SPECIAL("</s>") "\n"}},
     .prompt = "<|assistant|>\n"},
};

static bool fits(const struct Family *family, const char *chat_template) {
    for (size_t i = 0; i < sizeof family->markers / sizeof family->markers[0]; i++)
        if (family->markers[i] && !strstr(chat_template, family->markers[i])) return false;
    return true;
}

static int find_family(const char *chat_template, const struct Family **ret, Reason *why) {
    if (!chat_template || !*chat_template)
        return reason_set(why, ENOTSUP, "the model has no chat template");
    for (size_t i = 0; i < sizeof FAMILIES / sizeof FAMILIES[0]; i++) {
        *ret = &FAMILIES[i];
        if (fits(*ret, chat_template)) return 0;
    }
    return reason_set(why, ENOTSUP,
                      "the model's chat template is not of a family that is supported");
}

/* ---- Pieces ---- */

struct Pieces {
    struct ChatPiece *items;
    size_t n, room;
    size_t size; /* of all texts */
};

static struct ChatPiece *last_piece(struct Pieces *pieces, int special) {
    if (pieces->n > 0 && pieces->items[pieces->n - 1].special == special)
        return &pieces->items[pieces->n - 1];
    if (pieces->n == pieces->room) {
        size_t room = pieces->room ? 2 * pieces->room : 8;
        void *items = reallocarray(pieces->items, room, sizeof *pieces->items);
        if (!items) return NULL;
        pieces->items = items;
        pieces->room = room;
    }
    struct ChatPiece *piece = &pieces->items[pieces->n];
    *piece = (struct ChatPiece){.text = calloc(1, 1), .special = special};
    if (!piece->text) return NULL;
    pieces->n++;
    return piece;
}

static int append(struct Pieces *pieces, const char *text, size_t size, int special) {
    if (size == 0) return 0;
    if (size > CHAT_MAX_SIZE - pieces->size) return -EFBIG;
    struct ChatPiece *piece = last_piece(pieces, special);
    if (!piece) return -ENOMEM;
    char *grown = realloc(piece->text, piece->size + size + 1);
    if (!grown) return -ENOMEM;
    piece->text = grown;
    memcpy(piece->text + piece->size, text, size);
    piece->size += size;
    piece->text[piece->size] = '\0';
    pieces->size += size;
    return 0;
}

/* A family's text, with its marks. */
static int append_template(struct Pieces *pieces, const char *text) {
    int r = 0;
    for (int special = 0; r == 0 && *text; special = !special) {
        const char *end = strchrnul(text, MARK);
        r = append(pieces, text, (size_t)(end - text), special);
        text = *end ? end + 1 : end;
    }
    return r;
}

static int append_content(struct Pieces *pieces, const char *text, bool trim) {
    size_t size = strlen(text);
    while (trim && size > 0 && isspace((unsigned char)text[size - 1])) size--;
    while (trim && size > 0 && isspace((unsigned char)*text)) {
        text++;
        size--;
    }
    return append(pieces, text, size, 0);
}

/* ---- Messages ---- */

static int find_role(const char *name, enum Role *ret, Reason *why) {
    for (unsigned i = 0; i < N_ROLES; i++)
        if (strcmp(name, ROLES[i]) == 0) {
            *ret = i;
            return 0;
        }
    return reason_set(why, EINVAL, "the chat template knows no role '%.64s'", name);
}

static int append_messages(struct Pieces *pieces, const struct Family *family,
                           const struct ChatMessage *messages, size_t n, Reason *why) {
    enum Role role = N_ROLES, before;
    for (size_t i = 0; i < n; i++) {
        before = role;
        int r = find_role(messages[i].role, &role, why);
        if (r < 0) return r;
        const struct Turn *turn = &family->turns[role];
        if (!turn->before) continue;
        bool follows_system = role == USER && before == SYSTEM && family->user_after_system;
        r = append_template(pieces, follows_system ? family->user_after_system : turn->before);
        if (r == 0) r = append_content(pieces, messages[i].content, family->trim);
        if (r == 0) r = append_template(pieces, turn->after);
        if (r < 0) return r;
    }
    return append_template(pieces, family->prompt);
}

int chat_render(const char *chat_template, const struct ChatMessage *messages, size_t n_messages,
                struct ChatPiece **ret, size_t *ret_n, Reason *why) {
    const struct Family *family;
    struct Pieces pieces = {0};
    int r = find_family(chat_template, &family, why);
    if (r < 0) return r;
    if (n_messages == 0) return reason_set(why, EINVAL, "a conversation needs a message");
    if (n_messages > CHAT_MAX_MESSAGES)
        return reason_set(why, EFBIG, "a conversation may have %u messages", CHAT_MAX_MESSAGES);
    r = append_messages(&pieces, family, messages, n_messages, why);
    if (r < 0) {
        if (r == -EFBIG)
            reason_set(why, 0, "the conversation is larger than %u bytes", CHAT_MAX_SIZE);
        if (r == -ENOMEM) reason_set(why, 0, "out of memory");
        chat_pieces_free(pieces.items, pieces.n);
        return r;
    }
    *ret = pieces.items;
    *ret_n = pieces.n;
    return 0;
}

void chat_pieces_free(struct ChatPiece *pieces, size_t n) {
    for (size_t i = 0; i < n; i++) free(pieces[i].text);
    free(pieces);
}
