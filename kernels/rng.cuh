// Counter-based random words: the twins of htmrun/backends/rng.py, the same bits.
//
// SplitMix64's finaliser (Steele, Lea, Flood, OOPSLA 2014). A word is a function of what it is for,
// so no order of threads can change it.
#pragma once
#include "warp.cuh"

__device__ inline u64 mix(u64 z) {
    z += 0x9E3779B97F4A7C15ull;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
    return z ^ (z >> 31);
}

// The word of (a, b) under the key of one purpose and seed.
__device__ inline u64 hash2(u64 key, u64 a, u64 b) { return mix(mix(key ^ a) ^ b); }
