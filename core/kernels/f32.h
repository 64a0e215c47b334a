/* f32.h -- the table of float kernels: one source, compiled for each processor.
 *
 * A file that includes it defines F32_TABLE, the table's variable, and F32_NAME, its
 * name; what the processor has is in the compiler's flags. The code is plain loops that
 * compilers vectorise without relaxing arithmetic: no order of additions depends on
 * the processor (a fused multiply-add, where it has one, does round once less). */
#include "kernels.h"

#include "f32_math.h"

#include "f32_each.h"
#include "f32_sums.h"

#include "f32_attention.h"

#include "f32_gemm.h"
#if F32_WIDTH >= 8
#include "f32_gemm_few.h"
#endif
#include "f32_loss.h"
#include "f32_rows.h"

const hone_kernels F32_TABLE = {
    .name = F32_NAME,
    .dtype = HONE_F32,
    .gemm = f32_gemm,
#if F32_WIDTH >= 8
    .packed = &f32_gemm_packed,
#endif
    .affine = f32_affine,
    .unary = f32_unary,
    .unary_grad = f32_unary_grad,
    .binary = f32_binary,
    .binary_grad = f32_binary_grad,
    .compare = f32_compare,
    .where = f32_where,
    .clamp = f32_clamp,
    .clamp_grad = f32_clamp_grad,
    .power = f32_power,
    .power_grad = f32_power_grad,
    .dropout = f32_dropout,
    .sum = f32_sum,
    .dot = f32_dot,
    .squares = f32_squares,
    .sum_rows = f32_sum_rows,
    .swiglu = f32_swiglu,
    .swiglu_grad = f32_swiglu_grad,
    .rmsnorm = f32_rmsnorm,
    .rmsnorm_grad = f32_rmsnorm_grad,
    .layernorm = f32_layernorm,
    .layernorm_grad = f32_layernorm_grad,
    .softmax = f32_softmax,
    .softmax_grad = f32_softmax_grad,
    .rope = f32_rope,
#if F32_WIDTH >= 8
    .attention_product = f32_attention_product,
#endif
    .attention_softmax = f32_attention_softmax,
    .attention_grad = f32_attention_grad,
    .cross_entropy = f32_cross_entropy,
    .logp = f32_logp,
    .logp_grad = f32_logp_grad,
};
