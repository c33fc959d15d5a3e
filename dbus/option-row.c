#include "dbus/option-row.h"

#include <string.h>

#define FIELD(name) offsetof(struct GenerateOptions, name)

/* Grammars and schemas are written by people or come from a program's types: kilobytes. The
 * descriptions of many tools may be long. */
#define GRAMMAR_LENGTH_MAX (256 << 10)
#define TOOLS_LENGTH_MAX (1 << 20)
#define KWARGS_LENGTH_MAX (64 << 10)

/* More breakers would make sampling slow, longer ones are no breakers. */
#define BREAKERS_MAX 32
#define BREAKER_LENGTH_MAX 40
/* Tokens that have a bias: what clients ban, and not a vocabulary. */
#define BIASES_MAX 1024

static const char *const sampler_words[] = {"penalties",   "dry",   "top_n_sigma", "top_k",
                                            "typ_p",       "top_p", "min_p",       "xtc",
                                            "temperature", NULL};
static const char *const draft_words[] = {"auto", "off", "lookup", "model", NULL};

const struct OptionRow option_rows[N_OPTION_ROWS] = {
    {"max_tokens", 'u', FIELD(max_tokens), 1, UINT32_MAX},
    {"temperature", 'd', FIELD(temperature), 0, 2},
    {"top_k", 'u', FIELD(top_k), 0, UINT32_MAX},
    {"top_p", 'd', FIELD(top_p), 0, 1},
    {"min_p", 'd', FIELD(min_p), 0, 1},
    {"repeat_penalty", 'd', FIELD(repeat_penalty), 0.5, 2},
    {"presence_penalty", 'd', FIELD(presence_penalty), -2, 2},
    {"frequency_penalty", 'd', FIELD(frequency_penalty), -2, 2},
    {"repeat_last_n", 'u', FIELD(repeat_last_n), 0, 1 << 20},
    {"seed", 't', FIELD(seed), 0, 0x1p64},
    {"stop", 'a', FIELD(stop), 1, STOP_LENGTH_MAX, .n_max = STOP_MAX},
    {"progress", 'b', FIELD(progress), 0, 1},
    {"ignore_eos", 'b', FIELD(ignore_eos), 0, 1},
    {"grammar", 's', FIELD(grammar), 1, GRAMMAR_LENGTH_MAX},
    {"json_schema", 's', FIELD(json_schema), 1, GRAMMAR_LENGTH_MAX},
    {"tools", 's', FIELD(tools), 1, TOOLS_LENGTH_MAX},
    {"chat_template_kwargs", 's', FIELD(chat_template_kwargs), 1, KWARGS_LENGTH_MAX},
    {"add_generation_prompt", 'b', FIELD(add_generation_prompt), 0, 1},
    {"draft", 's', FIELD(draft), 1, 16, .words = draft_words},
    {"typical_p", 'd', FIELD(typical_p), 0, 1},
    {"top_n_sigma", 'd', FIELD(top_n_sigma), -1, 100},
    {"min_keep", 'u', FIELD(min_keep), 0, 1 << 20},
    {"xtc_probability", 'd', FIELD(xtc_probability), 0, 1},
    {"xtc_threshold", 'd', FIELD(xtc_threshold), 0, 1},
    {"dry_multiplier", 'd', FIELD(dry_multiplier), 0, 100},
    {"dry_base", 'd', FIELD(dry_base), 1, 100},
    {"dry_allowed_length", 'u', FIELD(dry_allowed_length), 0, 1 << 20},
    {"dry_penalty_last_n", 'u', FIELD(dry_penalty_last_n), 0, 1 << 20},
    {"dry_sequence_breakers", 'a', FIELD(dry_sequence_breakers), 1, BREAKER_LENGTH_MAX,
     .n_max = BREAKERS_MAX},
    {"dynatemp_range", 'd', FIELD(dynatemp_range), 0, 100},
    {"dynatemp_exponent", 'd', FIELD(dynatemp_exponent), 0, 100},
    {"mirostat", 'u', FIELD(mirostat), 0, 2},
    {"mirostat_tau", 'd', FIELD(mirostat_tau), 0, 100},
    {"mirostat_eta", 'd', FIELD(mirostat_eta), 0, 1},
    {"samplers", 'a', FIELD(samplers), 1, 16, .n_max = 16, .words = sampler_words},
    {"logit_bias", 'm', FIELD(logit_bias), -100, 100, .n_max = BIASES_MAX},
    {"logprobs", 'u', FIELD(logprobs), 0, 20},
};

const struct OptionRow *option_row_find(const char *name) {
    for (size_t i = 0; i < N_OPTION_ROWS; i++)
        if (strcmp(option_rows[i].name, name) == 0) return &option_rows[i];
    return NULL;
}
