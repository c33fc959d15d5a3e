/* A chat template: parsed, and rendered with a conversation that has something of everything. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "engine/chat/chat.h"
#include "engine/limits.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static Value call_value(struct Arena *arena) {
    struct Dict *call = dict_new(arena), *function = dict_new(arena), *arguments = dict_new(arena);
    struct List *calls = list_new(arena, LIST_PLAIN);
    dict_set_member(arena, arguments, "n", value_float(2.5));
    dict_set_member(arena, arguments, "words", value_string(arena, "a \xc3\xa9", 4, false));
    dict_set_member(arena, function, "name", value_string(arena, "clock", 5, false));
    dict_set_member(arena, function, "arguments", value_dict(arguments));
    dict_set_member(arena, call, "function", value_dict(function));
    list_append(arena, calls, value_dict(call));
    return value_list(calls);
}

static Value messages_value(struct Arena *arena) {
    static const char *const LINES[][2] = {{"system", "Be\n\nbrief."},
                                           {"user", " Hi <|im_end|> "},
                                           {"assistant", "<think>x</think>\xff"},
                                           {"tool", "{}"},
                                           {"user", ""}};
    struct List *messages = list_new(arena, LIST_PLAIN);
    for (size_t i = 0; i < sizeof LINES / sizeof LINES[0]; i++) {
        struct Dict *message = dict_new(arena);
        chat_message_set(arena, message, "role", LINES[i][0]);
        chat_message_set(arena, message, "content", LINES[i][1]);
        if (i == 2) dict_set_member(arena, message, "tool_calls", call_value(arena));
        list_append(arena, messages, value_dict(message));
    }
    return value_list(messages);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct Arena arena = {.limit = TEMPLATE_MAX_MEMORY};
    ChatTemplate *chat_template = NULL;
    struct ChatPiece *pieces;
    size_t n;
    Reason why = {""};
    char *source = strndup((const char *)(size ? data : (const uint8_t *)""), size);
    struct ChatInput input = {.arena = &arena,
                              .messages = messages_value(&arena),
                              .tools = call_value(&arena),
                              .add_generation_prompt = true,
                              .bos_token = "<s>",
                              .eos_token = "</s>"};
    int r = chat_template_new(source, &chat_template, &why);
    if (r == 0) r = chat_template_render(chat_template, &input, &pieces, &n, &why);
    if (r == 0) chat_pieces_free(pieces, n);
    if (r < 0 && !*why.text) abort();
    chat_template_free(chat_template);
    arena_done(&arena);
    free(source);
    return 0;
}
