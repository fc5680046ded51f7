// The cells of a sample: predicted ones, bursts, winners; and the events that it emits.
//
// All functions are entered by the whole block. `row` is the sample's own row, `before` that of
// the cells before it, -1: none. Events are queued in the order (column, kind, id): each column
// has one bucket, and a prefix sum over buckets gives their places.
#pragma once
#include "tm_dendrites.cuh"

// With punishment every column may emit events, else only those of the sample.
__device__ inline int bucket_of(const Model& m, int column, int slot) {
    return m.rules.punishment > 0 ? column : slot;
}
__device__ inline int buckets(const Model& m, int on) {
    return m.rules.punishment > 0 ? m.rules.columns : on;
}

// The event of a segment that matches, PUNISH or REINFORCE; -1: none (a burst has its own).
__device__ inline int event_of(const Model& m, u64 found, int slot) {
    if (slot < 0) return m.rules.punishment > 0 ? PUNISH : -1;
    return found & ACTIVE ? REINFORCE : -1;
}

// Empty what the search adds to, as far as the sample before does not need it any more.
__device__ inline void open_sample(Model& m, int row, u32* predicted_v) {
    const Words words = words_of(m, row);
    for (i64 i = threadIdx.x; i < words.count; i += blockDim.x) m.active_jw[words.first + i] = 0;
    for (int v = threadIdx.x; v < m.column_words; v += blockDim.x) predicted_v[v] = 0;
    const int on = (int)(m.offset_r[row + 1] - m.offset_r[row]);
    for (int b = threadIdx.x; b < buckets(m, on); b += blockDim.x) m.count_c[b] = 0;
    clear_masks(m);
    if (threadIdx.x == 0) m.candidates = m.total = m.bursts = m.creates = 0;
}

// The columns of the sample: their places among each other, nothing found yet.
__device__ inline void open_columns(const Model& m, int row) {
    const i64 first = m.offset_r[row];
    const int on = (int)(m.offset_r[row + 1] - first);
    for (int j = threadIdx.x; j < on; j += blockDim.x) {
        m.slot_c[m.on_j[first + j]] = j;
        m.best_c[j] = 0;
    }
}

// Predicted columns, predictive cells, the best matching segment of each column of the sample, and
// how many events a column's segments emit, as far as a segment of `cell` says it. One thread.
__device__ inline void visit_found(
    const Model& m, u64 found, int cell, int row, u32* predicted_v) {
    const i64 first = m.offset_r[row];
    const int per_column = m.rules.cells_per_column, column = cell / per_column;
    const int slot = m.slot_c[column], k = cell % per_column;
    if (found & ACTIVE) {
        atomicOr(&predicted_v[column / 32], 1u << (column % 32));
        if (slot >= 0) {
            atomicOr(&m.active_jw[(first + slot) * m.cell_words + k / 32], 1u << (k % 32));
        }
    }
    if (slot >= 0) {
        atomicMax(&m.best_c[slot], (u64)potential_of(found) << 32 | (u32)~id_of(found));
    }
    if (event_of(m, found, slot) >= 0) atomicAdd(&m.count_c[bucket_of(m, column, slot)], 1);
}

// Look at all candidates, a team of lanes each, and let those that match have their effect.
__device__ inline void visit_candidates(const Model& m, int row, u32* predicted_v) {
    constexpr u32 TEAMS = WARP / TEAM;
    const u32 team = threadIdx.x % WARP / TEAM, candidates = m.candidates;
    for (u32 base = threadIdx.x / WARP * TEAMS; base < candidates; base += blockDim.x / TEAM) {
        const u32 i = base + team < candidates ? base + team : base;
        const int s = id_of(m.found_s[i]), cell = m.seg_cell_s[s];  // -1 if there is none any more
        const u64 found = look_at(m, s);
        if (threadIdx.x % TEAM > 0 || base + team >= candidates) continue;
        m.found_s[i] = found;
        if (potential_of(found) > 0) visit_found(m, found, cell, row, predicted_v);
    }
}

// The cell of a column with the fewest segments, ties by the smallest (word, cell); one warp.
__device__ inline int least_used_cell(const Model& m, int column, u64 sample) {
    const int lane = threadIdx.x % WARP, per_column = m.rules.cells_per_column;
    int fewest = 0x7fffffff, best = 0x7fffffff;
    u64 smallest = ~0ull;
    auto take = [&](int owned, u64 word, int cell) {
        if (owned > fewest || (owned == fewest && word > smallest)) return;
        if (owned == fewest && word == smallest && cell > best) return;
        fewest = owned, smallest = word, best = cell;
    };
    for (int k = lane; k < per_column; k += WARP) {
        const int cell = column * per_column + k;
        take(m.owned_n[cell], hash2(m.cell_key, sample, (u64)cell), cell);
    }
    for (int step = WARP / 2; step > 0; step /= 2) {
        const int owned = __shfl_xor_sync(ALL_LANES, fewest, step);
        const u64 word = __shfl_xor_sync(ALL_LANES, smallest, step);
        take(owned, word, __shfl_xor_sync(ALL_LANES, best, step));
    }
    return best;
}

// Active and winner cells of each column of the sample, one warp a column. choice_c[slot] is the
// segment that a burst reinforces or the cell that it creates for, -1: no event.
__device__ inline void choose_cells(Model& m, int row, int before) {
    const int lane = threadIdx.x % WARP, per_column = m.rules.cells_per_column;
    const i64 first = m.offset_r[row];
    const int on = (int)(m.offset_r[row + 1] - first);
    const bool may_create = before >= 0 && m.winner_count_r[before] > 0;
    for (int slot = threadIdx.x / WARP; slot < on; slot += blockDim.x / WARP) {
        const int column = m.on_j[first + slot];
        const i64 at = (first + slot) * m.cell_words + lane;
        const bool holds = lane < m.cell_words;
        u32 active = holds ? m.active_jw[at] : 0, winner = active;
        int choice = -1;
        const bool burst = __ballot_sync(ALL_LANES, active != 0) == 0;
        if (burst) {
            const u64 best = m.best_c[slot];
            const int segment = (int)~(u32)best;
            const int cell = best ? m.seg_cell_s[segment]
                                  : least_used_cell(m, column, (u64)m.following_r[row - 1]);
            const int k = cell - column * per_column, cells = per_column - lane * 32;
            active = cells >= 32 ? ALL_LANES : cells > 0 ? (1u << cells) - 1 : 0;
            winner = k / 32 == lane ? 1u << (k % 32) : 0;
            choice = best ? segment : may_create ? cell : -1;
        }
        if (holds) {
            m.active_jw[at] = active;
            m.winner_jw[at] = winner;
        }
        const u32 winners = warp_sum((u32)__popc(holds ? winner : 0));
        if (lane == 0) {
            m.choice_c[slot] = choice;
            if (choice >= 0) m.count_c[bucket_of(m, column, slot)] = 1;
            atomicAdd(&m.total, winners);
            if (burst) atomicAdd(&m.bursts, 1u);
        }
    }
    __syncthreads();
    if (threadIdx.x == 0) {
        m.winner_count_r[row] = m.total;
        m.bursting_r[row] = m.bursts;
    }
}

// base_c[b] becomes the sum of the counts before b, counts become 0; returns the sum of all.
__device__ inline u32 sum_before(Model& m, int n) {
    const int items = (n + (int)blockDim.x - 1) / (int)blockDim.x;
    const int begin = (int)threadIdx.x * items, end = begin + items < n ? begin + items : n;
    u32 mine = 0;
    for (int b = begin; b < end; ++b) mine += m.count_c[b];
    const Before before = add_before(m, mine);
    int base = (int)before.mine;
    for (int b = begin; b < end; ++b) {
        m.base_c[b] = base;
        base += m.count_c[b];
        m.count_c[b] = 0;
    }
    __syncthreads();
    return before.all;
}

// Write the `events` events of the sample behind those in the queue; there is room.
__device__ inline void queue_events(Model& m, int row, u32 events) {
    const i64 first = m.offset_r[row];
    const int on = (int)(m.offset_r[row + 1] - first), end = (int)m.scalar[EVENTS];
    u32 creates = 0;
    for (int slot = threadIdx.x; slot < on; slot += blockDim.x) {
        if (m.choice_c[slot] < 0) continue;
        const int e = end + m.base_c[bucket_of(m, m.on_j[first + slot], slot)];
        m.target_e[e] = m.choice_c[slot];
        m.kind_e[e] = m.best_c[slot] ? REINFORCE : CREATE;
        creates += m.best_c[slot] == 0;
    }
    creates = warp_sum(creates);
    if (threadIdx.x % WARP == 0) atomicAdd(&m.creates, creates);
    // Segments first into their column's bucket in any order, then each to its rank there.
    int* staged_e = m.subject_e + end;
    for (u32 i = threadIdx.x; i < m.candidates; i += blockDim.x) {
        const u64 found = m.found_s[i];
        if (potential_of(found) == 0) continue;
        const int s = id_of(found), column = m.seg_cell_s[s] / m.rules.cells_per_column;
        const int slot = m.slot_c[column];
        if (event_of(m, found, slot) < 0) continue;
        const int bucket = bucket_of(m, column, slot);
        staged_e[m.base_c[bucket] + atomicAdd(&m.count_c[bucket], 1)] = s;
    }
    __syncthreads();
    for (u32 i = threadIdx.x; i < m.candidates; i += blockDim.x) {
        const u64 found = m.found_s[i];
        if (potential_of(found) == 0) continue;
        const int s = id_of(found), column = m.seg_cell_s[s] / m.rules.cells_per_column;
        const int slot = m.slot_c[column], kind = event_of(m, found, slot);
        if (kind < 0) continue;
        const int bucket = bucket_of(m, column, slot);
        const int base = m.base_c[bucket], count = m.count_c[bucket];
        int rank = 0;
        for (int j = 0; j < count; ++j) rank += staged_e[base + j] < s;
        m.target_e[end + base + rank] = s;
        m.kind_e[end + base + rank] = kind;
    }
    if (threadIdx.x == 0) {
        const int q = (int)m.scalar[SNAPSHOTS]++;
        m.snapshot_row_q[q] = row - 1 - m.lead;
        m.snapshot_first_q[q] = end;
        m.scalar[EVENTS] = end + events;
        m.scalar[CREATES] += m.creates;
    }
    __syncthreads();
}

// Choose the cells of sample t and queue its events. Returns false, with nothing queued, if the
// queue is too short. Leaves masks of the cells before it, of winners only where `both`. Ends
// without a barrier.
__device__ inline bool take_sample(Model& m, int t, bool both) {
    const int row = m.lead + t, before = row_before(m, t);
    u32* predicted_v = m.predicted_tv + (i64)t * m.column_words;
    open_sample(m, row, predicted_v);
    __syncthreads();
    if (m.index_lost) make_index(m);
    if (threadIdx.x == 0) m.effects = m.evictions = m.created = 0;
    open_columns(m, row);
    mark_cells(m, before, both);
    list_candidates(m, before);
    __syncthreads();
    visit_candidates(m, row, predicted_v);
    clear_counts(m, before);
    __syncthreads();
    choose_cells(m, row, before);
    bool enough = true;
    const i64 first = m.offset_r[row];
    const int on = (int)(m.offset_r[row + 1] - first);
    if (m.learn) {
        const u32 events = sum_before(m, buckets(m, on));
        enough = m.scalar[EVENTS] + events <= (u64)m.rules.events;
        if (!enough && threadIdx.x == 0) {
            m.scalar[SHORT] = SHORT_OF_EVENTS;
            m.scalar[NEED] = m.scalar[EVENTS] + events;
        }
        if (enough && events > 0) queue_events(m, row, events);
    }
    for (int j = threadIdx.x; j < on; j += blockDim.x) m.slot_c[m.on_j[first + j]] = -1;
    return enough;
}
