// Spatial pooler: overlaps, winners, commit of a window, boosting, under global inhibition.
//
// Rules: docs/math.md, "Spatial pooler"; local inhibition is in sp_topology.cu. Everything that
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
// sp_overlap_sparse     ceil(column_words / 32)     samples            overlap_msc, key_msc
// sp_select_global      1                           samples            won_mrv rows of the launch
// sp_count_reached      ceil(columns / threads)     1                  reached_mc
// sp_tally              ceil(columns / threads)     1                  duty cycles, learners
// sp_adapt              any (strides over learners) 1                  perm, conn of learners
// sp_bump               ceil(columns / warps)       1                  perm, conn of weak columns
// sp_most_overlap_duty  1                           1                  most_tm of this t
// sp_boost_global       ceil(columns / threads)     1                  boost, min_overlap_duty
//
// Order of a commit: sp_tally, sp_adapt, sp_bump; of a boosting point: sp_most_overlap_duty,
// sp_boost_global. window_tm[t][m] is how many samples model m commits after sample t (0: none),
// boost_tm[t][m] whether it boosts; models without work leave at once.
#include "select.cuh"
#include "synapses.cuh"

constexpr int SAMPLES_PER_WARP = 8;    // samples that share one read of a column's connected bits
constexpr int PLANES = 8;              // bits of the vertical counters of sp_overlap_sparse
constexpr int INPUTS_PER_THREAD = 4;   // of sp_adapt
constexpr int ROWS_LISTED = 256;       // rows of a window that sp_adapt lists at a time

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
// A lane owns a word of 32 columns and counts them side by side in bit planes; the warps of a block
// share the on-bits. Reads column_words * 4 bytes an on-bit.
extern "C" __global__ void sp_overlap_sparse(
    const u32* conn_miv, const int* on_j, const i64* offset_mr, const float* boost_mc,
    u32* overlap_msc, u32* key_msc, int first_row, int samples, int rows, int columns, int words,
    int column_words, u32 threshold, int boosted) {
    __shared__ u32 total[32 * 33];  // [column % 32][column / 32], rows of 33 to spread the banks
    const int lane = threadIdx.x % WARP, warp = threadIdx.x / WARP, warps = blockDim.x / WARP;
    const int s = blockIdx.z, model = blockIdx.y, v = blockIdx.x * 32 + lane;
    for (int j = threadIdx.x; j < 32 * 33; j += blockDim.x) total[j] = 0;
    __syncthreads();

    const i64* offset_r = offset_mr + (u64)model * (rows + 1) + first_row + s;
    const u32* conn_iv = conn_miv + (u64)model * words * 32 * column_words;
    u32 plane[PLANES] = {};
    int counted = 0;
    auto add_to_total = [&]() {
        for (int b = 0; b < 32; ++b) {
            u32 count = 0;
#pragma unroll
            for (int p = 0; p < PLANES; ++p) count |= (plane[p] >> b & 1u) << p;
            if (count) atomicAdd(&total[b * 33 + lane], count);
        }
#pragma unroll
        for (int p = 0; p < PLANES; ++p) plane[p] = 0;
        counted = 0;
    };
    if (v < column_words) {
        for (i64 j = offset_r[0] + warp; j < offset_r[1]; j += warps) {
            u32 carry = conn_iv[(u64)on_j[j] * column_words + v];
#pragma unroll
            for (int p = 0; p < PLANES; ++p) {
                const u32 sum = plane[p] ^ carry;
                carry &= plane[p];
                plane[p] = sum;
            }
            if (++counted == (1 << PLANES) - 1) add_to_total();
        }
        add_to_total();
    }
    __syncthreads();
    for (int j = threadIdx.x; j < 1024; j += blockDim.x) {
        const int c = blockIdx.x * 1024 + j;
        if (c >= columns) return;
        const u32 overlap = total[j % 32 * 33 + j / 32];
        const u64 at = ((u64)model * samples + s) * columns + c;
        overlap_msc[at] = overlap;
        key_msc[at] = score_key(overlap, boost_mc + (u64)model * columns, c, threshold, boosted);
    }
}

// The `winners` columns with the largest keys; one block a sample.
extern "C" __global__ void __launch_bounds__(1024) sp_select_global(
    const u32* key_msc, u32* won_mrv, int first_row, int samples, int rows, int columns,
    int column_words, u32 winners) {
    __shared__ SelectScratch shared;
    const int s = blockIdx.z, model = blockIdx.y;
    const u32* key_c = key_msc + ((u64)model * samples + s) * columns;
    u32* won_v = won_mrv + ((u64)model * rows + first_row + s) * column_words;
    auto key_of = [&](int c, u32& key) { return (key = key_c[c]) != 0; };
    const auto best = select_largest<u32>(key_of, columns, winners, shared);
    visit_selected<u32>(key_of, columns, best, shared, [&](int c, bool wins) {
        const u32 word = __ballot_sync(ALL_LANES, wins);
        if (c % WARP == 0 && c < columns) won_v[c / 32] = word;
    });
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

// Count each column's wins in the window that ends before `stop_row`, advance its duty cycles and
// list the columns that won. learner_count_tm[t] must be 0; the list's order has no meaning.
extern "C" __global__ void sp_tally(
    const u32* won_mrv, const u32* window_tm, u32* active_duty_mc, u32* overlap_duty_mc,
    u32* reached_mc, int* learner_mj, u32* learner_count_tm, int t, int stop_row, int rows,
    int columns, int column_words, int bump, u64 reciprocal, u32 unit) {
    const int c = blockIdx.x * blockDim.x + threadIdx.x, model = blockIdx.y;
    const u32 n = window_tm[(u64)t * gridDim.y + model];
    if (c >= columns || n == 0) return;
    u32 wins = 0;
    for (int r = stop_row - (int)n; r < stop_row; ++r) {
        wins += bit_at(won_mrv + ((u64)model * rows + r) * column_words, c);
    }
    const u64 at = (u64)model * columns + c;
    active_duty_mc[at] = advance_duty(active_duty_mc[at], wins, n, reciprocal, unit);
    if (bump > 0) {
        overlap_duty_mc[at] =
            advance_duty(overlap_duty_mc[at], reached_mc[at], n, reciprocal, unit);
        reached_mc[at] = 0;
    }
    if (wins > 0) {
        const u32 j = atomicAdd(&learner_count_tm[(u64)t * gridDim.y + model], 1u);
        learner_mj[(u64)model * columns + j] = c;
    }
}

// Apply a window to the columns that won in it: per synapse all steps up and down are added up,
// then clipped once. A block takes one column at a time.
extern "C" __global__ void sp_adapt(
    i16* perm_mci, u32* conn_mcw, u32* conn_miv, const u32* x_mrw, const u32* won_mrv,
    const u32* window_tm, const int* learner_mj, const u32* learner_count_tm, int t, int stop_row,
    int rows, int columns, int words, int column_words, int increment, int decrement,
    int connected) {
    __shared__ int row_listed[ROWS_LISTED];
    __shared__ u32 rows_listed;
    const int model = blockIdx.y;
    const u32 n = window_tm[(u64)t * gridDim.y + model];
    if (n == 0) return;
    const u32 learners = learner_count_tm[(u64)t * gridDim.y + model];
    const u32* x_rw = x_mrw + (u64)model * rows * words;
    const u32* won_rv = won_mrv + (u64)model * rows * column_words;
    const int stride = blockDim.x, span = stride * INPUTS_PER_THREAD;

    for (u32 j = blockIdx.x; j < learners; j += gridDim.x) {
        const int c = learner_mj[(u64)model * columns + j];
        for (int base = 0; base < words * 32; base += span) {
            u32 on[INPUTS_PER_THREAD] = {};
            u32 wins = 0;
            for (int first = stop_row - (int)n; first < stop_row; first += ROWS_LISTED) {
                const int last = first + ROWS_LISTED < stop_row ? first + ROWS_LISTED : stop_row;
                if (threadIdx.x == 0) rows_listed = 0;
                __syncthreads();
                for (int r = first + (int)threadIdx.x; r < last; r += stride) {
                    if (bit_at(won_rv + (u64)r * column_words, c)) {
                        row_listed[atomicAdd(&rows_listed, 1u)] = r;
                    }
                }
                __syncthreads();
                for (u32 q = 0; q < rows_listed; ++q) {
                    const u32* x_w = x_rw + (u64)row_listed[q] * words;
#pragma unroll
                    for (int item = 0; item < INPUTS_PER_THREAD; ++item) {
                        const int i = base + item * stride + (int)threadIdx.x;
                        if (i < words * 32) on[item] += bit_at(x_w, i);
                    }
                }
                wins += rows_listed;
                __syncthreads();
            }
#pragma unroll
            for (int item = 0; item < INPUTS_PER_THREAD; ++item) {
                const int i = base + item * stride + (int)threadIdx.x;
                if (i >= words * 32) continue;  // whole warps: a row is whole words
                const int before = perm_mci[((u64)model * columns + c) * words * 32 + i];
                write_synapse(
                    perm_mci, conn_mcw, conn_miv, model, columns, words, column_words, c, i,
                    before, adapted(before, on[item], wins - on[item], increment, decrement),
                    connected);
            }
        }
    }
}

// Raise all synapses of the weak columns of the models that commit; one warp a column.
extern "C" __global__ void sp_bump(
    i16* perm_mci, u32* conn_mcw, u32* conn_miv, const u32* overlap_duty_mc,
    const u32* min_overlap_duty_mc, const u32* window_tm, int t, int columns, int words,
    int column_words, int bump, int connected) {
    const int lane = threadIdx.x % WARP;
    const int c = (int)((blockIdx.x * blockDim.x + threadIdx.x) / WARP), model = blockIdx.y;
    const u64 column = (u64)model * columns + c;
    if (c >= columns || window_tm[(u64)t * gridDim.y + model] == 0) return;
    if (overlap_duty_mc[column] >= min_overlap_duty_mc[column]) return;
    for (int i = lane; i < words * 32; i += WARP) {
        const int before = perm_mci[column * words * 32 + i];
        write_synapse(
            perm_mci, conn_mcw, conn_miv, model, columns, words, column_words, c, i, before,
            bumped(before, bump), connected);
    }
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
