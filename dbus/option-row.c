#include "dbus/option-row.h"

#include <string.h>

#define FIELD(name) offsetof(struct GenerateOptions, name)

/* Grammars and schemas are written by people or come from a program's types: kilobytes. The
 * descriptions of many tools may be long. */
#define GRAMMAR_LENGTH_MAX (256 << 10)
#define TOOLS_LENGTH_MAX (1 << 20)
#define KWARGS_LENGTH_MAX (64 << 10)

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
    {"draft", 's', FIELD(draft), 1, 16, .words = draft_words},
};

const struct OptionRow *option_row_find(const char *name) {
    for (size_t i = 0; i < N_OPTION_ROWS; i++)
        if (strcmp(option_rows[i].name, name) == 0) return &option_rows[i];
    return NULL;
}
