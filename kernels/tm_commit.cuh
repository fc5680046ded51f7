// The commit of a window: its samples one after the other, the events of a sample side by side.
//
// That gives what one event after the other gives (docs/math.md): the events of a sample have
// different segments; a column that creates has no other event in that sample; and what does
// depend on the order, the stack of free ids, is walked in order by one warp.
#pragma once
#include "tm_evict.cuh"

// outcome_e: what is left to do for an event, with subject_e as the segment.
constexpr int NOTHING = 0, DESTROYED = 1, NEW = 2, REPLACING = 3;

// The segment that this commit has created for the column from the winner cells of `row`, and that
// still stands; -1: none. winner_w holds those cells. One warp.
__device__ inline int standing(const Model& m, int column, int row) {
    const int lane = threadIdx.x % WARP;
    for (int q = m.created_head_c[column]; q >= 0; q = m.created_next_e[q]) {
        const int s = m.created_id_e[q], other = m.created_row_e[q];
        if (m.born_s[s] != q || m.winner_count_r[other] != m.winner_count_r[row]) continue;
        // As many cells, and each of them among ours.
        const Words words = words_of(m, other);
        bool equal = true;
        for (i64 base = 0; equal && base < words.count; base += WARP) {
            bool among = true;
            const i64 i = words.first + base + lane;
            u32 bits = base + lane < words.count ? m.winner_jw[i] : 0;
            for (; bits; bits &= bits - 1) {
                among &= bit_at(m.winner_w, first_cell(m, i) + __ffs((int)bits) - 1);
            }
            equal = __ballot_sync(ALL_LANES, among) == ALL_LANES;
        }
        if (equal) return s;
    }
    return -1;
}

// Apply an event as far as it touches no other segment; one warp.
__device__ inline void begin_event(Model& m, int e, int row) {
    const int lane = threadIdx.x % WARP, kind = m.kind_e[e];
    int s = m.target_e[e], outcome = NOTHING;
    if (kind == CREATE) {
        const int cell = s, column = cell / m.rules.cells_per_column;
        s = standing(m, column, row);
        if (s < 0) {
            outcome = m.owned_n[cell] < m.rules.segments_per_cell ? NEW : REPLACING;
            if (outcome == REPLACING && lane == 0) {
                m.evict_c[column] = e;
                m.oldest_e[e] = ~0ull;
                atomicOr(&m.evictions, 1u);
            }
            s = 0x7fffffff;
        }
    } else if (m.gone_s[s] == (u32)m.scalar[COMMIT]) {
        add_to(m, EVENTS_DROPPED, 1);
        s = -1;
    }
    if (outcome == NOTHING && s >= 0) {
        const bool punish = kind == PUNISH;
        const Adapted now = adapt(m, s, punish ? -m.rules.punishment : m.rules.increment,
                                  punish ? 0 : -m.rules.decrement);
        int size = now.left;
        if (!punish) {
            __syncwarp();  // collectives alone do not order what lanes wrote before
            size += grow(m, s, m.rules.new_synapses - now.active, row, now.left);
            if (lane == 0) m.used_s[s] = m.following_r[row];
        }
        if (size == 0) outcome = DESTROYED;
    }
    if (lane > 0) return;
    m.outcome_e[e] = outcome;
    m.subject_e[e] = s;
    if (outcome != NOTHING) atomicOr(&m.effects, 1u);
}

// For each event that evicts: the segment of its cell with the smallest (last used, id).
__device__ inline void find_oldest(Model& m) {
    const int segments = (int)m.scalar[NEXT_ID], stride = (int)blockDim.x;
    constexpr int READ = 4;  // cells that a thread reads before it looks at one
    for (int pass = 0; pass < 2; ++pass) {
        for (int first = threadIdx.x; first < segments; first += READ * stride) {
            int cell[READ], event[READ];
#pragma unroll
            for (int k = 0; k < READ; ++k) {
                const int s = first + k * stride;
                cell[k] = s < segments ? m.seg_cell_s[s] : -1;
            }
#pragma unroll
            for (int k = 0; k < READ; ++k) {
                event[k] = cell[k] < 0 ? -1 : m.evict_c[cell[k] / m.rules.cells_per_column];
            }
#pragma unroll
            for (int k = 0; k < READ; ++k) {
                const int s = first + k * stride, e = event[k];
                if (e < 0 || m.target_e[e] != cell[k]) continue;
                const u64 used = (u64)m.used_s[s];
                if (pass == 0) atomicMin(&m.oldest_e[e], used);
                if (pass == 1 && used == m.oldest_e[e]) atomicMin(&m.subject_e[e], s);
            }
        }
        __syncthreads();
    }
}

// Walk the stack of free ids in the order of the events: destroyed segments go on it, new ones take
// from it; one that replaces a segment takes that one's id. Warp 0.
__device__ inline void assign_ids(Model& m, int first, int last) {
    const int lane = threadIdx.x % WARP;
    int free = (int)m.scalar[FREE], next = (int)m.scalar[NEXT_ID];
    for (int base = first; base < last; base += WARP) {
        const int e = base + lane;
        const int outcome = e < last ? m.outcome_e[e] : NOTHING;
        const u32 pushing = __ballot_sync(ALL_LANES, outcome == DESTROYED);
        u32 todo = pushing | __ballot_sync(ALL_LANES, outcome == NEW);
        for (; todo; todo &= todo - 1) {
            const int turn = __ffs((int)todo) - 1;
            if (pushing >> turn & 1u) {
                if (lane == turn) m.free_s[free] = m.subject_e[e];
                ++free;
            } else if (free > 0) {
                --free;
                if (lane == turn) m.subject_e[e] = m.free_s[free];
            } else {
                if (lane == turn) m.subject_e[e] = next;
                ++next;
            }
            __syncwarp();
        }
    }
    __syncwarp();  // other lanes may still read what the first writes
    if (lane > 0) return;
    m.scalar[FREE] = (u64)free;
    m.scalar[NEXT_ID] = (u64)next;
}

// Make the new segment of an event and grow it; one warp. A free id has no room yet.
__device__ inline void create(Model& m, int e, int row, bool remember) {
    const int s = m.subject_e[e], cell = m.target_e[e];
    if (threadIdx.x % WARP == 0) {
        m.seg_cell_s[s] = cell;
        m.used_s[s] = m.following_r[row];
        ++m.owned_n[cell];
        if (remember) {
            const int column = cell / m.rules.cells_per_column;
            const int q = (int)atomicAdd(&m.created, 1u);
            m.created_id_e[q] = s;
            m.created_row_e[q] = row;
            m.created_column_e[q] = column;
            m.created_next_e[q] = m.created_head_c[column];
            m.created_head_c[column] = q;
            m.born_s[s] = q;
        }
    }
    add_to(m, SEGMENTS_CREATED, 1);
    grow(m, s, m.rules.new_synapses, row, 0);
}

// Create and destroy what the events first .. last of one sample ask for.
__device__ inline void finish_events(Model& m, int first, int last, int row, bool remember) {
    const int warp = threadIdx.x / WARP, warps = blockDim.x / WARP;
    if (m.evictions) find_oldest(m);
    if (warp == 0) assign_ids(m, first, last);
    for (int e = first + warp; e < last; e += warps) {
        const int outcome = m.outcome_e[e];
        if (outcome == REPLACING) {
            add_to(m, SEGMENTS_EVICTED, 1);
            if (threadIdx.x % WARP == 0) m.evict_c[m.target_e[e] / m.rules.cells_per_column] = -1;
        }
        if (outcome == DESTROYED || outcome == REPLACING) destroy(m, m.subject_e[e]);
    }
    __syncthreads();
    for (int e = first + warp; e < last; e += warps) {
        if (m.outcome_e[e] >= NEW) create(m, e, row, remember);
    }
    __syncthreads();
}

// Masks of the cells in `row`, and no effects yet. Nobody may be using either.
__device__ inline void open_snapshot(Model& m, int row) {
    clear_masks(m);
    __syncthreads();
    // Here, between two barriers: nobody reads what the sample before has left.
    if (threadIdx.x == 0) m.effects = m.evictions = 0;
    mark_cells(m, row, true);
    __syncthreads();
}

// Apply the queue; masks hold the cells of row `marked` (-2: not known). Returns false, with
// nothing changed, if there may be too few segments. Ends without a barrier.
__device__ inline bool commit(Model& m, int marked) {
    const int snapshots = (int)m.scalar[SNAPSHOTS], warp = threadIdx.x / WARP;
    if (snapshots == 0) return true;
    const i64 missing = (i64)m.scalar[CREATES] - (i64)m.scalar[FREE];
    i64 most = (i64)m.cells * m.rules.segments_per_cell;  // live segments, so ids too
    if (most > m.segment_limit) most = m.segment_limit;
    i64 need = (i64)m.scalar[NEXT_ID] + (missing > 0 ? missing : 0);
    if (need > most) need = most;
    if (need > m.rules.segments) {
        if (threadIdx.x == 0) {
            m.scalar[SHORT] = SHORT_OF_SEGMENTS;
            m.scalar[NEED] = (u64)need;
        }
        return false;
    }
    for (int q = 0; q < snapshots; ++q) {
        const int first = m.snapshot_first_q[q], row = m.snapshot_row_q[q] + m.lead;
        const int last = q + 1 < snapshots ? m.snapshot_first_q[q + 1] : (int)m.scalar[EVENTS];
        if (row != marked) open_snapshot(m, row);
        marked = row;
        if (may_fill(m)) keep_limit(m, first, last, row);
        for (int e = first + warp; e < last; e += (int)blockDim.x / WARP) begin_event(m, e, row);
        __syncthreads();
        if (m.effects) finish_events(m, first, last, row, snapshots > 1);
    }
    enter_logged(m);
    for (int q = threadIdx.x; q < (int)m.created; q += blockDim.x) {
        m.created_head_c[m.created_column_e[q]] = -1;
    }
    if (threadIdx.x == 0) {
        for (int c = 0; c < COUNTERS; ++c) {
            m.scalar[c] += m.counted[c];
            m.counted[c] = 0;
        }
        m.scalar[EVENTS] = m.scalar[CREATES] = m.scalar[SNAPSHOTS] = 0;
        ++m.scalar[COMMIT];
    }
    return true;
}
