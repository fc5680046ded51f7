// A histogram of the keys of one sample, and what it tells of the k-th best: a bound, known before
// any key is looked at again.
//
// Bins follow the order of keys. There are 64 for each octave of scores from 2^-2 on, so that
// overlaps below 128 have one each; what lies beyond either end is in the first and the last.
#pragma once
#include "warp.cuh"

constexpr int BINS = 1024;
constexpr u32 BIN_SHIFT = 17;        // bits of a float that are not looked at
constexpr int FIRST_BIN = 125 << 6;  // that of 2^-2

// The bin of a key that is not 0.
__device__ inline int bin_of(u32 key, int boosted) {
    const u32 score = boosted ? key - 1 : __float_as_uint((float)key);
    const int bin = (int)(score >> BIN_SHIFT) - FIRST_BIN;
    return bin < 0 ? 0 : bin < BINS ? bin : BINS - 1;
}

struct Bound {
    int bin;           // the `need`-th best key is in it; -1: there are no more than `need`
    u32 above, equal;  // keys in higher bins, and in this one
};

struct BoundScratch {
    u32 per_warp[WARP];
    Bound bound;
};

// Find where the `need`-th best of the keys counted in count_h lies; the whole block.
__device__ inline Bound find_bound(const u32* count_h, u32 need, BoundScratch& shared) {
    const u32 lane = threadIdx.x % WARP, warp = threadIdx.x / WARP, warps = blockDim.x / WARP;
    const int each = (BINS + (int)blockDim.x - 1) / (int)blockDim.x;
    const int top = BINS - 1 - (int)threadIdx.x * each;  // a thread's bins are this one and below
    u32 mine = 0;
    for (int h = top; h > top - each && h >= 0; --h) mine += count_h[h];
    u32 up_to_here = mine;
    for (int step = 1; step < WARP; step *= 2) {
        const u32 before = __shfl_up_sync(ALL_LANES, up_to_here, step);
        if (lane >= (u32)step) up_to_here += before;
    }
    if (lane == WARP - 1) shared.per_warp[warp] = up_to_here;
    __syncthreads();
    const u32 sums = lane < warps ? shared.per_warp[lane] : 0;
    up_to_here += warp_sum(lane < warp ? sums : 0);
    const u32 all = warp_sum(sums);
    if (all <= need) return {-1, all, 0};
    if (up_to_here >= need && up_to_here - mine < need) {
        u32 above = up_to_here - mine;
        int h = top;
        while (above + count_h[h] < need) above += count_h[h--];
        shared.bound = {h, above, count_h[h]};
    }
    __syncthreads();
    return shared.bound;
}

// Add a block's own counts of bins to those in memory; few of them are not 0.
__device__ inline void add_counts(const u32* own_h, u32* count_h) {
    for (int h = threadIdx.x; h < BINS; h += blockDim.x) {
        if (own_h[h] > 0) atomicAdd(&count_h[h], own_h[h]);
    }
}
