// What an event does to one segment: adapt, grow, destroy. One warp a segment; different segments
// at the same time. Results are the same in all lanes.
#pragma once
#include "tm_index.cuh"

__device__ inline void add_to(Model& m, Scalar counter, u32 value) {
    if (threadIdx.x % WARP == 0 && value > 0) atomicAdd(&m.counted[counter], value);
}

struct Adapted {
    int active;  // synapses left that come from active cells
    int left;    // synapses left
};

// Add `up` to the permanences of synapses from active cells and `down` to the others; at 0 or below
// a synapse is destroyed.
__device__ inline Adapted adapt(Model& m, int s, int up, int down) {
    const int lane = threadIdx.x % WARP, room = m.room_s[s];
    u32 active = 0, left = 0, destroyed = 0;
    for (int slot = lane; slot < m.rules.segment_size; slot += WARP) {
        const u64 at = synapse_at(m, s, slot);
        // Read before it is known whether the slot has ever been used: nothing waits for that.
        const int cell = m.syn_cell_sy[at], before = m.syn_perm_sy[at];
        if (slot >= room || cell == m.cells) continue;
        const bool on = bit_at(m.active_w, cell);
        const int p = before + (on ? up : down);
        if (p <= 0) {
            m.syn_cell_sy[at] = m.cells;
            ++destroyed;
            continue;
        }
        m.syn_perm_sy[at] = (i16)(p < PERMANENCE_ONE ? p : PERMANENCE_ONE);
        active += on;
        ++left;
    }
    add_to(m, SYNAPSES_DESTROYED, warp_sum(destroyed));
    return {(int)warp_sum(active), (int)warp_sum(left)};
}

// The n smallest keys (hash, cell) of winner cells in `row` that are not on the segment, ascending
// in the second half of this warp's scratch; returns how many there are, at most n.
__device__ inline int choose_growth(const Model& m, int s, int n, int row, u64* key_f) {
    const u32 lane = threadIdx.x % WARP;
    const int room = m.room_s[s];
    const u64 word = mix(mix(m.grow_key ^ (u64)m.following_r[row]) ^ (u64)s);
    const Words words = words_of(m, row);
    // Hashes are uniform: of many winners only those below a bound are looked at, which leaves
    // enough of them nearly always; if not, the bound is doubled.
    const u64 winners = m.winner_count_r[row], wanted = 2 * (u64)n + m.rules.segment_size;
    u64 bound = winners <= wanted ? 1ull << 32 : (wanted << 32) / winners;
    int kept = 0;
    for (;;) {
        kept = 0;
        for (i64 base = 0; base < words.count; base += WARP) {
            const i64 i = words.first + base + lane;
            u32 bits = base + lane < words.count ? m.winner_jw[i] : 0;
            while (__ballot_sync(ALL_LANES, bits != 0)) {
                bool keep = false;
                u64 key = 0;
                if (bits) {
                    const int cell = first_cell(m, i) + __ffs((int)bits) - 1;
                    bits &= bits - 1;
                    const u64 hash = mix(word ^ (u64)cell) >> 32;
                    key = hash << 32 | (u32)cell;
                    keep = hash < bound;
                    for (int slot = 0; keep && slot < room; ++slot) {
                        keep = m.syn_cell_sy[synapse_at(m, s, slot)] != cell;
                    }
                }
                const u32 keeping = __ballot_sync(ALL_LANES, keep);
                if (keep) key_f[kept + __popc(keeping & ((1u << lane) - 1))] = key;
                kept += __popc(keeping);
            }
        }
        if (kept >= n || bound >> 32) break;
        bound *= 2;
    }
    if (n > kept) n = kept;
    __syncwarp();
    for (int i = lane; i < kept; i += WARP) {
        const u64 key = key_f[i];
        int rank = 0;
        for (int j = 0; j < kept; ++j) rank += key_f[j] < key;
        if (rank < n) key_f[m.rules.winners + rank] = key;
    }
    __syncwarp();
    return n;
}

// Remove up to n of the weakest synapses whose cell is no winner, ties by the lowest slot; returns
// how many.
__device__ inline int make_room(Model& m, int s, int n) {
    const int lane = threadIdx.x % WARP, room = m.room_s[s];
    int removed = 0;
    while (removed < n) {
        u32 rank = 0;  // larger for weaker synapses
        for (int slot = lane; slot < room; slot += WARP) {
            const u64 at = synapse_at(m, s, slot);
            const int cell = m.syn_cell_sy[at];
            if (cell == m.cells || bit_at(m.winner_w, cell)) continue;
            const u32 mine = (u32)(PERMANENCE_ONE - m.syn_perm_sy[at] + 1) << 8 | (u32)(255 - slot);
            if (mine > rank) rank = mine;
        }
        rank = warp_max(rank);
        if (rank == 0) break;
        const int weakest = 255 - (int)(rank & 255);
        if (weakest % WARP == lane) m.syn_cell_sy[synapse_at(m, s, weakest)] = m.cells;
        ++removed;
    }
    add_to(m, SYNAPSES_DESTROYED, (u32)removed);
    return removed;
}

// Give segment s, which has `size` synapses, up to n synapses from the winner cells in `row`;
// returns how many.
__device__ inline int grow(Model& m, int s, int n, int row, int size) {
    if (n <= 0 || m.winner_count_r[row] == 0) return 0;
    const int lane = threadIdx.x % WARP, most = m.rules.segment_size;
    u64* key_f = m.key_xf + (u64)(threadIdx.x / WARP) * 2 * m.rules.winners;
    n = choose_growth(m, s, n, row, key_f);
    int free = most - size;
    if (n > free) {
        free += make_room(m, s, n - free);
        __syncwarp();
    }
    if (n > free) n = free;
    const int room = m.room_s[s];
    u32 highest = 0;
    int before = 0;
    for (int base = 0; base < most && before < n; base += WARP) {
        const int slot = base + lane;
        const u64 at = synapse_at(m, s, slot < most ? slot : 0);
        const bool empty = slot < most && (slot >= room || m.syn_cell_sy[at] == m.cells);
        const u32 empties = __ballot_sync(ALL_LANES, empty);
        const int rank = before + __popc(empties & ((1u << lane) - 1));
        if (empty && rank < n) {
            const int cell = (int)(u32)key_f[m.rules.winners + rank];
            m.syn_cell_sy[at] = cell;
            enter(m, cell, s);
            m.syn_perm_sy[at] = (i16)m.rules.initial;
            highest = (u32)slot + 1;
        }
        before += __popc(empties);
    }
    highest = warp_max(highest);
    if (lane == 0 && (int)highest > room) m.room_s[s] = (unsigned char)highest;
    add_to(m, SYNAPSES_CREATED, (u32)n);
    return n;
}

// Destroy a segment and what it still holds; the caller puts its id on the free stack.
__device__ inline void destroy(Model& m, int s) {
    const int lane = threadIdx.x % WARP, room = m.room_s[s];
    u32 synapses = 0;
    for (int slot = lane; slot < room; slot += WARP) {
        synapses += m.syn_cell_sy[synapse_at(m, s, slot)] != m.cells;
    }
    add_to(m, SYNAPSES_DESTROYED, warp_sum(synapses));
    add_to(m, SEGMENTS_DESTROYED, 1);
    if (lane > 0) return;
    atomicAdd(&m.owned_n[m.seg_cell_s[s]], -1);
    m.seg_cell_s[s] = -1;
    m.room_s[s] = 0;
    m.gone_s[s] = (u32)m.scalar[COMMIT];
    m.born_s[s] = -1;
}
