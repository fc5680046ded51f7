// Kernels with known faults, to see that the host runner shows them, and one without.
#include "warp.cuh"

// Each thread reads its neighbour's value: right only with the barrier.
extern "C" __global__ void rotate(const u32* in, u32* out, int with_barrier) {
    __shared__ u32 value[256];
    value[threadIdx.x] = in[threadIdx.x];
    if (with_barrier) __syncthreads();
    out[threadIdx.x] = value[(threadIdx.x + 1) % blockDim.x];
}

// Shared memory that nobody has written.
extern "C" __global__ void unwritten(u32* out) {
    __shared__ u32 value[256];
    out[threadIdx.x] = value[threadIdx.x];
}

// Half of a warp votes, the other half waits at the barrier.
extern "C" __global__ void divided(u32* out) {
    if (threadIdx.x % 2) {
        out[0] = __ballot_sync(ALL_LANES, true);
    } else {
        __syncthreads();
    }
}

// The last thread to arrive depends on the order of the threads.
extern "C" __global__ void last_one(u32* counter, u32* out) {
    if (atomicAdd(counter, 1u) + 1 == blockDim.x) *out = threadIdx.x;
}

extern "C" __global__ void reductions(const u32* in, u32* sum, u32* most, u32* odd) {
    __shared__ u32 per_warp[WARP];
    const u32 mine = in[threadIdx.x];
    const u32 total = warp_sum(mine), votes = __ballot_sync(ALL_LANES, mine % 2);
    const u32 largest = block_max(mine, per_warp);
    if (threadIdx.x % WARP == 0) {
        sum[threadIdx.x / WARP] = total;
        odd[threadIdx.x / WARP] = votes;
    }
    most[threadIdx.x] = largest;
}

// One place beyond the end of both arrays.
extern "C" __global__ void overrun(u32* out, int n) { out[n] = 1; }
