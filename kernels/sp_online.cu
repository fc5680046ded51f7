// Spatial pooler: online learning in two launches a sample, global inhibition.
//
// For groups whose models commit after each sample or never, without weak columns. sp_online_select
// takes the winners of sample t and does all that is done for each column; sp_online_adapt has the
// winners learn and meanwhile counts the overlaps of sample t + 1. Learning changes the connected
// bits of winners alone: blocks that count leave winners out, and a winner's own block counts it when
// it has written its bits. Results are those of the phases in spatial_pooler.cu, byte for byte.
//
// Suffixes as in spatial_pooler.cu; key_mc are the keys of one sample. Blocks: whole warps.
//
// kernel                grid x                                       grid y  writes
// sp_online_select_4    1; columns <= 4 * threads                    models  won_mrv row lead + t, duty
// sp_online_select_16   1; columns <= 16 * threads                           cycles, boost, learners
// sp_online_adapt       adapting + (counting ?                       models  perm, conn of learners;
//                       ceil(column_words / 8) : 0)                          key_mc of sample t + 1
//
// window_tm is 0 or 1, adapting at least `winners`. key_mc begins as sp_overlap_sparse of sample 0
// leaves it; `counting` says that there is a sample t + 1.
#include "columns.cuh"
#include "select.cuh"

template <int ITEMS>
__device__ void select_and_count(
    const u32* key_mc, u32* won_mrv, const u32* window_tm, const unsigned char* boost_tm,
    u32* active_duty_mc, const u32* overlap_duty_mc, float* boost_mc, u32* min_overlap_duty_mc,
    int* learner_mj, u32* learner_count_tm, int t, int row, int rows, int columns,
    int column_words, u32 winners, u64 reciprocal, u32 unit, i64 target, i64 gain, u32 weak_share,
    TopScratch& shared) {
    const u64 model = blockIdx.y, at = (u64)t * gridDim.y + model, first = model * columns;
    const int lane = threadIdx.x % WARP, first_v = (int)(threadIdx.x / WARP) * ITEMS;
    const bool learns = window_tm[at] != 0, boosts = boost_tm[at] != 0;
    u32* won_v = won_mrv + (model * rows + row) * column_words;
    u32 key[ITEMS], duty[ITEMS];
    hold_keys(key, key_mc + first, columns);
    if (learns || boosts) hold_keys(duty, active_duty_mc + first, columns);
    u32 most = 0;
    if (boosts) {
        u32 overlap_duty[ITEMS];
        hold_keys(overlap_duty, overlap_duty_mc + first, columns);
#pragma unroll
        for (int q = 0; q < ITEMS; ++q) most = overlap_duty[q] > most ? overlap_duty[q] : most;
        most = block_max(most, shared.other);
    }
    u32 won = 0;
    visit_top(key, select_top(key, winners, shared), [&](int q, u32 word, u32 rank) {
        const int v = first_v + q, c = v * 32 + lane;
        if (lane == 0 && v < column_words) won_v[v] = word;
        const u32 wins = word >> lane & 1u;
        won += wins;
        if (c >= columns) return;
        if (learns) {
            duty[q] = advance_duty(duty[q], wins, 1, reciprocal, unit);
            active_duty_mc[first + c] = duty[q];
            if (wins) learner_mj[first + rank] = c;
        }
        if (boosts) {
            boost_mc[first + c] = boost_factor(duty[q], target, gain);
            min_overlap_duty_mc[first + c] = least_duty(most, weak_share);
        }
    });
    won = warp_sum(won);
    if (learns && lane == 0 && won > 0) atomicAdd(&learner_count_tm[at], won);
}

extern "C" __global__ void __launch_bounds__(1024) sp_online_select_4(
    const u32* key_mc, u32* won_mrv, const u32* window_tm, const unsigned char* boost_tm,
    u32* active_duty_mc, const u32* overlap_duty_mc, float* boost_mc, u32* min_overlap_duty_mc,
    int* learner_mj, u32* learner_count_tm, int t, int row, int rows, int columns,
    int column_words, u32 winners, u64 reciprocal, u32 unit, i64 target, i64 gain,
    u32 weak_share) {
    __shared__ TopScratch shared;
    select_and_count<4>(
        key_mc, won_mrv, window_tm, boost_tm, active_duty_mc, overlap_duty_mc, boost_mc,
        min_overlap_duty_mc, learner_mj, learner_count_tm, t, row, rows, columns, column_words,
        winners, reciprocal, unit, target, gain, weak_share, shared);
}

extern "C" __global__ void __launch_bounds__(1024) sp_online_select_16(
    const u32* key_mc, u32* won_mrv, const u32* window_tm, const unsigned char* boost_tm,
    u32* active_duty_mc, const u32* overlap_duty_mc, float* boost_mc, u32* min_overlap_duty_mc,
    int* learner_mj, u32* learner_count_tm, int t, int row, int rows, int columns,
    int column_words, u32 winners, u64 reciprocal, u32 unit, i64 target, i64 gain,
    u32 weak_share) {
    __shared__ TopScratch shared;
    select_and_count<16>(
        key_mc, won_mrv, window_tm, boost_tm, active_duty_mc, overlap_duty_mc, boost_mc,
        min_overlap_duty_mc, learner_mj, learner_count_tm, t, row, rows, columns, column_words,
        winners, reciprocal, unit, target, gain, weak_share, shared);
}

// Have one column learn from its win in a sample, and count its overlap with the next one. The
// whole block; thread 0 gets the overlap. OCTETS reads of a thread are under way at a time.
__device__ inline u32 learn_and_score(
    const Column& column, const u32* x_w, const u32* next_w, int words, int increment,
    int decrement, int connected, u32* per_warp) {
    constexpr int OCTETS = 4;
    const int octets = words * 4, stride = blockDim.x;
    u32 overlap = 0;
    for (int base = threadIdx.x; base < octets; base += stride * OCTETS) {
        Octet held[OCTETS];
#pragma unroll
        for (int k = 0; k < OCTETS; ++k) {
            const int o = base + k * stride;
            if (o < octets) held[k] = load_octet(column, o);
        }
#pragma unroll
        for (int k = 0; k < OCTETS; ++k) {
            const int o = base + k * stride;
            if (o >= octets) continue;
            const u32 on = octet_at(x_w, o);
            const u32 conn = adapt_octet(column, o, held[k], connected, [&](int before, int b) {
                int after = before + (on >> b & 1u ? increment : -decrement);
                after = after < 0 ? 0 : after > PERMANENCE_ONE ? PERMANENCE_ONE : after;
                return before == NO_SYNAPSE ? NO_SYNAPSE : after;
            });
            if (next_w) overlap += __popc(conn & octet_at(next_w, o));
        }
    }
    overlap = warp_sum(overlap);
    if (threadIdx.x % WARP == 0) per_warp[threadIdx.x / WARP] = overlap;
    __syncthreads();
    u32 all = 0;
    for (u32 w = 0; threadIdx.x == 0 && w < blockDim.x / WARP; ++w) all += per_warp[w];
    return all;
}

extern "C" __global__ void __launch_bounds__(256) sp_online_adapt(
    i16* perm_mci, u32* conn_mcw, u32* conn_miv, const u32* x_mrw, const int* on_j,
    const i64* offset_mr, const u32* won_mrv, const u32* window_tm, const int* learner_mj,
    const u32* learner_count_tm, const float* boost_mc, u32* key_mc, int t, int row, int rows,
    int columns, int words, int column_words, int increment, int decrement, int connected,
    u32 threshold, int boosted, int adapting, int counting) {
    __shared__ u32 per_warp[WARP];
    __shared__ u32 total[SPARSE_COLUMNS];
    const u64 model = blockIdx.y, at = (u64)t * gridDim.y + model, first = model * columns;
    const u32* x_w = x_mrw + (model * rows + row) * words;
    if ((int)blockIdx.x < adapting) {
        if (blockIdx.x >= learner_count_tm[at]) return;
        const int c = learner_mj[first + blockIdx.x];
        const Column column = column_at(
            perm_mci, conn_mcw, conn_miv, (int)model, columns, words, column_words, c);
        const u32 overlap = learn_and_score(
            column, x_w, counting ? x_w + words : nullptr, words, increment, decrement, connected,
            per_warp);
        if (counting && threadIdx.x == 0) {
            key_mc[first + c] = score_key(overlap, boost_mc + first, c, threshold, boosted);
        }
        return;
    }
    const int first_v = ((int)blockIdx.x - adapting) * SPARSE_WORDS;
    const i64* offset_r = offset_mr + model * (rows + 1) + row + 1;
    count_sparse(
        conn_miv + model * words * 32 * column_words, on_j, offset_r[0], offset_r[1], first_v,
        column_words, total);
    const u32* won_v = won_mrv + (model * rows + row) * column_words;
    const bool learns = window_tm[at] != 0;
    for (int k = threadIdx.x; k < SPARSE_COLUMNS; k += blockDim.x) {
        const int c = first_v * 32 + k;
        if (c >= columns) return;
        if (learns && bit_at(won_v, c)) continue;
        key_mc[first + c] = score_key(total[k], boost_mc + first, c, threshold, boosted);
    }
}
