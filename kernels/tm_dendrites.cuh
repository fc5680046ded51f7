// Dendrites: which segments match, found from the cells that are active.
//
// The lists of the active cells are counted by segment. A count may be too large, never too small
// (tm_index.cuh), so segments whose count reaches the threshold are looked at themselves. No order
// can be seen: the list of candidates has none.
#pragma once
#include "tm_index.cuh"

// A candidate as one word: bit 63 active, potential from bit 32 (0: it does not match), id below.
constexpr u64 ACTIVE = 1ull << 63;
__device__ inline int id_of(u64 found) { return (int)(found & 0x7fffffff); }
__device__ inline u32 potential_of(u64 found) { return (u32)(found >> 32) & 0xffff; }

constexpr int AT_ONCE = 4;  // ids that a lane reads before it looks at one

// Call visit(ids) for the lists of all active cells in `row` (row < 0: none), AT_ONCE ids at a
// time, -1: none. A warp takes a word of cells; its lanes share out what their cells' lists hold.
template <typename Visit>
__device__ inline void each_listed(const Model& m, int row, Visit visit) {
    if (row < 0) return;
    const int lane = threadIdx.x % WARP;
    const Words words = words_of(m, row);
    for (i64 w = (int)threadIdx.x / WARP; w < words.count; w += (int)blockDim.x / WARP) {
        const bool on = m.active_jw[words.first + w] >> lane & 1u;
        const int cell = first_cell(m, words.first + w) + lane;
        u32 base = on ? m.list_base_n[cell] : 0, fill = on ? m.list_fill_n[cell] : 0;
        while (__ballot_sync(ALL_LANES, base != 0)) {
            u32 up_to_here = fill;
            for (int step = 1; step < WARP; step *= 2) {
                const u32 below = __shfl_up_sync(ALL_LANES, up_to_here, step);
                if (lane >= step) up_to_here += below;
            }
            const u32 all = __shfl_sync(ALL_LANES, up_to_here, WARP - 1);
            // Entry i of what the lanes hold together lies at start + i of the lane that holds it.
            const i64 start = (i64)base * UNIT + CHUNK_HEAD + fill - up_to_here;
            for (u32 first = 0; first < all; first += AT_ONCE * WARP) {
                int id[AT_ONCE];
#pragma unroll
                for (int k = 0; k < AT_ONCE; ++k) {
                    id[k] = -1;
                    if (first + k * WARP >= all) continue;
                    const u32 i = first + k * WARP + lane;
                    int holder = 0;
                    for (int step = WARP / 2; step > 0; step /= 2) {
                        const u32 end = __shfl_sync(ALL_LANES, up_to_here, holder + step - 1);
                        if (end <= i) holder += step;
                    }
                    const i64 from = __shfl_sync(ALL_LANES, start, holder);
                    if (i < all) id[k] = (int)m.pool_j[from + i];
                }
                visit(id);
            }
            const u32* chunk = chunk_at(m, base);
            fill = base ? chunk[1] : 0;
            base = base ? chunk[0] : 0;
        }
    }
}

// Put the segments that may match into found_s; count_s is 0 before, clear_counts makes it so again.
__device__ inline void list_candidates(Model& m, int row) {
    const u32 matching = (u32)m.rules.matching_threshold;
    each_listed(m, row, [&](const int (&id)[AT_ONCE]) {
        u32 count[AT_ONCE];
#pragma unroll
        for (int k = 0; k < AT_ONCE; ++k) count[k] = id[k] < 0 ? 0 : atomicAdd(&m.count_s[id[k]], 1u);
#pragma unroll
        for (int k = 0; k < AT_ONCE; ++k) {
            if (id[k] < 0 || count[k] + 1 != matching) continue;
            m.found_s[atomicAdd(&m.candidates, 1u)] = (u64)id[k];
        }
    });
}

__device__ inline void clear_counts(const Model& m, int row) {
    each_listed(m, row, [&](const int (&id)[AT_ONCE]) {
#pragma unroll
        for (int k = 0; k < AT_ONCE; ++k) {
            if (id[k] >= 0) m.count_s[id[k]] = 0;
        }
    });
}

constexpr int TEAM = 8;  // lanes that look at one segment

// What segment s is to the active cells, in all lanes of its team; all lanes of a warp call it.
__device__ inline u64 look_at(const Model& m, int s) {
    const int size = m.rules.segment_size, room = m.room_s[s];
    const u64 at = (u64)s * size;
    u32 both = 0;  // potential, and connected from bit 16
#pragma unroll 4
    for (int slot = threadIdx.x % TEAM; slot < size; slot += TEAM) {
        // Read before it is known whether the slot has ever been used: nothing waits for that.
        const int cell = m.syn_cell_sy[at + slot], permanence = m.syn_perm_sy[at + slot];
        if (slot >= room || !bit_at(m.active_w, cell)) continue;
        both += 1 + (permanence >= m.rules.connected ? 1u << 16 : 0);
    }
    for (int step = TEAM / 2; step > 0; step /= 2) both += __shfl_xor_sync(ALL_LANES, both, step);
    const int potential = (int)(both & 0xffff), connected = (int)(both >> 16);
    if (potential < m.rules.matching_threshold) return (u32)s;
    const u64 active = connected >= m.rules.activation_threshold ? ACTIVE : 0;
    return active | (u64)potential << 32 | (u32)s;
}
