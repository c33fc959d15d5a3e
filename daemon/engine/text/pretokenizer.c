#include "engine/text/pretokenizer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "engine/text/pattern.h"

#define MAX_PATTERNS 6

/* ---- The table ---- */

#define CONTRACTION "'(?:s|t|re|ve|m|ll|d)"
#define ANY_CONTRACTION "'(?:[sS]|[tT]|[rR][eE]|[vV][eE]|[mM]|[lL][lL]|[dD])"
#define SPACES "\\s+(?!\\S)|\\s+"
#define LINES "\\s*[\\r\\n]+|" SPACES

#define GPT2 CONTRACTION "| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|" SPACES
#define WORD "[^\\r\\n\\p{L}\\p{N}]?\\p{L}+"
#define SIGNS " ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*"
#define LLAMA3 ANY_CONTRACTION "|" WORD "|\\p{N}{1,3}|" SIGNS "|" LINES
#define QWEN2 ANY_CONTRACTION "|" WORD "|\\p{N}|" SIGNS "|" LINES

/* Capitals first, then small letters; other scripts' letters are both. */
#define LARGE "[^\\P{L}a-z]"
#define SMALL "[^\\P{L}A-Z]"
#define CASED_WORD(end)                                                                            \
    "[^\\r\\n\\p{L}\\p{N}]?" LARGE "*" SMALL "+" end "|[^\\r\\n\\p{L}\\p{N}]?" LARGE "+" SMALL     \
    "*" end
#define CASED_SIGNS " ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*"

#define ASCII_SIGNS "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~]"
#define DEEPSEEK3_WORD ASCII_SIGNS "[A-Za-z]+|[^\\r\\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+"
#define HAN_KANA "[一-龥぀-ゟ゠-ヿ]+"
#define HAN_HANGUL "[一-龥ࠀ-一가-퟿]+"
/* Letters that have a case, as the DeepSeek LLM tokenizer lists them. */
#define CASED_LETTERS                                                                                                                                                         \
    "A-Za-zµÀ-ÖØ-öø-ƺƼ-ƿǄ-ʓʕ-ʯͰ-ͳͶͷͻ-ͽͿΆΈ-ΊΌΎ-ΡΣ-ϵϷ-ҁҊ-ԯԱ-ՖႠ-ჅᎠ-Ᏽᏸ-ᏽᲐ-ᲺᲽ-Ჿᴀ-"                                         \
    "ᴫᵫ-"                                                                                                                                                                 \
    "ᵷᵹ-ᶚḀ-ἕἘ-Ἕἠ-ὅὈ-Ὅὐ-ὗὙὛὝ"                                                                                                                  \
    "Ὗ-\u1f7dᾀ-ᾴᾶ-ᾼ\u1fbeῂ-ῄῆ-ῌῐ-\u1fd3ῖ-\u1fdbῠ-Ῥῲ-ῴῶ-ῼℂℇℊ-ℓℕℙ-ℝℤ\u2126ℨ\u212a-ℭℯ-ℴℹℼ-ℿⅅ-ⅉⅎↃↄⰀ-" \
    "ⱻⱾ-ⳤⳫ-ⳮⳲⳳꙀ-ꙭꚀ-"                                                                                                                                      \
    "ꚛꜢ-ꝯꝱ-ꞇꞋ-ꞎꭰ-ꮿﬀ-ﬆﬓ-ﬗＡ-Ｚａ-ｚ𐐀-𐑏𐒰-𐓓𐓘-𐓻𐲀-𐲲𐳀-𐳲𑢠-"                                                           \
    "𑣟𞤀-"                                                                                                                                                               \
    "𞥃"
#define NO_SENTENCE_END " ?[^(\\s|.,!?…。，、।۔،)]+"

/*
 * The patterns of a row come one after another: each cuts what those before it have left as a
 * piece, into what it matches and what lies between.
 */
static const struct Row {
    const char *name;
    const char *patterns[MAX_PATTERNS];
    bool ignore_merges, add_bos;
} ROWS[] = {
    {"default", {"[\\p{P}$+<=>^~|]+", GPT2, "\\p{N}+", "[0-9][0-9][0-9]"}, false, false},
    {"llama-bpe", {LLAMA3}, true, true},
    {"gpt-2", {GPT2}, false, false},
    {"qwen2", {QWEN2}, false, false},
    {"smollm", {"\\p{N}", GPT2}, false, false},
    {"falcon", {"[\\p{P}$+<=>^~|`]+", GPT2, "[0-9][0-9][0-9]"}, false, false},
    {"deepseek-llm",
     {"[\\r\\n]", "\\s?[" CASED_LETTERS "]+", "\\s?[!-/:-~！-／：-～‘-‟\u3000-。]+", "\\s+$",
      HAN_HANGUL, "\\p{N}+"},
     false,
     false},
    {"deepseek-coder",
     {"[\\r\\n]", "\\s?\\p{L}+", "\\s?\\p{P}+", HAN_HANGUL, "\\p{N}"},
     false,
     false},
    {"deepseek-v3",
     {"\\p{N}{1,3}", HAN_KANA, DEEPSEEK3_WORD "| ?[\\p{P}\\p{S}]+[\\r\\n]*|" LINES},
     false,
     false},
    {"tekken", {CASED_WORD("") "|\\p{N}|" CASED_SIGNS "|" LINES}, true, true},
    {"gpt-4o",
     {CASED_WORD("(?:" ANY_CONTRACTION ")?") "|\\p{N}{1,3}|" CASED_SIGNS "|" LINES},
     false,
     false},
    {"dbrx", {LLAMA3}, false, false},
    {"bloom", {NO_SENTENCE_END}, false, false},
    {"viking", {NO_SENTENCE_END, "\\p{N}"}, false, false},
    {"chameleon",
     {"<sentinel:[0-9]+>", "IMGIMG[A-I]{1,4}Z", "[\\t\\n]|    |  ", "\\p{N}",
      "[\\p{P}!-/:-@\\[-`{-~]", GPT2},
     false,
     true},
    {"qwen35",
     {ANY_CONTRACTION "|[^\\r\\n\\p{L}\\p{N}]?[\\p{L}\\p{M}]+|\\p{N}| "
                      "?[^\\s\\p{L}\\p{M}\\p{N}]+[\\r\\n]*|" LINES},
     false,
     false},
    {"bailingmoe",
     {ANY_CONTRACTION "|" WORD "|\\p{N}|" SIGNS "|\\s*[\\r\\n]|" SPACES},
     false,
     false},
    {"seed-coder",
     {ANY_CONTRACTION "|" WORD "|\\p{N}| ?[^\\s\\p{L}\\p{N}\\r\\n]+|" LINES},
     false,
     false},
    {"jais-2",
     {ANY_CONTRACTION
      "|" WORD "|\\p{N}{1,3}|" SIGNS "|\\s*[\\r\\n]+|"
      "\\s{512}(?!\\S)|\\s{256}(?!\\S)|\\s{128}(?!\\S)|\\s{64}(?!\\S)|\\s{32}(?!\\S)|"
      "\\s{16}(?!\\S)|\\s{8}(?!\\S)|\\s{4}(?!\\S)|\\s{1,2}(?!\\S)|\\s"},
     false,
     false},
    {"minicpm5",
     {"\\p{N}{1,3}", ANY_CONTRACTION "|" WORD "|\\p{N}+|" SIGNS "|" LINES},
     true,
     false},
    {"ufakzeka", {WORD "|\\p{N}|" SIGNS "|" LINES}, false, false},
    {"laguna", {"[^\\n]+|[\\n]+", QWEN2}, false, false},
};

static const struct {
    const char *name, *row;
} ALIASES[] = {
    {"llama3", "llama-bpe"},
    {"llama-v3", "llama-bpe"},
    {"falcon3", "llama-bpe"},
    {"falcon-h1", "llama-bpe"},
    {"pixtral", "llama-bpe"},
    {"midm-2.0", "llama-bpe"},
    {"lfm2", "llama-bpe"},
    {"jina-v5-nano", "llama-bpe"},
    {"smaug-bpe", "dbrx"},
    {"glm4", "dbrx"},
    {"chatglm-bpe", "dbrx"},
    {"phi-2", "gpt-2"},
    {"mpt", "gpt-2"},
    {"olmo", "gpt-2"},
    {"jais", "gpt-2"},
    {"gpt-neox", "gpt-2"},
    {"trillion", "gpt-2"},
    {"granite-docling", "gpt-2"},
    {"exaone4", "gpt-2"},
    {"gigachat", "gpt-2"},
    {"a.x-4.0", "gpt-2"},
    {"mellum", "gpt-2"},
    {"modern-bert", "gpt-2"},
    {"jina-es", "gpt-2"},
    {"jina-de", "gpt-2"},
    {"jina-v2-es", "gpt-2"},
    {"jina-v2-de", "gpt-2"},
    {"jina-v1-en", "gpt-2"},
    {"jina-v2-code", "gpt-2"},
    {"roberta-bpe", "gpt-2"},
    {"deepseek-r1-qwen", "qwen2"},
    {"stablelm2", "qwen2"},
    {"hunyuan", "qwen2"},
    {"megrez", "qwen2"},
    {"grok-2", "qwen2"},
    {"kormo", "qwen2"},
    {"f2llmv2", "qwen2"},
    {"solar-open", "qwen2"},
    {"starcoder", "smollm"},
    {"refact", "smollm"},
    {"command-r", "smollm"},
    {"codeshell", "smollm"},
    {"exaone", "smollm"},
    {"minerva-7b", "smollm"},
    {"mellum2", "smollm"},
    {"deepseek-r1", "deepseek-v3"},
    {"hunyuan-dense", "deepseek-v3"},
    {"joyai-llm", "deepseek-v3"},
    {"hy_v4", "deepseek-v3"},
    {"llama4", "gpt-4o"},
    {"kanana2", "gpt-4o"},
    {"talkie", "gpt-4o"},
    {"minimax-m2", "gpt-4o"},
    {"poro-chat", "bloom"},
    {"gpt3-finnish", "bloom"},
    {"bailingmoe2", "bailingmoe"},
    {"llada-moe", "bailingmoe"},
};

static const struct Row *find_row(const char *name) {
    for (size_t i = 0; i < sizeof ALIASES / sizeof ALIASES[0]; i++)
        if (strcmp(ALIASES[i].name, name) == 0) name = ALIASES[i].row;
    for (size_t i = 0; i < sizeof ROWS / sizeof ROWS[0]; i++)
        if (strcmp(ROWS[i].name, name) == 0) return &ROWS[i];
    return NULL;
}

/* ---- Making ---- */

struct Pretokenizer {
    const struct Row *row;
    struct Pattern *patterns[MAX_PATTERNS];
    unsigned n_patterns;
};

int pretokenizer_new(const char *name, struct Pretokenizer **ret) {
    const struct Row *row = find_row(name ? name : "default");
    if (!row) return -ENOTSUP;
    struct Pretokenizer *pretokenizer = calloc(1, sizeof *pretokenizer);
    if (!pretokenizer) return -ENOMEM;
    pretokenizer->row = row;
    for (unsigned i = 0; i < MAX_PATTERNS && row->patterns[i]; i++) {
        pretokenizer->patterns[i] = pattern_new(row->patterns[i]);
        if (!pretokenizer->patterns[i]) {
            pretokenizer_free(pretokenizer);
            return -ENOMEM;
        }
        pretokenizer->n_patterns++;
    }
    *ret = pretokenizer;
    return 0;
}

struct Pretokenizer *pretokenizer_free(struct Pretokenizer *pretokenizer) {
    if (!pretokenizer) return NULL;
    for (unsigned i = 0; i < pretokenizer->n_patterns; i++) pattern_free(pretokenizer->patterns[i]);
    free(pretokenizer);
    return NULL;
}

bool pretokenizer_ignores_merges(const struct Pretokenizer *pretokenizer) {
    return pretokenizer->row->ignore_merges;
}

bool pretokenizer_adds_bos(const struct Pretokenizer *pretokenizer) {
    return pretokenizer->row->add_bos;
}

/* ---- Cutting ---- */

struct Cut {
    const struct Pretokenizer *pretokenizer;
    const PatternChar *chars;
    const char *text; /* of the next piece */
    int (*piece)(void *userdata, const char *text, size_t size);
    void *userdata;
};

static int emit(struct Cut *cut, uint32_t from, uint32_t to) {
    size_t size = 0;
    for (uint32_t i = from; i < to; i++) size += pattern_char_size(cut->chars[i]);
    const char *text = cut->text;
    cut->text += size;
    return cut->piece(cut->userdata, text, size);
}

/* Cuts chars[from] to chars[to] with the patterns from number i on. */
static int cut_stretch(struct Cut *cut, unsigned i, uint32_t from, uint32_t to) {
    if (from == to) return 0;
    if (i == cut->pretokenizer->n_patterns) return emit(cut, from, to);
    const struct Pattern *pattern = cut->pretokenizer->patterns[i];
    struct PatternMemo memo = {0};
    int r = 0;
    while (r == 0 && from < to) {
        uint32_t start = to, end = to;
        pattern_find(pattern, cut->chars, from, to, &memo, &start, &end);
        r = cut_stretch(cut, i + 1, from, start);
        if (r == 0) r = cut_stretch(cut, i + 1, start, end);
        from = end;
    }
    return r;
}

int pretokenizer_run(const struct Pretokenizer *pretokenizer, const char *text, size_t size,
                     int (*piece)(void *userdata, const char *text, size_t size), void *userdata) {
    if (size == 0) return 0;
    PatternChar *chars = malloc(size * sizeof *chars);
    if (!chars) return -ENOMEM;
    struct Cut cut = {pretokenizer, chars, text, piece, userdata};
    uint32_t n = 0;
    for (size_t at = 0; at < size; at += pattern_char_size(chars[n++]))
        chars[n] = pattern_char(text + at, size - at);
    int r = cut_stretch(&cut, 0, 0, n);
    free(chars);
    return r;
}
