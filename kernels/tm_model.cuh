// One temporal memory as its block sees it: rules, arrays and running numbers in shared memory.
//
// Names as in temporal_memory.cu, without the letter of the model: this is one model's part.
#pragma once
#include "fixed_point.cuh"
#include "rng.cuh"

constexpr int REINFORCE = 0, CREATE = 1, PUNISH = 2;

// Places in scalar_mj, the same as in htmrun/backends/cuda/tm_arrays.py. The counters come first.
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
    SCALARS
};
constexpr int COUNTERS = EVENTS_DROPPED + 1;
constexpr int ENOUGH = 0, SHORT_OF_SEGMENTS = 1, SHORT_OF_EVENTS = 2;

// What rule_j holds, in this order; permanences: 1.0 = 10000.
struct Rules {
    int columns, cells_per_column, activation_threshold, matching_threshold, new_synapses;
    int segment_size, segments_per_cell, connected, initial, increment, decrement, punishment;
    int segments;      // room for segments, a multiple of 32
    int events;        // room in the queue
    int snapshots;     // room for samples in the queue
    int winners;       // at least the winner cells of any row
    int shared_masks;  // 1: masks of all cells fit into shared memory
};
constexpr int RULES = sizeof(Rules) / sizeof(int);

constexpr int MASK_WORDS = 4096;  // of one mask in shared memory: 131071 cells

struct Model {
    Rules rules;
    int cells;        // also the number that an empty slot holds: a cell that is never active
    int mask_words;   // words of a bit for every cell and for the empty slot
    int cell_words;   // words of 32 cells of one column
    int column_words;
    u64 cell_key, grow_key;
    u64 scalar[SCALARS];  // thread 0 writes them, with a barrier before anybody reads

    int *seg_cell_s, *free_s, *born_s, *syn_cell_gyl, *owned_n;
    u32* gone_s;
    i64* used_s;
    unsigned char* room_s;
    i16* syn_perm_gyl;
    u64 *found_s, *oldest_e, *best_c, *key_xf;
    u32 *found_count, *mask_aw;

    int *target_e, *kind_e, *outcome_e, *subject_e;  // rows of event_mae
    int *created_id_e, *created_row_e, *created_next_e, *created_column_e;
    int *snapshot_row_q, *snapshot_first_q;  // rows of snapshot_maq
    int *slot_c, *evict_c, *created_head_c, *count_c, *base_c, *choice_c;  // rows of column_mac

    const int* on_j;
    const i64 *offset_r, *following_r;
    u32 *winner_count_r, *active_jw, *winner_jw, *predicted_tv;
    const unsigned char* flags_t;
    int samples, lead, learn;

    u32 *active_w, *winner_w;  // masks of the cells before the sample at hand
    // Shared memory has atomics of 32 bits only; thread 0 adds these up where nobody counts.
    u32 counted[COUNTERS];  // of the running commit
    u32 creates;            // events of the sample at hand that create
    u32 per_warp[WARP];
    u32 total;      // of a prefix sum; winner cells of a sample
    u32 created;    // segments that the running commit has created and remembers
    u32 effects;    // events of a sample that create or destroy a segment
    u32 evictions;
};

// Where slot `slot` of segment s lies: 32 segments side by side, so that lanes read neighbours.
__device__ inline u64 synapse_at(const Model& m, int s, int slot) {
    return ((u64)(s / WARP) * m.rules.segment_size + slot) * WARP + s % WARP;
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
    return m.on_j[word / m.cell_words] * m.rules.cells_per_column + (int)(word % m.cell_words) * 32;
}

// Make `mask_w` hold the cells of a row, or none (row < 0). Nobody may be using the mask.
__device__ inline void mark_cells(const Model& m, const u32* cells_jw, int row, u32* mask_w) {
    for (int w = threadIdx.x; w < m.mask_words; w += blockDim.x) mask_w[w] = 0;
    __syncthreads();
    const Words words = row < 0 ? Words{0, 0} : words_of(m, row);
    for (i64 i = threadIdx.x; i < words.count; i += blockDim.x) {
        const u32 bits = cells_jw[words.first + i];
        if (bits == 0) continue;
        const int cell = first_cell(m, words.first + i), shift = cell % 32;
        atomicOr(&mask_w[cell / 32], bits << shift);
        if (shift > 0 && bits >> (32 - shift)) atomicOr(&mask_w[cell / 32 + 1], bits >> (32 - shift));
    }
    __syncthreads();
}

// The row of the cells before sample t of the chunk; -1 if a new sequence starts there.
__device__ inline int row_before(const Model& m, int t) {
    return m.flags_t[t] & 1 ? -1 : m.lead + t - 1;
}
