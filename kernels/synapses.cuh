// Scores and synapses of the spatial pooler, for the kernels that launch a phase at a time
// (spatial_pooler.cu, sp_learn.cu) and the one that runs a whole chunk (sp_online.cu).
#pragma once
#include "fixed_point.cuh"

// Where a row of permanences has those of inputs 8 * k to 8 * k + 7 of word w, counted in eights:
// 32 words lie together, first the lowest eight of each, so that a thread with a word of its own
// reads and writes beside its neighbours. What is left behind the last 32 words lies so, too.
__device__ inline int octet_span(int w, int words) {
    const int left = words - w / 32 * 32;
    return left < 32 ? left : 32;
}
__device__ inline int octet_place(int w, int k, int words) {
    return w / 32 * 128 + k * octet_span(w, words) + w % 32;
}
__device__ inline int perm_place(int i, int words) {
    return octet_place(i / 32, i / 8 % 4, words) * 8 + i % 8;
}

// A key whose order is that of the scores; 0: the column cannot win.
__device__ inline u32 score_key(
    u32 overlap, const float* boost_c, int c, u32 threshold, int boosted) {
    if (overlap < threshold) return 0;
    return boosted ? __float_as_uint(__fmul_rn((float)overlap, boost_c[c])) + 1 : overlap;
}

// Permanence after `on` steps up and `off` steps down, clipped once; outside the pool unchanged.
__device__ inline int adapted(int before, u32 on, u32 off, int increment, int decrement) {
    if (before == NO_SYNAPSE) return NO_SYNAPSE;
    const i64 after = before + (i64)increment * on - (i64)decrement * off;
    return (int)(after < 0 ? 0 : after > PERMANENCE_ONE ? PERMANENCE_ONE : after);
}

// Permanence of a weak column after `bump`.
__device__ inline int bumped(int before, int bump) {
    if (before == NO_SYNAPSE) return NO_SYNAPSE;
    return before + bump < PERMANENCE_ONE ? before + bump : PERMANENCE_ONE;
}

// Permanence of a winner after its steps, moved on by `push`: up from the inflection on, else down.
__device__ inline int pushed(int before, int push, int inflection) {
    if (before == NO_SYNAPSE) return NO_SYNAPSE;
    const int after = before >= inflection ? before + push : before - push;
    return after < 0 ? 0 : after > PERMANENCE_ONE ? PERMANENCE_ONE : after;
}

// Write one permanence of each lane and bring both bit matrices in line (conn_miv null: the first). All lanes of a warp hold
// consecutive inputs of one word.
__device__ inline void write_synapse(
    i16* perm_mci, u32* conn_mcw, u32* conn_miv, int model, int columns, int words,
    int column_words, int c, int i, int before, int after, int connected) {
    const u64 column = (u64)model * columns + c;
    if (after != before) perm_mci[column * words * 32 + perm_place(i, words)] = (i16)after;
    const u32 word = __ballot_sync(ALL_LANES, after >= connected);
    if (i % WARP == 0) conn_mcw[column * words + i / 32] = word;
    if (conn_miv && (before >= connected) != (after >= connected)) {
        const u64 input = (u64)model * words * 32 + i;
        atomicXor(&conn_miv[input * column_words + c / 32], 1u << (c % 32));
    }
}

// The minimum overlap duty cycle where `most` is the largest one.
__device__ inline u32 least_duty(u32 most, u32 share) { return (u32)(((u64)most * share) >> 16); }
