#include "client/samples.h"

#include "tests/test.h"

static void quantiles(void) {
    g_auto(Samples) samples = {0};
    samples_init(&samples);
    CHECK(isnan(samples_quantile(&samples, 0.5)));
    samples_add(&samples, 5);
    CHECK_NEAR(samples_quantile(&samples, 0), 5, 0);
    CHECK_NEAR(samples_quantile(&samples, 1), 5, 0);
    samples_add(&samples, 1);
    CHECK_NEAR(samples_quantile(&samples, 0.5), 3, 0);
    samples_add(&samples, 100);
    CHECK_NEAR(samples_quantile(&samples, 0.5), 5, 0);
    CHECK_NEAR(samples_quantile(&samples, 0), 1, 0);
    CHECK_NEAR(samples_quantile(&samples, 1), 100, 0);
}

int main(void) {
    return TEST_MAIN({"quantiles", quantiles});
}
