// Fixed-width types and warp-wide reductions.
//
// Types carry no include, because NVRTC has no <cstdint>. Every collective uses the full mask: all
// 32 lanes of a warp must reach it together. What is newer than sm_70 has an older twin.
#pragma once

using u32 = unsigned int;
using u64 = unsigned long long;
using i16 = short;
using i64 = long long;

constexpr int WARP = 32;
constexpr u32 ALL_LANES = 0xffffffffu;

// Bit `i` of a packed row.
__device__ inline bool bit_at(const u32* row_w, int i) { return row_w[i >> 5] >> (i & 31) & 1u; }

__device__ inline u32 warp_sum(u32 value) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
    return __reduce_add_sync(ALL_LANES, value);  // one instruction
#else
    for (int step = WARP / 2; step > 0; step /= 2) value += __shfl_xor_sync(ALL_LANES, value, step);
    return value;
#endif
}

// Ask for `bytes` at `from`, both multiples of 16, to be brought into the cache of the whole card. A
// hint: cards before sm_90 do nothing. The host looks at both ends, to see that they are there.
__device__ inline void fetch_ahead(const void* from, u32 bytes) {
#if !defined(__CUDA_ARCH__)
    const volatile char* const first = static_cast<const volatile char*>(from);
    (void)first[0], (void)first[bytes - 1];
#elif __CUDA_ARCH__ >= 900
    asm volatile("{ .reg .u64 at; cvta.to.global.u64 at, %0;\n\t"
                 "cp.async.bulk.prefetch.L2.global [at], %1; }" ::"l"(from), "r"(bytes));
#endif
}

// Transpose 32 words of 32 bits, one a lane: bit r of lane c becomes what bit c of lane r was.
// Halves and bytes change places in one operation, smaller parts in a rotation and a choice of bits.
__device__ inline u32 warp_transpose(u32 value) {
    const u32 lane = threadIdx.x % WARP;
    u32 other = __shfl_xor_sync(ALL_LANES, value, 16);
    value = __byte_perm(value, other, lane & 16 ? 0x3276 : 0x5410);
    other = __shfl_xor_sync(ALL_LANES, value, 8);
    value = __byte_perm(value, other, lane & 8 ? 0x3715 : 0x6240);
    u32 low = 0x0f0f0f0fu;
#pragma unroll
    for (u32 step = 4; step > 0; step /= 2, low ^= low << step) {
        other = __shfl_xor_sync(ALL_LANES, value, (int)step);
        const u32 turned = __funnelshift_l(other, other, lane & step ? 32 - step : step);
        const u32 kept = lane & step ? ~low : low;
        value = (value & kept) | (turned & ~kept);
    }
    return value;
}

// Transpose 32 words of 32 bits, all of one thread.
__device__ inline void transpose_square(u32 (&word)[32]) {
#pragma unroll
    for (int k = 0; k < 16; ++k) {
        const u32 a = word[k], b = word[k + 16];
        word[k] = __byte_perm(a, b, 0x5410), word[k + 16] = __byte_perm(a, b, 0x7632);
    }
#pragma unroll
    for (int k = 0; k < 32; ++k) {
        if (k & 8) continue;
        const u32 a = word[k], b = word[k + 8];
        word[k] = __byte_perm(a, b, 0x6240), word[k + 8] = __byte_perm(a, b, 0x7351);
    }
    u32 low = 0x0f0f0f0fu;
#pragma unroll
    for (int step = 4; step > 0; step /= 2, low ^= low << step) {
#pragma unroll
        for (int k = 0; k < 32; ++k) {
            if (k & step) continue;
            const u32 moved = (word[k] >> step ^ word[k + step]) & low;
            word[k] ^= moved << step;
            word[k + step] ^= moved;
        }
    }
}

template <typename T>
__device__ T warp_max(T value) {
    for (int step = WARP / 2; step > 0; step /= 2) {
        T other = __shfl_xor_sync(ALL_LANES, value, step);
        if (other > value) value = other;
    }
    return value;
}

// Maximum over a block. `per_warp` is shared memory; it must not be in use by any thread.
template <typename T>
__device__ T block_max(T value, T (&per_warp)[WARP]) {
    value = warp_max(value);
    if (threadIdx.x % WARP == 0) per_warp[threadIdx.x / WARP] = value;
    __syncthreads();
    for (u32 w = 0; w < blockDim.x / WARP; ++w) {
        if (per_warp[w] > value) value = per_warp[w];
    }
    return value;
}
