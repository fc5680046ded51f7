// Spatial pooler: commit of a window under global or local inhibition.
//
// Rules and suffixes as in spatial_pooler.cu. Blocks are whole warps.
//
// kernel    grid x                      grid z            threads  writes
// sp_tally  ceil(column_words / warps)  1                 any      duty cycles, learners
// sp_adapt  any (strides over learners) 1                 <= 256   perm, conn of learners
// sp_adapt_near, sp_adapt_far: as sp_adapt, of compact pools
// sp_push   ceil(learners / warps)      1                 any      perm, conn of learners
// sp_turn   ceil(column_words / 8)      ceil(words / 32)  256      conn_miv
// sp_bump   ceil(columns / warps)       1                 any      perm, conn of weak columns
//
// In this order; sp_push only with a push; sp_turn only where these were told by_input = 0.
// window_tm[t][m] is how many samples model m commits after sample t (0: none); models without work
// leave at once.
//
// Compact pools (pools.cuh) have `runs` runs a column, and `entry` bytes an input: sp_adapt_near
// learns with one, sp_adapt_far with two. `entry` 0: rows of permanences are whole, and input_mcb and
// base_mcg are not looked at.
#include "pools.cuh"

constexpr int ROWS_LISTED = 1024;     // rows of a window that sp_adapt lists at a time
constexpr int FEW_PLANES = 5;         // bits of the count of a column's wins that are usual
constexpr int MANY_PLANES = 8;        // and that a byte can hold
constexpr int SLABS = 8;              // warps of sp_turn, of 32 columns each
constexpr int PITCH = WARP + 1;       // of rows of a slab, and SLAB of slabs: lanes that read
constexpr int SLAB = 32 * PITCH + 4;  // eight slabs at four rows find 32 banks

// Count each column's wins in the window that ends before `stop_row`, advance its duty cycles and
// list the columns that won. One warp for 32 columns: a lane reads their word of a row, and after
// transposing has the rows of a column. learner_count_tm[t] must be 0; the list's order has no
// meaning.
extern "C" __global__ void sp_tally(
    const u32* won_mrv, const u32* window_tm, u32* active_duty_mc, u32* overlap_duty_mc,
    u32* reached_mc, int* learner_mj, u32* learner_count_tm, int t, int stop_row, int rows,
    int columns, int column_words, int bump, u64 reciprocal, u32 unit) {
    const int lane = threadIdx.x % WARP, model = blockIdx.y;
    const int v = (int)((blockIdx.x * blockDim.x + threadIdx.x) / WARP), c = v * 32 + lane;
    const int n = (int)window_tm[(u64)t * gridDim.y + model];
    if (v >= column_words || n == 0) return;
    const u32* won_r = won_mrv + ((u64)model * rows + stop_row - n) * column_words + v;
    u32 wins = 0;
#pragma unroll 4
    for (int first = 0; first < n; first += WARP) {
        const int r = first + lane;
        wins += __popc(warp_transpose(r < n ? won_r[(u64)r * column_words] : 0));
    }
    // A column beyond the last has no wins.
    const u32 learners = __ballot_sync(ALL_LANES, wins > 0);
    u32 before = 0;
    if (lane == 0 && learners != 0) {
        before = atomicAdd(&learner_count_tm[(u64)t * gridDim.y + model], (u32)__popc(learners));
    }
    before = warp_max(before) + __popc(learners & ((1u << lane) - 1));
    if (c >= columns) return;
    const u64 at = (u64)model * columns + c;
    if (wins > 0) learner_mj[(u64)model * columns + before] = c;
    active_duty_mc[at] = advance_duty(active_duty_mc[at], wins, n, reciprocal, unit);
    if (bump > 0) {
        overlap_duty_mc[at] =
            advance_duty(overlap_duty_mc[at], reached_mc[at], n, reciprocal, unit);
        reached_mc[at] = 0;
    }
}

// The rows first .. stop of a window, at most ROWS_LISTED, in which column c won. The whole block.
__device__ inline u32 list_rows(
    const u32* won_rv, int first, int stop, int column_words, int c, int* row_listed,
    u32& rows_listed) {
    __syncthreads();
    if (threadIdx.x == 0) rows_listed = 0;
    __syncthreads();
    for (int r = first + (int)threadIdx.x; r < stop; r += blockDim.x) {
        if (bit_at(won_rv + (u64)r * column_words, c)) {
            row_listed[atomicAdd(&rows_listed, 1u)] = r;
        }
    }
    __syncthreads();
    return rows_listed;
}

// In how many of the listed samples the inputs of word w were on.
template <int PLANES>
__device__ Counts<PLANES> count_word(
    const u32* x_rw, const int* row_listed, u32 wins, int words, int w) {
    constexpr u32 AT_ONCE = 4;  // samples whose words are read before the first is counted
    Counts<PLANES> on = {{}, 32 - __clz((int)wins)};
    for (u32 q = 0; q < wins; q += AT_ONCE) {
        u32 x[AT_ONCE];
#pragma unroll
        for (u32 k = 0; k < AT_ONCE; ++k) {
            x[k] = q + k < wins ? x_rw[(u64)row_listed[q + k] * words + w] : 0;
        }
#pragma unroll
        for (u32 k = 0; k < AT_ONCE; ++k) {
            if (q + k >= wins) break;
            on.add(x[k]);
        }
    }
    return on;
}

// Have the synapses of one column learn from the listed samples; the whole block.
template <bool WIDE, bool PASSING, int PLANES>
__device__ void learn_window(
    const Column& column, const u32* x_rw, const int* row_listed, u32 wins, PairRule rule) {
    auto count = [&](int w) {
        return count_word<PLANES>(x_rw, row_listed, wins, column.words, w);
    };
    learn_words<WIDE, PASSING>(column, threadIdx.x, blockDim.x, rule, count, [](int, u32, u32) {});
}

struct SeesNothing {
    template <typename... All>
    __device__ void operator()(const All&...) const {}
};

// The same of a compact pool: counts are written down for all inputs first, if there is room.
template <int ENTRY, bool WIDE, bool PASSING, int PLANES>
__device__ void learn_window(
    const Pool& pool, const u32* x_rw, const int* row_listed, u32 wins, PairRule rule,
    OnBytes& bytes) {
    const int words = pool.words;
    const SeesNothing see;
    if (has_room(words)) {
        write_counts(bytes, words, [&](int w) {
            return count_word<PLANES>(x_rw, row_listed, wins, words, w);
        });
        learn_runs<ENTRY, WIDE, PASSING>(
            pool, threadIdx.x, blockDim.x, rule,
            [&](const Run<ENTRY>& run) { return RunCounts<ENTRY>(run, bytes); }, see);
        return;
    }
    auto count = [&](const Run<ENTRY>& run) {
        Counts<PLANES> on = {{}, 32 - __clz((int)wins)};
        for (u32 q = 0; q < wins; ++q) on.add(run.bits_of(x_rw + (u64)row_listed[q] * words));
        return on;
    };
    learn_runs<ENTRY, WIDE, PASSING>(pool, threadIdx.x, blockDim.x, rule, count, see);
}

// What sp_adapt knows of a window, and where it lists rows.
struct Window {
    const u32 *x_rw, *won_rv;
    int stop_row, n, column_words, increment, decrement, connected;
    int* row_listed;
    u32& rows_listed;

    __device__ u32 list(int first, int stop, int c) const {
        return list_rows(won_rv, first, stop, column_words, c, row_listed, rows_listed);
    }
    // The samples in which column c won; ~0u where they are too many to be listed at once.
    __device__ u32 list(int c) const {
        return n <= ROWS_LISTED ? list(stop_row - n, stop_row, c) : ~0u;
    }
};

// Have one column learn, a synapse a thread, however many its wins: place j of `places` belongs to
// input_of(j), write(j, on, all) is told in how many of its wins that was on. The whole block.
template <typename InputOf, typename Write>
__device__ void adapt_slowly(
    const Window& window, int c, int words, int places, InputOf input_of, Write write) {
    for (int base = 0; base < places; base += blockDim.x) {
        const int j = base + (int)threadIdx.x;
        const int i = j < places ? input_of(j) : 0;
        u32 on = 0, all = 0;
        for (int first = window.stop_row - window.n; first < window.stop_row;
             first += ROWS_LISTED) {
            const int left = window.stop_row - first;
            const u32 listed =
                window.list(first, first + (left < ROWS_LISTED ? left : ROWS_LISTED), c);
            all += listed;
            for (u32 q = 0; j < places && q < listed; ++q) {
                on += bit_at(window.x_rw + (u64)window.row_listed[q] * words, i);
            }
        }
        if (j < places) write(j, on, all);
    }
}

// Apply a window to the columns that won in it: per synapse all steps up and down are added up,
// then clipped once. A block takes one column at a time, a thread 32 synapses of it. Where many
// columns learn, `by_input` is 0, and sp_turn makes the bits by input anew.
extern "C" __global__ void __launch_bounds__(256, 4) sp_adapt(
    i16* perm_mci, u32* conn_mcw, u32* conn_miv, const u32* x_mrw, const u32* won_mrv,
    const u32* window_tm, const int* learner_mj, const u32* learner_count_tm, int t, int stop_row,
    int rows, int columns, int words, int column_words, int increment, int decrement,
    int connected, int by_input) {
    __shared__ int row_listed[ROWS_LISTED];
    __shared__ u32 rows_listed;
    const int model = blockIdx.y;
    const int n = (int)window_tm[(u64)t * gridDim.y + model];
    if (n == 0) return;
    const u32 learners = learner_count_tm[(u64)t * gridDim.y + model];
    const u32* x_rw = x_mrw + (u64)model * rows * words;
    const Window window = {
        x_rw, won_mrv + (u64)model * rows * column_words, stop_row, n, column_words, increment,
        decrement, connected, row_listed, rows_listed};

    for (u32 j = blockIdx.x; j < learners; j += gridDim.x) {
        const int c = learner_mj[(u64)model * columns + j];
        Column column = column_at(
            perm_mci, conn_mcw, conn_miv, model, columns, words, column_words, c);
        if (!by_input) column.conn_iv = nullptr;
        const u32 wins = window.list(c);
        if (wins < 1 << FEW_PLANES && fits_pairs(wins, increment, decrement)) {
            const auto rule = pair_rule<false>(wins, increment, decrement, connected);
            if (by_input) {
                learn_window<false, true, FEW_PLANES>(column, x_rw, row_listed, wins, rule);
            } else {
                learn_window<false, false, FEW_PLANES>(column, x_rw, row_listed, wins, rule);
            }
            continue;
        }
        if (wins < 1 << MANY_PLANES) {
            const auto rule = pair_rule<true>(wins, increment, decrement, connected);
            learn_window<true, true, MANY_PLANES>(column, x_rw, row_listed, wins, rule);
            continue;
        }
        // More wins than that, or a list that is too long.
        auto write = [&](int i, u32 on, u32 all) {
            const int before = column.perm_i[perm_place(i, words)];
            write_synapse(
                perm_mci, conn_mcw, by_input ? conn_miv : nullptr, model, columns, words,
                column_words, c, i, before, adapted(before, on, all - on, increment, decrement),
                connected);
        };
        adapt_slowly(window, c, words, words * 32, [](int i) { return i; }, write);
    }
}

// sp_adapt of compact pools, a thread a run of them.
template <int ENTRY>
__device__ void adapt_pools(
    i16* perm_mcj, const u8* input_mcb, const u16* base_mcg, u32* conn_mcw, u32* conn_miv,
    const int* learner_mj, u32 learners, int columns, int words, int runs, const Window& window,
    OnBytes& bytes) {
    for (u32 j = blockIdx.x; j < learners; j += gridDim.x) {
        const int c = learner_mj[(u64)blockIdx.y * columns + j];
        const Pool pool = pool_at(
            perm_mcj, input_mcb, base_mcg, conn_mcw, conn_miv, blockIdx.y, columns, words,
            window.column_words, runs, ENTRY, c);
        const int up = window.increment, down = window.decrement;
        const u32 wins = window.list(c);
        if (wins < 1 << FEW_PLANES && fits_pairs(wins, up, down)) {
            learn_window<ENTRY, false, true, FEW_PLANES>(
                pool, window.x_rw, window.row_listed, wins,
                pair_rule<false>(wins, up, down, window.connected), bytes);
            continue;
        }
        if (wins < 1 << MANY_PLANES) {
            learn_window<ENTRY, true, true, MANY_PLANES>(
                pool, window.x_rw, window.row_listed, wins,
                pair_rule<true>(wins, up, down, window.connected), bytes);
            continue;
        }
        auto input_of = [&](int place) { return input_at(pool, place / 32, place % 32); };
        auto write = [&](int place, u32 on, u32 all) {
            const int before = pool.perm_j[perm_place(place, runs)];
            write_place(
                pool, place, before, adapted(before, on, all - on, up, down), window.connected);
        };
        adapt_slowly(window, c, words, runs * 32, input_of, write);
    }
}

extern "C" __global__ void __launch_bounds__(256, 4) sp_adapt_near(
    i16* perm_mcj, const u8* input_mcb, const u16* base_mcg, u32* conn_mcw, u32* conn_miv,
    const u32* x_mrw, const u32* won_mrv, const u32* window_tm, const int* learner_mj,
    const u32* learner_count_tm, int t, int stop_row, int rows, int columns, int words,
    int column_words, int runs, int increment, int decrement, int connected, int by_input) {
    __shared__ int row_listed[ROWS_LISTED];
    __shared__ u32 rows_listed;
    __shared__ OnBytes bytes;
    const u64 model = blockIdx.y, at = (u64)t * gridDim.y + model;
    const int n = (int)window_tm[at];
    if (n == 0) return;
    adapt_pools<1>(
        perm_mcj, input_mcb, base_mcg, conn_mcw, by_input ? conn_miv : nullptr, learner_mj,
        learner_count_tm[at], columns, words, runs,
        {x_mrw + model * rows * words, won_mrv + model * rows * column_words, stop_row, n,
         column_words, increment, decrement, connected, row_listed, rows_listed},
        bytes);
}

extern "C" __global__ void __launch_bounds__(256, 4) sp_adapt_far(
    i16* perm_mcj, const u8* input_mcb, const u16* base_mcg, u32* conn_mcw, u32* conn_miv,
    const u32* x_mrw, const u32* won_mrv, const u32* window_tm, const int* learner_mj,
    const u32* learner_count_tm, int t, int stop_row, int rows, int columns, int words,
    int column_words, int runs, int increment, int decrement, int connected, int by_input) {
    __shared__ int row_listed[ROWS_LISTED];
    __shared__ u32 rows_listed;
    __shared__ OnBytes bytes;
    const u64 model = blockIdx.y, at = (u64)t * gridDim.y + model;
    const int n = (int)window_tm[at];
    if (n == 0) return;
    adapt_pools<2>(
        perm_mcj, input_mcb, base_mcg, conn_mcw, by_input ? conn_miv : nullptr, learner_mj,
        learner_count_tm[at], columns, words, runs,
        {x_mrw + model * rows * words, won_mrv + model * rows * column_words, stop_row, n,
         column_words, increment, decrement, connected, row_listed, rows_listed},
        bytes);
}

// Move the synapses of the columns that won away from the inflection, once for each win in the
// window that ends before `stop_row`; one warp a column.
extern "C" __global__ void sp_push(
    i16* perm_mci, const u8* input_mcb, const u16* base_mcg, u32* conn_mcw, u32* conn_miv,
    const u32* won_mrv, const u32* window_tm, const int* learner_mj, const u32* learner_count_tm,
    int t, int stop_row, int rows, int columns, int words, int column_words, int runs, int entry,
    int push, int inflection, int connected, int by_input) {
    const int lane = threadIdx.x % WARP, model = blockIdx.y;
    const u32 j = (blockIdx.x * blockDim.x + threadIdx.x) / WARP;
    const int n = (int)window_tm[(u64)t * gridDim.y + model];
    if (n == 0 || j >= learner_count_tm[(u64)t * gridDim.y + model]) return;
    const int c = learner_mj[(u64)model * columns + j];
    const u32* won_r = won_mrv + ((u64)model * rows + stop_row - n) * column_words;
    u32 wins = 0;
    for (int r = lane; r < n; r += WARP) wins += bit_at(won_r + (u64)r * column_words, c);
    const i64 all = (i64)push * warp_sum(wins);
    const int step = all < PERMANENCE_ONE ? (int)all : PERMANENCE_ONE;
    if (!by_input) conn_miv = nullptr;
    if (entry) {
        const Pool pool = pool_at(
            perm_mci, input_mcb, base_mcg, conn_mcw, conn_miv, model, columns, words, column_words,
            runs, entry, c);
        for (int j = lane; j < runs * 32; j += WARP) {
            const int before = pool.perm_j[perm_place(j, runs)];
            write_place(pool, j, before, pushed(before, step, inflection), connected);
        }
        return;
    }
    for (int i = lane; i < words * 32; i += WARP) {
        const u64 column = (u64)model * columns + c;
        const int before = perm_mci[column * words * 32 + perm_place(i, words)];
        write_synapse(
            perm_mci, conn_mcw, conn_miv, model, columns, words, column_words, c, i, before,
            pushed(before, step, inflection), connected);
    }
}

// Make the bits by input of the models that commit anew from those by column: squares of 32 x 32 bits
// are transposed, each by one thread, on their way through shared memory. A block has 32 words of
// 32 * SLABS columns; reads lie side by side in the rows of columns, writes in those of inputs.
extern "C" __global__ void __launch_bounds__(256) sp_turn(
    const u32* conn_mcw, u32* conn_miv, const u32* window_tm, int t, int columns, int words,
    int column_words) {
    __shared__ u32 tile[SLABS * SLAB];
    const int lane = threadIdx.x % WARP, slab = threadIdx.x / WARP, model = blockIdx.y;
    const int first_v = blockIdx.x * SLABS, first_w = blockIdx.z * WARP;
    if (window_tm[(u64)t * gridDim.y + model] == 0) return;
    const int w = first_w + lane, first_c = (first_v + slab) * 32;
    const u32* conn_cw = conn_mcw + (u64)model * columns * words + w;
    u32 square[32];
#pragma unroll
    for (int k = 0; k < 32; ++k) {
        const int c = first_c + k;
        square[k] = c < columns && w < words ? conn_cw[(u64)c * words] : 0;
    }
    transpose_square(square);
#pragma unroll
    for (int k = 0; k < 32; ++k) tile[slab * SLAB + k * PITCH + lane] = square[k];
    __syncthreads();
    const int v = threadIdx.x % SLABS;
    u32* conn_iv = conn_miv + ((u64)model * words + first_w) * 32 * column_words + first_v + v;
    const int inputs = words - first_w < WARP ? (words - first_w) * 32 : WARP * 32;
    if (first_v + v >= column_words) return;
    for (int i = threadIdx.x / SLABS; i < inputs; i += blockDim.x / SLABS) {
        conn_iv[(u64)i * column_words] = tile[v * SLAB + i % 32 * PITCH + i / 32];
    }
}

// Raise all synapses of the weak columns of the models that commit; one warp a column.
extern "C" __global__ void sp_bump(
    i16* perm_mci, const u8* input_mcb, const u16* base_mcg, u32* conn_mcw, u32* conn_miv,
    const u32* overlap_duty_mc, const u32* min_overlap_duty_mc, const u32* window_tm, int t,
    int columns, int words, int column_words, int runs, int entry, int bump, int connected) {
    const int lane = threadIdx.x % WARP;
    const int c = (int)((blockIdx.x * blockDim.x + threadIdx.x) / WARP), model = blockIdx.y;
    const u64 column = (u64)model * columns + c;
    if (c >= columns || window_tm[(u64)t * gridDim.y + model] == 0) return;
    if (overlap_duty_mc[column] >= min_overlap_duty_mc[column]) return;
    if (entry) {
        const Pool pool = pool_at(
            perm_mci, input_mcb, base_mcg, conn_mcw, conn_miv, model, columns, words, column_words,
            runs, entry, c);
        for (int j = lane; j < runs * 32; j += WARP) {
            const int before = pool.perm_j[perm_place(j, runs)];
            write_place(pool, j, before, bumped(before, bump), connected);
        }
        return;
    }
    for (int i = lane; i < words * 32; i += WARP) {
        const int before = perm_mci[column * words * 32 + perm_place(i, words)];
        write_synapse(
            perm_mci, conn_mcw, conn_miv, model, columns, words, column_words, c, i, before,
            bumped(before, bump), connected);
    }
}
