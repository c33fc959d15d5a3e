/*
 * The compute kernels: pure functions over memory, chosen once per process.
 *
 * `struct Kernels` is one tier: a full set of functions for one level of CPU (`c`, `avx2`,
 * `avx512`). The C tier (kernels/reference.c) is the specification. Every other tier gives THE SAME
 * BITS, for integer and for float kernels alike: each float result is defined as a fixed sequence
 * of fused multiply-adds over a fixed number of lanes and a fixed reduction tree (stated at each
 * member), and all tiers follow it. That is why a model's greedy output cannot depend on the CPU
 * tier, the thread count or the batch.
 *
 * Nothing here allocates, locks, logs or keeps state. Every function may be called from any thread.
 * Pointers need only the natural alignment of their element type unless said otherwise; `n` may be
 * any number including 0; input and output may not overlap unless said otherwise.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

/*
 * Packed matrices
 *
 * y = W x with W of n_rows x n_cols. Rows are packed in tiles of 16, so that one vector register
 * holds one value for each of 16 rows; the last tile is padded with zero rows. Within a tile,
 * columns follow each other in groups of `matrix_column_group()` columns, the last group padded
 * with zero columns. Tiles lie one behind the other, each `matrix_tile_size()` bytes: a range of
 * tiles is a contiguous range of bytes, which is what a thread is given.
 */
#define TILE_ROWS 16u

/* Columns that a matrix may have: below this no int32 sum of a kernel can overflow. */
#define MATRIX_MAX_COLS (1u << 18)

/* Columns of one scale in a MATRIX_I8 or MATRIX_I4, as in GGUF's Q8_0 and Q4_0. */
#define I8_BLOCK 32u

enum MatrixLayout {
    /* per column: 16 floats */
    MATRIX_F32,
    /* per column: 16 IEEE half floats */
    MATRIX_F16,
    /* per 32 columns: 8 x (16 rows x 4 columns) int8, and 16 scales, half floats, in a line that
     * two such blocks share (kernels/scaled.h). GGUF's Q8_0 fits in exactly. */
    MATRIX_I8,
    /* per 16 columns: 64 bytes; byte 4r+c, bits 2g..2g+1 = trit+1 of row r, column 4g+c */
    MATRIX_T2,
    /* per 32 columns: 4 x (16 rows x 4 bytes), and scales as in MATRIX_I8; byte 4r+c of the g-th:
     * q+8 of row r, column 4g+c in the low nibble, column 16+4g+c in the high one. GGUF's Q4_0 fits
     * in exactly. */
    MATRIX_I4,
    /* per 20 columns: 64 bytes, five trits a byte in base 3; which ones: kernels/base3.h */
    MATRIX_T1_6,
    /* per 96 columns: 320 bytes, three trits in five bits, four of them an index into a table of
     * what three activations can add up to (T-MAC, arXiv 2407.00088); where: kernels/lut.h */
    MATRIX_LUT,
    N_MATRIX_LAYOUTS,
};

/* A read-only view; owns nothing. */
struct Matrix {
    enum MatrixLayout layout;
    uint32_t n_rows, n_cols;
    float scale;      /* of all weights beside what the layout has; F32, F16: 1 */
    const void *data; /* 64-byte aligned, matrix_size() bytes */
};

/* What a layout wants to be multiplied with. */
enum ActivationForm {
    ACTIVATION_F32,      /* floats as they are (MATRIX_F32, MATRIX_F16) */
    ACTIVATION_I8_TOKEN, /* int8 with one scale a vector: BitNet's (the ternary layouts) */
    ACTIVATION_I8_BLOCK, /* int8 with one scale per 32 columns (MATRIX_I8, MATRIX_I4) */
};

enum ActivationForm matrix_activation_form(enum MatrixLayout layout);
uint32_t matrix_column_group(enum MatrixLayout layout);
/* n_rows in tiles of 16, rounded up. */
uint32_t matrix_n_tiles(uint32_t n_rows);
size_t matrix_tile_size(enum MatrixLayout layout, uint32_t n_cols);
size_t matrix_size(enum MatrixLayout layout, uint32_t n_rows, uint32_t n_cols);

/* Pack one tile. The source holds n_rows (1..16) rows, row-major without padding. `dst` has
 * matrix_tile_size() bytes. */
void matrix_pack_f32(const float *rows, uint32_t n_rows, uint32_t n_cols, void *dst);
/* Of half floats, as they are. */
void matrix_pack_f16(const uint16_t *rows, uint32_t n_rows, uint32_t n_cols, void *dst);
/* `scales`, half floats, is [n_rows][ceil(n_cols / 32)]; weight = q * scale. */
void matrix_pack_i8(const int8_t *rows, const uint16_t *scales, uint32_t n_rows, uint32_t n_cols,
                    void *dst);
/* As Q4_0 has them: `nibbles` is [n_rows][ceil(n_cols / 32)][16], q + 8 of the first 16 columns of
 * a block in the low nibbles and of the others in the high ones, 8 behind n_cols; `scales` as
 * above. */
void matrix_pack_i4(const uint8_t *nibbles, const uint16_t *scales, uint32_t n_rows,
                    uint32_t n_cols, void *dst);
/* Each trit is -1, 0 or 1. */
void matrix_pack_t2(const int8_t *trits, uint32_t n_rows, uint32_t n_cols, void *dst);
void matrix_pack_t1_6(const int8_t *trits, uint32_t n_rows, uint32_t n_cols, void *dst);
void matrix_pack_lut(const int8_t *trits, uint32_t n_rows, uint32_t n_cols, void *dst);

/* The weights of one row as floats: an embedding look-up. */
void matrix_row(const struct Matrix *matrix, uint32_t row, float *dst);

/*
 * Activations
 *
 * A batch of vectors in the form that a layout wants. Quantised once, used by every matrix that
 * reads the same input. The caller owns all arrays. `stride` is in elements and, for int8 forms,
 * >= n_cols rounded up to 32; the quantisers write zeros up to that multiple, so kernels may read
 * whole groups; an odd number of cache lines keeps vectors out of each other's cache sets. `sums`
 * must be the sums: kernels correct their unsigned products with them.
 */
struct Activations {
    enum ActivationForm form;
    uint32_t n_vectors, n_cols;
    size_t stride;       /* elements from one vector to the next in f32 / i8 */
    const float *f32;    /* [n_vectors][stride], form F32 */
    const int8_t *i8;    /* [n_vectors][stride], int8 forms */
    const float *scales; /* x = q * scale. TOKEN: [n_vectors]; BLOCK: [n_vectors][stride / 32] */
    const int32_t *sums; /* sum of q; shaped like scales */
};

enum RopePairing {
    ROPE_NORM, /* rotates (x[2i], x[2i+1]) */
    ROPE_NEOX, /* rotates (x[i], x[i + n_rot/2]) */
};

/* Positions that one call of `attend` takes at most: the length of a page of the KV cache. */
#define ATTEND_MAX 64u

/* What keys and values are kept as. */
enum KvType {
    KV_F16,
    KV_F32,
    KV_I8, /* int8 with one float scale a row */
    N_KV_TYPES,
};

/*
 * State-space models: Mamba (arXiv 2312.00752) and Mamba-2 (arXiv 2405.21060)
 *
 * Channels are lanes, sixteen of them a tile; what a scan keeps of a tile is [n_state][16], tiles
 * one behind the other, the lanes behind the last channel being computed as if x, and what a
 * channel has of its own, were 0 there. Both kernels go over consecutive rows of one sequence and
 * leave the state as the row that follows wants it: cutting the rows into several calls changes
 * nothing.
 */

/* A causal convolution of each channel with its own n_taps (>= 1) weights, then SiLU. */
struct SsmConv {
    uint32_t n_rows, n_channels, n_taps;
    size_t stride;       /* of weight and window */
    const float *weight; /* [n_taps][stride], the last one for the newest input */
    const float *bias;   /* [n_channels] */
    float *window;       /* [n_taps - 1][stride] inputs before the first row, oldest first */
    const float *x;      /* [n_rows][x_stride] */
    float *y;            /* [n_rows][y_stride] */
    size_t x_stride, y_stride;
};

enum SsmScanKind {
    SSM_SCAN_CHANNELS, /* Mamba: every channel has its own delta, A and D */
    SSM_SCAN_HEAD,     /* Mamba-2: the channels are a head and share one scalar of each */
    N_SSM_SCAN_KINDS,
};

struct SsmScan {
    uint32_t n_rows, n_channels, n_state; /* n_state >= 1 */
    const float *x;                       /* [n_rows][x_stride] */
    /* CHANNELS: [n_rows][delta_stride]. HEAD: one value a row, delta_stride apart. */
    const float *delta;
    /* CHANNELS: A log2(e) as the state lies. HEAD: exp(delta A), one value a row, delta_stride
     * apart. */
    const float *a;
    const float *b, *c; /* [n_rows][bc_stride], n_state of each */
    const float *d;     /* CHANNELS: [n_channels]. HEAD: one value */
    float *state;       /* [ceil(n_channels / 16)][n_state][16] */
    float *y;           /* [n_rows][y_stride] */
    size_t x_stride, delta_stride, bc_stride, y_stride;
};

/* The decay of RWKV-7 is exp(-RWKV7_DECAY * sigmoid(x)): e^-0.5 as the models were trained with. */
#define RWKV7_DECAY 0.606531f

/* One head's recurrence over the rows of a span. What has a row a token is [n_rows] rows of
 * head_size floats, `stride` floats apart. */
struct Wkv {
    uint32_t n_rows, head_size; /* head_size: a multiple of 8 */
    size_t stride;
    const float *r, *w, *k, *v; /* receptance, decay, key, value of each row */
    const float *u;             /* RWKV-6: [head_size] bonus of the present key */
    const float *kk, *b;        /* RWKV-7: removal key of each row, and that times its rate */
    float *state;               /* [head_size keys][head_size values], read and written */
    float *y;                   /* of each row; overlaps nothing */
};

/* What one call of `attend` reads: n positions' keys and values of one KV head. A row may be read
 * up to a multiple of 16 elements; what lies there does not count. */
struct AttendPage {
    uint32_t n;                       /* <= ATTEND_MAX */
    uint32_t key_size, value_size;    /* elements of a row, any number */
    size_t key_stride, value_stride;  /* elements from one row to the next */
    const void *k, *v;                /* [n] rows */
    const float *k_scales, *v_scales; /* KV_I8: [n], element = q * scale */
    const void *next; /* keys that are read after this page, to be asked for ahead; NULL: none */
};

/* The queries of one call of `attend`, which read the same page, and what is kept of each between
 * pages. They are the heads of one token that share a KV head (step 0), or one head of consecutive
 * tokens (step 1), each of which sees one position more than the token before it: query i sees the
 * first page->n - (n - 1 - i) * step positions, of which there are not fewer than 0. */
struct AttendQueries {
    uint32_t n, step;
    const float *q; /* [n] of key_size, q_stride apart, scaled by 1/sqrt(key_size) */
    float *acc;     /* [n] of value_size, acc_stride apart: running numerator, 0 at first */
    size_t q_stride, acc_stride;
    float *max, *sum; /* [n]: running maximum, -INFINITY at first; denominator, 0 at first */
};

/* How many positions query i sees of a page. */
static inline uint32_t attend_seen(const struct AttendQueries *queries,
                                   const struct AttendPage *page, uint32_t i) {
    return page->n - (queries->n - 1 - i) * queries->step;
}

struct Kernels {
    const char *tier; /* "c", "avx2", "avx512" */

    /* BitNet's activation quantisation of one vector (GGUF-world name: absmax per token):
     *   m = max(max|x|, 1e-5);  s = 127 / m;  *ret_scale = m / 127;  *ret_sum = sum of q
     *   q = clamp(rint(x * s), -128, 127), ties to even; 0 where x * s is a NaN
     * A NaN in x does not count for max|x|. Writes zeros from q[n] up to n rounded up to 32. */
    void (*quantize_token)(const float *x, uint32_t n, int8_t *q, float *ret_scale,
                           int32_t *ret_sum);

    /* The same in blocks of 32 with d = max|x| / 127 and q from x * (1 / d). Where d would be below
     * FLT_MIN (an all-zero block above all), d and q are 0. scales, sums: [ceil(n/32)]. */
    void (*quantize_block)(const float *x, uint32_t n, int8_t *q, float *scales, int32_t *sums);

    /* y[v][r] = W x_v for all vectors v of `x` and the rows of tiles [tile0, tile1). `x->form` is
     * what matrix_activation_form(layout) says, x->n_cols is the matrix's. y is
     * [n_vectors][y_stride]; y_stride >= n_rows rounded up to 16, and the padding rows of the last
     * tile are written too. Each weight byte is read from memory once for 256 vectors.
     * y[v][r] does not depend on the other vectors nor on the tile range. Per row and vector:
     *   F32, F16: four partial sums p[k] (k = column mod 4), each fma(w, x, p) in increasing column
     *             order; y = (p[0] + p[1]) + (p[2] + p[3])
     *   I8, I4:   per block of 32 an exact int32 dot d_b, the weights' scale counting as a float;
     *             s = fma((float)d_b, w_scale * x_scale, s) in block order; y = s * matrix scale
     *   T2, T1_6, LUT: exact int32 dot d; y = (float)d * (matrix scale * x scale): the same bits
     */
    void (*matmul[N_MATRIX_LAYOUTS])(const struct Matrix *matrix, uint32_t tile0, uint32_t tile1,
                                     const struct Activations *x, float *y, size_t y_stride);

    /* y = x / sqrt(mean(x^2) + eps) * w. May be in place. Sum of squares in 16 lanes (column mod
     * 16) with fma, then the tree ((l, l+8), (l, l+4), (l, l+2), (l, l+1)); y = (x * r) * w with
     * r = 1 / sqrtf(sum / n + eps). */
    void (*rms_norm)(const float *x, const float *w, uint32_t n, float eps, float *y);

    /* Rotates the first n_rot dimensions of each head, in place. cos_sin: [n_rot/2] cosines, then
     * [n_rot/2] sines. (a, b) -> (fma(a, cos, -(b * sin)), fma(a, sin, b * cos)). */
    void (*rope)(float *x, uint32_t n_heads, uint32_t head_size, uint32_t n_rot,
                 const float *cos_sin, enum RopePairing pairing);

    /* y = act(gate) * up. silu(z) = z / (1 + exp(-z)) with the exp of kernels/exp.h; relu2(z) =
     * max(z, 0)^2. y may be gate or up. */
    void (*silu_mul)(const float *gate, const float *up, uint32_t n, float *y);
    void (*relu2_mul)(const float *gate, const float *up, uint32_t n, float *y);

    /* y += x. */
    void (*add)(const float *x, uint32_t n, float *y);

    /* Round to nearest even; NaN stays NaN, overflow becomes infinity. */
    void (*f32_to_f16)(const float *x, uint32_t n, uint16_t *y);
    void (*f16_to_f32)(const uint16_t *x, uint32_t n, float *y);

    /* One row of a KV_I8 cache: d = max|x| / 127, q = rint(x * (1 / d)), ties to even. Where d
     * would be below FLT_MIN, d and q are 0. A NaN does not count for max|x| and becomes 0. Writes
     * n bytes. */
    void (*quantize_row)(const float *x, uint32_t n, int8_t *q, float *ret_scale);

    /* One page of attention with a running (flash) softmax. After the last page the caller divides
     * acc by sum. Halves and bytes count as the floats that they are. Per query, over the n
     * positions that it sees:
     *   s[j] = q . k_j in 16 lanes (dimension mod 16) with fma and the tree of rms_norm;
     *          I8: s[j] = s[j] * k_scales[j]
     *   m = max(max, s[0..n)), a zero being +0;  c = exp(max - m), 0 when max is -INFINITY
     *   p[j] = exp(s[j] - m);  P = sum of p[j] in 16 lanes (j mod 16) plus tree
     *   sum = fma(sum, c, P);  I8: p[j] = p[j] * v_scales[j]
     *   acc[d] *= c, then acc[d] = fma(p[j], v_j[d], acc[d]) for j in order
     */
    void (*attend[N_KV_TYPES])(const struct AttendQueries *queries, const struct AttendPage *page);

    /* y = softplus(x + bias), y = exp(a * b): kernels/softplus.h, kernels/exp.h. y may be x or a.
     */
    void (*softplus)(const float *x, const float *bias, uint32_t n, float *y);
    void (*exp_mul)(const float *a, const float *b, uint32_t n, float *y);

    /* z = bias, then z = fma(weight[k], input[k], z) from the oldest input on; y = z / (1 +
     * exp(-z)). */
    void (*ssm_conv)(const struct SsmConv *conv);

    /* Row by row, per channel: u = delta * x; y = d * x; then for all n in order
     *   h[n] = fma(u, b[n], decay * h[n]) with decay = 2^(delta * a[n]) as kernels/exp2.h has it,
     *   or a row's scalar
     *   y = fma(h[n], c[n], y) */
    void (*ssm_scan[N_SSM_SCAN_KINDS])(const struct SsmScan *scan);

    /* ---- RWKV ---- */

    /* y = (x - mean) / sqrt(variance + eps) * w + b, the variance being biased. May be in place.
     * mean = sum / n; variance = sum of d^2 by fma / n with d = x - mean; both sums in the lanes
     * and the tree of rms_norm; y = fma(d * r, w, b) with r = 1 / sqrtf(variance + eps). */
    void (*layer_norm)(const float *x, const float *w, const float *b, uint32_t n, float eps,
                       float *y);

    /* y = fma(b - a, t, a): from a to b by t. y may be any of them. */
    void (*lerp)(const float *a, const float *b, const float *t, uint32_t n, float *y);

    /* Each value for itself, may be in place, with the exp of kernels/exp.h:
     * sigmoid = 1 / (1 + exp(-x)); sigmoid_mul = sigmoid(gate) * up; tanh: kernels/tanh.h;
     * relu2 = max(x, 0)^2; rwkv6_decay = exp(-exp(x));
     * rwkv7_decay = exp(sigmoid(x) * -RWKV7_DECAY) */
    void (*sigmoid)(const float *x, uint32_t n, float *y);
    void (*sigmoid_mul)(const float *gate, const float *up, uint32_t n, float *y);
    void (*tanh)(const float *x, uint32_t n, float *y);
    void (*relu2)(const float *x, uint32_t n, float *y);
    void (*rwkv6_decay)(const float *x, uint32_t n, float *y);
    void (*rwkv7_decay)(const float *x, uint32_t n, float *y);

    /* RWKV-6's recurrence, row after row; for each value j, over the keys i in order (y from 0):
     *   kv = k[i] * v[j];  y[j] = fma(r[i], fma(u[i], kv, state[i][j]), y[j])
     *   state[i][j] = fma(w[i], state[i][j], kv) */
    void (*rwkv6_wkv)(const struct Wkv *wkv);

    /* RWKV-7's keys of a token, all arrays [n_heads][head_size]:
     *   kk = k * k_k, then times 1 / max(sqrtf(sum of kk^2 in a head), 1e-12), the sum in the lanes
     *   and the tree of rms_norm;  b = kk * a;  k *= fma(a - 1, k_a, 1) */
    void (*rwkv7_keys)(const float *a, const float *k_k, const float *k_a, uint32_t n_heads,
                       uint32_t head_size, float *k, float *kk, float *b);

    /* RWKV-7's recurrence, row after row; for each value i, over the keys j in order (sums from 0):
     *   removed = fma(state[j][i], kk[j], removed), for all j first
     *   state[j][i] = fma(v[i], k[j], fma(-removed, b[j], state[j][i] * w[j]))
     *   y[i] = fma(state[j][i], r[j], y[i]) */
    void (*rwkv7_wkv)(const struct Wkv *wkv);

    /* RWKV-7's bonus of a token: per head y = fma(s, v, y) with s = sum of fma(r * k, r_k, s) in
     * the lanes and the tree of rms_norm. All arrays [n_heads][head_size]. */
    void (*rwkv7_bonus)(const float *r, const float *k, const float *r_k, const float *v,
                        uint32_t n_heads, uint32_t head_size, float *y);
};

/* The best tier that this CPU has and that the environment variable RYZEN_LLM_CPU (c, avx2, avx512:
 * the highest tier to use) allows. An unknown value of the variable counts as not set. Decided at
 * the first call. */
const struct Kernels *kernels_best(void);

/* The i-th tier that this CPU has, lowest first (0 is always "c"), whatever the environment says;
 * NULL past the last. */
const struct Kernels *kernels_tier(unsigned i);

/* The tier's name, with what its products are otherwise made of on some CPUs: the layouts that are
 * fast in one variant may be slow in another. */
const char *kernels_variant(const struct Kernels *kernels);
