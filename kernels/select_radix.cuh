// Exact selection of the `need` largest keys of any number of candidates by one block; ties go to the
// lowest index. Eight bits a pass from the top, then one ordered sweep.
//
// A key functor `bool key_of(int i, Word& key)` says whether item i is a candidate and gives its key.
// Needs a block of whole warps (at most 1024 threads) that enters as a whole.
#pragma once
#include "warp.cuh"

struct SelectScratch {
    u32 count_of_digit[256];
    u32 equal_in_warp[WARP];
    u32 digit;
    u32 need;
    u32 enough;
};

template <typename Word>
struct Selection {
    Word limit;     // the smallest selected key
    u32 at_limit;   // how many candidates with exactly this key are selected
    bool all;       // fewer candidates than asked for: all of them are selected
};

// Warp 0 finds the digit at which `need` is reached, counting from the highest digit down.
__device__ inline void find_digit(SelectScratch& shared, u32 need) {
    const int lane = threadIdx.x % WARP;
    u32 mine = 0;
    for (int j = 0; j < 8; ++j) mine += shared.count_of_digit[255 - (lane * 8 + j)];
    u32 up_to_here = mine;
    for (int step = 1; step < WARP; step *= 2) {
        const u32 before = __shfl_up_sync(ALL_LANES, up_to_here, step);
        if (lane >= step) up_to_here += before;
    }
    const u32 reaching = __ballot_sync(ALL_LANES, up_to_here >= need);
    if (lane == 0) shared.enough = reaching != 0;
    if (reaching != 0 && lane == __ffs((int)reaching) - 1) {
        u32 left = need - (up_to_here - mine);
        int digit = 255 - lane * 8;
        while (shared.count_of_digit[digit] < left) left -= shared.count_of_digit[digit--];
        shared.digit = (u32)digit;
        shared.need = left;
    }
}

template <typename Word, typename KeyOf>
__device__ Selection<Word> select_largest(
    KeyOf key_of, int items, u32 need, SelectScratch& shared) {
    Word prefix = 0, known = 0;
    for (int shift = (int)sizeof(Word) * 8 - 8; shift >= 0; shift -= 8) {
        for (u32 d = threadIdx.x; d < 256; d += blockDim.x) shared.count_of_digit[d] = 0;
        __syncthreads();
        for (int i = threadIdx.x; i < items; i += blockDim.x) {
            Word key;
            if (key_of(i, key) && (key & known) == prefix) {
                atomicAdd(&shared.count_of_digit[(u32)(key >> shift) & 255u], 1u);
            }
        }
        __syncthreads();
        if (threadIdx.x < WARP) find_digit(shared, need);
        __syncthreads();
        // Can only happen in the first pass: afterwards the digit was chosen to hold enough.
        if (!shared.enough) return {0, 0, true};
        prefix |= (Word)shared.digit << shift;
        known |= (Word)255 << shift;
        need = shared.need;
    }
    return {prefix, need, false};
}

// Call `sink(i, selected)` for i = 0 .. items rounded up to whole blocks, in all threads alike.
template <typename Word, typename KeyOf, typename Sink>
__device__ void visit_selected(
    KeyOf key_of, int items, Selection<Word> selection, SelectScratch& shared, Sink sink) {
    const u32 lane = threadIdx.x % WARP, warp = threadIdx.x / WARP;
    u32 equal_before = 0;
    for (int base = 0; base < items; base += blockDim.x) {
        const int i = base + (int)threadIdx.x;
        Word key = 0;
        const bool candidate = i < items && key_of(i, key);
        const bool equal = candidate && key == selection.limit;
        const u32 equal_lanes = __ballot_sync(ALL_LANES, equal);
        if (lane == 0) shared.equal_in_warp[warp] = __popc(equal_lanes);
        __syncthreads();
        u32 rank = equal_before + __popc(equal_lanes & ((1u << lane) - 1));
        for (u32 w = 0; w < blockDim.x / WARP; ++w) {
            if (w < warp) rank += shared.equal_in_warp[w];
            equal_before += shared.equal_in_warp[w];
        }
        __syncthreads();
        const bool above = candidate && (selection.all || key > selection.limit);
        sink(i, above || (equal && rank < selection.at_limit));
    }
}
