/* Drafting changes the speed of an answer and nothing else: whatever the family can take back,
 * whatever draws the tokens. */
#include "test.h"

#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "fake-model.h"
#include "scheduled.h"
#include "tiny-mamba.h"
#include "tiny-model.h"
#include "tiny-rwkv.h"
#include "worker/limits.h"

/* What came of a request: the lines with its text and log probabilities, and how much of it was
 * drafted, and rightly so. */
struct Drafted {
    char *lines;
    int64_t n_drafted, n_accepted;
};

static struct Drafted run_drafted(Scheduler *scheduler, struct Ask ask, const char *draft) {
    struct Run run;
    ask.draft = draft;
    run_start(scheduler, &run, &ask);
    run_finish(&run);
    struct Drafted ret = {
        .lines = g_strdup(run.events.deltas->str),
        .n_drafted = events_usage(&run.events, "drafted_tokens"),
        .n_accepted = events_usage(&run.events, "accepted_tokens"),
    };
    CHECK_INT(events_usage(&run.events, "completion_tokens"), ask.max_tokens);
    events_clear(&run.events);
    return ret;
}

/* Returns how many tokens were drafted; adds those that were right to *n_accepted. */
static int64_t check_ask(Scheduler *scheduler, const struct Ask *ask, const char *draft,
                         int64_t *n_accepted) {
    struct Drafted plain = run_drafted(scheduler, *ask, "off");
    struct Drafted drafted = run_drafted(scheduler, *ask, draft);
    CHECK_STR(drafted.lines, plain.lines);
    CHECK_INT(plain.n_drafted, 0);
    CHECK(drafted.n_accepted <= drafted.n_drafted);
    *n_accepted += drafted.n_accepted;
    g_free(plain.lines);
    g_free(drafted.lines);
    return drafted.n_drafted;
}

/* ---- Fake models, of which it is known what they say ---- */

/* Returns how many guesses were right. */
static int64_t check_fake(const struct FakeModel *model, const struct FakeModel *helper,
                          const char *draft) {
    static const double temperatures[] = {0, 1, 3};
    const struct ScheduledModels models = {fake_model_open(model),
                                           helper ? fake_model_open(helper) : -1};
    Scheduler *scheduler = scheduled_start(&models, 2, 0, PARKED_GRACE_USEC);
    int64_t n_accepted = 0;

    for (size_t i = 0; i < G_N_ELEMENTS(temperatures); i++)
        check_ask(
            scheduler,
            &(struct Ask){.prompt = "abcabcab", .temperature = temperatures[i], .max_tokens = 200},
            draft, &n_accepted);
    scheduler_free(scheduler);
    close(models.fd);
    if (helper) close(models.draft_fd);
    return n_accepted;
}

/* A model that looks back on one token soon goes round in circles. */
static void looked_up_drafts(void) {
    const struct FakeModel circles = {.window = 1, .step_usec = 200},
                           rewinds = {.window = 1, .step_usec = 200, .rewind_step = 50};
    CHECK(check_fake(&circles, NULL, "lookup") > 80);
    CHECK(check_fake(&rewinds, NULL, "auto") > 80);
    check_fake(&(struct FakeModel){.step_usec = 200}, NULL, "auto");
}

/* The same model guesses right whenever both draw with the same number; another one seldom. */
static void model_drafts(void) {
    const struct FakeModel model = {.rewind_step = 7, .step_usec = 400}, same = {0},
                           other = {.window = 2};
    CHECK(check_fake(&model, &same, "model") > 150);
    check_fake(&model, &other, "model");
    CHECK_INT(check_fake(&model, NULL, "model"), 0);
}

/* ---- Small models of every family, with all samplers ---- */

enum { N_VOCAB = 45, N_CTX = 400 };

static int transformer_fd(bool small) {
    const struct TinyShape shape = {
        .architecture = "llama",
        .n_layers = small ? 1 : 2,
        .n_embd = 32,
        .n_heads = 4,
        .n_kv_heads = 2,
        .head_size = 8,
        .n_ff = 48,
        .n_vocab = N_VOCAB,
        .n_rot = 8,
        .n_ctx = N_CTX,
    };
    struct TinyModel *model = tiny_model_new(&shape);
    int fd = tiny_model_fd(model);
    tiny_model_free(model);
    return fd;
}

static int mamba_fd(const struct TinyMamba *family, bool small) {
    struct TinyMamba shape = *family;
    shape.n_vocab = N_VOCAB;
    shape.n_ctx = N_CTX;
    if (small) shape.n_layers = 1;
    return tiny_mamba_fd(&shape);
}

static int rwkv_fd(const struct TinyRwkv *family, bool small) {
    struct TinyRwkv shape = *family;
    shape.n_vocab = N_VOCAB;
    shape.n_ctx = N_CTX;
    if (small) shape.n_layers = 1;
    return tiny_rwkv_fd(&shape);
}

static int mamba1_fd(bool small) {
    return mamba_fd(&tiny_mamba, small);
}

static int mamba2_fd(bool small) {
    return mamba_fd(&tiny_mamba2, small);
}

static int rwkv6_fd(bool small) {
    return rwkv_fd(&tiny_rwkv6, small);
}

static int rwkv7_fd(bool small) {
    return rwkv_fd(&tiny_rwkv7, small);
}

static const struct Sampled {
    double temperature;
    const char *grammar;
    const char *options[16];
} sampled[] = {
    {0, NULL, {"logprobs", "3"}},
    {0, "root ::= (\"ab\" | \"ba\" | [c-f]{3})+", {"logprobs", "2"}},
    {1, NULL, {"xtc_probability", "0.5", "xtc_threshold", "0.01", "logprobs", "2"}},
    {1.2, NULL, {"dry_multiplier", "0.8", "dry_allowed_length", "1", "dry_sequence_breakers", "e"}},
    {0.9, NULL, {"mirostat", "1", "mirostat_tau", "3"}},
    {0.9, NULL, {"mirostat", "2", "mirostat_tau", "2", "mirostat_eta", "0.3"}},
    {0.8, NULL, {"dynatemp_range", "0.7", "dynatemp_exponent", "1.5", "logprobs", "1"}},
    {0.7, NULL, {"repeat_penalty", "1.3", "presence_penalty", "0.4", "frequency_penalty", "0.2"}},
    {1.5,
     NULL,
     {"samplers", "temperature", "samplers", "typ_p", "typical_p", "0.8", "logit_bias", "9=2"}},
    {0.9,
     "root ::= ([a-m]{1,4} [n-z])+",
     {"xtc_probability", "0.3", "dry_multiplier", "0.5", "dynatemp_range", "0.3", "repeat_penalty",
      "1.1", "top_n_sigma", "2", "logit_bias", "5=1.5", "logprobs", "2"}},
};

/* As many as a prompt that repeats itself, and a draft model that is another, make. */
static void check_family(int (*model_fd)(bool small)) {
    static const char *const drafts[] = {"lookup", "model", "auto"};
    const struct ScheduledModels models = {model_fd(false), model_fd(true)};
    Scheduler *scheduler = scheduled_start(&models, 2, 0, PARKED_GRACE_USEC);
    int64_t n_drafted = 0, n_accepted = 0;

    for (size_t i = 0; i < G_N_ELEMENTS(sampled); i++)
        for (size_t j = 0; j < G_N_ELEMENTS(drafts); j++) {
            const struct Ask ask = {
                .prompt = "abcabcabcabc",
                .temperature = sampled[i].temperature,
                .grammar = sampled[i].grammar,
                .options = sampled[i].options,
                .max_tokens = 60,
            };
            n_drafted += check_ask(scheduler, &ask, drafts[j], &n_accepted);
        }
    CHECK(n_drafted > 0);
    CHECK(n_accepted < n_drafted); /* some were taken back */
    scheduler_free(scheduler);
    close(models.fd);
    close(models.draft_fd);
}

static void transformers(void) {
    check_family(transformer_fd);
}

static void mambas(void) {
    check_family(mamba1_fd);
    check_family(mamba2_fd);
}

static void rwkvs(void) {
    check_family(rwkv6_fd);
    check_family(rwkv7_fd);
}

int main(void) {
    signal(SIGPIPE, SIG_IGN);
    return TEST_MAIN({"drafts that are looked up", looked_up_drafts},
                     {"drafts of a model", model_drafts},
                     {"transformers, all samplers", transformers}, {"Mamba, all samplers", mambas},
                     {"RWKV, all samplers", rwkvs});
}
