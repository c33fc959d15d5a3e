#include "worker/constrain.h"

#include <errno.h>
#include <glib.h>
#include <string.h>

#include "dbus/names.h"
#include "worker/schema.h"

static int fail(struct Failure *failure, int r, const char *option, const Reason *why) {
    if (r == -ENOMEM) return failure_set_errno(failure, r, why);
    failure_set(failure, r == -ENOTSUP ? ERROR_NOT_SUPPORTED : ERROR_INVALID_ARGS, "Option %s: %s.",
                option, why->text);
    return r;
}

static int compile(const Engine *engine, const char *gbnf, size_t size, unsigned flags,
                   Constraint **ret, Reason *why) {
    const struct TokenTrie *trie;
    Grammar *grammar;
    int r = engine_token_trie(engine, &trie);
    if (r < 0) return r;
    r = grammar_new(gbnf, size, "root", &grammar, why);
    if (r < 0) return r;
    r = constraint_new(grammar, trie, engine_tokenizer(engine), flags, ret, why);
    grammar_unref(grammar);
    return r;
}

int constrain(const Engine *engine, const struct GenerateOptions *options, Constraint **ret,
              struct Failure *failure) {
    g_autoptr(GString) gbnf = g_string_new(options->grammar);
    unsigned flags = options->ignore_eos ? CONSTRAINT_NO_END : 0;
    const char *option = options->grammar ? "grammar" : "json_schema";
    Reason why = {""};
    int r = 0;

    *ret = NULL;
    if (!options->grammar && !options->json_schema) return 0;
    if (options->grammar && options->json_schema)
        return failure_set(failure, ERROR_INVALID_ARGS,
                           "Options grammar and json_schema exclude each other.");
    if (options->json_schema) r = schema_to_grammar(options->json_schema, gbnf, &why);
    if (r == 0) r = compile(engine, gbnf->str, gbnf->len, flags, ret, &why);
    return r < 0 ? fail(failure, r, option, &why) : 0;
}
