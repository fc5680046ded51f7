// What the ways of learning online share (sp_online.cu, sp_online_listed.cu): a column learns and
// is ready for the next sample; one block selects.
#pragma once
#include "columns.cuh"
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
    overlap = warp_sum(overlap);
    if (team_threads > WARP) {
        if (rank % WARP == 0) per_warp[threadIdx.x / WARP] = overlap;
        __syncthreads();
        for (int w = 1; rank == 0 && w < team_threads / WARP; ++w) {
            overlap += per_warp[threadIdx.x / WARP + w];
        }
    }
    return overlap;
}
