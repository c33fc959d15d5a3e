/* Drafting: what is looked up, how long drafts are by what they cost and how often they come true.
 */
#include "test.h"

#include <unistd.h>

#include "fake-model.h"
#include "worker/draft.h"

/* ---- What a step costs ---- */

static void costs(void) {
    struct StepCost cost = {{0}};
    CHECK(step_cost(&cost, 1) == 0);
    step_cost_add(&cost, 1, 1000);
    CHECK(step_cost(&cost, 1) == 1000);
    CHECK(fabs(step_cost(&cost, 5) - 1000 * (1 + 4 * STEP_COST_PRIOR)) < 1e-6);
    step_cost_add(&cost, 5, 1400);
    CHECK(fabs(step_cost(&cost, 3) - 1200) < 1e-6);
    CHECK(fabs(step_cost(&cost, 9) - 1800) < 1e-6);
    step_cost_add(&cost, 8, 1100); /* noise: more tokens never cost less */
    CHECK(step_cost(&cost, 6) >= 1400 && step_cost(&cost, 20) >= 1100);
    for (int i = 0; i < 100; i++) step_cost_add(&cost, 1, 2000);
    CHECK(fabs(step_cost(&cost, 1) - 2000) < 1);
    step_cost_add(&cost, STEP_COST_TOKENS + 1, 5); /* a prompt */
    CHECK(step_cost(&cost, STEP_COST_TOKENS + 1) > 1000);
}

/* ---- Look-up ---- */

static void looks_up(void) {
    static const struct {
        Token tokens[12];
        uint32_t n, n_max;
        Token expected[4];
        uint32_t n_expected;
    } cases[] = {
        {{1, 2, 3, 4, 1, 2}, 6, 4, {3, 4, 1, 2}, 4},
        {{1, 2, 3, 4, 1, 2}, 6, 1, {3}, 1},
        {{1, 2, 3, 1, 2, 9, 1, 2}, 8, 2, {9, 1}, 2},        /* the latest ... */
        {{7, 1, 2, 3, 8, 1, 2, 9, 7, 1, 2}, 11, 1, {3}, 1}, /* ... of the longest */
        {{5, 5, 5}, 3, 4, {5}, 1},                          /* no more than there is */
        {{1, 2, 3, 2}, 4, 4, {0}, 0},                       /* one token is no match */
        {{1}, 1, 4, {0}, 0},
    };
    void *state;
    CHECK_INT(draft_lookup.open(NULL, NULL, &state), 0);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct DraftView view = {cases[i].tokens, cases[i].n, NULL};
        Token got[DRAFT_MAX] = {0};
        CHECK_INT(draft_lookup.propose(state, &view, cases[i].n_max, got), cases[i].n_expected);
        for (uint32_t j = 0; j < cases[i].n_expected; j++) CHECK_INT(got[j], cases[i].expected[j]);
    }
    draft_lookup.close(state);
}

/* ---- A model's guesses ---- */

/* A prompt of n tokens is read in pieces, one a step, until the first guess. */
static unsigned steps_until_guess(struct Drafting *drafting, uint32_t n) {
    static const Token tokens[2048];
    Sampler *sampler;
    Token got[DRAFT_MAX];
    unsigned n_steps = 1;
    void *state;
    CHECK_INT(sampler_new(&SAMPLER_DEFAULTS, drafting->n_vocab, &sampler, NULL), 0);
    const struct DraftView view = {tokens, n, sampler};
    CHECK_INT(draft_model.open(drafting, &SAMPLER_DEFAULTS, &state), 0);
    while (draft_model.propose(state, &view, 3, got) != 3) n_steps++;
    draft_model.close(state);
    sampler_free(sampler);
    return n_steps;
}

static void reads_in_pieces(void) {
    const struct FakeModel model = {0};
    const int fd = fake_model_open(&model);
    struct Drafting drafting = {0};
    CHECK_INT(engine_open(fd, NULL, &drafting.model, NULL), 0);
    close(fd);
    drafting.n_vocab = engine_info(drafting.model)->n_vocab;
    CHECK_INT(steps_until_guess(&drafting, 1), 1);
    CHECK_INT(steps_until_guess(&drafting, 12), 1);
    const unsigned n = steps_until_guess(&drafting, 2000);
    CHECK(n > 20 && n < 200);
    engine_free(drafting.model);
}

/* ---- How many ---- */

/* Drafts over a text that repeats itself, of which n_right guesses a draft come true. Returns how
 * many tokens were drafted in n rounds. */
static uint32_t draft_rounds(struct Drafting *drafting, uint32_t n, uint32_t n_right,
                             uint32_t *ret_last) {
    static const Token tokens[] = {1,  2,  3,  4,  5,  6,  7,  8,  9, 10,
                                   11, 12, 13, 14, 15, 16, 17, 18, 1, 2};
    const struct DraftView view = {tokens, sizeof tokens / sizeof *tokens, NULL};
    Draft *draft = draft_new(drafting, "lookup", &SAMPLER_DEFAULTS);
    Token guesses[DRAFT_MAX];
    uint32_t n_drafted = 0;
    for (uint32_t i = 0; i < n; i++) {
        *ret_last = draft_propose(draft, &view, 1, 100, guesses);
        n_drafted += *ret_last;
        draft_verified(draft, n_right < *ret_last ? n_right : *ret_last);
    }
    draft_free(draft);
    return n_drafted;
}

/* Steps of up to n tokens, the first for 1000 microseconds, each token more for `more`. */
static void measure(struct Drafting *drafting, double more) {
    drafting->cost = (struct StepCost){{0}};
    for (uint32_t i = 1; i <= DRAFT_MAX + 1; i++)
        step_cost_add(&drafting->cost, i, 1000 + more * (i - 1));
}

static void lengths(void) {
    struct Drafting drafting = {0};
    uint32_t last;
    CHECK_INT(draft_rounds(&drafting, 10, 0, &last), 0); /* nothing was measured */

    measure(&drafting, 20);
    draft_rounds(&drafting, 50, DRAFT_MAX, &last);
    CHECK_INT(last, DRAFT_MAX); /* cheap, and always right */
    draft_rounds(&drafting, 50, 2, &last);
    CHECK(last >= 2 && last <= 10);

    measure(&drafting, 500);
    draft_rounds(&drafting, 50, 1, &last);
    CHECK(last <= 2);

    measure(&drafting, 1000); /* a token more costs a step */
    uint32_t n = draft_rounds(&drafting, 2000, 0, &last);
    CHECK(n > 0 && n < 40); /* a short try now and then */
    measure(&drafting, 20);
    n = draft_rounds(&drafting, 2000, 0, &last);
    CHECK(n > 0 && n < 100); /* never right */
}

static void only_as_many_as_fit(void) {
    static const Token tokens[] = {1, 2, 3, 4, 5, 1, 2};
    const struct DraftView view = {tokens, 7, NULL};
    struct Drafting drafting = {0};
    Token guesses[DRAFT_MAX];
    measure(&drafting, 1);
    Draft *draft = draft_new(&drafting, "auto", &SAMPLER_DEFAULTS);
    CHECK(draft_propose(draft, &view, 1, 3, guesses) <= 3);
    CHECK_INT(draft_propose(draft, &view, 1, 0, guesses), 0);
    draft_free(draft);
}

static void modes(void) {
    struct Drafting drafting = {0};
    CHECK(draft_is_known("auto") && draft_is_known("off") && draft_is_known("lookup") &&
          draft_is_known("model"));
    CHECK(!draft_is_known("") && !draft_is_known("medusa"));
    CHECK(!draft_new(&drafting, "off", &SAMPLER_DEFAULTS));
    CHECK(!draft_new(&drafting, "model", &SAMPLER_DEFAULTS)); /* there is none */
}

int main(void) {
    return TEST_MAIN({"what a step costs", costs}, {"prompt look-up", looks_up},
                     {"reads in pieces", reads_in_pieces}, {"as many as pay", lengths},
                     {"only as many as fit", only_as_many_as_fit}, {"modes", modes});
}
