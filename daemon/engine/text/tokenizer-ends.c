/* Which tokens end an answer: see tokenizer_is_end() in tokenizer.h. */
#include "engine/text/tokenizer-model.h"

/* What the file names by its id. The first is the end of a text, of a turn, of a message; behind
 * the gaps of fill-in-the-middle models nothing follows, either. */
static const char *const END_KEYS[] = {
    "tokenizer.ggml.eot_token_id",     "tokenizer.ggml.eom_token_id",
    "tokenizer.ggml.fim_pad_token_id", "tokenizer.ggml.fim_rep_token_id",
    "tokenizer.ggml.fim_sep_token_id",
};

/*
 * Special tokens that end an answer by their texts, because files rarely say more than how a text
 * ends. The list is llama.cpp's (src/llama-vocab.cpp). With a token of the second column in the
 * vocabulary, the first ends only a part of an answer.
 */
static const struct {
    const char *text, *unless;
} END_TEXTS[] = {
    {"<|eot_id|>", NULL},    /* Llama 3 */
    {"<|eom_id|>", NULL},    /* the same, before a tool's answer */
    {"<|im_end|>", NULL},    /* ChatML */
    {"<|end|>", "<|call|>"}, /* Phi-3; but not gpt-oss */
    {"<|return|>", NULL},    /* gpt-oss */
    {"<|call|>", NULL},
    {"<|flush|>", NULL}, /* Solar Open */
    {"<|calls|>", NULL},
    {"<end_of_turn>", NULL},      /* Gemma */
    {"<|endoftext|>", NULL},      /* GPT-2 */
    {"<|end_of_text|>", NULL},    /* Granite, Llama 3 */
    {"</s>", "<|tool_response>"}, /* SentencePiece */
    {"<eos>", NULL},              /* Gemma */
    {"<turn|>", NULL},
    {"<|tool_response>", NULL},
    {"<EOT>", NULL}, /* Code Llama and others */
    {"_<EOT>", NULL},
    {"\u2581<EOT>", NULL},
    {"[EOT]", NULL}, /* Kimi */
    {"[EOS]", NULL},
    {"<end_of_utterance>", NULL},                      /* SmolVLM */
    {"<\uff5cend\u2581of\u2581sentence\uff5c>", NULL}, /* DeepSeek */
    {"<|endofsentence|>", NULL},
    {"[e~[", NULL},        /* MiniMax */
    {"<|fim_pad|>", NULL}, /* Qwen */
    {"<fim-pad>", NULL},
    {"<fim_pad>", NULL},
    {"<|fim_repo|>", NULL},
    {"<|repo_name|>", NULL},
    {"<fim-repo>", NULL},
    {"<reponame>", NULL},
    {"<|file_sep|>", NULL},
};

_Static_assert(1 + sizeof END_KEYS / sizeof END_KEYS[0] + sizeof END_TEXTS / sizeof END_TEXTS[0] <=
                   TOKENIZER_MAX_ENDS,
               "there is room for all of them");

static void add_end(Tokenizer *tokenizer, Token token) {
    if (token != TOKEN_NONE && !tokenizer_is_end(tokenizer, token))
        tokenizer->ends[tokenizer->n_ends++] = token;
}

static Token find_special(const Tokenizer *tokenizer, const char *text) {
    Token token = text ? tokenizer_find(tokenizer, text) : TOKEN_NONE;
    if (token == TOKEN_NONE) return TOKEN_NONE;
    return tokenizer_special_kind(tokenizer, token) == SPECIAL_NOT ? TOKEN_NONE : token;
}

int tokenizer_load_ends(Tokenizer *tokenizer, const struct Gguf *file, Reason *why) {
    add_end(tokenizer, tokenizer->eos);
    for (size_t i = 0; i < sizeof END_KEYS / sizeof END_KEYS[0]; i++) {
        Token token;
        int r = tokenizer_load_id(tokenizer, file, END_KEYS[i], TOKEN_NONE, &token, why);
        if (r < 0) return r;
        add_end(tokenizer, token);
    }
    for (size_t i = 0; i < sizeof END_TEXTS / sizeof END_TEXTS[0]; i++)
        if (find_special(tokenizer, END_TEXTS[i].unless) == TOKEN_NONE)
            add_end(tokenizer, find_special(tokenizer, END_TEXTS[i].text));
    return 0;
}
