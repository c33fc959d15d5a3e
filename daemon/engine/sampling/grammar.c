#include "engine/sampling/grammar.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "engine/sampling/grammar-private.h"

int grammar_new(const char *gbnf, size_t size, const char *root, Grammar **ret, Reason *why) {
    struct ParsedGrammar parsed;
    int r = grammar_parse(gbnf, size, &parsed, why);
    if (r < 0) return r;
    Grammar *grammar = calloc(1, sizeof *grammar);
    r = grammar ? 0 : reason_set(why, ENOMEM, "out of memory");
    if (r == 0) {
        atomic_init(&grammar->n_refs, 1);
        grammar->root = parsed_grammar_find(&parsed, root, strlen(root));
        if (grammar->root == UINT32_MAX)
            r = reason_set(why, EINVAL, "the grammar has no rule %.100s, where a text begins",
                           root);
    }
    if (r == 0) r = grammar_link(&parsed, grammar, why);
    if (r == 0) {
        grammar->chars = parsed.chars;
        grammar->tokens = parsed.tokens;
        grammar->n_tokens = parsed.n_tokens;
        parsed.chars = (CharAutomaton){0};
        parsed.tokens = NULL;
        parsed.n_tokens = 0;
        r = char_automaton_seal(&grammar->chars);
        if (r < 0) reason_set(why, -r, "out of memory");
    }
    parsed_grammar_done(&parsed);
    if (r < 0)
        grammar_unref(grammar);
    else
        *ret = grammar;
    return r;
}

Grammar *grammar_ref(Grammar *grammar) {
    atomic_fetch_add_explicit(&grammar->n_refs, 1, memory_order_relaxed);
    return grammar;
}

Grammar *grammar_unref(Grammar *grammar) {
    if (!grammar || atomic_fetch_sub(&grammar->n_refs, 1) != 1) return NULL;
    for (uint32_t i = 0; i < grammar->n_tokens; i++) free(grammar->tokens[i].text);
    free(grammar->tokens);
    char_automaton_done(&grammar->chars);
    free(grammar->code);
    free(grammar->entries);
    free(grammar->may_be_empty);
    free(grammar->next_of);
    free(grammar->next);
    free(grammar->edges);
    free(grammar);
    return NULL;
}
