// What the ways of learning online share (sp_online.cu, sp_online_listed.cu): a column learns and
// is ready for the next sample; one block selects.
#pragma once
#include "pools.cuh"
#include "select.cuh"

// Select the winners of one sample from keys that a block holds in registers, and list them.
template <int ITEMS>
__device__ void select_learners(
    const u32* key_c, u32* won_v, int* learner_j, u32* learner_count, int columns, u32 winners,
    TopScratch& shared) {
    u32 key[ITEMS];
    hold_keys(key, key_c, columns);
    const u32 won = select_top(key, columns, winners, shared, [&](int c, u32 j) {
        atomicOr(&won_v[c / 32], 1u << (c % 32));
        learner_j[j] = c;
    });
    if (threadIdx.x == 0) *learner_count = won;
}

// The same for keys in memory.
__device__ inline void select_learners_of_any(
    const u32* key_c, u32* won_v, int* learner_j, u32* learner_count, int columns, u32 winners,
    AnyScratch& shared) {
    const u32 won = select_any(key_c, columns, winners, shared, [&](int c, u32 j) {
        atomicOr(&won_v[c / 32], 1u << (c % 32));
        learner_j[j] = c;
    });
    if (threadIdx.x == 0) *learner_count = won;
}

// One model's columns after a sample: duty cycles, boost factors, and keys of the next sample.
// `finish` is given the active duty cycle of before, and returns the key, 0 without a next sample.
struct Columns {
    u32 *active_duty_c, *min_overlap_duty_c, *key_c;
    float* boost_c;
    u32 most, unit, weak_share, threshold;
    u64 reciprocal;
    i64 target, gain;
    bool learns, boosts, counting;
    int boosted;

    __device__ u32 finish(int c, u32 wins, u32 overlap, u32 duty) const {
        if (learns) {
            duty = advance_duty(duty, wins, 1, reciprocal, unit);
            active_duty_c[c] = duty;
        }
        if (boosts) {
            boost_c[c] = boost_factor(duty, target, gain);
            min_overlap_duty_c[c] = least_duty(most, weak_share);
        }
        if (!counting) return 0;
        const u32 key = score_key(overlap, boost_c, c, threshold, boosted);
        key_c[c] = key;
        return key;
    }
};

// The sum over a team, for rank 0. All threads of the block.
__device__ inline u32 team_sum(u32 value, int rank, int team_threads, u32* per_warp) {
    value = warp_sum(value);
    if (team_threads > WARP) {
        if (rank % WARP == 0) per_warp[threadIdx.x / WARP] = value;
        __syncthreads();
        for (int w = 1; rank == 0 && w < team_threads / WARP; ++w) {
            value += per_warp[threadIdx.x / WARP + w];
        }
    }
    return value;
}

// Have a team's column learn sample x_w, if it works, and count its overlap with next_w (null:
// there is none) from the bits just written. All threads of the block; the overlap is that of rank
// 0. `see(w, flipped)` is told which bits of a word flipped.
template <typename See>
__device__ u32 learn_and_count(
    const Column& column, bool works, int rank, int team_threads, const u32* x_w,
    const u32* next_w, PairRule rule, u32* per_warp, See see) {
    u32 overlap = 0;
    if (works) {
        learn_words<false, true>(
            column, rank, team_threads, rule, [&](int w) { return Counts<1>{{x_w[w]}, 1}; },
            [&](int w, u32 conn, u32 flipped) {
                overlap += next_w ? __popc(conn & next_w[w]) : 0;
                see(w, flipped);
            });
    }
    return team_sum(overlap, rank, team_threads, per_warp);
}

// As RunCounts, of bytes that say with bit 0 whether an input is on, with bit 1 whether it is in the
// next sample.
template <int ENTRY>
struct RunOfTwo : RunCounts<ENTRY> {
    u32 next[4];  // of each octet, in the bits that sign_bits leaves

    __device__ RunOfTwo(const Run<ENTRY>& run, const OnBytes& bytes)
        : RunCounts<ENTRY>(run, bytes) {}
    __device__ void octet(int k, u32 (&pair)[4]) {
        u32 later[4];
        RunCounts<ENTRY>::octet(k, pair);
#pragma unroll
        for (int q = 0; q < 4; ++q) later[q] = pair[q] << 14, pair[q] &= BOTH;
        next[k] = sign_bits(later);
    }
};

// Have a compact pool learn; returns what this thread adds to its overlap. `bytes` holds both
// samples, if there is room.
template <int ENTRY>
__device__ u32 learn_pool(
    const Pool& pool, int rank, int stride, PairRule rule, const u32* x_w, const u32* next_w,
    const OnBytes& bytes) {
    u32 overlap = 0;
    if (has_room(pool.words)) {
        learn_runs<ENTRY, false, true>(
            pool, rank, stride, rule,
            [&](const Run<ENTRY>& run) { return RunOfTwo<ENTRY>(run, bytes); },
            [&](const Run<ENTRY>&, const RunOfTwo<ENTRY>& on, u32 conn, u32) {
                overlap += __popc(conn & upper_bytes_of(on.next));
            });
        return overlap;
    }
    learn_runs<ENTRY, false, true>(
        pool, rank, stride, rule,
        [&](const Run<ENTRY>& run) { return Counts<1>{{run.bits_of(x_w)}, 1}; },
        [&](const Run<ENTRY>& run, const Counts<1>&, u32 conn, u32) {
            overlap += next_w ? __popc(conn & run.bits_of(next_w)) : 0;
        });
    return overlap;
}

// learn_and_count of compact pools; flips are theirs to note.
__device__ inline u32 learn_pool_and_count(
    const Pool& pool, bool works, int rank, int team_threads, const u32* x_w, const u32* next_w,
    PairRule rule, u32* per_warp, OnBytes& bytes) {
    if (has_room(pool.words)) {
        write_counts(bytes, pool.words, [&](int w) {
            return Counts<2>{{x_w[w], next_w ? next_w[w] : 0}, 2};
        });
    }
    u32 overlap = 0;
    if (works && pool.entry == 1) {
        overlap = learn_pool<1>(pool, rank, team_threads, rule, x_w, next_w, bytes);
    } else if (works) {
        overlap = learn_pool<2>(pool, rank, team_threads, rule, x_w, next_w, bytes);
    }
    return team_sum(overlap, rank, team_threads, per_warp);
}
