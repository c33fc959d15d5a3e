/*
 * RWKV-6 (Finch, arXiv 2404.05892). h' is the h of the token before.
 *
 *     m = tanh(W1 (h + (h' - h) lerp_x)), five slices m_c of E
 *     x_c = h + (h' - h) (lerp_c + W2_c m_c)                        for c in w, k, v, r, g
 *     r, k, v, g = Wr x_r, Wk x_k, Wv x_v, Wg x_g
 *     w = exp(-exp(decay + D2 tanh(D1 x_w)))
 *     per head:  y = r (diag(u) k^T v + S);  S = diag(w) S + k^T v
 *     x += Wo (group_norm(y) silu(g))
 *
 *     channel mix:  x += sigmoid(Wr (h + (h' - h) lerp_r)) Wv relu(Wk (h + (h' - h) lerp_k))^2
 *
 * The weights that lead to x are the smaller by halves the later their layer in files with
 * rescale_every_n_layers; x is halved with them, which the norms do not see.
 */
#include "engine/rwkv.h"

/* Inputs, in the order of the lerps. */
enum { W, K, V, R, G, N_MIXES };

static void lerp_input(const struct RwkvPass *pass, const float *way, unsigned input,
                       uint32_t row) {
    pass->kernels->lerp(row_of(&pass->m->h, row), rwkv_previous(pass, row), way,
                        pass->m->sizes[RWKV_C], rwkv_input(pass, input, row));
    rwkv_seal(pass, input, row);
}

static void first_mix_row(void *userdata, uint32_t row) {
    const struct RwkvPass *pass = userdata;
    lerp_input(pass, pass->layer->lerp_x, 0, row);
}

static void slice_row(void *userdata, uint32_t row) {
    const struct RwkvPass *pass = userdata;
    const uint32_t n = pass->m->sizes[RWKV_RANK_MIX];
    for (unsigned c = 0; c < N_MIXES; c++) {
        pass->kernels->tanh(row_of(&pass->m->down[0], row) + (size_t)c * n, n,
                            rwkv_input(pass, c, row));
        rwkv_seal(pass, c, row);
    }
}

/* Where the lerps of a row are made, and after them what comes of x_c. */
static struct Rows *mixed_rows(struct Rwkv *m, unsigned c) {
    struct Rows *const rows[N_MIXES] = {&m->w, &m->k, &m->v, &m->r, &m->g};
    return rows[c];
}

static void mix_row(void *userdata, uint32_t row) {
    const struct RwkvPass *pass = userdata;
    for (unsigned c = 0; c < N_MIXES; c++) {
        float *way = row_of(mixed_rows(pass->m, c), row);
        pass->kernels->add(pass->layer->lerp[c], pass->m->sizes[RWKV_C], way);
        lerp_input(pass, way, c, row);
    }
}

static void decay_lora_row(void *userdata, uint32_t row) {
    const struct RwkvPass *pass = userdata;
    pass->kernels->tanh(row_of(&pass->m->down[1], row), pass->m->sizes[RWKV_RANK_W],
                        rwkv_input(pass, 0, row));
    rwkv_seal(pass, 0, row);
}

static void decay_row(void *userdata, uint32_t row) {
    const struct RwkvPass *pass = userdata;
    const uint32_t n = pass->m->sizes[RWKV_C];
    float *w = row_of(&pass->m->w, row);
    pass->kernels->add(pass->layer->w.bias, n, w);
    pass->kernels->rwkv6_decay(w, n, w);
}

static void output_row(void *userdata, uint32_t row) {
    const struct RwkvPass *pass = userdata;
    const struct Rwkv *m = pass->m;
    rwkv_group_norm(pass, row);
    pass->kernels->silu_mul(row_of(&m->g, row), row_of(&m->y, row), m->sizes[RWKV_C],
                            rwkv_input(pass, 0, row));
    rwkv_seal(pass, 0, row);
}

static void time_mix(struct RwkvPass *pass) {
    struct Rwkv *m = pass->m;
    const struct RwkvLayer *layer = pass->layer;
    struct RwkvProduct ways[N_MIXES];
    const struct RwkvProduct mixed[] = {{W, &layer->w.down, &m->down[1]},
                                        {K, &layer->key, &m->k},
                                        {V, &layer->value, &m->v},
                                        {R, &layer->receptance, &m->r},
                                        {G, &layer->gate, &m->g}};
    for (unsigned c = 0; c < N_MIXES; c++)
        ways[c] = (struct RwkvProduct){c, &layer->mix_up[c], mixed_rows(m, c)};
    rwkv_norm(pass, &layer->attn_norm, RWKV_TIME);
    rwkv_multiply(pass, first_mix_row, &(struct RwkvProduct){0, &layer->mix_down, &m->down[0]}, 1);
    rwkv_multiply(pass, slice_row, ways, N_MIXES);
    rwkv_multiply(pass, mix_row, mixed, N_MIXES);
    rwkv_remember(pass);
    rwkv_multiply(pass, decay_lora_row, &(struct RwkvProduct){0, &layer->w.up, &m->w}, 1);
    rwkv_each_row(pass, decay_row);
    rwkv_recur(pass, pass->kernels->rwkv6_wkv);
    rwkv_multiply(pass, output_row, &(struct RwkvProduct){0, &layer->output, &m->y}, 1);
    rwkv_each_row(pass, rwkv_add_row);
}

static void channel_row(void *userdata, uint32_t row) {
    const struct RwkvPass *pass = userdata;
    lerp_input(pass, pass->layer->channel_lerp_k, 0, row);
    lerp_input(pass, pass->layer->channel_lerp_r, 1, row);
}

static void channel_output_row(void *userdata, uint32_t row) {
    const struct RwkvPass *pass = userdata;
    const struct Rwkv *m = pass->m;
    const uint32_t n = m->sizes[RWKV_C];
    float *x = row_of(&m->x, row), *y = row_of(&m->y, row);
    pass->kernels->sigmoid_mul(row_of(&m->r, row), y, n, y);
    pass->kernels->add(y, n, x);
    if (m->rescale_every > 0 && (pass->layer_number + 1) % m->rescale_every == 0)
        for (uint32_t i = 0; i < n; i++) x[i] *= 0.5f;
}

static void channel_mix(struct RwkvPass *pass) {
    struct Rwkv *m = pass->m;
    const struct RwkvLayer *layer = pass->layer;
    const struct RwkvProduct mixed[] = {{0, &layer->channel_key, &m->ff},
                                        {1, &layer->channel_receptance, &m->r}};
    rwkv_norm(pass, &layer->attn_norm_2, RWKV_CHANNEL);
    rwkv_multiply(pass, channel_row, mixed, 2);
    rwkv_remember(pass);
    rwkv_multiply(pass, rwkv_relu2_row, &(struct RwkvProduct){0, &layer->channel_value, &m->y}, 1);
    rwkv_each_row(pass, channel_output_row);
}

const struct RwkvVersion rwkv_version_6 = {"rwkv6", "wkvrg", time_mix, channel_mix};
