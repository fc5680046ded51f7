// Spatial pooler: online learning in two launches a sample, global inhibition.
//
// For groups whose models commit after each sample or never, without weak columns. sp_online_select
// lists the winners of sample t. sp_online_adapt has each of them learn, and counts the overlaps of
// sample t + 1 meanwhile: learning changes the connected bits of winners alone, so the blocks that
// count leave winners out, and a winner's own block counts it when it has written its bits. Whoever
// counts a column advances its duty cycle and its boost factor first. Results are those of the
// phases in spatial_pooler.cu and sp_learn.cu, byte for byte.
//
// Suffixes as in spatial_pooler.cu; key_mc are the keys of one sample. Blocks: whole warps.
//
// kernel                grid x                              grid y  writes
// sp_online_most        1                                   models  most_m, the largest overlap duty
// sp_online_select_4    1; columns <= 4 * threads           models  won_mrv row `row`, zero before;
// sp_online_select_16   1; columns <= 16 * threads          models  learners and their count
// sp_online_select_any  1                                   models
// sp_online_adapt       adapting + ceil(column_words / 8)   models  perm, conn of learners; duty
//                                                                   cycles, boost; key_mc of t + 1
//
// window_tm is 0 or 1. A column learns with team_threads, whole warps of which a block has one team or
// more; the `adapting` blocks have teams for all winners. key_mc begins as sp_overlap_sparse of sample 0
// leaves it; `counting` says that there is a sample t + 1. Overlap duty cycles stay as they are.
#include "online.cuh"

extern "C" __global__ void __launch_bounds__(1024) sp_online_most(
    const u32* overlap_duty_mc, u32* most_m, int columns) {
    __shared__ u32 per_warp[WARP];
    u32 most = 0;
    for (int c = threadIdx.x; c < columns; c += blockDim.x) {
        const u32 duty = overlap_duty_mc[(u64)blockIdx.y * columns + c];
        if (duty > most) most = duty;
    }
    most = block_max(most, per_warp);
    if (threadIdx.x == 0) most_m[blockIdx.y] = most;
}

extern "C" __global__ void __launch_bounds__(1024) sp_online_select_4(
    const u32* key_mc, u32* won_mrv, int* learner_mj, u32* learner_count_tm, int t, int row,
    int rows, int columns, int column_words, u32 winners) {
    __shared__ TopScratch shared;
    const u64 model = blockIdx.y, first = model * columns;
    select_learners<4>(
        key_mc + first, won_mrv + (model * rows + row) * column_words, learner_mj + first,
        &learner_count_tm[(u64)t * gridDim.y + model], columns, winners, shared);
}

extern "C" __global__ void __launch_bounds__(1024) sp_online_select_16(
    const u32* key_mc, u32* won_mrv, int* learner_mj, u32* learner_count_tm, int t, int row,
    int rows, int columns, int column_words, u32 winners) {
    __shared__ TopScratch shared;
    const u64 model = blockIdx.y, first = model * columns;
    select_learners<16>(
        key_mc + first, won_mrv + (model * rows + row) * column_words, learner_mj + first,
        &learner_count_tm[(u64)t * gridDim.y + model], columns, winners, shared);
}

extern "C" __global__ void __launch_bounds__(1024) sp_online_select_any(
    const u32* key_mc, u32* won_mrv, int* learner_mj, u32* learner_count_tm, int t, int row,
    int rows, int columns, int column_words, u32 winners) {
    __shared__ AnyScratch shared;
    const u64 model = blockIdx.y, first = model * columns;
    select_learners_of_any(
        key_mc + first, won_mrv + (model * rows + row) * column_words, learner_mj + first,
        &learner_count_tm[(u64)t * gridDim.y + model], columns, winners, shared);
}

extern "C" __global__ void __launch_bounds__(256) sp_online_adapt(
    i16* perm_mci, u32* conn_mcw, u32* conn_miv, const u32* x_mrw, const int* on_j,
    const i64* offset_mr, const u32* won_mrv, const u32* window_tm, const unsigned char* boost_tm,
    const int* learner_mj, const u32* learner_count_tm, u32* active_duty_mc,
    u32* min_overlap_duty_mc, float* boost_mc, const u32* most_m, u32* key_mc, int t, int row,
    int rows, int columns, int words, int column_words, int increment, int decrement,
    int connected, u32 threshold, int boosted, u64 reciprocal, u32 unit, i64 target, i64 gain,
    u32 weak_share, int adapting, int team_threads, int counting) {
    __shared__ u32 per_warp[WARP];
    __shared__ u32 total[SPARSE_COLUMNS];
    const u64 model = blockIdx.y, at = (u64)t * gridDim.y + model, first = model * columns;
    const u32* x_w = x_mrw + (model * rows + row) * words;
    const Columns all = {
        active_duty_mc + first, min_overlap_duty_mc + first, key_mc + first, boost_mc + first,
        most_m[model], unit, weak_share, threshold, reciprocal, target, gain, window_tm[at] != 0,
        boost_tm[at] != 0, counting != 0, boosted};
    if ((int)blockIdx.x < adapting) {
        // Each team of threads has a column. More are asked for than there may be learners.
        const int team = threadIdx.x / team_threads, rank = threadIdx.x % team_threads;
        const u32 j = blockIdx.x * (blockDim.x / team_threads) + team;
        // Read before it is known to be one: both readings are under way at once.
        const int c = learner_mj[first + (j < (u32)columns ? j : 0)];
        const bool works = all.learns && j < learner_count_tm[at];
        const u32 duty = all.active_duty_c[c];
        const Column column = column_at(
            perm_mci, conn_mcw, conn_miv, (int)model, columns, words, column_words, c);
        const u32 overlap = learn_and_count(
            column, works, rank, team_threads, x_w, counting ? x_w + words : nullptr,
            pair_rule<false>(1, increment, decrement, connected), per_warp, [](int, u32) {});
        if (works && rank == 0) all.finish(c, 1, overlap, duty);
        return;
    }
    const int first_v = ((int)blockIdx.x - adapting) * SPARSE_WORDS;
    if (counting) {
        const i64* offset_r = offset_mr + model * (rows + 1) + row + 1;
        count_sparse(
            conn_miv + model * words * 32 * column_words, on_j, offset_r[0], offset_r[1], first_v,
            column_words, total);
    }
    const u32* won_v = won_mrv + (model * rows + row) * column_words;
    for (int k = threadIdx.x; k < SPARSE_COLUMNS; k += blockDim.x) {
        const int c = first_v * 32 + k;
        if (c >= columns) return;
        const bool won = bit_at(won_v, c);
        if (!(all.learns && won)) all.finish(c, won, total[k], all.active_duty_c[c]);
    }
}
