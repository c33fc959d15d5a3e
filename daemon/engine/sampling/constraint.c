#include "engine/sampling/constraint.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "engine/limits.h"
#include "engine/sampling/reader.h"
#include "engine/text/tokenizer.h"

struct Mask {
    uint64_t *bits;
    ReaderState state;
    uint64_t used; /* when, by the clock of Shared */
};

/* States whose every byte of a group leads back to them: those of a text's inside. */
#define LOOPS 64
struct Loop {
    ReaderState state;
    uint32_t groups;
    bool known;
};

/* What a constraint and its clones share. */
struct Shared {
    Reader *reader;
    const TokenTrie *trie;
    const Tokenizer *tokenizer;
    unsigned flags;
    Constraint *first; /* of all that share it */
    struct Mask *masks;
    uint32_t n_masks, masks_most;
    uint64_t clock;
    ReaderState *walk; /* [trie->depth + 1]: states on the way to the node being looked at */
    ReaderState **roots;
    size_t roots_room;
    struct Loop loops[LOOPS];
};

struct Constraint {
    struct Shared *shared;
    ReaderState state;
    Constraint *previous, *next;
};

static int fail_memory(Reason *why) {
    return reason_set(why, ENOMEM, "out of memory");
}

/* ---- Making room ---- */

static void forget(struct Shared *shared) {
    for (uint32_t i = 0; i < shared->n_masks; i++) free(shared->masks[i].bits);
    shared->n_masks = 0;
    memset(shared->loops, 0, sizeof shared->loops);
}

static int roots_add(struct Shared *shared, size_t n, ReaderState *root) {
    if (n == shared->roots_room) {
        size_t room = shared->roots_room ? 2 * shared->roots_room : 64;
        ReaderState **grown = realloc(shared->roots, room * sizeof *grown);
        if (!grown) return -ENOMEM;
        shared->roots = grown;
        shared->roots_room = room;
    }
    shared->roots[n] = root;
    return 0;
}

/* Keeps only the states where a constraint is, and the first `n_walk` of the walk. */
static int collect(struct Shared *shared, size_t n_walk, Reason *why) {
    size_t n = 0;
    int r = 0;
    forget(shared);
    for (Constraint *c = shared->first; r == 0 && c; c = c->next)
        r = roots_add(shared, n++, &c->state);
    for (size_t i = 0; r == 0 && i < n_walk; i++) r = roots_add(shared, n++, &shared->walk[i]);
    if (r == 0) r = reader_collect(shared->reader, shared->roots, n);
    if (r < 0) return fail_memory(why);
    if (reader_bytes(shared->reader) > CONSTRAINT_MAX_STATE_BYTES / 2)
        return reason_set(why, E2BIG,
                          "the grammar is too ambiguous: what it has open takes too much memory");
    return 0;
}

/* One byte on from walk[depth] to walk[depth + 1]. */
static int step_new(struct Shared *shared, size_t depth, uint8_t byte, Reason *why) {
    int r = reader_step(shared->reader, shared->walk[depth], byte, &shared->walk[depth + 1], why);
    if (r < 0 || reader_bytes(shared->reader) <= CONSTRAINT_MAX_STATE_BYTES) return r;
    return collect(shared, depth + 2, why);
}

static inline int step(struct Shared *shared, size_t depth, uint8_t byte, Reason *why) {
    ReaderState next = reader_known(shared->reader, shared->walk[depth], byte);
    if (next == READER_UNKNOWN) return step_new(shared, depth, byte, why);
    shared->walk[depth + 1] = next;
    return 0;
}

/* ---- One mask ---- */

static int loops_find(struct Shared *shared, ReaderState state, uint32_t *ret, Reason *why) {
    struct Loop *loop = &shared->loops[state % LOOPS];
    uint32_t broken = 0;
    if (loop->known && loop->state == state) {
        *ret = loop->groups;
        return 0;
    }
    for (unsigned byte = 0; byte < 256; byte++) {
        ReaderState next;
        int r = reader_step(shared->reader, state, (uint8_t)byte, &next, why);
        if (r < 0) return r;
        if (next != state) broken |= UINT32_C(1) << shared->trie->groups[byte];
    }
    *loop = (struct Loop){state, ~broken, true};
    *ret = ~broken;
    return 0;
}

static void add_tokens(const TokenTrie *trie, uint32_t from, uint32_t to, uint64_t *bits) {
    for (uint32_t i = from; i < to; i++) token_set_add(bits, trie->tokens[i]);
}

/* Whether everything below a node fits, because it only leads from its state to the same. */
static int all_below(struct Shared *shared, const struct TrieNode *node, ReaderState before,
                     ReaderState after, bool *ret, Reason *why) {
    uint32_t groups;
    *ret = false;
    if (before != after || node->below == 0) return 0;
    int r = loops_find(shared, after, &groups, why);
    if (r == 0) *ret = (node->below & ~groups) == 0;
    return r;
}

/* All tokens whose bytes can be read. */
static int walk_trie(struct Shared *shared, ReaderState start, uint64_t *bits, Reason *why) {
    const TokenTrie *trie = shared->trie;
    shared->walk[0] = start;
    for (uint32_t i = 0; i < trie->n_nodes;) {
        const struct TrieNode *node = &trie->nodes[i];
        const ReaderState *way = &shared->walk[node->depth];
        bool all;
        int r = step(shared, node->depth, node->byte, why);
        if (r < 0) return r;
        if (way[1] == READER_DEAD) {
            i = node->skip;
            continue;
        }
        r = all_below(shared, node, way[0], way[1], &all, why);
        if (r < 0) return r;
        add_tokens(trie, node->first, trie->nodes[all ? node->skip : i + 1].first, bits);
        i = all ? node->skip : i + 1;
    }
    return 0;
}

struct Named {
    const TokenTrie *trie;
    uint64_t *bits;
};

/* What the grammar names. A negated token allows all others that stand for text. */
static void add_named(void *userdata, Token token, bool negated) {
    struct Named *named = userdata;
    const TokenTrie *trie = named->trie;
    if (!negated) {
        token_set_add(named->bits, token);
        return;
    }
    bool had = token_set_has(named->bits, token);
    for (size_t i = 0; i < token_words(trie->n_vocab); i++) named->bits[i] |= ~trie->silent[i];
    if (trie->n_vocab % 64 != 0)
        named->bits[trie->n_vocab / 64] &= (UINT64_C(1) << (trie->n_vocab % 64)) - 1;
    if (!had) named->bits[(uint32_t)token / 64] &= ~(UINT64_C(1) << ((uint32_t)token % 64));
}

static int mask_fill(struct Shared *shared, ReaderState *state, uint64_t *bits, Reason *why) {
    const TokenTrie *trie = shared->trie;
    memset(bits, 0, token_words(trie->n_vocab) * sizeof *bits);
    int r = walk_trie(shared, *state, bits, why);
    if (r < 0) return r;
    *state = shared->walk[0]; /* collecting may have given it another number */
    if (reader_has_tokens(shared->reader, *state)) {
        struct Named named = {.trie = trie, .bits = bits};
        reader_each_token(shared->reader, *state, add_named, &named);
    }
    if (reader_accepts(shared->reader, *state) && !(shared->flags & CONSTRAINT_NO_END))
        for (size_t i = 0; i < token_words(trie->n_vocab); i++) bits[i] |= trie->ends[i];
    return 0;
}

/* ---- Masks that are kept ---- */

static struct Mask *mask_oldest(struct Shared *shared) {
    struct Mask *oldest = &shared->masks[0];
    for (uint32_t i = 1; i < shared->n_masks; i++)
        if (shared->masks[i].used < oldest->used) oldest = &shared->masks[i];
    return oldest;
}

/* Memory for a mask, its own or that of the one that was used longest ago. */
static uint64_t *mask_take(struct Shared *shared) {
    if (shared->n_masks < shared->masks_most)
        return malloc(token_words(shared->trie->n_vocab) * sizeof(uint64_t) + 8);
    struct Mask *oldest = mask_oldest(shared);
    uint64_t *bits = oldest->bits;
    *reader_tag(shared->reader, oldest->state) = 0;
    *oldest = shared->masks[--shared->n_masks];
    if (oldest != &shared->masks[shared->n_masks])
        *reader_tag(shared->reader, oldest->state) = (uint32_t)(oldest - shared->masks) + 1;
    return bits;
}

static int mask_new(Constraint *constraint, uint64_t **ret, Reason *why) {
    struct Shared *shared = constraint->shared;
    uint64_t *bits = mask_take(shared);
    ReaderState state = constraint->state;
    if (!bits) return fail_memory(why);
    int r = mask_fill(shared, &state, bits, why);
    if (r < 0) {
        free(bits);
        return r;
    }
    shared->masks[shared->n_masks++] = (struct Mask){bits, state, shared->clock};
    *reader_tag(shared->reader, state) = shared->n_masks;
    *ret = bits;
    return 0;
}

int constraint_mask(Constraint *constraint, const uint64_t **ret, Reason *why) {
    struct Shared *shared = constraint->shared;
    uint32_t tag = *reader_tag(shared->reader, constraint->state);
    uint64_t *bits = NULL;
    shared->clock++;
    if (tag > 0) {
        shared->masks[tag - 1].used = shared->clock;
        *ret = shared->masks[tag - 1].bits;
        return 0;
    }
    reader_rest(shared->reader);
    int r = mask_new(constraint, &bits, why);
    if (r == 0) *ret = bits;
    return r;
}

/* ---- Going on ---- */

static bool is_text(const TokenTrie *trie, Token token) {
    return !token_set_has(trie->silent, token);
}

/* From the constraint's state over the token's bytes; dead when it has none. */
static int read_bytes(struct Shared *shared, ReaderState state, Token token, ReaderState *ret,
                      Reason *why) {
    const char *bytes = NULL;
    size_t size = tokenizer_piece(shared->tokenizer, token, false, &bytes);
    ReaderState at = size > 0 && is_text(shared->trie, token) ? state : READER_DEAD;
    int r = 0;
    for (size_t i = 0; r == 0 && at != READER_DEAD && i < size; i++)
        r = reader_step(shared->reader, at, (uint8_t)bytes[i], &at, why);
    *ret = at;
    return r;
}

struct Search { /* does a negated name allow it? */
    const TokenTrie *trie;
    Token token;
    bool found;
};

static void find_named(void *userdata, Token token, bool negated) {
    struct Search *search = userdata;
    if (negated ? token != search->token && is_text(search->trie, search->token)
                : token == search->token)
        search->found = true;
}

static int read_token(struct Shared *shared, ReaderState state, Token token, ReaderState *ret,
                      Reason *why) {
    struct Search search = {.trie = shared->trie, .token = token};
    ReaderState bytes;
    int r = read_bytes(shared, state, token, &bytes, why);
    if (r < 0) return r;
    *ret = bytes;
    if (!reader_has_tokens(shared->reader, state)) return 0;
    reader_each_token(shared->reader, state, find_named, &search);
    return search.found ? reader_step_token(shared->reader, state, token, bytes, ret, why) : 0;
}

int constraint_accept(Constraint *constraint, Token token, Reason *why) {
    struct Shared *shared = constraint->shared;
    ReaderState state = constraint->state;
    if (token < 0 || (uint32_t)token >= shared->trie->n_vocab)
        return reason_set(why, EINVAL, "there is no token %d", (int)token);
    reader_rest(shared->reader);
    int r = read_token(shared, state, token, &state, why);
    if (r < 0) return r;
    if (state == READER_DEAD) {
        bool ends = constraint_may_end(constraint) && token_set_has(shared->trie->ends, token) &&
                    !(shared->flags & CONSTRAINT_NO_END);
        return ends ? 0
                    : reason_set(why, EINVAL, "the grammar does not allow token %d here", token);
    }
    constraint->state = state;
    return reader_bytes(shared->reader) > CONSTRAINT_MAX_STATE_BYTES ? collect(shared, 0, why) : 0;
}

bool constraint_may_end(const Constraint *constraint) {
    return reader_accepts(constraint->shared->reader, constraint->state);
}

bool constraint_must_end(const Constraint *constraint) {
    return constraint_may_end(constraint) &&
           reader_is_final(constraint->shared->reader, constraint->state);
}

/* ---- Making and freeing ---- */

static int token_resolve(const struct TokenReference *reference, const TokenTrie *trie,
                         const Tokenizer *tokenizer, Token *ret, Reason *why) {
    if (!reference->text) {
        *ret = (Token)reference->id;
        if (reference->id < trie->n_vocab) return 0;
        return reason_set(why, EINVAL, "the grammar names token %u, but the model has only %u",
                          reference->id, trie->n_vocab);
    }
    *ret = tokenizer_find(tokenizer, reference->text);
    if (*ret >= 0) return 0;
    return reason_set(why, EINVAL, "the grammar names the token %.100s, which the model lacks",
                      reference->text);
}

static int reader_make(struct Shared *shared, Grammar *grammar, Reason *why) {
    Token *tokens = calloc(grammar->n_tokens + 1, sizeof *tokens);
    int r = tokens ? 0 : fail_memory(why);
    for (uint32_t i = 0; r == 0 && i < grammar->n_tokens; i++)
        r = token_resolve(&grammar->tokens[i], shared->trie, shared->tokenizer, &tokens[i], why);
    if (r == 0) {
        r = reader_new(grammar, tokens, &shared->reader);
        if (r < 0) fail_memory(why);
    }
    free(tokens);
    return r;
}

static void shared_free(struct Shared *shared) {
    forget(shared);
    reader_free(shared->reader);
    free(shared->masks);
    free(shared->walk);
    free(shared->roots);
    free(shared);
}

static int constraint_link(struct Shared *shared, ReaderState state, Constraint **ret) {
    Constraint *constraint = calloc(1, sizeof *constraint);
    if (!constraint) return -ENOMEM;
    *constraint = (Constraint){.shared = shared, .state = state, .next = shared->first};
    if (shared->first) shared->first->previous = constraint;
    shared->first = constraint;
    *ret = constraint;
    return 0;
}

static int shared_fill(struct Shared *shared, Grammar *grammar, Reason *why) {
    size_t mask_size = token_words(shared->trie->n_vocab) * sizeof(uint64_t) + 1;
    size_t most = CONSTRAINT_MAX_MASK_BYTES / mask_size;
    shared->masks_most = most < 4 ? 4 : most > 4096 ? 4096 : (uint32_t)most;
    shared->masks = calloc(shared->masks_most, sizeof *shared->masks);
    shared->walk = calloc((size_t)shared->trie->depth + 2, sizeof *shared->walk);
    if (!shared->masks || !shared->walk) return fail_memory(why);
    return reader_make(shared, grammar, why);
}

int constraint_new(Grammar *grammar, const TokenTrie *trie, const Tokenizer *tokenizer,
                   unsigned flags, Constraint **ret, Reason *why) {
    ReaderState start = READER_DEAD;
    struct Shared *shared = calloc(1, sizeof *shared);
    if (!shared) return fail_memory(why);
    shared->trie = trie;
    shared->tokenizer = tokenizer;
    shared->flags = flags;
    int r = shared_fill(shared, grammar, why);
    if (r == 0) r = reader_start(shared->reader, &start, why);
    if (r == 0 && constraint_link(shared, start, ret) < 0) r = fail_memory(why);
    if (r < 0) shared_free(shared);
    return r;
}

int constraint_clone(Constraint *constraint, Constraint **ret) {
    return constraint_link(constraint->shared, constraint->state, ret);
}

Constraint *constraint_free(Constraint *constraint) {
    if (!constraint) return NULL;
    struct Shared *shared = constraint->shared;
    if (constraint->previous) constraint->previous->next = constraint->next;
    if (constraint->next) constraint->next->previous = constraint->previous;
    if (shared->first == constraint) shared->first = constraint->next;
    if (!shared->first) shared_free(shared);
    free(constraint);
    return NULL;
}
