// Which segments may have a synapse from a cell: lists of ids that only grow.
//
// The newest ids of a cell stand in one chunk, older ones in those before it. A chunk lies in whole
// units of four words of pool_j: the unit of the chunk before (0: none), how many ids that one
// has, then ids. list_base_n says where a cell's newest chunk begins, list_room_n how many ids fit,
// list_fill_n how many have come. Those that find no room go into a log at the end of the pool until
// the end of the commit, where the cell gets a further chunk, longer than the last.
//
// Every synapse has its entry. An entry may outlive its synapse, and an id may stand there twice;
// who reads a list looks at the segment itself. When the part of the pool that may be used is full,
// the index is lost: before the next sample it is made anew from the synapses, without what
// is stale. No order of entries can be seen in a result, and no state holds any of this.
#pragma once
#include "tm_model.cuh"

constexpr u32 UNIT = 4, CHUNK_HEAD = 2;

// Units of a chunk for so many ids, and how many it really has room for.
__device__ inline u32 units_of(u32 ids) { return (CHUNK_HEAD + ids + UNIT - 1) / UNIT; }
__device__ inline u32 room_of(u32 units) { return units * UNIT - CHUNK_HEAD; }

__device__ inline u32* chunk_at(const Model& m, u32 base) { return m.pool_j + (u64)base * UNIT; }

// Whether `used` units of chunks and a log of `logged` entries, two words each, are too much.
__device__ inline bool overfull(const Model& m, u32 used, u32 logged) {
    return (u64)used * UNIT + (u64)logged * 2 > (u64)m.index_end * UNIT;
}
__device__ inline u64* log_entry(const Model& m, u32 entry) {
    return reinterpret_cast<u64*>(chunk_at(m, m.index_end)) - 1 - entry;
}

// Segment s has got a synapse from `cell`. One thread; the log is entered by enter_logged.
__device__ inline void enter(Model& m, int cell, int s) {
    if (m.index_lost) return;
    const u32 place = atomicAdd(&m.list_fill_n[cell], 1u), room = m.list_room_n[cell];
    if (place < room) {
        chunk_at(m, m.list_base_n[cell])[CHUNK_HEAD + place] = (u32)s;
        return;
    }
    // The first that finds no room is marked: it stands for its cell.
    const u32 entry = atomicAdd(&m.logged, 1u);
    if (overfull(m, m.index_used, entry + 1)) return;
    *log_entry(m, entry) = (u64)(u32)cell << 32 | (place == room ? 1u << 31 : 0) | (u32)s;
}

// Find room for what the commit has logged. The whole block, behind a barrier.
__device__ inline void enter_logged(Model& m) {
    const u32 logged = m.logged;
    if (logged == 0) return;
    bool kept = !overfull(m, m.index_used, logged);
    for (u32 j = threadIdx.x; kept && j < logged; j += blockDim.x) {
        const u64 entry = *log_entry(m, j);
        if (!(entry >> 31 & 1)) continue;
        const int cell = (int)(entry >> 32);
        const u32 room = m.list_room_n[cell], more = m.list_fill_n[cell] - room;
        const u32 units = units_of(more + more / 2 + room / 2 + UNIT);
        const u32 base = atomicAdd(&m.index_next, units);
        if (overfull(m, base + units, logged)) continue;
        u32* chunk = chunk_at(m, base);
        chunk[0] = m.list_base_n[cell];
        chunk[1] = room;
        m.list_base_n[cell] = base;
        m.list_room_n[cell] = room_of(units);
        m.list_fill_n[cell] = 0;
    }
    __syncthreads();
    kept = kept && !overfull(m, m.index_next, logged);
    for (u32 j = threadIdx.x; kept && j < logged; j += blockDim.x) {
        const u64 entry = *log_entry(m, j);
        const int cell = (int)(entry >> 32);
        const u32 place = atomicAdd(&m.list_fill_n[cell], 1u);
        chunk_at(m, m.list_base_n[cell])[CHUNK_HEAD + place] = (u32)entry & 0x7fffffff;
    }
    if (threadIdx.x == 0) {
        m.logged = 0;
        m.index_used = m.index_next;
        m.index_lost = !kept;
    }
}

constexpr int BATCH = 8;  // synapses that a lane reads before it looks at one; divides WARP

// Call visit(cells, s) for all synapses: cells[k] is that of a synapse of segment s + k, -1: none.
// A warp takes 32 segments, a lane one slot of each.
template <typename Visit>
__device__ inline void each_synapse(const Model& m, Visit visit) {
    const int lane = threadIdx.x % WARP, size = m.rules.segment_size;
    const int segments = (int)m.scalar[NEXT_ID];
    for (int group = (int)threadIdx.x / WARP * WARP; group < segments; group += (int)blockDim.x) {
        const int mine = group + lane < segments ? m.room_s[group + lane] : 0;
        const int most = warp_max(mine);
        for (int slot = lane; slot - lane < most; slot += WARP) {
            for (int first = 0; first < WARP; first += BATCH) {
                int cell[BATCH];
#pragma unroll
                for (int k = 0; k < BATCH; ++k) {
                    const bool used = slot < __shfl_sync(ALL_LANES, mine, first + k);
                    cell[k] = used ? m.syn_cell_sy[(u64)(group + first + k) * size + slot] : -1;
                    if (cell[k] == m.cells) cell[k] = -1;
                }
                visit(cell, group + first);
            }
        }
    }
}

// Make the index anew: count, give every cell a chunk with some room to spare, fill. Whole block.
__device__ inline void make_index(Model& m) {
    for (int n = threadIdx.x; n < m.cells; n += blockDim.x) m.list_fill_n[n] = 0;
    __syncthreads();
    each_synapse(m, [&](const int (&cell)[BATCH], int) {
#pragma unroll
        for (int k = 0; k < BATCH; ++k) {
            if (cell[k] >= 0) atomicAdd(&m.list_fill_n[cell[k]], 1u);
        }
    });
    __syncthreads();
    auto units = [&](int n) {
        const u32 ids = m.list_fill_n[n];
        return ids == 0 ? 0 : units_of(ids + ids / 8 + 1);
    };
    const int items = (m.cells + (int)blockDim.x - 1) / (int)blockDim.x;
    const int begin = (int)threadIdx.x * items;
    const int end = begin + items < m.cells ? begin + items : m.cells;
    u32 mine = 0;
    for (int n = begin; n < end; ++n) mine += units(n);
    const Before before = add_before(m, mine);
    u32 base = 1 + before.mine;  // unit 0 stands for none
    for (int n = begin; n < end; ++n) {
        const u32 taken = units(n);
        m.list_base_n[n] = taken ? base : 0;
        m.list_room_n[n] = taken ? room_of(taken) : 0;
        m.list_fill_n[n] = 0;
        if (taken) chunk_at(m, base)[0] = chunk_at(m, base)[1] = 0;
        base += taken;
    }
    if (threadIdx.x == 0) {
        // What has come since may become as much as what there is now: lists stay half fresh.
        const u64 used = 1 + before.all, limit = 2 * used + (u64)m.cells / 2;
        m.index_used = m.index_next = (u32)used;
        m.index_end = limit < (u64)m.rules.pool ? (u32)limit : (u32)m.rules.pool;
        m.index_lost = 0;
    }
    __syncthreads();
    each_synapse(m, [&](const int (&cell)[BATCH], int s) {
        u32 place[BATCH], at[BATCH];
#pragma unroll
        for (int k = 0; k < BATCH; ++k) {
            place[k] = cell[k] < 0 ? 0 : atomicAdd(&m.list_fill_n[cell[k]], 1u);
            at[k] = cell[k] < 0 ? 0 : m.list_base_n[cell[k]];
        }
#pragma unroll
        for (int k = 0; k < BATCH; ++k) {
            if (cell[k] >= 0) chunk_at(m, at[k])[CHUNK_HEAD + place[k]] = (u32)(s + k);
        }
    });
    __syncthreads();
}
