// Exact selection of the `need` largest keys by one block; ties go to the lowest index.
//
// Twice: for keys that find room in the block's registers (`select_top`), and for any number of
// candidates (`select_largest`, `visit_selected`): radix selection, eight bits a pass from the top,
// then one ordered sweep. There a key functor `bool key_of(int i, Word& key)` says whether item i is
// a candidate and gives its key. All need a block of whole warps (at most 1024 threads) that enters
// as a whole.
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

struct TopScratch {
    u32 per_warp[2][WARP];
    u32 most[WARP];
    u32 other[WARP];  // for a maximum of the caller's
};

// What a block has selected of the keys in its registers.
struct Top {
    u32 limit;     // all larger keys are selected,
    u32 at_limit;  // and of those that equal it so many, the lowest indices first
    u32 equal_before, selected_before;  // in the warps before this one
};

// How many of the `ITEMS` keys of each thread of the block are at least `low`, `low + step` and
// `low + 2 * step`, the first in .x. `turn` counts the calls: scratch is used in turns.
struct Three {
    u32 x, y, z;
};
template <int ITEMS>
__device__ Three count_from(
    const u32 (&key)[ITEMS], u32 low, u32 step, TopScratch& shared, int turn) {
    // Three counts of a warp fit into a word, ten bits each.
    static_assert(ITEMS <= 16, "more than 512 keys a warp");
    u32 mine = 0;
#pragma unroll
    for (int q = 0; q < ITEMS; ++q) {
        mine += (u32)(key[q] >= low) | (u32)(key[q] >= low + step) << 10 |
                (u32)(key[q] >= low + 2 * step) << 20;
    }
    const u32 lane = threadIdx.x % WARP, warps = blockDim.x / WARP;
    u32* per_warp = shared.per_warp[turn % 2];
    mine = warp_sum(mine);
    if (lane == 0) per_warp[threadIdx.x / WARP] = mine;
    __syncthreads();
    const u32 all = lane < warps ? per_warp[lane] : 0;
    const u32 pair = warp_sum((all & 1023u) | (all >> 10 & 1023u) << 16);
    return {pair & 0xffffu, pair >> 16, warp_sum(all >> 20)};
}

// Select the `need` largest of the keys that are not 0, at most `ITEMS` of each thread. Warp w holds
// the items from w * ITEMS * WARP on: key[q] of lane l is item q * WARP + l of them. Two bits of the
// smallest selected key a pass, from the highest that any key has.
template <int ITEMS>
__device__ Top select_top(const u32 (&key)[ITEMS], u32 need, TopScratch& shared) {
    const u32 lane = threadIdx.x % WARP, warp = threadIdx.x / WARP, warps = blockDim.x / WARP;
    u32 most = 0;
#pragma unroll
    for (int q = 0; q < ITEMS; ++q) most = key[q] > most ? key[q] : most;
    most = block_max(most, shared.most);
    u32 limit = 0;
    bool exact = false;  // no more and no fewer than needed are at least `limit`
    int turn = 0;
    for (int shift = most == 0 ? -1 : (31 - __clz((int)most)) / 2 * 2; shift >= 0 && !exact;
         shift -= 2) {
        const u32 step = 1u << shift;
        const Three from = count_from(key, limit + step, step, shared, turn++);
        const u32 digit = from.z >= need ? 3 : from.y >= need ? 2 : from.x >= need ? 1 : 0;
        limit += digit * step;
        exact = digit > 0 && (digit == 3 ? from.z : digit == 2 ? from.y : from.x) == need;
    }
    // With `limit` still 0 there are fewer keys than needed: all of them.
    const bool ties = limit > 0 && !exact;
    if (exact) --limit;
    u32 mine = 0;
#pragma unroll
    for (int q = 0; q < ITEMS; ++q) {
        mine += (u32)(key[q] > limit) | (u32)(ties && key[q] == limit) << 16;
    }
    u32* per_warp = shared.per_warp[turn % 2];
    mine = warp_sum(mine);
    if (lane == 0) per_warp[warp] = mine;
    __syncthreads();
    const u32 all = lane < warps ? per_warp[lane] : 0;
    const u32 before = warp_sum(lane < warp ? all : 0), above = warp_sum(all) & 0xffffu;
    Top top = {limit, ties ? need - above : 0, before >> 16, before & 0xffffu};
    top.selected_before += top.equal_before < top.at_limit ? top.equal_before : top.at_limit;
    return top;
}

// Call `sink(q, word, rank)` for each 32 items of this warp: bit l of `word` says whether key[q] of
// lane l is selected; `rank` selected items come before this lane's in the block.
template <int ITEMS, typename Sink>
__device__ void visit_top(const u32 (&key)[ITEMS], Top top, Sink sink) {
    const u32 below = (1u << (threadIdx.x % WARP)) - 1;
#pragma unroll
    for (int q = 0; q < ITEMS; ++q) {
        const bool equal = key[q] == top.limit && top.at_limit > 0;
        const u32 equals = __ballot_sync(ALL_LANES, equal);
        const bool chosen = equal && top.equal_before + __popc(equals & below) < top.at_limit;
        const u32 word = __ballot_sync(ALL_LANES, chosen || key[q] > top.limit);
        sink(q, word, top.selected_before + __popc(word & below));
        top.equal_before += __popc(equals);
        top.selected_before += __popc(word);
    }
}
