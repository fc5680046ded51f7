// Spatial pooler: a whole chunk of samples in one launch, one block a model, global inhibition.
//
// For many small models whose windows are short: nothing but barriers of the block lies between two
// samples, so neither the host nor the latency of launches sets the pace. Results are those of
// the phases in spatial_pooler.cu, byte for byte.
//
// Suffixes as in spatial_pooler.cu. Block: 32 to 1024 threads, whole warps.
//
// kernel    grid x  grid y  writes
// sp_chunk  1       models  won_mrv of the chunk; all state; key_mc is scratch, any contents
//
// The samples are rows lead .. lead + samples; window_tm[t][m] and boost_tm[t][m] say what model m
// commits and whether it boosts after sample t of them. A window lies in rows below its end.
#include "select.cuh"
#include "synapses.cuh"

struct Pooler {  // one model's arrays
    i16* perm_ci;
    u32 *conn_cw, *conn_iv;
    const u32* x_rw;
    u32 *won_rv, *key_c, *active_duty_c, *overlap_duty_c, *min_overlap_duty_c, *reached_c;
    float* boost_c;
    int* learner_j;
};

struct Sizes {
    int columns, words, column_words, connected;
};

// Overlap of each column with one sample, from the rows of its on-bits; all lanes of a warp read
// the same words. A thread owns its columns here and wherever keys and duty cycles are touched.
__device__ inline void score(
    const Pooler& p, const Sizes& z, const int* on_j, i64 first, i64 last, u32 threshold,
    int boosted, int count_reached) {
    for (int c = threadIdx.x; c < z.columns; c += blockDim.x) {
        u32 overlap = 0;
        for (i64 j = first; j < last; ++j) {
            overlap += bit_at(p.conn_iv + (u64)on_j[j] * z.column_words, c);
        }
        p.key_c[c] = score_key(overlap, p.boost_c, c, threshold, boosted);
        if (count_reached && overlap >= threshold) p.reached_c[c] += 1;
    }
}

// Duty cycles after a window of rows first .. last, and the list of columns that won in it.
__device__ inline void tally(
    const Pooler& p, const Sizes& z, int first, int last, int bump, u64 reciprocal, u32 unit,
    u32* learners) {
    const u32 n = (u32)(last - first);
    for (int c = threadIdx.x; c < z.columns; c += blockDim.x) {
        u32 wins = 0;
        for (int r = first; r < last; ++r) wins += bit_at(p.won_rv + (u64)r * z.column_words, c);
        p.active_duty_c[c] = advance_duty(p.active_duty_c[c], wins, n, reciprocal, unit);
        if (bump > 0) {
            p.overlap_duty_c[c] =
                advance_duty(p.overlap_duty_c[c], p.reached_c[c], n, reciprocal, unit);
            p.reached_c[c] = 0;
        }
        if (wins > 0) p.learner_j[atomicAdd(learners, 1u)] = c;
    }
}

// Apply a window to one column; one warp.
__device__ inline void adapt(
    const Pooler& p, const Sizes& z, int first, int last, int c, int increment, int decrement) {
    for (int i = threadIdx.x % WARP; i < z.words * 32; i += WARP) {
        u32 on = 0, off = 0;
        for (int r = first; r < last; ++r) {
            if (!bit_at(p.won_rv + (u64)r * z.column_words, c)) continue;
            const bool bit = bit_at(p.x_rw + (u64)r * z.words, i);
            on += bit;
            off += !bit;
        }
        const int before = p.perm_ci[(u64)c * z.words * 32 + i];
        write_synapse(
            p.perm_ci, p.conn_cw, p.conn_iv, 0, z.columns, z.words, z.column_words, c, i, before,
            adapted(before, on, off, increment, decrement), z.connected);
    }
}

// Raise all synapses of one weak column; one warp.
__device__ inline void bump_column(const Pooler& p, const Sizes& z, int c, int bump) {
    for (int i = threadIdx.x % WARP; i < z.words * 32; i += WARP) {
        const int before = p.perm_ci[(u64)c * z.words * 32 + i];
        write_synapse(
            p.perm_ci, p.conn_cw, p.conn_iv, 0, z.columns, z.words, z.column_words, c, i, before,
            bumped(before, bump), z.connected);
    }
}

extern "C" __global__ void __launch_bounds__(1024) sp_chunk(
    i16* perm_mci, u32* conn_mcw, u32* conn_miv, const u32* x_mrw, const int* on_j,
    const i64* offset_mr, u32* won_mrv, u32* key_mc, u32* active_duty_mc, u32* overlap_duty_mc,
    u32* min_overlap_duty_mc, float* boost_mc, u32* reached_mc, int* learner_mj,
    const u32* window_tm, const unsigned char* boost_tm, int lead, int samples, int rows,
    int columns, int words, int column_words, u32 threshold, int boosted, u32 winners,
    int increment, int decrement, int connected, int bump, u64 reciprocal, u32 unit, i64 target,
    i64 gain, u32 weak_share) {
    __shared__ SelectScratch shared;
    __shared__ u32 per_warp[WARP];
    __shared__ u32 learners;
    const int model = blockIdx.y, warp = threadIdx.x / WARP, warps = blockDim.x / WARP;
    const u64 column = (u64)model * columns;
    const Sizes z = {columns, words, column_words, connected};
    const Pooler p = {
        perm_mci + column * words * 32, conn_mcw + column * words,
        conn_miv + (u64)model * words * 32 * column_words, x_mrw + (u64)model * rows * words,
        won_mrv + (u64)model * rows * column_words, key_mc + column, active_duty_mc + column,
        overlap_duty_mc + column, min_overlap_duty_mc + column, reached_mc + column,
        boost_mc + column, learner_mj + column};
    const i64* offset_r = offset_mr + (u64)model * (rows + 1);
    auto key_of = [&](int c, u32& key) { return (key = p.key_c[c]) != 0; };

    for (int t = 0; t < samples; ++t) {
        const int row = lead + t;
        score(p, z, on_j, offset_r[row], offset_r[row + 1], threshold, boosted, bump > 0);
        const auto best = select_largest<u32>(key_of, columns, winners, shared);
        visit_selected<u32>(key_of, columns, best, shared, [&](int c, bool wins) {
            const u32 word = __ballot_sync(ALL_LANES, wins);
            if (c % WARP == 0 && c < columns) p.won_rv[(u64)row * column_words + c / 32] = word;
        });
        const int n = (int)window_tm[(u64)t * gridDim.y + model];
        if (n > 0) {
            if (threadIdx.x == 0) learners = 0;
            __syncthreads();
            tally(p, z, row + 1 - n, row + 1, bump, reciprocal, unit, &learners);
            __syncthreads();
            for (u32 j = warp; j < learners; j += warps) {
                adapt(p, z, row + 1 - n, row + 1, p.learner_j[j], increment, decrement);
            }
            if (bump > 0) {
                __syncthreads();
                for (int c = warp; c < columns; c += warps) {
                    if (p.overlap_duty_c[c] < p.min_overlap_duty_c[c]) bump_column(p, z, c, bump);
                }
            }
            __syncthreads();
        }
        if (!boost_tm[(u64)t * gridDim.y + model]) continue;
        u32 most = 0;
        for (int c = threadIdx.x; c < columns; c += blockDim.x) {
            if (p.overlap_duty_c[c] > most) most = p.overlap_duty_c[c];
        }
        most = block_max(most, per_warp);
        for (int c = threadIdx.x; c < columns; c += blockDim.x) {
            p.boost_c[c] = boost_factor(p.active_duty_c[c], target, gain);
            p.min_overlap_duty_c[c] = least_duty(most, weak_share);
        }
    }
}
