/*
 * RWKV-7 (Goose, arXiv 2503.14456). h' is the h of the token before.
 *
 *     x_c = h + (h' - h) lerp_c                                     for c in r, w, k, v, a, g
 *     r, k, v = Wr x_r, Wk x_k, Wv x_v
 *     w = exp(-e^-0.5 sigmoid(w0 + W2 tanh(W1 x_w)))
 *     v += (v_first - v) sigmoid(v0 + V2 V1 x_v), where v_first is layer 0's v
 *     a = sigmoid(a0 + A2 A1 x_a);  g = G2 sigmoid(G1 x_g)
 *     kk = k k_k of length 1 in each head;  k *= 1 + (a - 1) k_a
 *     per head:  S = S (diag(w) - kk^T (a kk)) + v^T k;  y = S r
 *     y = group_norm(y) + (sum of r k r_k in the head) v;  x += Wo (y g)
 *
 *     channel mix:  x += Wv relu(Wk (h + (h' - h) lerp_k))^2
 */
#include <string.h>

#include "engine/rwkv.h"

/* Inputs, in the order of the lerps. */
enum { R, W, K, V, A, G, N_MIXES };

static void mix_row(void *userdata, uint32_t row) {
    const struct RwkvPass *pass = userdata;
    const float *h = row_of(&pass->m->h, row), *previous = rwkv_previous(pass, row);
    for (unsigned c = 0; c < N_MIXES; c++) {
        pass->kernels->lerp(h, previous, pass->layer->lerp[c], pass->m->sizes[RWKV_C],
                            rwkv_input(pass, c, row));
        rwkv_seal(pass, c, row);
    }
}

/* What has gone down into the loras: down[] in the order w, a, g, v. */
static void lora_row(void *userdata, uint32_t row) {
    const struct RwkvPass *pass = userdata;
    const struct Rwkv *m = pass->m;
    const uint32_t *sizes = m->sizes;
    pass->kernels->tanh(row_of(&m->down[0], row), sizes[RWKV_RANK_W], rwkv_input(pass, W, row));
    memcpy(rwkv_input(pass, A, row), row_of(&m->down[1], row), sizes[RWKV_RANK_A] * sizeof(float));
    pass->kernels->sigmoid(row_of(&m->down[2], row), sizes[RWKV_RANK_G], rwkv_input(pass, G, row));
    rwkv_seal(pass, W, row);
    rwkv_seal(pass, A, row);
    rwkv_seal(pass, G, row);
    if (pass->layer_number == 0) return;
    memcpy(rwkv_input(pass, V, row), row_of(&m->down[3], row), sizes[RWKV_RANK_V] * sizeof(float));
    rwkv_seal(pass, V, row);
}

/* v with what layer 0 saw; the lora's answer is in y. */
static void mix_value(const struct RwkvPass *pass, uint32_t row) {
    const struct Rwkv *m = pass->m;
    const uint32_t n = m->sizes[RWKV_C];
    float *v = row_of(&m->v, row), *first = row_of(&m->v_first, row), *rate = row_of(&m->y, row);
    if (pass->layer_number == 0) {
        memcpy(first, v, n * sizeof *v);
        return;
    }
    pass->kernels->add(pass->layer->v.bias, n, rate);
    pass->kernels->sigmoid(rate, n, rate);
    pass->kernels->lerp(v, first, rate, n, v);
}

static void key_row(void *userdata, uint32_t row) {
    const struct RwkvPass *pass = userdata;
    const struct RwkvLayer *layer = pass->layer;
    const struct Rwkv *m = pass->m;
    const uint32_t n = m->sizes[RWKV_C];
    float *w = row_of(&m->w, row), *a = row_of(&m->a, row);
    pass->kernels->add(layer->w.bias, n, w);
    pass->kernels->rwkv7_decay(w, n, w);
    pass->kernels->add(layer->a.bias, n, a);
    pass->kernels->sigmoid(a, n, a);
    mix_value(pass, row);
    pass->kernels->rwkv7_keys(a, layer->k_k, layer->k_a, m->n_heads, m->head_size,
                              row_of(&m->k, row), row_of(&m->kk, row), row_of(&m->b, row));
}

static void output_row(void *userdata, uint32_t row) {
    const struct RwkvPass *pass = userdata;
    const struct Rwkv *m = pass->m;
    const float *g = row_of(&m->g, row);
    float *y = row_of(&m->y, row), *input = rwkv_input(pass, 0, row);
    rwkv_group_norm(pass, row);
    pass->kernels->rwkv7_bonus(row_of(&m->r, row), row_of(&m->k, row), pass->layer->r_k,
                               row_of(&m->v, row), m->n_heads, m->head_size, y);
    for (uint32_t i = 0; i < m->sizes[RWKV_C]; i++) input[i] = y[i] * g[i];
    rwkv_seal(pass, 0, row);
}

static void time_mix(struct RwkvPass *pass) {
    struct Rwkv *m = pass->m;
    const struct RwkvLayer *layer = pass->layer;
    const struct RwkvProduct mixed[] = {
        {R, &layer->receptance, &m->r},   {W, &layer->w.down, &m->down[0]},
        {K, &layer->key, &m->k},          {A, &layer->a.down, &m->down[1]},
        {G, &layer->g.down, &m->down[2]}, {V, &layer->value, &m->v},
        {V, &layer->v.down, &m->down[3]},
    };
    const struct RwkvProduct loras[] = {{W, &layer->w.up, &m->w},
                                        {A, &layer->a.up, &m->a},
                                        {G, &layer->g.up, &m->g},
                                        {V, &layer->v.up, &m->y}};
    const unsigned no_v = pass->layer_number == 0;
    rwkv_norm(pass, &layer->attn_norm, RWKV_TIME);
    rwkv_multiply(pass, mix_row, mixed, 7 - no_v);
    rwkv_remember(pass);
    rwkv_multiply(pass, lora_row, loras, 4 - no_v);
    rwkv_each_row(pass, key_row);
    rwkv_recur(pass, pass->kernels->rwkv7_wkv);
    rwkv_multiply(pass, output_row, &(struct RwkvProduct){0, &layer->output, &m->y}, 1);
    rwkv_each_row(pass, rwkv_add_row);
}

static void channel_row(void *userdata, uint32_t row) {
    const struct RwkvPass *pass = userdata;
    pass->kernels->lerp(row_of(&pass->m->h, row), rwkv_previous(pass, row),
                        pass->layer->channel_lerp_k, pass->m->sizes[RWKV_C],
                        rwkv_input(pass, 0, row));
    rwkv_seal(pass, 0, row);
}

static void channel_mix(struct RwkvPass *pass) {
    struct Rwkv *m = pass->m;
    const struct RwkvLayer *layer = pass->layer;
    rwkv_norm(pass, &layer->attn_norm_2, RWKV_CHANNEL);
    rwkv_multiply(pass, channel_row, &(struct RwkvProduct){0, &layer->channel_key, &m->ff}, 1);
    rwkv_remember(pass);
    rwkv_multiply(pass, rwkv_relu2_row, &(struct RwkvProduct){0, &layer->channel_value, &m->y}, 1);
    rwkv_each_row(pass, rwkv_add_row);
}

const struct RwkvVersion rwkv_version_7 = {"rwkv7", "rwkvag", time_mix, channel_mix};
