/*
 * The forward pass of a tiny model as the papers write it: one token after the other, in double.
 * Inputs of ternary matrices are rounded to 8 bits, as BitNet does; keys and values to halves where
 * the engine keeps them so; nothing else is.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/quant.h"
#include "tiny-model.h"

static const struct TinyTensor *find(const struct TinyModel *model, const char *name, int layer) {
    char full[128];
    if (layer < 0)
        snprintf(full, sizeof full, "%s", name);
    else
        snprintf(full, sizeof full, "blk.%d.%s", layer, name);
    for (size_t i = 0; i < model->n_tensors; i++)
        if (strcmp(model->tensors[i].name, full) == 0) return &model->tensors[i];
    return NULL;
}

static bool is_bitnet(const struct TinyShape *shape) {
    return strncmp(shape->architecture, "bitnet", 6) == 0;
}

static double round_half(double x) {
    int exponent;
    if (x == 0) return 0;
    frexp(x, &exponent);
    if (exponent < -13) exponent = -13;
    double unit = ldexp(1, exponent - 11);
    return nearbyint(x / unit) * unit;
}

static void norm(const double *x, const float *w, uint32_t n, double *y) {
    double sum = 0;
    for (uint32_t i = 0; i < n; i++) sum += x[i] * x[i];
    double scale = 1 / sqrt(sum / n + 1e-5);
    for (uint32_t i = 0; i < n; i++) y[i] = x[i] * scale * (double)w[i];
}

/* x as BitNet's 8 bits a token, or Q8_0's 8 bits a block of 32, see it. */
static void quantise(double *x, uint32_t n, uint32_t block, bool per_token) {
    for (uint32_t at = 0; at < n; at += block) {
        uint32_t end = at + block < n ? at + block : n;
        double max = per_token ? 1e-5 : 0;
        for (uint32_t i = at; i < end; i++) max = fmax(max, fabs(x[i]));
        if (max == 0) continue;
        for (uint32_t i = at; i < end; i++) x[i] = nearbyint(x[i] * 127 / max) * max / 127;
    }
}

static void multiply(const struct TinyModel *model, const char *name, int layer, const double *x,
                     double *y, bool ternary) {
    char full[64];
    snprintf(full, sizeof full, "%s.weight", name);
    const struct TinyTensor *w = find(model, full, layer);
    snprintf(full, sizeof full, "%s.bias", name);
    const struct TinyTensor *bias = find(model, full, layer);
    double *in = malloc(w->n_cols * sizeof *in);
    memcpy(in, x, w->n_cols * sizeof *in);
    if (ternary) quantise(in, w->n_cols, w->n_cols, true);
    if (w->is_q8_0) quantise(in, w->n_cols, 32, false);
    for (uint32_t i = 0; i < w->n_rows; i++) {
        y[i] = bias ? (double)bias->values[i] : 0;
        for (uint32_t j = 0; j < w->n_cols; j++)
            y[i] += (double)w->values[(size_t)i * w->n_cols + j] * in[j];
    }
    free(in);
}

static void rotate(const struct TinyModel *model, double *head, uint32_t position) {
    const struct TinyShape *s = &model->shape;
    const struct TinyTensor *factors = find(model, "rope_freqs.weight", -1);
    for (uint32_t i = 0; i < s->n_rot / 2; i++) {
        double theta = position * pow(10000, -2.0 * i / s->n_rot);
        if (s->rope_linear != 0) theta /= (double)s->rope_linear;
        if (factors) theta /= (double)factors->values[i];
        uint32_t first = is_bitnet(s) ? i : 2 * i;
        uint32_t second = is_bitnet(s) ? i + s->n_rot / 2 : 2 * i + 1;
        double a = head[first], b = head[second];
        head[first] = a * cos(theta) - b * sin(theta);
        head[second] = a * sin(theta) + b * cos(theta);
    }
}

struct Cache {
    double *k, *v; /* [layer][position][n_kv] */
};

static void attend(const struct TinyShape *s, const double *q, const double *k, const double *v,
                   uint32_t n, double *o) {
    const uint32_t d = s->head_size, n_kv = s->n_kv_heads * d;
    double *p = malloc(n * sizeof *p);
    for (uint32_t head = 0; head < s->n_heads; head++) {
        const uint32_t kv = head / (s->n_heads / s->n_kv_heads) * d;
        double max = -INFINITY, sum = 0;
        for (uint32_t j = 0; j < n; j++) {
            p[j] = 0;
            for (uint32_t i = 0; i < d; i++) p[j] += q[head * d + i] * k[j * n_kv + kv + i];
            p[j] /= sqrt(d);
            max = fmax(max, p[j]);
        }
        for (uint32_t j = 0; j < n; j++) sum += p[j] = exp(p[j] - max);
        for (uint32_t i = 0; i < d; i++) {
            o[head * d + i] = 0;
            for (uint32_t j = 0; j < n; j++) o[head * d + i] += p[j] / sum * v[j * n_kv + kv + i];
        }
    }
    free(p);
}

static void layer_pass(const struct TinyModel *model, int layer, uint32_t position,
                       struct Cache *cache, uint32_t n_positions, double *x) {
    const struct TinyShape *s = &model->shape;
    const uint32_t d = s->head_size, n_q = s->n_heads * d, n_kv = s->n_kv_heads * d;
    const bool bitnet = is_bitnet(s);
    const bool relu2 = s->activation ? strcmp(s->activation, "relu2") == 0
                                     : bitnet && strcmp(s->architecture, "bitnet") != 0;
    double *h = malloc((s->n_embd + 3 * n_q + 2 * s->n_ff) * sizeof *h);
    double *q = h + s->n_embd, *o = q + n_q, *sub = o + n_q, *gate = sub + n_q;
    double *up = gate + s->n_ff;
    double *keys = cache->k + (size_t)layer * n_positions * n_kv, *k = keys + position * n_kv;
    double *values = cache->v + (size_t)layer * n_positions * n_kv, *v = values + position * n_kv;

    norm(x, find(model, "attn_norm.weight", layer)->values, s->n_embd, h);
    multiply(model, "attn_q", layer, h, q, bitnet);
    multiply(model, "attn_k", layer, h, k, bitnet);
    multiply(model, "attn_v", layer, h, v, bitnet);
    for (uint32_t i = 0; i < s->n_heads; i++) rotate(model, q + i * d, position);
    for (uint32_t i = 0; i < s->n_kv_heads; i++) rotate(model, k + i * d, position);
    for (uint32_t i = 0; s->f16_kv && i < n_kv; i++) {
        k[i] = round_half(k[i]);
        v[i] = round_half(v[i]);
    }
    attend(s, q, keys, values, position + 1, o);
    if (bitnet) norm(o, find(model, "attn_sub_norm.weight", layer)->values, n_q, sub);
    multiply(model, "attn_output", layer, bitnet ? sub : o, h, bitnet);
    for (uint32_t i = 0; i < s->n_embd; i++) x[i] += h[i];

    norm(x, find(model, "ffn_norm.weight", layer)->values, s->n_embd, h);
    multiply(model, "ffn_gate", layer, h, gate, bitnet);
    multiply(model, "ffn_up", layer, h, up, bitnet);
    for (uint32_t i = 0; i < s->n_ff; i++) {
        double z = gate[i];
        gate[i] = (relu2 ? fmax(z, 0) * fmax(z, 0) : z / (1 + exp(-z))) * up[i];
    }
    if (bitnet) norm(gate, find(model, "ffn_sub_norm.weight", layer)->values, s->n_ff, gate);
    multiply(model, "ffn_down", layer, gate, h, bitnet);
    for (uint32_t i = 0; i < s->n_embd; i++) x[i] += h[i];
    free(h);
}

double *tiny_model_logits(const struct TinyModel *model, const Token *tokens, uint32_t n) {
    const struct TinyShape *s = &model->shape;
    size_t cache_size = (size_t)s->n_layers * n * s->n_kv_heads * s->head_size;
    struct Cache cache = {calloc(cache_size, sizeof(double)), calloc(cache_size, sizeof(double))};
    double *x = malloc(s->n_embd * sizeof *x), *h = malloc(s->n_embd * sizeof *h);
    double *logits = malloc((size_t)n * s->n_vocab * sizeof *logits);
    const float *embedding = find(model, "token_embd.weight", -1)->values;
    for (uint32_t position = 0; position < n; position++) {
        for (uint32_t i = 0; i < s->n_embd; i++)
            x[i] = (double)embedding[(size_t)tokens[position] * s->n_embd + i];
        for (uint32_t i = 0; i < s->n_layers; i++)
            layer_pass(model, (int)i, position, &cache, n, x);
        norm(x, find(model, "output_norm.weight", -1)->values, s->n_embd, h);
        multiply(model, s->untied && !is_bitnet(s) ? "output" : "token_embd", -1, h,
                 logits + (size_t)position * s->n_vocab, false);
    }
    free(cache.k);
    free(cache.v);
    free(x);
    free(h);
    return logits;
}
