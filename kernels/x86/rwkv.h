/* What RWKV needs beside matrices, in the words of the lanes-*.h that the includer included before.
 */
#pragma once

#include <math.h>
#include <stdbool.h>

#include "kernels/tanh.h"
#include "kernels/x86/vectors.h"

/* ---- Plain vectors ---- */

/* y[i] = f(x[i]) */
ALWAYS_INLINE void map_1(Lanes (*f)(Lanes), const float *x, uint32_t n, float *y) {
    uint32_t i = 0;
    for (; n - i >= 16; i += 16) lanes_store(y + i, f(lanes_load(x + i)));
    if (i < n) lanes_store_first(y + i, n - i, f(lanes_load_first(x + i, n - i)));
}

static void layer_norm(const float *x, const float *w, const float *b, uint32_t n, float eps,
                       float *y) {
    Lanes sum = lanes_set(0), squares = lanes_set(0);
    float means[16]; /* so that lanes behind the end can be zero */
    uint32_t i;

    for (i = 0; i < n; i += 16) sum = lanes_add(sum, load_up_to_16(x + i, n - i));
    Lanes mean = lanes_set(lanes_tree(sum) / (float)n);
    lanes_store(means, mean);
    for (i = 0; i < n; i += 16) {
        Lanes d = lanes_sub(load_up_to_16(x + i, n - i), load_up_to_16(means, n - i));
        squares = lanes_fma(d, d, squares);
    }
    Lanes r = lanes_set(1.0f / sqrtf(lanes_tree(squares) / (float)n + eps));
    for (i = 0; i < n; i += 16) {
        Lanes d = lanes_mul(lanes_sub(load_up_to_16(x + i, n - i), mean), r);
        d = lanes_fma(d, load_up_to_16(w + i, n - i), load_up_to_16(b + i, n - i));
        store_up_to_16(y + i, n - i, d);
    }
}

static void lerp(const float *a, const float *b, const float *t, uint32_t n, float *y) {
    for (uint32_t i = 0; i < n; i += 16) {
        Lanes from = load_up_to_16(a + i, n - i);
        Lanes way = lanes_sub(load_up_to_16(b + i, n - i), from);
        store_up_to_16(y + i, n - i, lanes_fma(way, load_up_to_16(t + i, n - i), from));
    }
}

ALWAYS_INLINE Lanes sigmoid_lanes(Lanes z) {
    return lanes_div(lanes_set(1), lanes_add(lanes_set(1), lanes_exp(lanes_negate(z))));
}

ALWAYS_INLINE Lanes sigmoid_mul_lanes(Lanes gate, Lanes up) {
    return lanes_mul(sigmoid_lanes(gate), up);
}

ALWAYS_INLINE Lanes tanh_lanes(Lanes x) {
    Lanes y = lanes_max(lanes_set(-TANH_MOST), lanes_add(x, x));
    y = lanes_negate(lanes_max(lanes_set(-TANH_MOST), lanes_negate(y)));
    Lanes t = lanes_fma(y, lanes_set(EXP_LOG2_E), lanes_set(EXP_MAGIC));
    Lanes n = lanes_sub(t, lanes_set(EXP_MAGIC));
    Lanes r = lanes_fma(n, lanes_set(-EXP_LN2_HIGH), y);
    r = lanes_fma(n, lanes_set(-EXP_LN2_LOW), r);
    Lanes p = lanes_fma(r, lanes_set(EXP_C6), lanes_set(EXP_C5));
    p = lanes_fma(p, r, lanes_set(EXP_C4));
    p = lanes_fma(p, r, lanes_set(EXP_C3));
    p = lanes_fma(p, r, lanes_set(EXP_C2));
    p = lanes_fma(p, r, lanes_set(1));
    Lanes power = lanes_scale(lanes_set(1), t);
    Lanes e = lanes_fma(power, lanes_mul(p, r), lanes_sub(power, lanes_set(1)));
    return lanes_div(e, lanes_add(e, lanes_set(2)));
}

ALWAYS_INLINE Lanes relu2_lanes(Lanes x) {
    Lanes z = lanes_max(x, lanes_set(0));
    return lanes_mul(z, z);
}

ALWAYS_INLINE Lanes rwkv6_decay_lanes(Lanes x) {
    return lanes_exp(lanes_negate(lanes_exp(x)));
}

ALWAYS_INLINE Lanes rwkv7_decay_lanes(Lanes x) {
    return lanes_exp(lanes_mul(sigmoid_lanes(x), lanes_set(-RWKV7_DECAY)));
}

static void sigmoid(const float *x, uint32_t n, float *y) {
    map_1(sigmoid_lanes, x, n, y);
}

static void sigmoid_mul(const float *gate, const float *up, uint32_t n, float *y) {
    map(sigmoid_mul_lanes, gate, up, n, y);
}

static void tanh_all(const float *x, uint32_t n, float *y) {
    map_1(tanh_lanes, x, n, y);
}

static void relu2(const float *x, uint32_t n, float *y) {
    map_1(relu2_lanes, x, n, y);
}

static void rwkv6_decay(const float *x, uint32_t n, float *y) {
    map_1(rwkv6_decay_lanes, x, n, y);
}

static void rwkv7_decay(const float *x, uint32_t n, float *y) {
    map_1(rwkv7_decay_lanes, x, n, y);
}

/* ---- Heads ---- */

static void rwkv7_keys(const float *a, const float *k_k, const float *k_a, uint32_t n_heads,
                       uint32_t head_size, float *k, float *kk, float *b) {
    for (uint32_t h = 0; h < n_heads; h++) {
        Lanes squares = lanes_set(0);
        for (uint32_t i = 0; i < head_size; i += 16) {
            const uint32_t n = head_size - i;
            Lanes key = lanes_mul(load_up_to_16(k + i, n), load_up_to_16(k_k + i, n));
            squares = lanes_fma(key, key, squares);
            store_up_to_16(kk + i, n, key);
        }
        Lanes scale = lanes_set(1.0f / fmaxf(sqrtf(lanes_tree(squares)), 1e-12f));
        for (uint32_t i = 0; i < head_size; i += 16) {
            const uint32_t n = head_size - i;
            Lanes key = lanes_mul(load_up_to_16(kk + i, n), scale), rate = load_up_to_16(a + i, n);
            store_up_to_16(kk + i, n, key);
            store_up_to_16(b + i, n, lanes_mul(key, rate));
            rate = lanes_sub(rate, lanes_set(1));
            rate = lanes_fma(rate, load_up_to_16(k_a + i, n), lanes_set(1));
            store_up_to_16(k + i, n, lanes_mul(load_up_to_16(k + i, n), rate));
        }
        a += head_size, k_k += head_size, k_a += head_size;
        k += head_size, kk += head_size, b += head_size;
    }
}

static void rwkv7_bonus(const float *r, const float *k, const float *r_k, const float *v,
                        uint32_t n_heads, uint32_t head_size, float *y) {
    for (uint32_t h = 0; h < n_heads; h++) {
        Lanes dot = lanes_set(0);
        for (uint32_t i = 0; i < head_size; i += 16) {
            const uint32_t n = head_size - i;
            Lanes rk = lanes_mul(load_up_to_16(r + i, n), load_up_to_16(k + i, n));
            dot = lanes_fma(rk, load_up_to_16(r_k + i, n), dot);
        }
        Lanes bonus = lanes_set(lanes_tree(dot));
        for (uint32_t i = 0; i < head_size; i += 16) {
            const uint32_t n = head_size - i;
            Lanes sum = lanes_fma(bonus, load_up_to_16(v + i, n), load_up_to_16(y + i, n));
            store_up_to_16(y + i, n, sum);
        }
        r += head_size, k += head_size, r_k += head_size, v += head_size, y += head_size;
    }
}

/* ---- The recurrences: a register has 16 values of a head, all keys go by ---- */

/* Registers of values that go through the keys together, as far as there are registers for them. */
#define WKV_LANES (LANES_TREES / 4)

ALWAYS_INLINE Lanes load_values(const float *x, const bool half) {
    return half ? lanes_load_8(x) : lanes_load(x);
}

ALWAYS_INLINE void store_values(float *y, Lanes a, const bool half) {
    if (half)
        lanes_store_first(y, 8, a);
    else
        lanes_store(y, a);
}

ALWAYS_INLINE void wkv6_some(const struct Wkv *wkv, uint32_t at, const unsigned n_lanes,
                             const bool half) {
    Lanes v[WKV_LANES], y[WKV_LANES];
    for (uint32_t t = 0; t < wkv->n_rows; t++) {
        const size_t row = t * wkv->stride;
        const float *r = wkv->r + row, *w = wkv->w + row, *k = wkv->k + row;
        float *state = wkv->state + at;
        UNROLL for (unsigned i = 0; i < n_lanes; i++) {
            v[i] = load_values(wkv->v + row + at + 16 * i, half);
            y[i] = lanes_set(0);
        }
        for (uint32_t j = 0; j < wkv->head_size; j++, state += wkv->head_size) {
            const Lanes rj = lanes_set(r[j]), wj = lanes_set(w[j]), kj = lanes_set(k[j]);
            const Lanes uj = lanes_set(wkv->u[j]);
            UNROLL for (unsigned i = 0; i < n_lanes; i++) {
                Lanes kv = lanes_mul(kj, v[i]), old = load_values(state + 16 * i, half);
                y[i] = lanes_fma(rj, lanes_fma(uj, kv, old), y[i]);
                store_values(state + 16 * i, lanes_fma(wj, old, kv), half);
            }
        }
        UNROLL for (unsigned i = 0; i < n_lanes; i++)
            store_values(wkv->y + row + at + 16 * i, y[i], half);
    }
}

/* state . kk for the first row; later ones get theirs while the state goes by. */
ALWAYS_INLINE void wkv7_first(const struct Wkv *wkv, uint32_t at, Lanes removed[WKV_LANES],
                              const unsigned n_lanes, const bool half) {
    const float *state = wkv->state + at;
    UNROLL for (unsigned i = 0; i < n_lanes; i++) removed[i] = lanes_set(0);
    for (uint32_t j = 0; j < wkv->head_size; j++, state += wkv->head_size)
        UNROLL for (unsigned i = 0; i < n_lanes; i++) removed[i] =
            lanes_fma(load_values(state + 16 * i, half), lanes_set(wkv->kk[j]), removed[i]);
}

ALWAYS_INLINE void wkv7_some(const struct Wkv *wkv, uint32_t at, const unsigned n_lanes,
                             const bool half) {
    Lanes removed[WKV_LANES], minus[WKV_LANES], v[WKV_LANES], y[WKV_LANES];
    wkv7_first(wkv, at, removed, n_lanes, half);
    for (uint32_t t = 0; t < wkv->n_rows; t++) {
        const size_t row = t * wkv->stride, next = t + 1 < wkv->n_rows ? row + wkv->stride : row;
        const float *r = wkv->r + row, *w = wkv->w + row, *k = wkv->k + row, *b = wkv->b + row;
        const float *kk = wkv->kk + next;
        float *state = wkv->state + at;
        UNROLL for (unsigned i = 0; i < n_lanes; i++) {
            minus[i] = lanes_negate(removed[i]);
            v[i] = load_values(wkv->v + row + at + 16 * i, half);
            removed[i] = y[i] = lanes_set(0);
        }
        for (uint32_t j = 0; j < wkv->head_size; j++, state += wkv->head_size) {
            const Lanes rj = lanes_set(r[j]), wj = lanes_set(w[j]), kj = lanes_set(k[j]);
            const Lanes bj = lanes_set(b[j]), kkj = lanes_set(kk[j]);
            UNROLL for (unsigned i = 0; i < n_lanes; i++) {
                Lanes s = lanes_mul(load_values(state + 16 * i, half), wj);
                s = lanes_fma(v[i], kj, lanes_fma(minus[i], bj, s));
                store_values(state + 16 * i, s, half);
                y[i] = lanes_fma(s, rj, y[i]);
                removed[i] = lanes_fma(s, kkj, removed[i]);
            }
        }
        UNROLL for (unsigned i = 0; i < n_lanes; i++)
            store_values(wkv->y + row + at + 16 * i, y[i], half);
    }
}

typedef void WkvSome(const struct Wkv *wkv, uint32_t at, const unsigned n_lanes, const bool half);

ALWAYS_INLINE void wkv_all(const struct Wkv *wkv, WkvSome *some) {
    const uint32_t n = wkv->head_size;
    uint32_t at = 0;
    for (; n - at >= 16 * WKV_LANES; at += 16 * WKV_LANES) some(wkv, at, WKV_LANES, false);
    for (; n - at >= 16; at += 16) some(wkv, at, 1, false);
    if (at < n) some(wkv, at, 1, true);
}

static void rwkv6_wkv(const struct Wkv *wkv) {
    wkv_all(wkv, wkv6_some);
}

static void rwkv7_wkv(const struct Wkv *wkv) {
    wkv_all(wkv, wkv7_some);
}
