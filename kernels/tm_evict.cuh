// A full memory gives up the segments used longest ago, many at once.
//
// The n-th oldest is found by radix: a few passes over the times of last use. So the search costs
// next to nothing for each segment, and no list of segments by age has to be kept.
#pragma once
#include "tm_learn.cuh"

// Find when the n-th oldest segment was used (age_from), none after sample `newest`, and how many
// used just then are among the n (age_left). Whole block, behind a barrier; ends with one.
__device__ inline void find_age(Model& m, u32 n, u64 newest) {
    if (threadIdx.x == 0) m.age_from = 0, m.age_to = newest, m.age_left = n;
    for (int shift = 63; shift > 0;) {
        for (int b = threadIdx.x; b < BUCKETS; b += blockDim.x) m.bucket[b] = 0;
        __syncthreads();
        const u64 from = m.age_from, width = m.age_to - from;
        shift = 0;
        while (width >> shift >= BUCKETS) ++shift;
        for (int s = threadIdx.x; s < (int)m.scalar[NEXT_ID]; s += blockDim.x) {
            const u64 after = (u64)m.used_s[s] - from;
            if (m.seg_cell_s[s] >= 0 && after <= width) atomicAdd(&m.bucket[after >> shift], 1u);
        }
        __syncthreads();
        if (threadIdx.x == 0) {
            int b = 0;
            for (; m.bucket[b] < m.age_left; ++b) m.age_left -= m.bucket[b];
            m.age_from += (u64)b << shift;
            const u64 end = m.age_from + ((u64)1 << shift) - 1;
            if (end < m.age_to) m.age_to = end;
        }
        __syncthreads();
    }
}

// Destroy the n segments with the smallest (last used, id); there are as many. Their ids go on the
// free stack in ascending order. Whole block, behind a barrier; one must come before FREE is read.
__device__ inline void evict_oldest(Model& m, u32 n, u64 newest) {
    find_age(m, n, newest);
    const int segments = (int)m.scalar[NEXT_ID];
    const int items = (segments + (int)blockDim.x - 1) / (int)blockDim.x;
    const int begin = (int)threadIdx.x * items;
    const int end = begin + items < segments ? begin + items : segments;
    u32 ties = 0, older = 0;
    for (int s = begin; s < end; ++s) {
        if (m.seg_cell_s[s] < 0) continue;
        ties += (u64)m.used_s[s] == m.age_from;
        older += (u64)m.used_s[s] < m.age_from;
    }
    u32 tie = add_before(m, ties).mine;
    __syncthreads();
    const u32 left = tie < m.age_left ? m.age_left - tie : 0;
    u64 at = m.scalar[FREE] + add_before(m, older + (ties < left ? ties : left)).mine;
    for (int s = begin; s < end; ++s) {
        if (m.seg_cell_s[s] < 0 || (u64)m.used_s[s] > m.age_from) continue;
        if ((u64)m.used_s[s] == m.age_from && tie++ >= m.age_left) continue;
        m.free_s[at++] = s;
    }
    __syncthreads();
    for (u32 i = threadIdx.x / WARP; i < n; i += blockDim.x / WARP) {
        destroy(m, m.free_s[m.scalar[FREE] + i]);
    }
    add_to(m, SEGMENTS_EVICTED, threadIdx.x < WARP ? n : 0);
    __syncthreads();
    if (threadIdx.x == 0) m.scalar[FREE] += n;
}

// Whether all creates of the window could exceed the limit. The same in all threads.
__device__ inline bool may_fill(const Model& m) {
    const u64 limit = (u64)m.segment_limit;
    return m.scalar[NEXT_ID] + m.scalar[CREATES] > limit + m.scalar[FREE];
}

// Before the events first .. last of a sample: evict, if their creates could exceed the limit.
__device__ inline void keep_limit(Model& m, int first, int last, int row) {
    u32 creates = 0;  // each warp counts them for itself
    for (int e = first + (int)threadIdx.x % WARP; e < last; e += WARP) {
        creates += m.kind_e[e] == CREATE;
    }
    creates = warp_sum(creates);
    const int live = (int)(m.scalar[NEXT_ID] - m.scalar[FREE]);
    const int excess = (int)(live + (i64)creates - m.segment_limit);
    if (excess <= 0) return;
    int n = m.segment_limit / EVICTED_SHARE;
    if (n < excess) n = excess;
    if (n > live) n = live;
    evict_oldest(m, (u32)n, (u64)m.following_r[row]);
}
