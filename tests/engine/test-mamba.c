/* Mamba and Mamba-2: logits that other code computed, and files that are refused. That the bits are
 * the same however the work is cut up is in test-engine.c; other shapes are in tests/reference. */
#include <errno.h>
#include <unistd.h>

#include "engine/engine.h"
#include "fixture.h"
#include "kernels/kernels.h"
#include "test.h"
#include "tiny-mamba.h"

/* ---- Fixtures ---- */

static double max_difference(const struct Span *span, const struct Fixture *fixture) {
    double max = 0;
    for (uint32_t i = 0; i < fixture->n_tokens; i++)
        for (uint32_t j = 0; j < fixture->n_vocab; j++) {
            double d = fabs((double)span->ret[i * span->ret_stride + j] -
                            (double)fixture->logits[i * fixture->n_vocab + j]);
            if (!(d <= max)) max = d;
        }
    return max;
}

static void check_fixture(const char *name, const struct Kernels *kernels) {
    struct Fixture fixture;
    Engine *engine = NULL;
    Sequence *sequence;
    Reason why = {""};
    if (fixture_open(name, name, &fixture) < 0) return;
    struct EngineOptions options = {.n_threads = 2, .kernels = kernels};
    int r = engine_open(fixture.fd, &options, &engine, &why);
    if (r != 0) test_fail(__FILE__, __LINE__, "%s: %d %s", name, r, why.text);
    REQUIRE(r == 0);
    CHECK_STR(engine_info(engine)->family, "mamba");
    CHECK_STR(engine_info(engine)->kv_type, "");
    CHECK_INT(engine_info(engine)->n_vocab, fixture.n_vocab);
    CHECK_INT(sequence_new(engine, &sequence), 0);
    struct Span span = {sequence, fixture.tokens, fixture.n_tokens, SPAN_ALL_LOGITS};
    CHECK_INT(engine_step(engine, &span, 1), 0);
    double difference = max_difference(&span, &fixture);
    printf("# %s, %s: %.3g from the expected logits\n", name, kernels->tier, difference);
    CHECK_NEAR(difference, 0, 2e-5);
    CHECK(fixture.n_greedy >= 20);
    CHECK_INT(fixture_greedy_agreement(&fixture, engine, sequence,
                                       span.ret + (fixture.n_tokens - 1) * span.ret_stride),
              fixture.n_greedy);
    sequence_free(sequence);
    engine_free(engine);
    fixture_close(&fixture);
}

static void fixture_1(void) {
    for (unsigned i = 0; kernels_tier(i); i++) check_fixture("mamba1-tiny-f32", kernels_tier(i));
}

static void fixture_2(void) {
    for (unsigned i = 0; kernels_tier(i); i++) check_fixture("mamba2-tiny-f32", kernels_tier(i));
}

/* ---- Files that are refused, with a reason that names what is wrong ---- */

static void check_refused(const struct TinyMamba *shape, const char *expected) {
    check_refused_file(tiny_mamba_fd(shape), expected);
}

static void check_without(struct TinyMamba shape, const char *const *names) {
    for (; *names; names++) {
        shape.without = *names;
        check_refused(&shape, *names);
    }
}

static void refuses_what_lacks(void) {
    static const char *const keys[] = {
        "context_length",     "embedding_length", "block_count",
        "ssm.conv_kernel",    "ssm.inner_size",   "ssm.state_size",
        "ssm.time_step_rank", "rms_epsilon",      NULL,
    };
    static const char *const tensors[] = {
        "token_embd.weight",
        "output_norm.weight",
        "blk.0.attn_norm.weight",
        "blk.1.ssm_in.weight",
        "blk.0.ssm_conv1d.weight",
        "blk.0.ssm_conv1d.bias",
        "blk.0.ssm_dt.bias",
        "blk.1.ssm_a",
        "blk.0.ssm_d",
        "blk.1.ssm_out.weight",
        NULL,
    };
    static const char *const only_1[] = {"blk.0.ssm_x.weight", "blk.0.ssm_dt.weight", NULL};
    static const char *const only_2[] = {"ssm.group_count", "blk.1.ssm_norm.weight", NULL};
    check_without(tiny_mamba, keys);
    check_without(tiny_mamba, tensors);
    check_without(tiny_mamba, only_1);
    check_without(tiny_mamba2, keys);
    check_without(tiny_mamba2, tensors);
    check_without(tiny_mamba2, only_2);
}

static void check_value(struct TinyMamba shape, const char *key, uint32_t value,
                        const char *expected) {
    shape.key = key;
    shape.value = value;
    check_refused(&shape, expected);
}

static void refuses_other_sizes(void) {
    static const char *const numbers[] = {"context_length",    "embedding_length", "block_count",
                                          "ssm.conv_kernel",   "ssm.inner_size",   "ssm.state_size",
                                          "ssm.time_step_rank"};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        check_value(tiny_mamba, numbers[i], 0, numbers[i]);
        check_value(tiny_mamba, numbers[i], UINT32_MAX, numbers[i]);
        check_value(tiny_mamba2, numbers[i], UINT32_MAX, numbers[i]);
    }
    check_value(tiny_mamba, "embedding_length", 41, "token_embd.weight");
    check_value(tiny_mamba, "ssm.inner_size", 84, "ssm_in.weight");
    check_value(tiny_mamba, "ssm.state_size", 17, "ssm_x.weight");
    check_value(tiny_mamba, "ssm.conv_kernel", 5, "ssm_conv1d.weight");
    check_value(tiny_mamba, "ssm.time_step_rank", 4, "ssm_x.weight");
    check_value(tiny_mamba, "block_count", 3, "blk.2.attn_norm.weight");
    check_value(tiny_mamba, "block_count", 1, "blk.1.");
    check_value(tiny_mamba, "ssm.state_size", 65536, "states");
    check_value(tiny_mamba2, "ssm.time_step_rank", 7, "7 heads");
    check_value(tiny_mamba2, "ssm.group_count", 4, "4 groups");
    check_value(tiny_mamba2, "ssm.group_count", 0, "ssm.group_count");
    check_value(tiny_mamba2, "ssm.group_count", 3, "ssm_in.weight");
    check_value(tiny_mamba2, "ssm.state_size", 65536, "a convolution of");
    check_value(tiny_mamba2, "ssm.conv_kernel", 1000, "ssm_conv1d.weight");
}

/* Many layers of a large state, all within their limits. */
static void refuses_large_state(void) {
    struct TinyMamba shape = tiny_mamba2;
    shape.n_layers = 1;
    shape.key = "block_count";
    shape.value = 1024;
    shape.n_inner = 8192;
    shape.dt_rank = 8192 / 4;
    shape.n_groups = 1;
    shape.n_state = 64;
    check_refused(&shape, "a sequence's state");
}

int main(void) {
    return TEST_MAIN({"a small Mamba", fixture_1}, {"a small Mamba-2", fixture_2},
                     {"files that lack something", refuses_what_lacks},
                     {"sizes that do not fit", refuses_other_sizes},
                     {"a state that is too large", refuses_large_state});
}
