// Spatial pooler: overlaps, winners, boosting, under global inhibition.
//
// Rules: docs/math.md, "Spatial pooler"; windows are committed in sp_learn.cu, local inhibition is in
// sp_topology.cu. Everything that
// decides is an integer or one IEEE multiply, and every atomic is an integer operation whose
// order cannot be seen in a result. No kernel uses dynamic shared memory.
//
// Suffixes: m model, c column, i input, w word of 32 inputs, v word of 32 columns, r row of the
// chunk, s sample of this launch, t sample of the chunk (schedule), j entry of a list. Models lie
// behind each other; blockIdx.y is the model. Input axes have pitch words * 32, column-bit axes
// column_words; bits and permanences of padding are 0 and -1. A chunk has `rows` rows: the pending
// samples of earlier chunks first, so that a window is always a range of rows. Blocks are whole
// warps, 32 to 1024 threads.
//
// kernel                grid x                      grid z             writes
// sp_overlap            ceil(columns / warps)       ceil(samples / 8)  overlap_msc, key_msc
// sp_overlap_sparse     ceil(column_words / 8)      samples            overlap_msc, key_msc
// sp_select_4, _16      1; columns <= 4 or 16 * threads  samples       won_mrv rows, zero before
// sp_select_any         1                           samples            won_mrv rows, zero before
// sp_count_reached      ceil(columns / threads)     1                  reached_mc
// sp_most_overlap_duty  1                           1                  most_tm of this t
// sp_boost_global       ceil(columns / threads)     1                  boost, min_overlap_duty
//
// Order of a boosting point: sp_most_overlap_duty, sp_boost_global. window_tm[t][m] is how many samples
// model m commits after sample t (0: none), boost_tm[t][m] whether it boosts; models without work
// leave at once.
#include "columns.cuh"
#include "select.cuh"

constexpr int SAMPLES_PER_WARP = 8;  // samples that share one read of a column's connected bits

// Overlaps from packed rows of both sides: one warp a column, for up to SAMPLES_PER_WARP samples.
// Suits windows and dense inputs. Reads words * 4 bytes a column once.
extern "C" __global__ void sp_overlap(
    const u32* conn_mcw, const u32* x_mrw, const float* boost_mc, u32* overlap_msc, u32* key_msc,
    int first_row, int samples, int rows, int columns, int words, u32 threshold, int boosted) {
    const int lane = threadIdx.x % WARP;
    const int c = (int)((blockIdx.x * blockDim.x + threadIdx.x) / WARP), model = blockIdx.y;
    if (c >= columns) return;
    const int first = blockIdx.z * SAMPLES_PER_WARP;
    const u32* conn_w = conn_mcw + ((u64)model * columns + c) * words;
    const u32* x_sw = x_mrw + ((u64)model * rows + first_row + first) * words;
    u32 count_s[SAMPLES_PER_WARP] = {};
    for (int w = lane; w < words; w += WARP) {
        const u32 connected = conn_w[w];
#pragma unroll
        for (int s = 0; s < SAMPLES_PER_WARP; ++s) {
            if (first + s < samples) count_s[s] += __popc(connected & x_sw[(u64)s * words + w]);
        }
    }
#pragma unroll
    for (int s = 0; s < SAMPLES_PER_WARP; ++s) {
        if (first + s >= samples) return;
        const u32 overlap = warp_sum(count_s[s]);
        if (lane == 0) {
            const u64 at = ((u64)model * samples + first + s) * columns + c;
            overlap_msc[at] = overlap;
            key_msc[at] =
                score_key(overlap, boost_mc + (u64)model * columns, c, threshold, boosted);
        }
    }
}

// Overlaps from the list of on-bits: only the rows of on-bits of the transposed matrix are read.
extern "C" __global__ void sp_overlap_sparse(
    const u32* conn_miv, const int* on_j, const i64* offset_mr, const float* boost_mc,
    u32* overlap_msc, u32* key_msc, int first_row, int samples, int rows, int columns, int words,
    int column_words, u32 threshold, int boosted) {
    __shared__ u32 total[SPARSE_COLUMNS];
    const int s = blockIdx.z, model = blockIdx.y;
    const i64* offset_r = offset_mr + (u64)model * (rows + 1) + first_row + s;
    count_sparse(
        conn_miv + (u64)model * words * 32 * column_words, on_j, offset_r[0], offset_r[1],
        blockIdx.x * SPARSE_WORDS, column_words, total);
    for (int j = threadIdx.x; j < SPARSE_COLUMNS; j += blockDim.x) {
        const int c = blockIdx.x * SPARSE_COLUMNS + j;
        if (c >= columns) return;
        const u64 at = ((u64)model * samples + s) * columns + c;
        overlap_msc[at] = total[j];
        key_msc[at] = score_key(total[j], boost_mc + (u64)model * columns, c, threshold, boosted);
    }
}

// The `winners` columns with the largest keys; one block a sample. Any number of columns. The rows
// must be zero.
extern "C" __global__ void __launch_bounds__(1024) sp_select_any(
    const u32* key_msc, u32* won_mrv, int first_row, int samples, int rows, int columns,
    int column_words, u32 winners) {
    __shared__ AnyScratch shared;
    const u64 s = blockIdx.z, model = blockIdx.y;
    u32* won_v = won_mrv + (model * rows + first_row + s) * column_words;
    select_any(
        key_msc + (model * samples + s) * columns, columns, winners, shared,
        [&](int c, u32) { atomicOr(&won_v[c / 32], 1u << (c % 32)); });
}

// The same with all keys in registers: at most ITEMS columns a thread.
template <int ITEMS>
__device__ void select_held(
    const u32* key_c, u32* won_v, int columns, u32 winners, TopScratch& shared) {
    u32 key[ITEMS];
    hold_keys(key, key_c, columns);
    select_top(key, columns, winners, shared, [&](int c, u32) {
        atomicOr(&won_v[c / 32], 1u << (c % 32));
    });
}

extern "C" __global__ void __launch_bounds__(1024) sp_select_4(
    const u32* key_msc, u32* won_mrv, int first_row, int samples, int rows, int columns,
    int column_words, u32 winners) {
    __shared__ TopScratch shared;
    const u64 s = blockIdx.z, model = blockIdx.y;
    select_held<4>(
        key_msc + (model * samples + s) * columns,
        won_mrv + (model * rows + first_row + s) * column_words, columns, winners, shared);
}

extern "C" __global__ void __launch_bounds__(1024) sp_select_16(
    const u32* key_msc, u32* won_mrv, int first_row, int samples, int rows, int columns,
    int column_words, u32 winners) {
    __shared__ TopScratch shared;
    const u64 s = blockIdx.z, model = blockIdx.y;
    select_held<16>(
        key_msc + (model * samples + s) * columns,
        won_mrv + (model * rows + first_row + s) * column_words, columns, winners, shared);
}

// Count in how many of the launch's samples each overlap reached the stimulus threshold.
extern "C" __global__ void sp_count_reached(
    const u32* overlap_msc, u32* reached_mc, int samples, int columns, u32 threshold) {
    const int c = blockIdx.x * blockDim.x + threadIdx.x, model = blockIdx.y;
    if (c >= columns) return;
    u32 count = 0;
    for (int s = 0; s < samples; ++s) {
        count += overlap_msc[((u64)model * samples + s) * columns + c] >= threshold;
    }
    reached_mc[(u64)model * columns + c] += count;
}

// The largest overlap duty cycle of each model that boosts after sample t.
extern "C" __global__ void __launch_bounds__(1024) sp_most_overlap_duty(
    const u32* overlap_duty_mc, const unsigned char* boost_tm, u32* most_tm, int t, int columns) {
    __shared__ u32 per_warp[WARP];
    const u64 at = (u64)t * gridDim.y + blockIdx.y;
    if (!boost_tm[at]) return;
    u32 most = 0;
    for (int c = threadIdx.x; c < columns; c += blockDim.x) {
        const u32 duty = overlap_duty_mc[(u64)blockIdx.y * columns + c];
        if (duty > most) most = duty;
    }
    most = block_max(most, per_warp);
    if (threadIdx.x == 0) most_tm[at] = most;
}

// Boost factors towards one target, minimum overlap duty cycles from one maximum.
extern "C" __global__ void sp_boost_global(
    float* boost_mc, u32* min_overlap_duty_mc, const u32* active_duty_mc, const u32* most_tm,
    const unsigned char* boost_tm, int t, int columns, i64 target, i64 gain, u32 weak_share) {
    const int c = blockIdx.x * blockDim.x + threadIdx.x;
    const u64 at = (u64)t * gridDim.y + blockIdx.y, column = (u64)blockIdx.y * columns + c;
    if (c >= columns || !boost_tm[at]) return;
    boost_mc[column] = boost_factor(active_duty_mc[column], target, gain);
    min_overlap_duty_mc[column] = least_duty(most_tm[at], weak_share);
}
