/*
 * An answer being generated under a grammar: which tokens may come next, and what came.
 *
 *     constraint_mask() ─▶ sampler_sample(sampler, logits, mask) ─▶ constraint_accept() ─▶ ...
 *
 * A Constraint and its clones share the states they have seen and the masks of those, and so belong
 * to one thread at a time together: they may be handed over, not used side by side. The grammar is
 * referenced; trie and tokenizer must outlive it.
 *
 * A mask costs a walk over the vocabulary (about a millisecond for 128k tokens) when a state is new
 * and nothing when it is known. Memory is bounded by CONSTRAINT_MAX_STATE_BYTES and
 * CONSTRAINT_MAX_MASK_BYTES (engine/limits.h).
 */
#pragma once

#include "engine/sampling/grammar.h"
#include "engine/sampling/token-trie.h"

typedef struct Constraint Constraint;

enum ConstraintFlags {
    CONSTRAINT_NO_END = 1 << 0, /* tokens that end an answer are not allowed by themselves */
};

/* -EINVAL with a reason: the grammar names a token that the vocabulary lacks. */
int constraint_new(Grammar *grammar, const TokenTrie *trie, const Tokenizer *tokenizer,
                   unsigned flags, Constraint **ret, Reason *why);
/* A second one in the same place, to look ahead with. Costs nothing. -ENOMEM. */
int constraint_clone(Constraint *constraint, Constraint **ret);
Constraint *constraint_free(Constraint *constraint); /* accepts and returns NULL */

/* The tokens that may come next, [(n_vocab + 63) / 64] words, token t in bit t % 64 of word t / 64.
 * All bits may be 0. Tokens that end an answer are in exactly when it may end here; other control
 * tokens only where the grammar names them. Valid until the next call for this constraint or one of
 * its clones. -E2BIG with a reason: the grammar is too ambiguous to go on. */
int constraint_mask(Constraint *constraint, const uint64_t **ret, Reason *why);
/* Goes on by one token. -EINVAL, and nothing changed: it is not allowed here. */
int constraint_accept(Constraint *constraint, Token token, Reason *why);
/* The answer may end here. */
bool constraint_may_end(const Constraint *constraint);
/* ... and has to: nothing can follow. */
bool constraint_must_end(const Constraint *constraint);
