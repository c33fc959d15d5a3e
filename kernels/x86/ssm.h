/*
 * The kernels of state-space models, in the words of the lanes-*.h that the includer included
 * before.
 *
 * A scan keeps LANES_STATES registers of state while it goes over SCAN_ROWS rows, and comes back
 * for the next ones: y collects in memory what they contribute. So few rows, as they often lie a
 * multiple of 4096 bytes apart and then share the same few sets of the first cache.
 */
#pragma once

#include "kernels/exp2.h"
#include "kernels/softplus.h"
#include "kernels/x86/vectors.h"

#define SCAN_ROWS 16u

ALWAYS_INLINE Lanes softplus_lanes(Lanes x, Lanes bias) {
    Lanes z = lanes_add(x, bias);
    Lanes e = lanes_exp(lanes_negate(lanes_abs(z)));
    Lanes s = lanes_div(e, lanes_add(e, lanes_set(2)));
    Lanes twice = lanes_add(s, s), w = lanes_mul(s, s);
    Lanes p = lanes_fma(w, lanes_set(SOFTPLUS_C9), lanes_set(SOFTPLUS_C7));
    p = lanes_fma(p, w, lanes_set(SOFTPLUS_C5));
    p = lanes_fma(p, w, lanes_set(SOFTPLUS_C3));
    return lanes_add(lanes_max(z, lanes_set(0)), lanes_fma(lanes_mul(twice, w), p, twice));
}

ALWAYS_INLINE Lanes exp_mul_lanes(Lanes a, Lanes b) {
    return lanes_exp(lanes_mul(a, b));
}

static void softplus(const float *x, const float *bias, uint32_t n, float *y) {
    map(softplus_lanes, x, bias, n, y);
}

static void exp_mul(const float *a, const float *b, uint32_t n, float *y) {
    map(exp_mul_lanes, a, b, n, y);
}

/* ---- Convolution ---- */

/* Input number i of all channels, 0 being the oldest in the window. */
ALWAYS_INLINE const float *conv_input(const struct SsmConv *conv, size_t i) {
    const size_t n_window = conv->n_taps - 1;
    return i < n_window ? conv->window + i * conv->stride
                        : conv->x + (i - n_window) * conv->x_stride;
}

ALWAYS_INLINE void conv_16(const struct SsmConv *conv, uint32_t row, uint32_t channel,
                           const uint32_t n) {
    Lanes z = load_up_to_16(conv->bias + channel, n);
    for (uint32_t k = 0; k < conv->n_taps; k++)
        z = lanes_fma(load_up_to_16(conv->weight + k * conv->stride + channel, n),
                      load_up_to_16(conv_input(conv, (size_t)row + k) + channel, n), z);
    Lanes e = lanes_exp(lanes_negate(z));
    store_up_to_16(conv->y + row * conv->y_stride + channel, n,
                   lanes_div(z, lanes_add(lanes_set(1), e)));
}

static void ssm_conv(const struct SsmConv *conv) {
    const uint32_t n = conv->n_channels;
    for (uint32_t row = 0; row < conv->n_rows; row++) {
        uint32_t channel = 0;
        for (; n - channel >= 16; channel += 16) conv_16(conv, row, channel, 16);
        if (channel < n) conv_16(conv, row, channel, n - channel);
    }
    for (uint32_t i = 0; i + 1 < conv->n_taps; i++)
        memmove(conv->window + i * conv->stride, conv_input(conv, (size_t)i + conv->n_rows),
                n * sizeof(float));
}

/* ---- Scan ---- */

/* 2^(delta a). is_near: within the limits of what is not 0, infinite or a NaN. */
ALWAYS_INLINE Lanes decay_lanes(Lanes delta, Lanes a, const bool is_near) {
    Lanes t = lanes_fma(delta, a, lanes_set(EXP_MAGIC));
    Lanes n = lanes_sub(t, lanes_set(EXP_MAGIC)), r = lanes_fms(delta, a, n);
    Lanes p = lanes_fma(r, lanes_set(EXP2_C6), lanes_set(EXP2_C5));
    p = lanes_fma(p, r, lanes_set(EXP2_C4));
    p = lanes_fma(p, r, lanes_set(EXP2_C3));
    p = lanes_fma(p, r, lanes_set(EXP2_C2));
    p = lanes_fma(p, r, lanes_set(EXP2_C1));
    Lanes decay = lanes_scale(lanes_fma(p, r, lanes_set(1)), t);
    return is_near ? decay : lanes_limit(n, EXP2_LEAST, 0, EXP2_MOST, INFINITY, decay);
}

/* Whether all delta a of 16 channels are of the size that a model was trained to have. */
ALWAYS_INLINE bool are_near(const struct SsmScan *scan, uint32_t channel, size_t row, size_t past) {
    const float *a = scan->a + (size_t)channel * scan->n_state;
    const uint32_t n = scan->n_channels - channel;
    Lanes most = lanes_set(0), nothing = lanes_set(0); /* a NaN where a delta is one, or infinite */
    bool all = true;
    for (; row < past; row++) {
        Lanes delta = load_up_to_16(scan->delta + row * scan->delta_stride + channel, n);
        most = lanes_max(lanes_abs(delta), most);
        nothing = lanes_fma(delta, lanes_set(0), nothing);
    }
    for (uint32_t i = 0; i < scan->n_state; i++)
        all &= lanes_all_within(lanes_fma(lanes_load(a + 16 * (size_t)i), most, nothing),
                                EXP2_LEAST + 1, -EXP2_LEAST - 1);
    return all;
}

/* Rows [row, past) of 16 channels for the n_states states from `first` on. */
ALWAYS_INLINE void scan_states(const struct SsmScan *scan, const enum SsmScanKind kind,
                               uint32_t channel, size_t row, size_t past, uint32_t first,
                               const unsigned n_states, const bool is_near) {
    const uint32_t n = scan->n_channels - channel;
    const size_t at = (size_t)channel * scan->n_state + 16 * (size_t)first;
    const Lanes d =
        kind == SSM_SCAN_HEAD ? lanes_set(scan->d[0]) : load_up_to_16(scan->d + channel, n);
    Lanes h[LANES_STATES];

    UNROLL for (unsigned i = 0; i < n_states; i++) h[i] = lanes_load(scan->state + at + 16 * i);
    for (; row < past; row++) {
        const float *delta_row = scan->delta + row * scan->delta_stride;
        const float *b = scan->b + row * scan->bc_stride + first;
        const float *c = scan->c + row * scan->bc_stride + first;
        float *to = scan->y + row * scan->y_stride + channel;
        Lanes x = load_up_to_16(scan->x + row * scan->x_stride + channel, n);
        Lanes delta =
            kind == SSM_SCAN_HEAD ? lanes_set(delta_row[0]) : load_up_to_16(delta_row + channel, n);
        Lanes y = first == 0 ? lanes_mul(d, x) : load_up_to_16(to, n), u = lanes_mul(delta, x);
        UNROLL for (unsigned i = 0; i < n_states; i++) {
            Lanes decay = kind == SSM_SCAN_HEAD
                              ? lanes_set(scan->a[row * scan->delta_stride])
                              : decay_lanes(delta, lanes_load(scan->a + at + 16 * i), is_near);
            h[i] = lanes_fma(u, lanes_set(b[i]), lanes_mul(decay, h[i]));
            y = lanes_fma(h[i], lanes_set(c[i]), y);
        }
        store_up_to_16(to, n, y);
    }
    UNROLL for (unsigned i = 0; i < n_states; i++) lanes_store(scan->state + at + 16 * i, h[i]);
}

ALWAYS_INLINE void scan_rows(const struct SsmScan *scan, const enum SsmScanKind kind,
                             uint32_t channel, size_t row, size_t past, const bool is_near) {
    uint32_t first = 0;
    for (; scan->n_state - first >= LANES_STATES; first += LANES_STATES)
        scan_states(scan, kind, channel, row, past, first, LANES_STATES, is_near);
    for (; first < scan->n_state; first++)
        scan_states(scan, kind, channel, row, past, first, 1, is_near);
}

ALWAYS_INLINE void scan_channels(const struct SsmScan *scan, const enum SsmScanKind kind) {
    for (uint32_t channel = 0; channel < scan->n_channels; channel += 16)
        for (size_t row = 0, past; row < scan->n_rows; row = past) {
            past = scan->n_rows - row < SCAN_ROWS ? scan->n_rows : row + SCAN_ROWS;
            if (kind == SSM_SCAN_CHANNELS && are_near(scan, channel, row, past))
                scan_rows(scan, kind, channel, row, past, true);
            else
                scan_rows(scan, kind, channel, row, past, false);
        }
}

static void ssm_scan_channels(const struct SsmScan *scan) {
    scan_channels(scan, SSM_SCAN_CHANNELS);
}

static void ssm_scan_head(const struct SsmScan *scan) {
    scan_channels(scan, SSM_SCAN_HEAD);
}
