/* The C tier: state-space models. */
#include "kernels/reference.h"

#include <math.h>
#include <stdbool.h>

#include "kernels/exp2.h"
#include "kernels/softplus.h"

void c_softplus(const float *x, const float *bias, uint32_t n, float *y) {
    for (uint32_t i = 0; i < n; i++) y[i] = softplus_f32(x[i] + bias[i]);
}

void c_exp_mul(const float *a, const float *b, uint32_t n, float *y) {
    for (uint32_t i = 0; i < n; i++) y[i] = exp_f32(a[i] * b[i]);
}

/* ---- Convolution ---- */

/* Input number i of a channel, 0 being the oldest in the window. */
static float conv_input(const struct SsmConv *conv, size_t i, uint32_t channel) {
    const size_t n_window = conv->n_taps - 1;
    return i < n_window ? conv->window[i * conv->stride + channel]
                        : conv->x[(i - n_window) * conv->x_stride + channel];
}

void c_ssm_conv(const struct SsmConv *conv) {
    for (uint32_t row = 0; row < conv->n_rows; row++)
        for (uint32_t channel = 0; channel < conv->n_channels; channel++) {
            float z = conv->bias[channel];
            for (uint32_t k = 0; k < conv->n_taps; k++)
                z = fmaf(conv->weight[k * conv->stride + channel],
                         conv_input(conv, (size_t)row + k, channel), z);
            conv->y[row * conv->y_stride + channel] = z / (1.0f + exp_f32(-z));
        }
    for (uint32_t i = 0; i + 1 < conv->n_taps; i++)
        for (uint32_t channel = 0; channel < conv->n_channels; channel++)
            conv->window[i * conv->stride + channel] =
                conv_input(conv, (size_t)i + conv->n_rows, channel);
}

/* ---- Scan ---- */

/* One channel and one row; a lane behind the last channel has zeros for all but A, B and C. */
static void scan_lane(const struct SsmScan *scan, enum SsmScanKind kind, uint32_t row,
                      uint32_t channel) {
    const size_t at = (size_t)channel / 16 * 16 * scan->n_state + channel % 16;
    const bool is_there = channel < scan->n_channels;
    const bool is_head = kind == SSM_SCAN_HEAD;
    const float *b = scan->b + row * scan->bc_stride, *c = scan->c + row * scan->bc_stride;
    float x = is_there ? scan->x[row * scan->x_stride + channel] : 0;
    float delta = is_head ? scan->delta[row * scan->delta_stride] : 0;
    if (!is_head && is_there) delta = scan->delta[row * scan->delta_stride + channel];
    float d = is_head ? scan->d[0] : is_there ? scan->d[channel] : 0;
    float u = delta * x, y = d * x;

    for (uint32_t n = 0; n < scan->n_state; n++) {
        float *h = scan->state + at + 16 * n;
        float decay =
            is_head ? scan->a[row * scan->delta_stride] : exp2_product(delta, scan->a[at + 16 * n]);
        *h = fmaf(u, b[n], decay * *h);
        y = fmaf(*h, c[n], y);
    }
    if (is_there) scan->y[row * scan->y_stride + channel] = y;
}

static void scan_rows(const struct SsmScan *scan, enum SsmScanKind kind) {
    const uint32_t n_lanes = (scan->n_channels + 15) / 16 * 16;
    for (uint32_t row = 0; row < scan->n_rows; row++)
        for (uint32_t channel = 0; channel < n_lanes; channel++)
            scan_lane(scan, kind, row, channel);
}

void c_ssm_scan_channels(const struct SsmScan *scan) {
    scan_rows(scan, SSM_SCAN_CHANNELS);
}

void c_ssm_scan_head(const struct SsmScan *scan) {
    scan_rows(scan, SSM_SCAN_HEAD);
}
