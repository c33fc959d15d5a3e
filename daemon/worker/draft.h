/*
 * Drafting: guesses at the next tokens that the model verifies, all in one step.
 *
 * Reading the weights is what a step costs; some positions more cost little. A Draft is the
 * drafting of one generation. Before a step it proposes tokens to follow the last one; the step
 * computes the logits after each, the generation samples from them in order, and as long as what
 * is sampled is what was guessed, the next logits are good, too. What comes out is what would have
 * come out without drafting, token by token: the model's own samples, from the same logits and with
 * the same random numbers (Leviathan et al., arXiv 2211.17192; with the draws coupled, the output
 * is not only of the same distribution but the same).
 *
 * A method is a row of a table (draft.c): prompt look-up (draft-lookup.c) and a small model of the
 * same vocabulary (draft-model.c). How many tokens are proposed follows from what a step costs by
 * its tokens (step-cost.h), what a guess costs, and how often the method was right: as many as give
 * the most tokens a second, none where drafting loses. A method that is off is tried again now
 * and then, more and more rarely.
 *
 * Everything here belongs to the compute thread, but for making a Draft.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "engine/engine.h"
#include "engine/sampling/sampler.h"
#include "worker/step-cost.h"

#define DRAFT_MAX 16u /* tokens of one proposal */

typedef struct Draft Draft;

/* What a worker drafts with. */
struct Drafting {
    Engine *model;    /* the draft model; NULL: none */
    uint32_t n_vocab; /* of the model that verifies */
    struct StepCost cost;
};

/* What a method looks at. The last token is not in the model's sequence yet. */
struct DraftView {
    const Token *tokens; /* prompt and answer so far */
    uint32_t n_tokens;
    const Sampler *sampler; /* of the generation */
};

struct DraftMethod {
    const char *name;
    int (*open)(struct Drafting *drafting, const struct SamplerOptions *options, void **ret);
    void (*close)(void *state);
    /* At most n_max (1 to DRAFT_MAX) tokens into `ret`; returns how many. */
    uint32_t (*propose)(void *state, const struct DraftView *view, uint32_t n_max, Token *ret);
    size_t (*bytes)(const void *state); /* memory held; NULL: little */
};

extern const struct DraftMethod draft_lookup, draft_model;

/* Whether a model may draft for another: its tokens stand for the same texts. -EINVAL. */
int draft_check_model(const Engine *model, const Engine *draft, Reason *why);

/* Whether there is such a value of the option "draft": "auto", "off", or a method's name. */
bool draft_is_known(const char *mode);

/* NULL: nothing to draft with in this mode. `options` are those of the generation. */
Draft *draft_new(struct Drafting *drafting, const char *mode, const struct SamplerOptions *options);
void draft_free(Draft *self); /* accepts NULL */

/* At most n_max tokens, into `ret` of DRAFT_MAX; n_others: tokens that the step has anyway, this
 * generation's last one among them. Returns how many, 0 for most reasons. */
uint32_t draft_propose(Draft *self, const struct DraftView *view, uint32_t n_others, uint32_t n_max,
                       Token *ret);
/* Memory that its guesses need. */
size_t draft_bytes(const Draft *self); /* accepts NULL */
/* How many of the last proposal were right. */
void draft_verified(Draft *self, uint32_t n_accepted);
