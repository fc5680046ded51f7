// Exact selection of the `need` largest keys by one block; ties go to the lowest index.
//
// For keys that find room in the block's registers (`select_top`), and for any number of keys in
// memory (`select_any`). Both need a block of whole warps (at most 1024 threads) that enters as a
// whole.
#pragma once
#include "select_radix.cuh"

struct TopScratch {
    u32 per_warp[2][WARP];
    u32 most[WARP];
    u32 listed;
    u32 key_j[1024];  // candidates, in no order: keys,
    int item_j[1024];  // and the items that have them
};

struct Three {
    u32 x, y, z;
};

// How many of the `ITEMS` keys of each thread of the block are at least `low`, `low + step` and
// `low + 2 * step`. `turn` counts the calls: scratch is used in turns.
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

struct Limit {
    u32 key;   // at least `need` keys reach it
    bool few;  // and no more than `need + spare`
};

// Find the largest key that at least `need` threads of the block reach, a bit a pass, or any that
// `need` to `need + spare` reach. The largest is known to lie between `low` and `most`.
__device__ inline Limit find_limit(u32 key, u32 need, u32 spare, u32 low, u32 most) {
    u32 bit = most == low ? 0 : 1u << (31 - __clz((int)(most ^ low)));
    u32 limit = bit == 0 ? low : low & ~(2 * bit - 1);
    for (; bit > 0; bit >>= 1) {
        const u32 reach = (u32)__syncthreads_count(key >= (limit | bit));
        if (reach < need) continue;
        limit |= bit;
        if (reach <= need + spare) return {limit, true};
    }
    return {limit, false};
}

// The largest key that at least `need` of all keys reach, two bits a pass.
template <int ITEMS>
__device__ u32 find_limit_of_all(
    const u32 (&key)[ITEMS], u32 need, u32 most, TopScratch& shared, int& turn) {
    u32 limit = 0;
    for (int shift = (31 - __clz((int)most)) / 2 * 2; shift >= 0; shift -= 2) {
        const u32 step = 1u << shift;
        const Three from = count_from(key, limit + step, step, shared, turn++);
        const u32 digit = from.z >= need ? 3 : from.y >= need ? 2 : from.x >= need ? 1 : 0;
        limit += digit * step;
    }
    return limit;
}

// What select_top does where too many keys reach its bound: all are looked at in each pass.
template <int ITEMS, typename Sink>
__device__ u32 select_all(
    const u32 (&key)[ITEMS], u32 need, u32 most, TopScratch& shared, Sink sink) {
    const u32 lane = threadIdx.x % WARP, warp = threadIdx.x / WARP, warps = blockDim.x / WARP;
    const int first = (int)(warp * ITEMS * WARP + lane);
    int turn = 0;
    const Three positive = count_from(key, 1, 1, shared, turn++);
    const bool all = positive.x <= need;
    const u32 limit = all ? 0 : find_limit_of_all(key, need, most, shared, turn);
    u32 mine = 0;
#pragma unroll
    for (int q = 0; q < ITEMS; ++q) {
        mine += (u32)(key[q] > limit) | (u32)(!all && key[q] == limit) << 16;
    }
    u32* per_warp = shared.per_warp[turn % 2];
    mine = warp_sum(mine);
    if (lane == 0) per_warp[warp] = mine;
    __syncthreads();
    const u32 sums = lane < warps ? per_warp[lane] : 0;
    const u32 before = warp_sum(lane < warp ? sums : 0), above = warp_sum(sums) & 0xffffu;
    const u32 places = all ? 0 : need - above, below = (1u << lane) - 1;
    u32 equals = before >> 16;
    u32 j = (before & 0xffffu) + (equals < places ? equals : places);
#pragma unroll
    for (int q = 0; q < ITEMS; ++q) {
        const bool equal = !all && key[q] == limit;
        const u32 like = __ballot_sync(ALL_LANES, equal);
        const bool chosen = key[q] > limit || (equal && equals + __popc(like & below) < places);
        const u32 winners = __ballot_sync(ALL_LANES, chosen);
        if (chosen) sink(first + q * WARP, j + __popc(winners & below));
        equals += __popc(like);
        j += __popc(winners);
    }
    return above + places;
}

// Select the `need` largest of the keys that are not 0, at most `ITEMS` of each thread, and call
// `sink(item, j)` for each, j counting them in no order. Warp w holds the items from
// w * ITEMS * WARP on: key[q] of lane l is item q * WARP + l of them. `items` is above every item.
// Returns how many were selected.
//
// The largest keys of the threads tell a bound that few keys reach which are not selected; those
// that do are listed, and from then on a thread has one.
template <int ITEMS, typename Sink>
__device__ u32 select_top(
    const u32 (&key)[ITEMS], int items, u32 need, TopScratch& shared, Sink sink) {
    const u32 lane = threadIdx.x % WARP, first = threadIdx.x / WARP * ITEMS * WARP + lane;
    u32 mine = 0;
#pragma unroll
    for (int q = 0; q < ITEMS; ++q) mine = key[q] > mine ? key[q] : mine;
    if (threadIdx.x == 0) shared.listed = 0;
    const u32 most = block_max(mine, shared.most);
    if (most == 0) return 0;
    u32 low = find_limit(mine, need, need / 4, 0, most).key;
    if (low == 0) low = 1;

    u32 count = 0;
#pragma unroll
    for (int q = 0; q < ITEMS; ++q) count += key[q] >= low;
    u32 up_to_here = count;
    for (int step = 1; step < WARP; step *= 2) {
        const u32 below = __shfl_up_sync(ALL_LANES, up_to_here, step);
        if (lane >= (u32)step) up_to_here += below;
    }
    u32 base = 0;
    if (lane == WARP - 1 && up_to_here > 0) base = atomicAdd(&shared.listed, up_to_here);
    u32 place = warp_max(base) + up_to_here - count;
#pragma unroll
    for (int q = 0; q < ITEMS; ++q) {
        if (key[q] < low) continue;
        // Beyond the room they are only counted: then there are too many, and the list is not used.
        if (place < 1024) {
            shared.key_j[place] = key[q];
            shared.item_j[place] = (int)(first + q * WARP);
        }
        ++place;
    }
    __syncthreads();
    const u32 listed = shared.listed;
    if (listed > blockDim.x) return select_all(key, need, most, shared, sink);
    const u32 here = threadIdx.x < listed ? shared.key_j[threadIdx.x] : 0;
    const int item = threadIdx.x < listed ? shared.item_j[threadIdx.x] : 0;
    if (listed <= need) {
        if (here > 0) sink(item, threadIdx.x);
        return listed;
    }
    const Limit limit = find_limit(here, need, 0, low, most);
    bool chosen = here >= limit.key;
    if (!limit.few) {
        // More reach it than there are places: of those that equal it the lowest items.
        const u32 places = need - (u32)__syncthreads_count(here > limit.key);
        const u32 tie = here == limit.key ? (u32)(items - item) : 0;
        const u32 last = find_limit(tie, places, 0, 0, (u32)items).key;
        chosen = here > limit.key || (tie > 0 && tie >= last);
    }
    const u32 winners = __ballot_sync(ALL_LANES, chosen);
    if (lane == 0) shared.per_warp[0][threadIdx.x / WARP] = __popc(winners);
    __syncthreads();
    const u32 before = warp_sum(lane < threadIdx.x / WARP ? shared.per_warp[0][lane] : 0);
    if (chosen) sink(item, before + __popc(winners & ((1u << lane) - 1)));
    return need;
}

constexpr int GROUPS = 4;  // of each thread's keys where they stay in memory

struct AnyScratch {
    TopScratch top;
    SelectScratch radix;
    u32 selected;
    u32 key_j[1024 * GROUPS];
    int item_j[1024 * GROUPS];
};

// The next numbers from `counter` on, one for each lane with a claim; all lanes of the warp.
__device__ inline u32 numbered(bool claim, u32& counter) {
    const u32 lane = threadIdx.x % WARP, claims = __ballot_sync(ALL_LANES, claim);
    u32 first = 0;
    if (lane == 0 && claims != 0) first = atomicAdd(&counter, (u32)__popc(claims));
    return __shfl_sync(ALL_LANES, first, 0) + __popc(claims & ((1u << lane) - 1));
}

// As select_top, for any number of keys in memory, which are read twice: first for the largest keys
// of GROUPS groups of each thread's, then for those that reach the bound. By radix where these are
// too many.
template <typename Sink>
__device__ u32 select_any(const u32* key_i, int items, u32 need, AnyScratch& scratch, Sink sink) {
    TopScratch& shared = scratch.top;
    const int stride = blockDim.x, threads = blockDim.x;
    u32 key[GROUPS] = {}, mine = 0;
#pragma unroll 2
    for (int base = threadIdx.x; base < items; base += stride * GROUPS) {
#pragma unroll
        for (int g = 0; g < GROUPS; ++g) {
            const int i = base + g * stride;
            const u32 read = i < items ? key_i[i] : 0;
            key[g] = read > key[g] ? read : key[g];
        }
    }
#pragma unroll
    for (int g = 0; g < GROUPS; ++g) mine = key[g] > mine ? key[g] : mine;
    if (threadIdx.x == 0) shared.listed = scratch.selected = 0;
    const u32 most = block_max(mine, shared.most);
    if (most == 0) return 0;
    int turn = 0;
    const u32 bound = find_limit_of_all(key, need, most, shared, turn), low = bound ? bound : 1;
#pragma unroll 8
    for (int base = 0; base < items; base += stride) {
        const int i = base + (int)threadIdx.x;
        const u32 read = i < items ? key_i[i] : 0;
        const u32 place = numbered(read >= low, shared.listed);
        if (read >= low && place < (u32)(threads * GROUPS)) {
            scratch.key_j[place] = read, scratch.item_j[place] = i;
        }
    }
    __syncthreads();
    const u32 listed = shared.listed;
    if (listed > (u32)(threads * GROUPS)) {
        auto key_of = [&](int i, u32& held) { return (held = key_i[i]) != 0; };
        const auto best = select_largest<u32>(key_of, items, need, scratch.radix);
        visit_selected<u32>(key_of, items, best, scratch.radix, [&](int i, bool selected) {
            const u32 j = numbered(selected, scratch.selected);
            if (selected) sink(i, j);
        });
        __syncthreads();
        return scratch.selected;
    }
    int item[GROUPS];
#pragma unroll
    for (int g = 0; g < GROUPS; ++g) {
        const u32 j = threadIdx.x + g * stride;
        key[g] = j < listed ? scratch.key_j[j] : 0;
        item[g] = j < listed ? scratch.item_j[j] : 0;
    }
    u32 limit = 1, last = 1;
    if (listed > need) {
        limit = find_limit_of_all(key, need, most, shared, turn);
        const u32 places = need - count_from(key, limit + 1, 1, shared, turn++).x;
        // Of those that equal it the lowest items.
        u32 tie[GROUPS];
#pragma unroll
        for (int g = 0; g < GROUPS; ++g) tie[g] = key[g] == limit ? (u32)(items - item[g]) : 0;
        last = find_limit_of_all(tie, places, (u32)items, shared, turn);
    }
#pragma unroll
    for (int g = 0; g < GROUPS; ++g) {
        const bool tied = key[g] == limit && (u32)(items - item[g]) >= last;
        const bool chosen = key[g] > limit || tied;
        const u32 j = numbered(chosen, scratch.selected);
        if (chosen) sink(item[g], j);
    }
    return listed > need ? need : listed;
}
