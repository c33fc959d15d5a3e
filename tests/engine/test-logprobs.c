#include "engine/sampling/logprobs.h"

#include "engine/sampling/real.h"
#include "test.h"

static void functions_are_exact(void) {
    for (int i = -700; i <= 700; i++) {
        double x = i * 0.9997 + 0.0001;
        CHECK_NEAR(real_exp(x) / exp(x), 1, 1e-14);
        CHECK_NEAR(real_log(exp(x)), x, 1e-14 * (1 + fabs(x)));
    }
    CHECK_NEAR(real_log(1), 0, 0);
    CHECK_NEAR(real_exp(0), 1, 0);
    CHECK_NEAR(real_exp(-701), 0, 0);
    CHECK_NEAR(real_power(0, 0), 1, 0);
    CHECK_NEAR(real_power(0, 0.5), 0, 0);
    CHECK_NEAR(real_power(0.25, 0.5), 0.5, 1e-15);
}

static void logarithms_of_the_softmax(void) {
    enum { N = 1000 };
    float logits[N];
    double total = 0;
    struct Logprobs result;
    for (int i = 0; i < N; i++) logits[i] = (float)((i * 7919 % N) * 0.02 - 5);
    for (int i = 0; i < N; i++) total += exp((double)logits[i]);
    logprobs_find(logits, N, 123, 20, &result);
    CHECK_INT(result.chosen.token, 123);
    CHECK_NEAR(result.chosen.logprob, (double)logits[123] - log(total), 1e-12);
    REQUIRE(result.n_top == 20);
    for (int i = 0; i < 20; i++) {
        CHECK_INT(result.top[i].token * 7919 % N, N - 1 - i);
        CHECK_NEAR(result.top[i].logprob, (double)logits[result.top[i].token] - log(total), 1e-12);
    }
    logprobs_find(logits, N, 123, 0, &result);
    CHECK_INT(result.n_top, 0);
}

static void what_is_not_finite_is_impossible(void) {
    struct Logprobs result;
    logprobs_find((float[]){NAN, 2, INFINITY, 2, -INFINITY, 1e38f}, 5, 2, 20, &result);
    REQUIRE(result.n_top == 2);
    CHECK_INT(result.top[0].token, 1); /* the lower of equals */
    CHECK_INT(result.top[1].token, 3);
    CHECK_NEAR(result.top[1].logprob, -log(2), 1e-15);
    CHECK_NEAR(result.chosen.logprob, LOGPROB_IMPOSSIBLE, 0);
    logprobs_find((float[]){NAN, NAN}, 2, 0, 5, &result);
    CHECK_INT(result.n_top, 0);
    CHECK_NEAR(result.chosen.logprob, LOGPROB_IMPOSSIBLE, 0);
    logprobs_find((float[]){3e38f, -3e38f}, 2, 1, 1, &result);
    CHECK_NEAR(result.chosen.logprob, LOGPROB_IMPOSSIBLE, 0);
    CHECK_NEAR(result.top[0].logprob, 0, 0);
}

int main(void) {
    return TEST_MAIN({"functions are exact", functions_are_exact},
                     {"logarithms of the softmax", logarithms_of_the_softmax},
                     {"what is not finite is impossible", what_is_not_finite_is_impossible});
}
