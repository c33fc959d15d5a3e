#include "engine/sampling/sampler.h"

#include <errno.h>

#include "test.h"

#define N 5
static const float LOGITS[N] = {1, 3, 2, 3, -1};

static Sampler *make(struct SamplerOptions options, uint32_t n_vocab) {
    Sampler *sampler = NULL;
    Reason why = {0};
    CHECK_INT(sampler_new(&options, n_vocab, &sampler, &why), 0);
    return sampler;
}

/* Everything off but temperature 1. */
static struct SamplerOptions plain(void) {
    return (struct SamplerOptions){
        .temperature = 1, .top_p = 1, .repeat_penalty = 1, .typical_p = 1, .dry_base = 1};
}

static struct SamplerOptions greedy(void) {
    struct SamplerOptions options = plain();
    options.temperature = 0;
    return options;
}

static void greedy_takes_the_lowest_of_the_best(void) {
    Sampler *sampler = make(greedy(), N);
    CHECK_INT(sampler_sample(sampler, LOGITS, NULL), 1);
    CHECK_INT(sampler_sample(sampler, (float[N]){NAN, -5, INFINITY, -4, -INFINITY}, NULL), 3);
    CHECK_INT(sampler_sample(sampler, (float[N]){-INFINITY, NAN, NAN, NAN, -3e38f}, NULL), 4);
    CHECK_INT(sampler_sample(sampler, (float[N]){NAN, NAN, NAN, NAN, NAN}, NULL), 0);
    sampler_free(sampler);
}

/* How often each token comes in n draws. */
static void count(struct SamplerOptions options, const float *logits, unsigned n, unsigned *ret) {
    Sampler *sampler = make(options, N);
    memset(ret, 0, N * sizeof *ret);
    for (unsigned i = 0; i < n; i++) ret[sampler_sample(sampler, logits, NULL)]++;
    sampler_free(sampler);
}

static void draws_follow_the_softmax(void) {
    unsigned counts[N], n = 200000;
    struct SamplerOptions options = plain();
    for (unsigned pass = 0; pass < 2; pass++) {
        options.temperature = pass ? 2.5f : 1;
        options.seed = pass;
        count(options, LOGITS, n, counts);
        double total = 0;
        for (unsigned i = 0; i < N; i++)
            total += exp((double)LOGITS[i] / (double)options.temperature);
        for (unsigned i = 0; i < N; i++) {
            double p = exp((double)LOGITS[i] / (double)options.temperature) / total;
            CHECK_NEAR(counts[i] / (double)n, p, 5 * sqrt(p * (1 - p) / n)); /* five sigma */
        }
    }
}

static void filters_leave_the_right_tokens(void) {
    static const struct {
        uint32_t top_k;
        float top_p, min_p;
        bool left[N];
    } CASES[] = {
        {1, 1, 0, {0, 1, 0, 0, 0}},    {2, 1, 0, {0, 1, 0, 1, 0}},
        {3, 1, 0, {0, 1, 1, 1, 0}},    {0, 0, 0, {0, 1, 0, 0, 0}},
        {0, 0.5f, 0, {0, 1, 0, 1, 0}}, /* 0.40 + 0.40 */
        {0, 0.9f, 0, {0, 1, 1, 1, 0}}, {3, 0.5f, 0, {0, 1, 0, 1, 0}},
        {0, 1, 0.3f, {0, 1, 1, 1, 0}}, /* e^-1 */
        {0, 1, 0.4f, {0, 1, 0, 1, 0}}, {0, 1, 1, {0, 1, 0, 1, 0}},
        {100, 1, 0, {1, 1, 1, 1, 1}},  {0, 1, 0.01f, {1, 1, 1, 1, 1}},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        struct SamplerOptions options = plain();
        unsigned counts[N];
        options.temperature = 3; /* after the filters: changes nothing about who is left */
        options.top_k = CASES[i].top_k;
        options.top_p = CASES[i].top_p;
        options.min_p = CASES[i].min_p;
        count(options, LOGITS, 2000, counts);
        for (unsigned j = 0; j < N; j++)
            if ((counts[j] > 0) != CASES[i].left[j])
                test_fail(__FILE__, __LINE__, "case %zu: token %u came %u times", i, j, counts[j]);
    }
}

static void penalties_work_in_their_window(void) {
    struct SamplerOptions options = greedy();
    options.repeat_last_n = 2;
    options.repeat_penalty = 2;
    Sampler *sampler = make(options, N);
    CHECK_INT(sampler_sample(sampler, LOGITS, NULL), 1);
    sampler_accept(sampler, 1); /* 1.5 */
    CHECK_INT(sampler_sample(sampler, LOGITS, NULL), 3);
    sampler_accept(sampler, 3);
    CHECK_INT(sampler_sample(sampler, LOGITS, NULL), 2);
    CHECK_INT(sampler_sample(sampler, (float[N]){-3, -2, -4, -2, -5}, NULL),
              0);               /* -4 for 1 and 3 */
    sampler_accept(sampler, 2); /* 1 leaves */
    CHECK_INT(sampler_sample(sampler, LOGITS, NULL), 1);
    sampler_accept(sampler, -1);
    sampler_accept(sampler, N);
    CHECK_INT(sampler_sample(sampler, LOGITS, NULL), 1);
    sampler_free(sampler);

    options = greedy();
    options.repeat_last_n = 64;
    options.presence_penalty = 0.5f;
    options.frequency_penalty = 0.3f;
    sampler = make(options, N);
    sampler_accept(sampler, 1);
    sampler_accept(sampler, 3);
    sampler_accept(sampler, 3); /* 2.2 and 1.9 */
    CHECK_INT(sampler_sample(sampler, LOGITS, NULL), 1);
    sampler_accept(sampler, 1); /* 1.9 and 1.9 */
    CHECK_INT(sampler_sample(sampler, LOGITS, NULL), 2);
    sampler_free(sampler);

    options.repeat_last_n = 0;
    sampler = make(options, N);
    sampler_accept(sampler, 1);
    CHECK_INT(sampler_sample(sampler, LOGITS, NULL), 1);
    sampler_free(sampler);
}

/* The numbers are part of the contract: the same seed gives the same tokens on every machine. */
static void seeds_repeat(void) {
    static const Token EXPECTED[12] = {951, 963, 62, 434, 594, 150, 161, 988, 420, 581, 963, 420};
    enum { VOCABULARY = 1000 };
    float logits[VOCABULARY];
    for (unsigned i = 0; i < VOCABULARY; i++) logits[i] = (float)(i * 7919 % 1000) * 0.01f;
    struct SamplerOptions options = plain();
    options.seed = 42;
    Sampler *a = make(options, VOCABULARY), *b = make(options, VOCABULARY);
    options.seed = 43;
    Sampler *c = make(options, VOCABULARY);
    unsigned n_same = 0;
    for (unsigned i = 0; i < 12; i++) {
        Token token = sampler_sample(a, logits, NULL);
        CHECK_INT(token, EXPECTED[i]);
        CHECK_INT(sampler_sample(b, logits, NULL), token);
        n_same += sampler_sample(c, logits, NULL) == token;
    }
    CHECK(n_same < 3);
    sampler_free(a);
    sampler_free(b);
    sampler_free(c);
}

static void extremes_stay_sane(void) {
    struct SamplerOptions options = plain();
    unsigned counts[N];
    options.temperature = 1e-30f;
    count(options, LOGITS, 1000, counts);
    CHECK_INT(counts[1] + counts[3], 1000);
    options.temperature = 100;
    count(options, (float[N]){3e38f, -3e38f, NAN, -INFINITY, 0}, 1000, counts);
    CHECK_INT(counts[0], 1000);
    options = SAMPLER_DEFAULTS;
    count(options, (float[N]){NAN, NAN, NAN, NAN, 1}, 100, counts);
    CHECK_INT(counts[4], 100);
    count(options, (float[N]){NAN, NAN, NAN, NAN, NAN}, 100, counts);
    CHECK_INT(counts[0], 100);
}

static void only_allowed_tokens_come(void) {
    enum { MANY = 130 };
    static const uint64_t LAST[3] = {0, 0, 2}, NONE[3] = {0}, TWO[3] = {1ULL << 63, 1, 0};
    float logits[MANY];
    for (unsigned i = 0; i < MANY; i++) logits[i] = -(float)i;
    Sampler *best = make(greedy(), MANY), *any = make(plain(), MANY);
    CHECK_INT(sampler_sample(best, logits, LAST), 129);
    CHECK_INT(sampler_sample(any, logits, LAST), 129);
    CHECK_INT(sampler_sample(best, logits, TWO), 63);
    logits[63] = NAN;
    CHECK_INT(sampler_sample(best, logits, TWO), 64);
    CHECK_INT(sampler_sample(any, logits, TWO), 64);
    logits[64] = -INFINITY;
    CHECK_INT(sampler_sample(any, logits, TWO), 63);
    CHECK_INT(sampler_sample(any, logits, NONE), 0);
    sampler_free(best);
    sampler_free(any);
}

static void refuses_values_out_of_range(void) {
    struct SamplerOptions options[] = {plain(), plain(), plain(), plain(),
                                       plain(), plain(), plain()};
    static const char *const WORDS[] = {"temperature",  "temperature",    "top_p",
                                        "min_p",        "repeat_penalty", "presence_penalty",
                                        "repeat_last_n"};
    options[0].temperature = NAN;
    options[1].temperature = -1;
    options[2].top_p = 1.5f;
    options[3].min_p = -0.1f;
    options[4].repeat_penalty = 0;
    options[5].presence_penalty = INFINITY;
    options[6].repeat_last_n = UINT32_MAX;
    for (size_t i = 0; i < sizeof WORDS / sizeof WORDS[0]; i++) {
        Sampler *sampler = NULL;
        Reason why = {0};
        CHECK_INT(sampler_new(&options[i], N, &sampler, &why), -EINVAL);
        CHECK(strstr(why.text, WORDS[i]));
        CHECK(!sampler);
    }
    Sampler *sampler = NULL;
    CHECK_INT(sampler_new(&SAMPLER_DEFAULTS, 0, &sampler, NULL), -EINVAL);
    CHECK(!sampler_free(NULL));
}

int main(void) {
    return TEST_MAIN({"greedy takes the lowest of the best", greedy_takes_the_lowest_of_the_best},
                     {"draws follow the softmax", draws_follow_the_softmax},
                     {"filters leave the right tokens", filters_leave_the_right_tokens},
                     {"penalties work in their window", penalties_work_in_their_window},
                     {"seeds repeat", seeds_repeat}, {"extremes stay sane", extremes_stay_sane},
                     {"only allowed tokens come", only_allowed_tokens_come},
                     {"refuses values out of range", refuses_values_out_of_range});
}
