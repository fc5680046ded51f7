// Spatial pooler: online learning in two launches a sample, its winners listed by many blocks.
//
// As sp_online.cu, with nothing in the way of a sample that one block does alone. Whoever has
// made a key counts it in a histogram (histogram.cuh). So the bin of the k-th best key is known when
// sp_online_list begins: columns in higher bins have won, those in this bin are tied, and both are
// listed by as many blocks as the keys are worth. In sp_online_learn each tied column is ranked among
// the tied ones by those who want to know: the team that may have it learn, and the block that
// counts its next overlap. The permanences of columns that have won are fetched into the cache
// `ahead` of that. Where more are listed than there are teams, block 0 of sp_online_list
// selects alone.
//
// Flips of bits by input (`later`) are noted by sp_online_learn, a row of bits for each learner, and
// applied by further blocks of the next sp_online_list, which nothing but the selection shares:
// that launch does not read these bits, and sp_online_learn leaves out the columns that learned.
//
// sp_online_learn_pools is sp_online_learn for compact pools (pools.cuh) of `runs` runs and `entry` bytes
// an input. It adds flips to rows of zeros, so sp_online_list leaves zeros behind.
//
// Suffixes as in spatial_pooler.cu, and p: turn, sample t has turn t % 2; h: bin; a: 0, columns that
// have won, 1, tied ones. Blocks: whole warps.
//
// kernel              grid x                                        grid y  writes
// sp_online_begin     1                                             models  most_m; counts of key_mc;
//                                                                           turn 0 of listed_mpa
// sp_online_list_16   listing + blocks for flips;                   models  won_mrv row `row`, zero
//                     columns <= 16 * threads                               before, without the tied;
// sp_online_list_any  listing + blocks for flips                    models  lists of turn t; counts of
//                                                                           turn t + 1: 0; conn_miv
//                                                                           of the learners of t - 1
// sp_online_learn     ceil(column_words / 8) + adapting             models  as sp_online_adapt; the
//                                                                           tied in won_mrv; counts of
//                                                                           turn t + 1; its lists: 0
//
// listing: ceil(columns / (4 * threads)). The `adapting` blocks have `teams` teams or more, at least
// `winners`; tied_mj has room for as many, learner_mj for all columns; flip_mjw and flipped_mj for
// `winners`. sp_online_list is given `flips` where sample t - 1 was learned with `later`; a column's
// permanences take row_bytes, a multiple of 16. All else as in sp_online.cu.
#include "histogram.cuh"
#include "online.cuh"

constexpr int LISTED_KEYS = 4;  // that a thread of sp_online_list looks at
static_assert(LISTED_KEYS * 1024 < 1 << 16, "a block counts two lists in one word");

// A tied column: the better its key the larger, of equal keys the lower column.
__device__ inline u64 tied_entry(u32 key, int c) { return (u64)key << 32 | ~(u32)c; }
__device__ inline int column_of(u64 entry) { return (int)~(u32)entry; }

// How many of the tied columns are better; the whole warp, with one entry.
__device__ inline u32 rank_of(u64 entry, const u64* tied_j, u32 tied) {
    u32 better = 0;
    for (u32 j = threadIdx.x % WARP; j < tied; j += WARP) better += tied_j[j] > entry;
    return warp_sum(better);
}

extern "C" __global__ void __launch_bounds__(1024) sp_online_begin(
    const u32* overlap_duty_mc, u32* most_m, const u32* key_mc, u32* count_mph, u32* listed_mpa,
    int columns, int boosted) {
    __shared__ u32 per_warp[WARP];
    __shared__ u32 count_h[BINS];
    const u64 model = blockIdx.y, first = model * columns;
    for (int h = threadIdx.x; h < BINS; h += blockDim.x) count_h[h] = 0;
    u32 most = 0;
    for (int c = threadIdx.x; c < columns; c += blockDim.x) {
        const u32 duty = overlap_duty_mc[first + c];
        if (duty > most) most = duty;
    }
    most = block_max(most, per_warp);  // its barrier is that of the counts, too
    if (threadIdx.x == 0) most_m[model] = most;
    for (int c = threadIdx.x; c < columns; c += blockDim.x) {
        const u32 key = key_mc[first + c];
        if (key > 0) atomicAdd(&count_h[bin_of(key, boosted)], 1u);
    }
    __syncthreads();
    for (int h = threadIdx.x; h < BINS; h += blockDim.x) count_mph[model * 2 * BINS + h] = count_h[h];
    if (threadIdx.x < 2) listed_mpa[model * 4 + threadIdx.x] = 0;
}

struct ListScratch {
    BoundScratch bound;
    u32 listed;   // of this block: columns that have won, and tied ones in the upper half
    u32 first[2];  // where its entries of both lists begin
};

// One model's lists of a sample.
struct Listing {
    const u32* key_c;
    const u32* count_h;
    u32 *next_count_h, *listed_a, *won_v;
    int* learner_j;
    u64* tied_j;
    const char* perm_c;  // rows of `row_bytes`
    int columns, column_words, boosted, teams, row_bytes;
    u32 winners, ahead;  // so many that have won have their permanences fetched ahead

    // Let block x of many list what it finds among its keys. False where there are too many: then
    // nothing is listed.
    __device__ bool list(int x, ListScratch& shared) const {
        const int lane = threadIdx.x % WARP, warps = blockDim.x / WARP;
        const int first_v = (x * warps + (int)threadIdx.x / WARP) * LISTED_KEYS;
        u32 key[LISTED_KEYS];
#pragma unroll
        for (int q = 0; q < LISTED_KEYS; ++q) {
            const int c = (first_v + q) * WARP + lane;
            key[q] = c < columns ? key_c[c] : 0;
        }
        if (threadIdx.x == 0) shared.listed = 0;
        const Bound bound = find_bound(count_h, winners, shared.bound);
        for (int h = threadIdx.x; x == 0 && h < BINS; h += blockDim.x) next_count_h[h] = 0;
        if (bound.above + bound.equal > (u32)teams) return false;

        u32 has_won[LISTED_KEYS], is_tied[LISTED_KEYS], found = 0;
#pragma unroll
        for (int q = 0; q < LISTED_KEYS; ++q) {
            const int bin = key[q] > 0 ? bin_of(key[q], boosted) : -2;
            has_won[q] = __ballot_sync(ALL_LANES, bin > bound.bin);
            is_tied[q] = __ballot_sync(ALL_LANES, bin >= 0 && bin == bound.bin);
            found += __popc(has_won[q]) | __popc(is_tied[q]) << 16;
            if (lane == 0 && first_v + q < column_words) won_v[first_v + q] = has_won[q];
        }
        u32 place = 0;
        if (lane == 0 && found > 0) place = atomicAdd(&shared.listed, found);
        place = __shfl_sync(ALL_LANES, place, 0);
        __syncthreads();
        if (threadIdx.x < 2) {
            const u32 all = shared.listed >> 16 * threadIdx.x & 0xffffu;
            shared.first[threadIdx.x] = all > 0 ? atomicAdd(&listed_a[threadIdx.x], all) : 0;
        }
        __syncthreads();
        u32 j = shared.first[0] + (place & 0xffffu), k = shared.first[1] + (place >> 16);
        const u32 below = (1u << lane) - 1;
#pragma unroll
        for (int q = 0; q < LISTED_KEYS; ++q) {
            const int c = (first_v + q) * WARP + lane;
            if (has_won[q] >> lane & 1u) {
                const u32 own = j + __popc(has_won[q] & below);
                learner_j[own] = c;
                if (own < ahead) fetch_ahead(perm_c + (u64)c * row_bytes, (u32)row_bytes);
            }
            if (is_tied[q] >> lane & 1u) {
                tied_j[k + __popc(is_tied[q] & below)] = tied_entry(key[q], c);
            }
            j += __popc(has_won[q]), k += __popc(is_tied[q]);
        }
        return true;
    }
};

// Apply the flips of `learners` columns, which are flipped_j, to the bits by input: block x of
// `blocks`, a warp at a time 32 words of one of them.
__device__ inline void apply_flips(
    u32* conn_iv, u32* flip_jw, const int* flipped_j, u32 learners, int words,
    int column_words, u32 x, u32 blocks) {
    const u32 warps = blockDim.x / WARP, across = (u32)(words + WARP - 1) / WARP;
    for (u32 part = x * warps + threadIdx.x / WARP; part < learners * across;
         part += blocks * warps) {
        const u32 j = part / across;
        const int w = (int)(part % across * WARP + threadIdx.x % WARP), c = flipped_j[j];
        u32* const conn_v = conn_iv + c / 32;
        u32* const flip = flip_jw + (u64)j * words + w;
        u32 left = w < words ? *flip : 0;
        if (left) *flip = 0;
        for (; left; left &= left - 1) {
            const u64 i = (u64)w * 32 + (u64)(__ffs((int)left) - 1);
            atomicXor(&conn_v[i * column_words], 1u << (c % 32));
        }
    }
}

// What both kernels below do but select alone; true where block 0 must.
__device__ inline bool list_learners(
    const u32* key_mc, u32* count_mph, u32* listed_mpa, u32* won_mrv, int* learner_mj, u64* tied_mj,
    u32* conn_miv, const i16* perm_mci, const u32* window_tm, u32* flip_mjw,
    const int* flipped_mj, int t, int row, int rows, int columns, int words, int column_words,
    u32 winners, int boosted, int teams, int listing, int flips, int ahead,
    int row_bytes, ListScratch& shared) {
    const u64 model = blockIdx.y, turn = t % 2, other = 1 - turn;
    u32* const listed_pa = listed_mpa + model * 4;
    const int x = (int)blockIdx.x;
    if (x >= listing) {
        if (!flips || window_tm[(u64)(t - 1) * gridDim.y + model] == 0) return false;
        const u32 listed = listed_pa[2 * other] + listed_pa[2 * other + 1];
        apply_flips(
            conn_miv + model * words * 32 * column_words, flip_mjw + model * winners * words,
            flipped_mj + model * winners, listed < winners ? listed : winners, words, column_words,
            (u32)(x - listing), gridDim.x - (u32)listing);
        return false;
    }
    u32* const count_ph = count_mph + model * 2 * BINS;
    const Listing all = {
        key_mc + model * columns, count_ph + turn * BINS, count_ph + other * BINS,
        listed_pa + 2 * turn, won_mrv + (model * rows + row) * column_words,
        learner_mj + model * columns, tied_mj + model * teams,
        reinterpret_cast<const char*>(perm_mci) + model * columns * row_bytes, columns, column_words,
        boosted, teams, row_bytes, winners,
        window_tm[(u64)t * gridDim.y + model] ? (u32)ahead : 0};
    return !all.list(x, shared) && x == 0;
}

extern "C" __global__ void __launch_bounds__(1024) sp_online_list_16(
    const u32* key_mc, u32* count_mph, u32* listed_mpa, u32* won_mrv, int* learner_mj, u64* tied_mj,
    u32* conn_miv, const i16* perm_mci, const u32* window_tm, u32* flip_mjw,
    const int* flipped_mj, int t, int row, int rows, int columns, int words, int column_words,
    u32 winners, int boosted, int teams, int listing, int flips, int ahead, int row_bytes) {
    __shared__ ListScratch list;
    __shared__ TopScratch shared;
    const bool alone = list_learners(
        key_mc, count_mph, listed_mpa, won_mrv, learner_mj, tied_mj, conn_miv, perm_mci, window_tm,
        flip_mjw, flipped_mj, t, row, rows, columns, words, column_words, winners, boosted, teams,
        listing, flips, ahead, row_bytes, list);
    if (!alone) return;
    const u64 model = blockIdx.y, first = model * columns;
    select_learners<16>(
        key_mc + first, won_mrv + (model * rows + row) * column_words, learner_mj + first,
        &listed_mpa[model * 4 + 2 * (t % 2)], columns, winners, shared);
}

extern "C" __global__ void __launch_bounds__(1024) sp_online_list_any(
    const u32* key_mc, u32* count_mph, u32* listed_mpa, u32* won_mrv, int* learner_mj, u64* tied_mj,
    u32* conn_miv, const i16* perm_mci, const u32* window_tm, u32* flip_mjw,
    const int* flipped_mj, int t, int row, int rows, int columns, int words, int column_words,
    u32 winners, int boosted, int teams, int listing, int flips, int ahead, int row_bytes) {
    __shared__ ListScratch list;
    __shared__ AnyScratch shared;
    const bool alone = list_learners(
        key_mc, count_mph, listed_mpa, won_mrv, learner_mj, tied_mj, conn_miv, perm_mci, window_tm,
        flip_mjw, flipped_mj, t, row, rows, columns, words, column_words, winners, boosted, teams,
        listing, flips, ahead, row_bytes, list);
    if (!alone) return;
    const u64 model = blockIdx.y, first = model * columns;
    select_learners_of_any(
        key_mc + first, won_mrv + (model * rows + row) * column_words, learner_mj + first,
        &listed_mpa[model * 4 + 2 * (t % 2)], columns, winners, shared);
}

// Add the tied columns among those of words first_v .. first_v + SPARSE_WORDS that have won to won_v.
// The whole block.
__device__ inline void settle_tied(
    u32* won_v, const u64* tied_j, u32 tied, u32 places, int first_v) {
    const u32 lane = threadIdx.x % WARP;
    for (u32 base = threadIdx.x / WARP * WARP; base < tied; base += blockDim.x) {
        const u64 mine = base + lane < tied ? tied_j[base + lane] : 0;
        const int k = column_of(mine) - first_v * 32;
        u32 here = __ballot_sync(ALL_LANES, base + lane < tied && k >= 0 && k < SPARSE_COLUMNS);
        for (; here; here &= here - 1) {
            const u64 entry = __shfl_sync(ALL_LANES, mine, __ffs((int)here) - 1);
            const int own = column_of(entry) - first_v * 32;
            if (rank_of(entry, tied_j, tied) < places && lane == 0) {
                atomicOr(&won_v[own / 32], 1u << (own % 32));
            }
        }
    }
}

struct LearnScratch {
    u32 total[SPARSE_COLUMNS], own_count_h[BINS], has_won_v[SPARSE_WORDS];
};

// What both kernels below do: learn(c, j, works, rank, x_w, next_w) has column c learn, which is the
// j-th of the sample's learners, as learn_and_count does.
template <typename Learn>
__device__ void learn_sample(
    u32* conn_miv, const u32* x_mrw, const int* on_j, const i64* offset_mr, u32* won_mrv,
    const u32* window_tm, const unsigned char* boost_tm, const int* learner_mj, const u64* tied_mj,
    u32* listed_mpa, u32* count_mph, int* flipped_mj, u32* active_duty_mc,
    u32* min_overlap_duty_mc, float* boost_mc, const u32* most_m, u32* key_mc, int t, int row,
    int rows, int columns, int words, int column_words, u32 threshold, int boosted,
    u64 reciprocal, u32 unit, i64 target, i64 gain, u32 weak_share, u32 winners, int teams,
    int team_threads, int counting, int later, LearnScratch& shared, Learn learn) {
    u32 *const total = shared.total, *const own_count_h = shared.own_count_h;
    u32* const has_won_v = shared.has_won_v;
    const u64 model = blockIdx.y, at = (u64)t * gridDim.y + model, first = model * columns;
    const u32* x_w = x_mrw + (model * rows + row) * words;
    const u64* tied_j = tied_mj + model * teams;
    u32* const listed_pa = listed_mpa + model * 4;
    u32* const count_h = count_mph + (model * 2 + (t + 1) % 2) * BINS;
    const u32 sure = listed_pa[t % 2 * 2], tied = listed_pa[t % 2 * 2 + 1];
    const u32 places = winners - sure;
    const Columns all = {
        active_duty_mc + first, min_overlap_duty_mc + first, key_mc + first, boost_mc + first,
        most_m[model], unit, weak_share, threshold, reciprocal, target, gain, window_tm[at] != 0,
        boost_tm[at] != 0, counting != 0, boosted};
    if (blockIdx.x == 0 && threadIdx.x < 2) listed_pa[(t + 1) % 2 * 2 + threadIdx.x] = 0;
    const int counters = (column_words + SPARSE_WORDS - 1) / SPARSE_WORDS;
    if ((int)blockIdx.x >= counters) {
        // A team of threads for each column that is listed, and for more that may be.
        const int team = threadIdx.x / team_threads, rank = threadIdx.x % team_threads;
        u32 j = (blockIdx.x - counters) * (blockDim.x / team_threads) + team;
        // Read before it is known to be one: both readings are under way at once.
        int c = learner_mj[first + (j < (u32)columns ? j : 0)];
        bool works = all.learns && j < sure + tied;
        if (works && j >= sure) {
            const u64 entry = tied_j[j - sure];
            const u32 better = rank_of(entry, tied_j, tied);
            c = column_of(entry);
            works = better < places;
            j = sure + better;
        }
        const u32 duty = works ? all.active_duty_c[c] : 0;
        const u32 overlap = learn(
            works ? c : 0, works ? j : 0, works, rank, x_w, counting ? x_w + words : nullptr);
        if (!works || rank != 0) return;
        if (later) flipped_mj[model * winners + j] = c;
        const u32 key = all.finish(c, 1, overlap, duty);
        if (key > 0) atomicAdd(&count_h[bin_of(key, boosted)], 1u);
        return;
    }
    const int first_v = (int)blockIdx.x * SPARSE_WORDS;
    u32* const won_v = won_mrv + (model * rows + row) * column_words + first_v;
    const bool owner = threadIdx.x < SPARSE_WORDS && first_v + (int)threadIdx.x < column_words;
    if (owner) has_won_v[threadIdx.x] = won_v[threadIdx.x];
    for (int h = threadIdx.x; h < BINS; h += blockDim.x) own_count_h[h] = 0;
    __syncthreads();
    settle_tied(has_won_v, tied_j, tied, places, first_v);
    if (counting) {
        const i64* offset_r = offset_mr + model * (rows + 1) + row + 1;
        count_sparse(
            conn_miv + model * words * 32 * column_words, on_j, offset_r[0], offset_r[1], first_v,
            column_words, total);
    } else {
        __syncthreads();
    }
    if (owner) won_v[threadIdx.x] = has_won_v[threadIdx.x];
    for (int k = threadIdx.x; k < SPARSE_COLUMNS; k += blockDim.x) {
        const int c = first_v * 32 + k;
        const bool won = c < columns && bit_at(has_won_v, k);
        if (c >= columns || (all.learns && won)) continue;
        const u32 key = all.finish(c, won, total[k], all.active_duty_c[c]);
        if (key > 0) atomicAdd(&own_count_h[bin_of(key, boosted)], 1u);
    }
    __syncthreads();
    if (counting) add_counts(own_count_h, count_h);
}

extern "C" __global__ void __launch_bounds__(256, 4) sp_online_learn(
    i16* perm_mci, u32* conn_mcw, u32* conn_miv,
    const u32* x_mrw, const int* on_j, const i64* offset_mr, u32* won_mrv, const u32* window_tm,
    const unsigned char* boost_tm, const int* learner_mj, const u64* tied_mj, u32* listed_mpa,
    u32* count_mph, u32* flip_mjw, int* flipped_mj, u32* active_duty_mc, u32* min_overlap_duty_mc,
    float* boost_mc, const u32* most_m, u32* key_mc, int t, int row, int rows, int columns,
    int words, int column_words, int increment, int decrement, int connected, u32 threshold,
    int boosted, u64 reciprocal, u32 unit, i64 target, i64 gain, u32 weak_share, u32 winners,
    int teams, int team_threads, int counting, int later) {
    __shared__ u32 per_warp[WARP];
    __shared__ LearnScratch shared;
    learn_sample(
        conn_miv, x_mrw, on_j, offset_mr, won_mrv, window_tm, boost_tm, learner_mj, tied_mj,
        listed_mpa, count_mph, flipped_mj, active_duty_mc, min_overlap_duty_mc, boost_mc, most_m,
        key_mc, t, row, rows, columns, words, column_words, threshold, boosted, reciprocal, unit,
        target, gain, weak_share, winners, teams, team_threads, counting, later, shared,
        [&](int c, u32 j, bool works, int rank, const u32* x_w, const u32* next_w) {
            u32* const flip_w = flip_mjw + ((u64)blockIdx.y * winners + j) * words;
            Column column = column_at(
                perm_mci, conn_mcw, conn_miv, blockIdx.y, columns, words, column_words, c);
            if (later) column.conn_iv = nullptr;
            return learn_and_count(
                column, works, rank, team_threads, x_w, next_w,
                pair_rule<false>(1, increment, decrement, connected), per_warp,
                [&](int w, u32 flipped) {
                    if (later) flip_w[w] = flipped;
                });
        });
}

extern "C" __global__ void __launch_bounds__(256) sp_online_learn_pools(
    i16* perm_mcj, const u8* input_mcb, const u16* base_mcg, u32* conn_mcw, u32* conn_miv,
    const u32* x_mrw, const int* on_j, const i64* offset_mr, u32* won_mrv, const u32* window_tm,
    const unsigned char* boost_tm, const int* learner_mj, const u64* tied_mj, u32* listed_mpa,
    u32* count_mph, u32* flip_mjw, int* flipped_mj, u32* active_duty_mc, u32* min_overlap_duty_mc,
    float* boost_mc, const u32* most_m, u32* key_mc, int t, int row, int rows, int columns,
    int words, int column_words, int increment, int decrement, int connected, u32 threshold,
    int boosted, u64 reciprocal, u32 unit, i64 target, i64 gain, u32 weak_share, u32 winners,
    int teams, int team_threads, int counting, int later, int runs,
    int entry) {
    __shared__ u32 per_warp[WARP];
    __shared__ LearnScratch shared;
    __shared__ OnBytes bytes;
    learn_sample(
        conn_miv, x_mrw, on_j, offset_mr, won_mrv, window_tm, boost_tm, learner_mj, tied_mj,
        listed_mpa, count_mph, flipped_mj, active_duty_mc, min_overlap_duty_mc, boost_mc, most_m,
        key_mc, t, row, rows, columns, words, column_words, threshold, boosted, reciprocal, unit,
        target, gain, weak_share, winners, teams, team_threads, counting, later, shared,
        [&](int c, u32 j, bool works, int rank, const u32* x_w, const u32* next_w) {
            u32* const flip_w = flip_mjw + ((u64)blockIdx.y * winners + j) * words;
            Pool pool = pool_at(
                perm_mcj, input_mcb, base_mcg, conn_mcw, later ? nullptr : conn_miv, blockIdx.y,
                columns, words, column_words, runs, entry, c);
            if (later) pool.flip_w = flip_w;
            return learn_pool_and_count(
                pool, works, rank, team_threads, x_w, next_w,
                pair_rule<false>(1, increment, decrement, connected), per_warp, bytes);
        });
}
