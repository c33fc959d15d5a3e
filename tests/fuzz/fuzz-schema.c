/* A JSON schema: whatever grammar it becomes is one. */
#include <glib.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "engine/sampling/grammar.h"
#include "worker/schema.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    g_autofree char *text = g_strndup(size ? (const char *)data : "", size);
    g_autoptr(GString) gbnf = g_string_new(NULL);
    Grammar *grammar = NULL;
    Reason why = {""};
    if (schema_to_grammar(text, gbnf, &why) < 0) {
        if (!why.text[0]) abort();
        return 0;
    }
    int r = grammar_new(gbnf->str, gbnf->len, "root", &grammar, &why);
    /* a schema may be endless, refer to itself without end, or be too large; a syntax error is ours
     */
    if (r < 0 && !strstr(why.text, "no text matches") && !strstr(why.text, "left-recursive") &&
        !strstr(why.text, "too ") && !strstr(why.text, "more than"))
        abort();
    grammar_unref(grammar);
    return 0;
}
