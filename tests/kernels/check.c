/*
 * kernels-check: every kernel on every tier of this machine against its definition.
 * kernels-check --bench [NAME]: how fast they are.
 */
#include "tests/kernels/check.h"

#include <assert.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/test.h"

#define MAX_PRINTED 10

void check_failed(const char *format, ...) {
    char message[400];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    if (test_n_failures < MAX_PRINTED)
        test_fail(__FILE__, __LINE__, "%s", message);
    else
        test_n_failures++;
}

void check_tiers(void (*compare)(const struct Kernels *tier)) {
    const struct Kernels *tier;
    for (unsigned i = 1; (tier = kernels_tier(i)); i++) compare(tier);
}

/* What kernels_best() says in a process with RYZEN_LLM_CPU set to `limit`: the number of the tier.
 */
static int best_under(const char *limit) {
    int status;
    pid_t child = fork();

    if (child == 0) {
        setenv("RYZEN_LLM_CPU", limit, 1);
        const struct Kernels *best = kernels_best(), *tier;
        for (int i = 0; (tier = kernels_tier((unsigned)i)); i++)
            if (tier == best && best == kernels_best()) _exit(i);
        _exit(100);
    }
    if (child < 0 || waitpid(child, &status, 0) < 0 || !WIFEXITED(status)) return -1;
    return WEXITSTATUS(status);
}

static void check_dispatch(void) {
    const struct Kernels *tier;
    int n_tiers = 0;

    for (; (tier = kernels_tier((unsigned)n_tiers)); n_tiers++) {
        printf("# tier %d: %s\n", n_tiers, tier->tier);
        CHECK_INT(best_under(tier->tier), n_tiers);
    }
    CHECK_STR(kernels_tier(0)->tier, "c");
    CHECK_INT(best_under("z80"), n_tiers - 1);
    CHECK_INT(best_under(""), n_tiers - 1);
}

/* One row a kernel. */
static const struct TestCase kernels[] = {
    {"quantize_token", check_quantize_token},
    {"quantize_block", check_quantize_block},
    {"matmul[F32]", check_matmul_f32},
    {"matmul[F16]", check_matmul_f16},
    {"matmul[I8]", check_matmul_i8},
    {"matmul[T2]", check_matmul_t2},
    {"matmul[I4]", check_matmul_i4},
    {"matmul[T1_6]", check_matmul_t1_6},
    {"matmul[LUT]", check_matmul_lut},
    {"rms_norm", check_rms_norm},
    {"rope", check_rope},
    {"silu_mul", check_silu_mul},
    {"relu2_mul", check_relu2_mul},
    {"add", check_add},
    {"f32_to_f16", check_f32_to_f16},
    {"f16_to_f32", check_f16_to_f32},
    {"attend[F16]", check_attend_f16},
    {"quantize_row", check_quantize_row},
    {"attend[F32]", check_attend_f32},
    {"attend[I8]", check_attend_i8},
    {"softplus", check_softplus},
    {"exp_mul", check_exp_mul},
    {"ssm_conv", check_ssm_conv},
    {"ssm_scan[CHANNELS]", check_ssm_scan_channels},
    {"ssm_scan[HEAD]", check_ssm_scan_head},
    {"layer_norm", check_layer_norm},
    {"lerp", check_lerp},
    {"sigmoid", check_sigmoid},
    {"sigmoid_mul", check_sigmoid_mul},
    {"tanh", check_tanh},
    {"relu2", check_relu2},
    {"rwkv6_decay", check_rwkv6_decay},
    {"rwkv7_decay", check_rwkv7_decay},
    {"rwkv6_wkv", check_rwkv6_wkv},
    {"rwkv7_keys", check_rwkv7_keys},
    {"rwkv7_wkv", check_rwkv7_wkv},
    {"rwkv7_bonus", check_rwkv7_bonus},
    /* and what they rest on */
    {"exp", check_exp},
    {"packing", check_packing},
    {"dispatch", check_dispatch},
};

#define N_KERNELS (sizeof kernels / sizeof *kernels - 3)
static_assert(sizeof(struct Kernels) == sizeof(char *) + N_KERNELS * sizeof(void (*)(void)),
              "a kernel has no row here");

int main(int argc, char **argv) {
    if (argc > 1 && !strcmp(argv[1], "--bench")) return bench(argc > 2 ? argv[2] : NULL);
    return test_main(kernels, sizeof kernels / sizeof *kernels);
}
