/* The AVX-512 tier (F, BW, VL, DQ, VNNI): the table, and the kernels over plain vectors. */
#include "kernels/cpu.h"
#include "kernels/x86/lanes-avx512.h"
/* in the words of the above */
#include "kernels/x86/attend.h"
#include "kernels/x86/rwkv.h"
#include "kernels/x86/ssm.h"
#include "kernels/x86/vectors.h"

static void matmul_t1_6(const struct Matrix *matrix, uint32_t tile0, uint32_t tile1,
                        const struct Activations *x, float *y, size_t y_stride) {
    Matmul *matmul = cpu_features()->avx512_vbmi ? avx512_vbmi_matmul_t1_6 : avx2_matmul_t1_6;
    matmul(matrix, tile0, tile1, x, y, y_stride);
}

const struct Kernels kernels_avx512 = {
    .tier = "avx512",
    .quantize_token = quantize_token,
    .quantize_block = quantize_block,
    .matmul =
        {
            [MATRIX_F32] = avx512_matmul_f32,
            [MATRIX_F16] = avx512_matmul_f16,
            [MATRIX_I8] = avx512_matmul_i8,
            [MATRIX_T2] = avx512_matmul_t2,
            [MATRIX_I4] = avx512_matmul_i4,
            [MATRIX_T1_6] = matmul_t1_6,
            [MATRIX_LUT] = avx512_matmul_lut,
        },
    .rms_norm = rms_norm,
    .rope = rope,
    .silu_mul = silu_mul,
    .relu2_mul = relu2_mul,
    .add = add,
    .f32_to_f16 = f32_to_f16,
    .f16_to_f32 = f16_to_f32,
    .quantize_row = quantize_row,
    .attend = {[KV_F16] = attend_f16, [KV_F32] = attend_f32, [KV_I8] = attend_i8},
    .softplus = softplus,
    .exp_mul = exp_mul,
    .ssm_conv = ssm_conv,
    .ssm_scan = {[SSM_SCAN_CHANNELS] = ssm_scan_channels, [SSM_SCAN_HEAD] = ssm_scan_head},
    .layer_norm = layer_norm,
    .lerp = lerp,
    .sigmoid = sigmoid,
    .sigmoid_mul = sigmoid_mul,
    .tanh = tanh_all,
    .relu2 = relu2,
    .rwkv6_decay = rwkv6_decay,
    .rwkv7_decay = rwkv7_decay,
    .rwkv6_wkv = rwkv6_wkv,
    .rwkv7_keys = rwkv7_keys,
    .rwkv7_wkv = rwkv7_wkv,
    .rwkv7_bonus = rwkv7_bonus,
};
