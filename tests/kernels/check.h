/*
 * The parts of kernels-check. A part checks some kernels: it compares each tier of this machine
 * with the C tier, to the bit, and the C tier with a naive computation in double precision. It
 * names kernels, never tiers, so that a new tier is checked the day that it exists.
 */
#pragma once

#include "kernels/kernels.h"

/* test_fail() of the main file, for the others. At most a few a case are printed. */
void check_failed(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Calls compare() for every tier above C. */
void check_tiers(void (*compare)(const struct Kernels *tier));

/* check-vectors.c */
void check_quantize_token(void);
void check_quantize_block(void);
void check_quantize_row(void);
void check_rms_norm(void);
void check_rope(void);
void check_silu_mul(void);
void check_relu2_mul(void);
void check_add(void);
void check_f32_to_f16(void);
void check_f16_to_f32(void);
void check_exp(void);

/* check-matmul.c */
void check_matmul_f32(void);
void check_matmul_f16(void);
void check_matmul_i8(void);
void check_matmul_t2(void);
void check_matmul_i4(void);
void check_matmul_t1_6(void);
void check_matmul_lut(void);
void check_packing(void);

/* check-attend.c */
void check_attend_f16(void);
void check_attend_f32(void);
void check_attend_i8(void);

/* check-ssm.c */
void check_softplus(void);
void check_exp_mul(void);
void check_ssm_conv(void);
void check_ssm_scan_channels(void);
void check_ssm_scan_head(void);
/* check-rwkv.c */
void check_layer_norm(void);
void check_lerp(void);
void check_sigmoid(void);
void check_sigmoid_mul(void);
void check_tanh(void);
void check_relu2(void);
void check_rwkv6_decay(void);
void check_rwkv7_decay(void);
void check_rwkv6_wkv(void);
void check_rwkv7_keys(void);
void check_rwkv7_wkv(void);
void check_rwkv7_bonus(void);

/* bench.c: times the kernels whose name contains `name` (all if NULL). */
int bench(const char *name);
/* bench-matmul.c: the matrix products among them. */
void bench_matmul(const char *name);
