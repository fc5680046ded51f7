// One temporal memory as its block sees it: rules, arrays and running numbers in shared memory.
//
// Names as in temporal_memory.cu, without the letter of the model: this is one model's part.
#pragma once
#include "fixed_point.cuh"
#include "rng.cuh"

constexpr int REINFORCE = 0, CREATE = 1, PUNISH = 2;

// Places in scalar_mj, the same as in htmrun/backends/cuda/memory/arrays.py. The counters come first.
enum Scalar {
    SEGMENTS_CREATED, SEGMENTS_DESTROYED, SEGMENTS_EVICTED,
    SYNAPSES_CREATED, SYNAPSES_DESTROYED, EVENTS_DROPPED,
    NEXT_ID,     // the id of a new segment if none is free
    FREE,        // ids on the stack free_s
    EVENTS,      // pending, and of them
    CREATES,     // those that create
    SNAPSHOTS,   // samples that emitted them
    COMMIT,      // number of the running commit, from 1 on
    POSITION,    // the next sample of the chunk
    COMMITTING,  // 1: its cells are chosen, its commit is still to come
    SHORT,       // why the model stopped before the end of the chunk
    NEED,        // and the room that it needs
    INDEX,       // units of the index in use, 0: there is none
    INDEX_END,   // units that it may use before it is made anew
    SCALARS
};
constexpr int COUNTERS = EVENTS_DROPPED + 1;
constexpr int ENOUGH = 0, SHORT_OF_SEGMENTS = 1, SHORT_OF_EVENTS = 2;

// What rule_k holds, in this order, and behind it the segment limit; permanences: 1.0 = 10000.
struct Rules {
    int columns, cells_per_column, activation_threshold, matching_threshold, new_synapses;
    int segment_size, segments_per_cell, connected, initial, increment, decrement, punishment;
    int segments;      // room for segments
    int pool;          // units of the pool of the index
    int events;        // room in the queue
    int snapshots;     // room for samples in the queue
    int winners;       // at least the winner cells of any row
    int shared_masks;  // 1: masks of all cells fit into shared memory
};
constexpr int RULES = sizeof(Rules) / sizeof(int);

constexpr int EVICTED_SHARE = 64;  // a full memory gives up this part of its segments at a time
constexpr int BUCKETS = 256;  // of times of last use, in the search for the oldest segments

constexpr int MASK_WORDS = 4096;  // of one mask in shared memory: 131071 cells

struct Model {
    Rules rules;
    int cells;        // also the number that an empty slot holds: a cell that is never active
    int mask_words;   // words of a bit for every cell and for the empty slot
    int cell_words;   // words of 32 cells of one column
    int column_words;
    int segment_limit;  // of the memory as a whole (among the rules it would cost registers)
    u64 cell_key, grow_key;
    u64 scalar[SCALARS];  // thread 0 writes them, with a barrier before anybody reads

    int *seg_cell_s, *free_s, *born_s, *syn_cell_sy, *owned_n;
    u32* gone_s;
    i64* used_s;
    unsigned char* room_s;
    i16* syn_perm_sy;
    u64 *found_s, *oldest_e, *best_c, *key_xf;
    u32 *count_s, *mask_aw;
    u32 *list_fill_n, *list_base_n, *list_room_n;  // rows of list_man
    u32* pool_j;

    int *target_e, *kind_e, *outcome_e, *subject_e;  // rows of event_mae
    int *created_id_e, *created_row_e, *created_next_e, *created_column_e;
    int *snapshot_row_q, *snapshot_first_q;  // rows of snapshot_maq
    int *slot_c, *evict_c, *created_head_c, *count_c, *base_c, *choice_c;  // rows of column_mac

    const int* on_j;
    const i64 *offset_r, *following_r;
    u32 *winner_count_r, *bursting_r, *active_jw, *winner_jw, *predicted_tv;
    const unsigned char* flags_t;
    int samples, lead, learn;

    u32 *active_w, *winner_w;  // masks of the cells before the sample at hand
    // Shared memory has atomics of 32 bits only; thread 0 adds these up where nobody counts.
    u32 counted[COUNTERS];  // of the running commit; 0 between two
    u32 creates;            // events of the sample at hand that create
    u32 per_warp[WARP];
    u32 bucket[BUCKETS];
    u64 age_from, age_to;  // times of last use among which the oldest that stays is looked for
    u32 age_left;          // segments that are to go of those used since age_from
    u32 candidates; // segments in found_s
    u32 total;      // winner cells of a sample
    u32 bursts;     // columns of a sample that burst
    u32 created;    // segments that the running commit has created and remembers
    u32 effects;    // events of a sample that create or destroy a segment
    u32 evictions;
    u32 index_used;  // units of the index, and with those that are being given out
    u32 index_next;
    u32 index_end;   // where it ends
    u32 index_lost;  // 1: it must be made anew before it is read
    u32 logged;      // entries of its log
};

// Where slot `slot` of segment s lies.
__device__ inline u64 synapse_at(const Model& m, int s, int slot) {
    return (u64)s * m.rules.segment_size + slot;
}

// The sum of what threads before this one give, and of what all give. Whole block; per_warp must
// not be in use.
struct Before {
    u32 mine, all;
};
__device__ inline Before add_before(Model& m, u32 mine) {
    const int lane = threadIdx.x % WARP, warp = threadIdx.x / WARP;
    u32 up_to_here = mine;
    for (int step = 1; step < WARP; step *= 2) {
        const u32 below = __shfl_up_sync(ALL_LANES, up_to_here, step);
        if (lane >= step) up_to_here += below;
    }
    if (lane == WARP - 1) m.per_warp[warp] = up_to_here;
    __syncthreads();
    Before before = {up_to_here - mine, 0};
    for (int w = 0; w < (int)blockDim.x / WARP; ++w) {
        if (w < warp) before.mine += m.per_warp[w];
        before.all += m.per_warp[w];
    }
    return before;
}

// Words of cells in a row of the chunk: those of its columns, ascending.
struct Words {
    i64 first, count;
};
__device__ inline Words words_of(const Model& m, int row) {
    const i64 first = m.offset_r[row];
    return {first * m.cell_words, (m.offset_r[row + 1] - first) * m.cell_words};
}
// The first cell of word `word` of a list of words.
__device__ inline int first_cell(const Model& m, i64 word) {
    if (m.cell_words == 1) return m.on_j[word] * m.rules.cells_per_column;
    return m.on_j[word / m.cell_words] * m.rules.cells_per_column + (int)(word % m.cell_words) * 32;
}

// Empty both masks; then, behind a barrier, mark the cells of a row (row < 0: none): active ones,
// and winners where `both`.
__device__ inline void clear_masks(const Model& m) {
    for (int w = threadIdx.x; w < m.mask_words; w += blockDim.x) m.active_w[w] = m.winner_w[w] = 0;
}
__device__ inline void mark(u32* mask_w, int cell, u32 bits) {
    const int shift = cell % 32;
    if (bits) atomicOr(&mask_w[cell / 32], bits << shift);
    if (shift > 0 && bits >> (32 - shift)) atomicOr(&mask_w[cell / 32 + 1], bits >> (32 - shift));
}
__device__ inline void mark_cells(const Model& m, int row, bool both) {
    if (row < 0) return;
    const Words words = words_of(m, row);
    for (i64 i = threadIdx.x; i < words.count; i += blockDim.x) {
        const int cell = first_cell(m, words.first + i);
        mark(m.active_w, cell, m.active_jw[words.first + i]);
        if (both) mark(m.winner_w, cell, m.winner_jw[words.first + i]);
    }
}

// The row of the cells before sample t of the chunk; -1 if a new sequence starts there.
__device__ inline int row_before(const Model& m, int t) {
    return m.flags_t[t] & 1 ? -1 : m.lead + t - 1;
}
