// SDR classifier: softmax over sums of weight rows, gradients in sample order, one step a commit.
//
// Rules: docs/math.md, "SDR classifier". Every float32 sum has a fixed order: logits by ascending
// bit, the total by class, gradients by sample. There are no floating-point atomics. Compile with
// --fmad=false. No dynamic shared memory.
//
// Suffixes: m model, b bit, k class, r row of the chunk, s sample of this launch, t sample of the
// chunk, w word of 32 bits, j entry. Models lie behind each other; blockIdx.y is the model.
//
// kernel          grid x                              block        writes
// sdr_predict     samples                             whole warps  probability_mrk, its rows
// sdr_accumulate  ceil(bits * classes / threads)      any          gradient_mbk
// sdr_commit      ceil(bits * classes / threads)      any          weight_mbk, gradient_mbk
#include "fixed_point.cuh"

// Class probabilities of the samples from first_row on; one block a sample. The row of the result
// holds the logits and exponentials meanwhile.
extern "C" __global__ void sdr_predict(
    const float* weight_mbk, const int* on_j, const i64* offset_mr, float* probability_mrk,
    int first_row, int rows, int bits, int classes) {
    __shared__ float top_of_warp[WARP];
    __shared__ float total;
    const int r = first_row + (int)blockIdx.x, model = blockIdx.y;
    const i64* offset_r = offset_mr + (u64)model * (rows + 1) + r;
    const float* weight_bk = weight_mbk + (u64)model * bits * classes;
    float* p_k = probability_mrk + ((u64)model * rows + r) * classes;

    float top = -__uint_as_float(0x7f800000u);
    for (int k = threadIdx.x; k < classes; k += blockDim.x) {
        float logit = 0.0f;
        for (i64 j = offset_r[0]; j < offset_r[1]; ++j) {
            logit = __fadd_rn(logit, weight_bk[(u64)on_j[j] * classes + k]);
        }
        p_k[k] = logit;
        if (logit > top) top = logit;
    }
    top = block_max(top, top_of_warp);
    for (int k = threadIdx.x; k < classes; k += blockDim.x) {
        p_k[k] = exp_fixed(__fsub_rn(p_k[k], top));
    }
    __syncthreads();
    if (threadIdx.x == 0) {
        total = p_k[0];
        for (int k = 1; k < classes; ++k) total = __fadd_rn(total, p_k[k]);
    }
    __syncthreads();
    for (int k = threadIdx.x; k < classes; k += blockDim.x) p_k[k] = __fdiv_rn(p_k[k], total);
}

// Add the errors of samples first_row .. first_row + samples to the rows of their on-bits, in that
// order. target_mr < 0: nothing to learn. One thread a weight.
extern "C" __global__ void sdr_accumulate(
    float* gradient_mbk, const u32* x_mrw, const float* probability_mrk, const int* target_mr,
    int first_row, int samples, int rows, int bits, int classes, int words) {
    const u64 weight = (u64)blockIdx.x * blockDim.x + threadIdx.x;
    if (weight >= (u64)bits * classes) return;
    const int b = (int)(weight / classes), k = (int)(weight % classes), model = blockIdx.y;
    const u64 at = (u64)model * bits * classes + weight;
    float gradient = gradient_mbk[at];
    for (int s = 0; s < samples; ++s) {
        const u64 row = (u64)model * rows + first_row + s;
        const int target = target_mr[row];
        if (target < 0 || !bit_at(x_mrw + row * words, b)) continue;
        float error = -probability_mrk[row * classes + k];
        if (k == target) error = __fadd_rn(error, 1.0f);
        gradient = __fadd_rn(gradient, error);
    }
    gradient_mbk[at] = gradient;
}

// One step along the gradient for the models that commit after sample t, each with its rate then.
extern "C" __global__ void sdr_commit(
    float* weight_mbk, float* gradient_mbk, const u32* window_tm, int t, int bits,
    int classes, const float* rate_tm) {
    const u64 weight = (u64)blockIdx.x * blockDim.x + threadIdx.x;
    if (weight >= (u64)bits * classes || !window_tm[(u64)t * gridDim.y + blockIdx.y]) return;
    const u64 at = (u64)blockIdx.y * bits * classes + weight;
    const float rate = rate_tm[(u64)t * gridDim.y + blockIdx.y];
    weight_mbk[at] = __fadd_rn(weight_mbk[at], __fmul_rn(rate, gradient_mbk[at]));
    gradient_mbk[at] = 0.0f;
}
