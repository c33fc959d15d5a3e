/* Values as text, as Python writes them: str(), repr() and json.dumps(). */
#pragma once

#include "engine/chat/run.h"

/* What {{ value }} prints: strings as they are, undefined as nothing. Bytes that neither the
 * template nor the caller wrote (brackets, quotes) are not trusted. */
void print_value(struct Run *run, struct TextBuilder *builder, Value value);
const struct Text *value_to_text(struct Run *run, Value value);
void print_repr(struct Run *run, struct TextBuilder *builder, Value value);
/* float.__repr__(); `buffer` of PRINT_FLOAT_SIZE. */
#define PRINT_FLOAT_SIZE 64
void print_float(double number, char *buffer);

struct JsonStyle {
    const struct Text *indent; /* NULL: all on one line */
    const struct Text *item_separator, *key_separator;
    bool ensure_ascii, sort_keys;
};
void print_json(struct Run *run, struct TextBuilder *builder, Value value,
                const struct JsonStyle *style);
