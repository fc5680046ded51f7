// Dendrites: every segment's active synapses. One thread a segment; no order can be seen.
#pragma once
#include "tm_model.cuh"

// A segment that matches, as one word: bit 63 active, potential from bit 32, id below.
constexpr u64 ACTIVE = 1ull << 63;
__device__ inline int id_of(u64 found) { return (int)(found & 0x7fffffff); }
__device__ inline u32 potential_of(u64 found) { return (u32)(found >> 32) & 0xffff; }

// List in found_s, in no order, which of the segments first, first + stride, .. match.
// Reads 4 bytes a slot that has been used, and 2 more for active synapses.
__device__ inline void find_matching(const Model& m, int first, int stride) {
    const u32* active_w = m.active_w;
    const int* cell_gyl = m.syn_cell_gyl;
    const i16* perm_gyl = m.syn_perm_gyl;
    const int segments = (int)m.scalar[NEXT_ID], connected_from = m.rules.connected;
    const int matching = m.rules.matching_threshold, activation = m.rules.activation_threshold;
    for (int s = first; s < segments; s += stride) {
        const int room = m.room_s[s];  // 0 if the id is free
        const u64 at = synapse_at(m, s, 0);
        int potential = 0, connected = 0;
#pragma unroll 4
        for (int slot = 0; slot < room; ++slot) {
            if (!bit_at(active_w, cell_gyl[at + slot * WARP])) continue;
            ++potential;
            connected += perm_gyl[at + slot * WARP] >= connected_from;
        }
        if (potential < matching) continue;
        const u64 found = (connected >= activation ? ACTIVE : 0) | (u64)potential << 32 | (u32)s;
        m.found_s[atomicAdd(m.found_count, 1u)] = found;
    }
}
