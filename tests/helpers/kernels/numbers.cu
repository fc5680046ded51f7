// Kernels that hand out what rng.cuh, fixed_point.cuh and histogram.cuh compute, one value a thread.
#include "fixed_point.cuh"
#include "histogram.cuh"
#include "rng.cuh"

extern "C" __global__ void words(const u64* a, const u64* b, u64 key, u64* out, int n) {
    const int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) out[i] = hash2(key, a[i], b[i]);
}
extern "C" __global__ void exp2s(const i64* a, float* out, int n) {
    const int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) out[i] = exp2_fixed(a[i]);
}
extern "C" __global__ void exps(const float* x, float* out, int n) {
    const int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) out[i] = exp_fixed(x[i]);
}
extern "C" __global__ void duties(
    const u32* duty, const u32* count, u32 samples, u64 reciprocal, u32 unit, u32* out, int n) {
    const int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) out[i] = advance_duty(duty[i], count[i], samples, reciprocal, unit);
}
extern "C" __global__ void boosts(const u32* duty, i64 target, i64 gain, float* out, int n) {
    const int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) out[i] = boost_factor(duty[i], target, gain);
}
extern "C" __global__ void bins(const u32* key, int boosted, int* out, int n) {
    const int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) out[i] = bin_of(key[i], boosted);
}

// Bin, keys above it and keys in it, of each thread the same; one block.
extern "C" __global__ void bounds(const u32* count_h, u32 need, int* out) {
    __shared__ BoundScratch shared;
    const Bound bound = find_bound(count_h, need, shared);
    int* const own = out + 3 * threadIdx.x;
    own[0] = bound.bin, own[1] = (int)bound.above, own[2] = (int)bound.equal;
}
