#include "engine/chat/chat.h"

#include <errno.h>

#include "test.h"

static const struct ChatMessage MESSAGES[] = {
    {"system", " Be brief. "}, {"user", "Hi <|end|>"}, {"assistant", "Hello"}, {"user", "Bye\n"}};

/* The pieces as one text, special ones in brackets. */
static char *flatten(const char *chat_template, const struct ChatMessage *messages, size_t n) {
    struct ChatPiece *pieces = NULL;
    size_t n_pieces = 0;
    Reason why = {0};
    char *text = calloc(1, 4096);
    int r = chat_render(chat_template, messages, n, &pieces, &n_pieces, &why);
    if (r < 0) test_fail(__FILE__, __LINE__, "chat_render: %d, %s", r, why.text);
    for (size_t i = 0; i < n_pieces; i++) {
        CHECK_INT(strlen(pieces[i].text), pieces[i].size);
        CHECK(pieces[i].size > 0 && (i == 0 || pieces[i].special != pieces[i - 1].special));
        sprintf(text + strlen(text), pieces[i].special ? "[%s]" : "%s", pieces[i].text);
    }
    chat_pieces_free(pieces, n_pieces);
    return text;
}

static void renders_families(void) {
    static const struct {
        const char *chat_template, *expected;
    } CASES[] = {
        {"{% for message in messages %}{% if message['role'] == 'user' %}<|user|>{{ "
         "message['content'] }}{% elif message['role'] == 'assistant' %}<|assistant|>{{ "
         "message['content'] }}<|end|>{% endif %}{% endfor %}{% if add_generation_prompt "
         "%}<|assistant|>{% endif %}",
         "[<|user|>]Hi <|end|>[<|assistant|>]Hello[<|end|><|user|>]Bye\n[<|assistant|>]"},
        {"... '<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n' ... '<|eot_id|>'",
         "[<|start_header_id|>]system[<|end_header_id|>]\n\nBe "
         "brief.[<|eot_id|><|start_header_id|>]"
         "user[<|end_header_id|>]\n\nHi <|end|>[<|eot_id|><|start_header_id|>]assistant"
         "[<|end_header_id|>]\n\nHello[<|eot_id|><|start_header_id|>]user[<|end_header_id|>]\n\nBye"
         "[<|eot_id|><|start_header_id|>]assistant[<|end_header_id|>]\n\n"},
        {"{{'<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>\\n'}}",
         "[<|im_start|>]system\n Be brief. [<|im_end|>]\n[<|im_start|>]user\nHi "
         "<|end|>[<|im_end|>]\n"
         "[<|im_start|>]assistant\nHello[<|im_end|>]\n[<|im_start|>]user\nBye\n[<|im_end|>]\n"
         "[<|im_start|>]assistant\n"},
        {"message['role'] | capitalize + ': ' + ... | trim + '<|eot_id|>' ... 'Assistant: '",
         "System: Be brief.[<|eot_id|>]User: Hi <|end|>[<|eot_id|>]Assistant: Hello[<|eot_id|>]"
         "User: Bye[<|eot_id|>]Assistant: "},
        {"'[INST] ' '<<SYS>>\\n' ' [/INST]'",
         "[INST] <<SYS>>\nBe brief.\n<</SYS>>\n\nHi <|end|> [/INST] Hello [</s><s>][INST] Bye "
         "[/INST]"},
        {"'<|user|>\\n' + content + eos_token ... '<|assistant|>\\n'",
         "<|system|>\n Be brief. [</s>]\n<|user|>\nHi <|end|>[</s>]\n<|assistant|>\nHello[</s>]\n"
         "<|user|>\nBye\n[</s>]\n<|assistant|>\n"},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        char *text = flatten(CASES[i].chat_template, MESSAGES, 4);
        CHECK_STR(text, CASES[i].expected);
        free(text);
    }
}

static void renders_without_system(void) {
    char *text = flatten("[INST] <<SYS>> [/INST]", MESSAGES + 3, 1);
    CHECK_STR(text, "[INST] Bye [/INST]");
    free(text);
}

static void refuses(void) {
    static const char CHATML[] = "<|im_start|><|im_end|>";
    static const struct {
        const char *chat_template;
        struct ChatMessage message;
        size_t n;
        int expected;
        const char *words;
    } CASES[] = {
        {"", {"user", "x"}, 1, -ENOTSUP, "no chat template"},
        {NULL, {"user", "x"}, 1, -ENOTSUP, "no chat template"},
        {"{{ something else }}", {"user", "x"}, 1, -ENOTSUP, "family"},
        {CHATML, {"tool", "x"}, 1, -EINVAL, "'tool'"},
        {CHATML, {"user", "x"}, 0, -EINVAL, "needs a message"},
        {CHATML, {"user", "x"}, 1 << 20, -EFBIG, "messages"},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        struct ChatPiece *pieces = NULL;
        size_t n = 0;
        Reason why = {0};
        CHECK_INT(
            chat_render(CASES[i].chat_template, &CASES[i].message, CASES[i].n, &pieces, &n, &why),
            CASES[i].expected);
        CHECK(strstr(why.text, CASES[i].words));
        CHECK(!pieces);
    }
}

static void refuses_large_conversations(void) {
    size_t size = 5 << 20, n = 0;
    char *content = malloc(size + 1);
    memset(content, 'x', size);
    content[size] = '\0';
    struct ChatMessage messages[4];
    struct ChatPiece *pieces = NULL;
    Reason why = {0};
    for (unsigned i = 0; i < 4; i++) messages[i] = (struct ChatMessage){"user", content};
    CHECK_INT(chat_render("<|im_start|><|im_end|>", messages, 4, &pieces, &n, &why), -EFBIG);
    CHECK(strstr(why.text, "larger"));
    free(content);
}

int main(void) {
    return TEST_MAIN({"renders families", renders_families},
                     {"renders without system", renders_without_system}, {"refuses", refuses},
                     {"refuses large conversations", refuses_large_conversations});
}
