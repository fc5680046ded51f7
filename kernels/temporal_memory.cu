// Temporal memory: dendrites, cells, events, commits; whole chunks without a word from the host.
//
// Rules: docs/math.md, "Temporal memory". Everything is an integer. Atomics build sums, maxima,
// bit masks and lists whose order is not looked at; what has an order gets it from a prefix sum, a
// rank, or a walk by one warp. No dynamic shared memory. Blocks are whole warps, 32 to 1024 threads.
//
// tm_advance runs all samples of the chunk: grid (1, models), one block is one model.
//
// A model that lacks room (SHORT in its scalars) stops before the step that needs it; launches
// leave it alone until the host has made room, cleared SHORT and launched again. It goes on where
// it stopped. Without `learn` nothing of a model changes but POSITION and scratch.
//
// Suffixes: m model, a one of several arrays, s segment, y slot for a synapse, n cell, c column,
// e event, q snapshot, w word of 32 cells, v word of 32 columns, r row of the chunk, t sample of the
// chunk, j entry of a list, x warp, f winner cell, k rule.
// A chunk has `rows` rows: `lead` from before (the last one: the cells before the first sample),
// then its samples. on_j are the columns of all rows of all models, offset_mr (rows + 1 for each)
// where they begin; active_jw and winner_jw hold ceil(cells_per_column / 32) words for each of
// them. following_mr is the number of the sample after each row, winner_count_mr the number of its
// winner cells: given for the first `lead` rows, written for the others, as is bursting_mr, the
// number of its columns that burst, for these alone. flags_mt: 1 reset before
// the sample, 2 commit after it. snapshot rows are counted from the chunk's first sample.
// At first: seg_cell, born, free in use from 0 to NEXT_ID only; room_ms 0 for free ids; gone_ms not
// COMMIT; count_ms 0; the first three arrays of column_mac -1; INDEX 0 wherever the host has
// changed synapses. Preconditions: rows of ascending columns; room for all snapshots and winners
// (Rules), and in the pool of the index for an entry of every slot (tm_arrays.pool_units); a
// matching_threshold of at least 1; new rows' cells are zero or not.
#include "tm_cells.cuh"
#include "tm_commit.cuh"

constexpr int EVENT_ARRAYS = 8, COLUMN_ARRAYS = 6, LIST_ARRAYS = 3;

extern "C" __global__ void __launch_bounds__(1024) tm_advance(
    const int* rule_k, const u64* key_ma, i64* scalar_mj, int* seg_cell_ms, i64* used_ms,
    unsigned char* room_ms, int* syn_cell_msy, i16* syn_perm_msy, int* owned_mn, int* free_ms,
    u32* gone_ms, int* born_ms, u64* found_ms, u32* count_ms, u32* list_man, u32* pool_mj,
    int* event_mae, u64* oldest_me, int* snapshot_maq, int* column_mac, u64* best_mc, u32* mask_maw,
    u64* key_mxf, const int* on_j, const i64* offset_mr, const i64* following_mr,
    u32* winner_count_mr, u32* bursting_mr, u32* active_jw, u32* winner_jw, u32* predicted_mtv,
    const unsigned char* flags_mt, int samples, int rows, int lead, int learn) {
    __shared__ Model m;
    __shared__ u32 shared_mask[2 * MASK_WORDS];
    const u64 model = blockIdx.y;
    if (threadIdx.x < RULES) reinterpret_cast<int*>(&m.rules)[threadIdx.x] = rule_k[threadIdx.x];
    if (threadIdx.x < SCALARS) {
        m.scalar[threadIdx.x] = (u64)scalar_mj[model * SCALARS + threadIdx.x];
    }
    __syncthreads();
    if (threadIdx.x == 0) {
        const Rules& k = m.rules;
        const u64 s = model * k.segments, e = model * k.events, c = model * k.columns;
        m.cells = k.columns * k.cells_per_column;
        m.mask_words = m.cells / 32 + 1;
        m.cell_words = (k.cells_per_column + 31) / 32;
        m.column_words = (k.columns + 31) / 32;
        m.segment_limit = rule_k[RULES];
        m.cell_key = key_ma[model * 2];
        m.grow_key = key_ma[model * 2 + 1];
        m.seg_cell_s = seg_cell_ms + s;
        m.used_s = used_ms + s;
        m.room_s = room_ms + s;
        m.syn_cell_sy = syn_cell_msy + s * k.segment_size;
        m.syn_perm_sy = syn_perm_msy + s * k.segment_size;
        m.owned_n = owned_mn + model * m.cells;
        m.free_s = free_ms + s;
        m.gone_s = gone_ms + s;
        m.born_s = born_ms + s;
        m.found_s = found_ms + s;
        m.count_s = count_ms + s;
        m.list_fill_n = list_man + model * LIST_ARRAYS * m.cells;
        m.list_base_n = m.list_fill_n + m.cells;
        m.list_room_n = m.list_base_n + m.cells;
        m.pool_j = pool_mj + model * k.pool * UNIT;
        m.target_e = event_mae + e * EVENT_ARRAYS;
        m.kind_e = m.target_e + k.events;
        m.outcome_e = m.kind_e + k.events;
        m.subject_e = m.outcome_e + k.events;
        m.created_id_e = m.subject_e + k.events;
        m.created_row_e = m.created_id_e + k.events;
        m.created_next_e = m.created_row_e + k.events;
        m.created_column_e = m.created_next_e + k.events;
        m.oldest_e = oldest_me + e;
        m.snapshot_row_q = snapshot_maq + model * 2 * k.snapshots;
        m.snapshot_first_q = m.snapshot_row_q + k.snapshots;
        m.slot_c = column_mac + c * COLUMN_ARRAYS;
        m.evict_c = m.slot_c + k.columns;
        m.created_head_c = m.evict_c + k.columns;
        m.count_c = m.created_head_c + k.columns;
        m.base_c = m.count_c + k.columns;
        m.choice_c = m.base_c + k.columns;
        m.best_c = best_mc + c;
        m.mask_aw = mask_maw + model * 2 * m.mask_words;
        m.key_xf = key_mxf + model * (blockDim.x / WARP) * 2 * k.winners;
        m.on_j = on_j;
        m.offset_r = offset_mr + model * (rows + 1);
        m.following_r = following_mr + model * rows;
        m.winner_count_r = winner_count_mr + model * rows;
        m.bursting_r = bursting_mr + model * rows;
        m.active_jw = active_jw;
        m.winner_jw = winner_jw;
        m.predicted_tv = predicted_mtv + model * samples * m.column_words;
        m.flags_t = flags_mt + model * samples;
        m.samples = samples;
        m.lead = lead;
        m.learn = learn;
        m.active_w = k.shared_masks ? shared_mask : m.mask_aw;
        m.winner_w = k.shared_masks ? shared_mask + MASK_WORDS : m.mask_aw + m.mask_words;
        for (int counter = 0; counter < COUNTERS; ++counter) m.counted[counter] = 0;
        m.created = m.effects = m.evictions = m.logged = 0;
        m.index_used = m.index_next = (u32)m.scalar[INDEX];
        m.index_end = (u32)m.scalar[INDEX_END];
        m.index_lost = m.index_used == 0;
    }
    __syncthreads();
    int t = (int)m.scalar[POSITION], marked = -2;
    bool committing = m.scalar[COMMITTING] != 0;
    if (t >= samples || m.scalar[SHORT] != ENOUGH) return;
    while (t < samples) {
        const bool commits = learn && m.flags_t[t] & 2;
        if (!committing) {
            if (!take_sample(m, t, commits)) break;
            marked = row_before(m, t);
        }
        committing = commits;
        if (committing && !commit(m, marked)) break;
        committing = false;
        ++t;
    }
    if (threadIdx.x == 0) {
        m.scalar[POSITION] = (u64)t;
        m.scalar[COMMITTING] = committing;
        m.scalar[INDEX] = m.index_lost ? 0 : m.index_used;
        m.scalar[INDEX_END] = m.index_end;
    }
    __syncthreads();
    if (threadIdx.x < SCALARS) {
        scalar_mj[model * SCALARS + threadIdx.x] = (i64)m.scalar[threadIdx.x];
    }
}
