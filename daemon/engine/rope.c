#include "engine/rope.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/rows.h"

/* ---- Hyper-parameters ---- */

enum RopeScaling { SCALING_LINEAR, SCALING_NONE, SCALING_YARN, SCALING_LONGROPE, N_SCALINGS };

static const char *const scaling_names[N_SCALINGS] = {"linear", "none", "yarn", "longrope"};

/* All that a file may say. */
struct RopeKeys {
    enum RopeScaling scaling;
    uint32_t n_ctx_original;
    float base, factor, attn_factor;
    float ext_factor, yarn_attn_factor, beta_fast, beta_slow, log_multiplier; /* YaRN's */
};

static int read_scaling(const struct ModelFile *file, enum RopeScaling *ret, Reason *why) {
    char name[32] = "linear";
    int r = model_string(file, "rope.scaling.type", name, sizeof name, why);
    if (r < 0) return r;
    for (unsigned i = 0; i < N_SCALINGS; i++)
        if (strcmp(name, scaling_names[i]) == 0) {
            *ret = (enum RopeScaling)i;
            return 0;
        }
    return reason_set(why, ENOTSUP, "RoPE scaling \"%s\" is not supported",
                      gguf_printable((struct GgufString){name, strlen(name)}).text);
}

static int read_floats(const struct ModelFile *file, struct RopeKeys *keys, Reason *why) {
    const struct {
        const char *name;
        float *value;
    } floats[] = {
        {"rope.freq_base", &keys->base},
        {"rope.scale_linear", &keys->factor}, /* files from before the type */
        {"rope.scaling.factor", &keys->factor},
        {"rope.scaling.attn_factor", &keys->attn_factor},
        {"rope.scaling.yarn_ext_factor", &keys->ext_factor},
        {"rope.scaling.yarn_attn_factor", &keys->yarn_attn_factor},
        {"rope.scaling.yarn_beta_fast", &keys->beta_fast},
        {"rope.scaling.yarn_beta_slow", &keys->beta_slow},
        {"rope.scaling.yarn_log_multiplier", &keys->log_multiplier},
    };
    for (size_t i = 0; i < sizeof floats / sizeof *floats; i++) {
        int r = model_f32(file, floats[i].name, floats[i].value, why);
        if (r < 0) return r;
    }
    if (keys->factor == 0) keys->factor = 1;
    if (!(keys->base > 0) || !(keys->factor > 0))
        return reason_set(why, EBADMSG, "RoPE has a base of %g and a scaling factor of %g",
                          (double)keys->base, (double)keys->factor);
    return 0;
}

/* The pair that turns so many times within the original length. */
static double pair_of(const struct RopeKeys *keys, uint32_t n_rot, double rotations) {
    const double length = keys->n_ctx_original / (rotations * 2 * M_PI);
    return n_rot * log(length) / (2 * log((double)keys->base));
}

/* Section 3.4: a larger magnitude makes up for attention that spreads over more positions. What is
 * compensated for already is divided out (DeepSeek's mscale_all_dim). */
static double yarn_magnitude(const struct RopeKeys *keys) {
    const double factor = (double)keys->factor;
    if (factor <= 1) return 1;
    return (1 + 0.1 * log(factor)) / (1 + 0.1 * (double)keys->log_multiplier * log(factor));
}

static void set_yarn(struct Rope *rope, const struct RopeKeys *keys) {
    const uint32_t n = rope->n_rot;
    rope->mix = keys->ext_factor < 0 ? keys->scaling == SCALING_YARN : (double)keys->ext_factor;
    rope->magnitude *= rope->mix != 0 ? yarn_magnitude(keys) : (double)keys->yarn_attn_factor;
    rope->first = fmax(floor(pair_of(keys, n, (double)keys->beta_fast)), 0);
    rope->last = fmin(ceil(pair_of(keys, n, (double)keys->beta_slow)), (double)n - 1);
}

int rope_read(struct Rope *rope, const struct ModelFile *file, uint32_t n_rot, uint32_t n_ctx,
              Reason *why) {
    struct RopeKeys keys = {
        .n_ctx_original = n_ctx,
        .base = 10000,
        .attn_factor = 1,
        .ext_factor = -1, /* what the type says */
        .yarn_attn_factor = 1,
        .beta_fast = 32,
        .beta_slow = 1,
    };
    int r = read_scaling(file, &keys.scaling, why);
    if (r == 0) r = read_floats(file, &keys, why);
    if (r < 0) return r;
    r = model_u32(file, "rope.scaling.original_context_length", 1, UINT32_MAX, &keys.n_ctx_original,
                  why);
    if (r < 0) return r;
    if (file->n_ctx > 0 && file->n_ctx < n_ctx) n_ctx = file->n_ctx;
    *rope = (struct Rope){
        .n_rot = n_rot,
        .base = (double)keys.base,
        .scale = keys.scaling == SCALING_NONE ? 1 : 1 / (double)keys.factor,
        .magnitude = (double)keys.attn_factor,
        .is_longrope = keys.scaling == SCALING_LONGROPE,
        .is_short = keys.scaling == SCALING_LONGROPE && n_ctx <= keys.n_ctx_original,
    };
    set_yarn(rope, &keys);
    return 0;
}

/* ---- Tensors ---- */

int rope_load(struct Rope *rope, struct Weights *weights, Reason *why) {
    const uint32_t n = rope->n_rot / 2;
    if (!rope->is_longrope) {
        int r =
            weights_vector(weights, "rope_freqs.weight", WEIGHTS_OPTIONAL, n, &rope->factors, why);
        return r < 0 ? r : 0;
    }
    /* Both, whichever is used: a packed file has to hold what any n_ctx wants. */
    int r = weights_vector(weights, "rope_factors_long.weight", 0, n, &rope->factors, why);
    return r < 0 ? r
                 : weights_vector(weights, "rope_factors_short.weight", 0, n, &rope->short_factors,
                                  why);
}

/* ---- Angles ---- */

/* How much of pair i's own frequency stays. */
static double share_of(const struct Rope *rope, uint32_t i) {
    const double at = (i - rope->first) / fmax(rope->last - rope->first, 0.001);
    return rope->mix * (1 - fmin(fmax(at, 0), 1));
}

int rope_start(struct Rope *rope) {
    const uint32_t n = rope->n_rot / 2;
    rope->frequencies = rows_allocate(n, sizeof(double));
    if (!rope->frequencies) return -ENOMEM;
    const float *factors = rope->is_short ? rope->short_factors : rope->factors;
    for (uint32_t i = 0; i < n; i++) {
        double frequency = pow(rope->base, -2.0 * i / rope->n_rot);
        if (factors) frequency /= (double)factors[i];
        const double share = rope->mix != 0 ? share_of(rope, i) : 0;
        rope->frequencies[i] = frequency * (rope->scale * (1 - share) + share);
    }
    return 0;
}

void rope_done(struct Rope *rope) {
    free(rope->frequencies);
    rope->frequencies = NULL;
}

void rope_angles(const struct Rope *rope, uint32_t position, float *ret) {
    const uint32_t n = rope->n_rot / 2;
    for (uint32_t i = 0; i < n; i++) {
        const double theta = position * rope->frequencies[i];
        ret[i] = (float)(cos(theta) * rope->magnitude);
        ret[n + i] = (float)(sin(theta) * rope->magnitude);
    }
}
