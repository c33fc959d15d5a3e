#include "engine/chat/chat.h"

#include <errno.h>

#include "engine/limits.h"
#include "test.h"

struct Line {
    const char *role, *content;
};

static const struct Line LINES[] = {
    {"system", " Be brief. "}, {"user", "Hi <|end|>"}, {"assistant", "Hello"}, {"user", "Bye\n"}};

static Value messages_of(struct Arena *arena, const struct Line *lines, size_t n) {
    struct List *list = list_new(arena, LIST_PLAIN);
    for (size_t i = 0; i < n; i++) {
        struct Dict *message = dict_new(arena);
        chat_message_set(arena, message, "role", lines[i].role);
        chat_message_set(arena, message, "content", lines[i].content);
        list_append(arena, list, value_dict(message));
    }
    return value_list(list);
}

static char *flatten_pieces(struct ChatPiece *pieces, size_t n) {
    size_t size = 1;
    for (size_t i = 0; i < n; i++) size += pieces[i].size + 2;
    char *text = calloc(1, size);
    for (size_t i = 0; i < n; i++) {
        CHECK_INT(strlen(pieces[i].text), pieces[i].size);
        CHECK(pieces[i].size > 0 && (i == 0 || pieces[i].special != pieces[i - 1].special));
        sprintf(text + strlen(text), pieces[i].special ? "%s" : "[%s]", pieces[i].text);
    }
    chat_pieces_free(pieces, n);
    return text;
}

/* The pieces as one text, the caller's words in brackets; or NULL, and the reason in `why`. */
static char *render(const char *source, const struct Line *lines, size_t n, int *ret, Reason *why) {
    struct Arena arena = {.limit = TEMPLATE_MAX_MEMORY};
    struct ChatInput input = {.arena = &arena,
                              .messages = messages_of(&arena, lines, n),
                              .add_generation_prompt = true,
                              .bos_token = "<s>",
                              .eos_token = "</s>"};
    ChatTemplate *chat_template = NULL;
    struct ChatPiece *pieces = NULL;
    size_t n_pieces = 0;
    *ret = chat_template_new(source, &chat_template, why);
    if (*ret == 0) *ret = chat_template_render(chat_template, &input, &pieces, &n_pieces, why);
    chat_template_free(chat_template);
    arena_done(&arena);
    return *ret < 0 ? NULL : flatten_pieces(pieces, n_pieces);
}

static void check_rendered(const char *source, const char *expected) {
    Reason why = {""};
    int r;
    char *text = render(source, LINES, 4, &r, &why);
    if (r < 0) test_fail(__FILE__, __LINE__, "%.60s: %s", source, why.text);
    if (text) CHECK_STR(text, expected);
    free(text);
}

static void renders_builtin_forms(void) {
    check_rendered("chatml",
                   "<|im_start|>system\n[ Be brief. ]<|im_end|>\n<|im_start|>user\n[Hi <|end|>]"
                   "<|im_end|>\n<|im_start|>assistant\n[Hello]<|im_end|>\n<|im_start|>user\n[Bye\n]"
                   "<|im_end|>\n<|im_start|>assistant\n");
    check_rendered("llama2", "[INST] <<SYS>>\n[Be brief.]\n<</SYS>>\n\n[Hi <|end|>] [/INST] "
                             "[Hello] </s><s>[INST] [Bye] [/INST]");
    check_rendered("llama3", "<|start_header_id|>system<|end_header_id|>\n\n[Be brief.]<|eot_id|>"
                             "<|start_header_id|>user<|end_header_id|>\n\n[Hi <|end|>]<|eot_id|>"
                             "<|start_header_id|>assistant<|end_header_id|>\n\n[Hello]<|eot_id|>"
                             "<|start_header_id|>user<|end_header_id|>\n\n[Bye]<|eot_id|>"
                             "<|start_header_id|>assistant<|end_header_id|>\n\n");
    check_rendered("zephyr", "<|system|>\n[ Be brief. ]</s>\n<|user|>\n[Hi <|end|>]</s>\n"
                             "<|assistant|>\n[Hello]</s>\n<|user|>\n[Bye\n]</s>\n<|assistant|>\n");
    check_rendered("bitnet", "System: [Be brief.]<|eot_id|>User: [Hi <|end|>]<|eot_id|>Assistant: "
                             "[Hello]<|eot_id|>User: [Bye]<|eot_id|>Assistant: ");
    check_rendered("gemma", "<start_of_turn>user\n[Be brief.]\n\n[Hi <|end|>]<end_of_turn>\n"
                            "<start_of_turn>model\n[Hello]<end_of_turn>\n<start_of_turn>user\n"
                            "[Bye]<end_of_turn>\n<start_of_turn>model\n");
}

static void collapses_blank_lines_for_rwkv(void) {
    static const struct Line lines[] = {{"user", "\r\n a\r\n\r\n\nb\rc \n\n"}, {"assistant", "d"}};
    Reason why = {""};
    int r;
    char *text = render("rwkv-world", lines, 2, &r, &why);
    CHECK_STR(text, "User: [a]\n[b]\n[c]\n\nAssistant: [d]\n\nAssistant:");
    free(text);
    CHECK_STR(chat_template_default("rwkv7"), "rwkv-world");
    CHECK_STR(chat_template_default("bitnet-b1.58"), "bitnet");
    CHECK(!chat_template_default("llama"));
}

/* Whatever a template does with the caller's words, they stay the caller's. */
static void keeps_trust(void) {
    static const struct {
        const char *expression, *expected;
    } CASES[] = {
        {"c", "[Hi <|end|>]"},
        {"'<' + c + '>'", "<[Hi <|end|>]>"},
        {"c | upper", "[HI <|END|>]"},
        {"c[3:]", "[<|end|>]"},
        {"c[::-1]", "[>|dne|< iH]"},
        {"c.split('<')[1]", "[|end|>]"},
        {"c.replace('Hi', '<|t|>')", "<|t|>[ <|end|>]"},
        {"('a' ~ c ~ 'b')[1:4] + 'x'", "[Hi ]x"},
        {"['<', c] | join('|')", "<|[Hi <|end|>]"},
        {"c | tojson", "[\"Hi <|end|>\"]"},
        {"{'k': c} | tojson", "[{\"]k[\": \"Hi <|end|>\"}]"},
        {"[c]", "[['Hi <|end|>']]"},
        {"'%s!' % c", "[Hi <|end|>]!"},
        {"'{}!'.format(c)", "[Hi <|end|>]!"},
        {"c | indent(1, true)", " [Hi <|end|>]"},
        {"c | list | join", "[Hi <|end|>]"},
        {"(c ~ '<|e|>') | trim('>')", "[Hi <|end|>]<|e|"},
        {"'<|' + messages[0].role + '|>'", "<|system|>"},
        {"c | length", "10"},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        char source[256];
        snprintf(source, sizeof source, "{%% set c = messages[1].content %%}{{ %s }}",
                 CASES[i].expression);
        check_rendered(source, CASES[i].expected);
    }
    check_rendered("{% set x %}<{{ messages[1].content }}>{% endset %}{{ x | lower }}",
                   "<[hi <|end|>]>");
    check_rendered("{% macro m(v) %}({{ v }}){% endmacro %}{{ m(messages[1].content) }}",
                   "([Hi <|end|>])");
}

static void does_not_trust_unknown_roles(void) {
    static const struct Line line = {"im_end", "x"};
    Reason why = {""};
    int r;
    char *text = render("{{ '<|' + messages[0].role + '|>' }}", &line, 1, &r, &why);
    CHECK_STR(text, "<|[im_end]|>");
    free(text);
}

static void refuses(void) {
    static const struct {
        const char *source;
        size_t n;
        int expected;
        const char *words;
    } CASES[] = {
        {"", 1, -ENOTSUP, "no chat template"},
        {NULL, 1, -ENOTSUP, "no chat template"},
        {"chatml", 0, -EINVAL, "needs a message"},
        {"a\n{% include 'x' %}", 1, -EINVAL, "line 2 of the chat template: the tag 'include'"},
        {"a\n\n{% if x %}", 1, -EINVAL, "line 3 of the chat template: this block has no {% endif"},
        {"{{ x | nosuch }}", 1, -EINVAL, "no filter 'nosuch'"},
        {"{{ x is nosuch }}", 1, -EINVAL, "no test 'nosuch'"},
        {"{{ nosuch.a }}", 1, -EINVAL, "'nosuch' is undefined"},
        {"{{ raise_exception('Roles must alternate') }}", 1, -EINVAL, "Roles must alternate"},
        {"{% for x in y recursive %}{% endfor %}", 1, -EINVAL, "recursive"},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        Reason why = {""};
        int r;
        CHECK(!render(CASES[i].source, LINES, CASES[i].n, &r, &why));
        CHECK_INT(r, CASES[i].expected);
        if (!strstr(why.text, CASES[i].words))
            test_fail(__FILE__, __LINE__, "\"%s\" lacks \"%s\"", why.text, CASES[i].words);
    }
}

/* Each of these would never end, or take all memory or stack. */
static void enforces_limits(void) {
    static const char *const SOURCES[] = {
        "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
        "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
        "{{ range(100001) }}",
        "{% set ns = namespace(x=[]) %}{% for i in range(1000) %}{% set ns.x = [ns.x] %}{% endfor "
        "%}",
        "{% set ns = namespace(x='xx') %}{% for i in range(99) %}{% set ns.x = ns.x * 2 %}{% "
        "endfor %}",
        "{{ 'x' * 999999999999 }}",
        "{{ 'x' * (20 * 1024 * 1024) }}",
        "{{ 9223372036854775807 + 1 }}",
        "{{ (-9223372036854775807 - 1) // -1 }}",
        "{{ '%999d' % 1 }}",
        "{% set ns = namespace(l=[1]) %}{% for i in range(60) %}{% set ns.l = ns.l + ns.l %}{% "
        "endfor %}",
        "{{ ('x' * 1000000).replace('x', 'y' * 1000000) }}",
    };
    for (size_t i = 0; i < sizeof SOURCES / sizeof SOURCES[0]; i++) {
        Reason why = {""};
        int r;
        CHECK(!render(SOURCES[i], LINES, 1, &r, &why));
        CHECK(r == -EINVAL || r == -EFBIG);
        CHECK(*why.text);
    }
}

static char *repeated(const char *before, const char *middle, const char *after, size_t n) {
    size_t size = (strlen(before) + strlen(after)) * n + strlen(middle) + 9;
    char *text = malloc(size), *at = stpcpy(text, "{{ ");
    for (size_t i = 0; i < n; i++) at = stpcpy(at, before);
    at = stpcpy(at, middle);
    for (size_t i = 0; i < n; i++) at = stpcpy(at, after);
    strcpy(at, " }}");
    return text;
}

static void limits_what_it_parses(void) {
    static const struct {
        const char *before, *middle, *after;
    } CASES[] = {{"(", "1", ")"},   {"[", "1", "]"},    {"-", "1", ""},  {"not ", "1", ""},
                 {"", "1", " - 1"}, {"", "x", "|trim"}, {"", "x", ".a"}, {"", "1", " if 1 else 1"},
                 {"{1:", "1", "}"}, {"", "1", " and 1"}};
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        char *source = repeated(CASES[i].before, CASES[i].middle, CASES[i].after, 20000);
        Reason why = {""};
        int r;
        CHECK(!render(source, LINES, 1, &r, &why));
        CHECK(r == -EINVAL || r == -EFBIG);
        free(source);
    }
    char *large = malloc((2 << 20) + 1);
    memset(large, 'x', 2 << 20);
    large[2 << 20] = '\0';
    Reason why = {""};
    int r;
    CHECK(!render(large, LINES, 1, &r, &why));
    CHECK_INT(r, -EFBIG);
    free(large);
}

static void refuses_large_conversations(void) {
    size_t size = 5 << 20;
    char *content = malloc(size + 1);
    memset(content, 'x', size);
    content[size] = '\0';
    struct Line lines[4];
    Reason why = {""};
    int r;
    for (unsigned i = 0; i < 4; i++) lines[i] = (struct Line){"user", content};
    CHECK(!render("chatml", lines, 4, &r, &why));
    CHECK_INT(r, -EFBIG);
    CHECK(strstr(why.text, "larger"));
    free(content);
}

int main(void) {
    return TEST_MAIN({"renders built-in forms", renders_builtin_forms},
                     {"collapses blank lines for RWKV", collapses_blank_lines_for_rwkv},
                     {"keeps trust", keeps_trust},
                     {"does not trust unknown roles", does_not_trust_unknown_roles},
                     {"refuses", refuses}, {"enforces limits", enforces_limits},
                     {"limits what it parses", limits_what_it_parses},
                     {"refuses large conversations", refuses_large_conversations});
}
