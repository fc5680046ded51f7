// Tiles of bit matrices in shared memory: for the kernels that multiply many samples by many columns.
#pragma once
#include "synapses.cuh"

constexpr int TILE = 64;        // columns, and samples, of a tile
constexpr int TILE_WORDS = 32;  // words of inputs that are in shared memory at a time

// Copy rows first .. first + TILE, words base .. base + TILE_WORDS, zero outside.
template <int PITCH, int THREADS>
__device__ void load_tile(
    u32* tile, const u32* row_w, int first, int rows, int base, int words) {
    for (int j = threadIdx.x; j < TILE * TILE_WORDS; j += THREADS) {
        const int row = j / TILE_WORDS, w = j % TILE_WORDS;
        const bool inside = first + row < rows && base + w < words;
        tile[row * PITCH + w] = inside ? row_w[(u64)(first + row) * words + base + w] : 0u;
    }
}

// Where the overlaps of one model's samples go, and how they become keys.
struct Scores {
    u32* overlap_sc;
    u32* key_sc;
    const float* boost_c;
    int samples, columns;
    u32 threshold;
    int boosted;

    // Write one overlap unless the pair lies outside.
    __device__ void write(int s, int c, u32 overlap) const {
        if (s >= samples || c >= columns) return;
        const u64 at = (u64)s * columns + c;
        overlap_sc[at] = overlap;
        key_sc[at] = score_key(overlap, boost_c, c, threshold, boosted);
    }
};
