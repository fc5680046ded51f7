// Permanences two a word, as they lie in memory: learning changes both with one operation.
//
// From compute capability 9.0 on an addition between bounds is one instruction for two halves.
#pragma once
#include "fixed_point.cuh"

constexpr u32 BOTH = 0x00010001u;   // times a number of 16 bits: that number in both halves
constexpr u32 SIGNS = 0x80008000u;  // of both halves; NO_SYNAPSE has it, no permanence does
constexpr int HALF_MOST = 32767;

// What a window does to the synapses of a column that won `wins` times in it: `rise` for each
// sample in which the input was on, `fall` for all samples at once, then bounds.
struct PairRule {
    u32 rise, fall, connected;
};

// Whether sums stay within a half of a word, and counts of samples within a byte. One win fits
// always: a step up or down is at most PERMANENCE_ONE.
__device__ inline bool fits_pairs(u32 wins, int increment, int decrement) {
    return wins <= 255 && wins * (u32)(increment + decrement) <= HALF_MOST - PERMANENCE_ONE;
}

__device__ inline PairRule pair_rule(u32 wins, int increment, int decrement, int connected) {
    return {(u32)(increment + decrement), ((u32)(-(int)wins * decrement) & 0xffffu) * BOTH,
            (u32)connected * BOTH};
}

// Both permanences after the window, `on` being in how many of the samples each input was on.
// Bits 15 and 31 of `connected` say which of them is connected then.
__device__ inline u32 learned_pair(u32 pair, u32 on, PairRule rule, u32& connected) {
    const u32 none = pair & SIGNS;
    const u32 outside = none | (none - (none >> 15));  // all bits of a half without a synapse
    const u32 after = __viaddmin_s16x2_relu(
        on * rule.rise + (pair & ~outside), rule.fall, (u32)PERMANENCE_ONE * BOTH);
    connected = ((after | SIGNS) - rule.connected) & SIGNS & ~none;
    return after | outside;
}

// Four bits as four bytes of 0 or 1.
__device__ inline u32 spread(u32 four) { return four * 0x00204081u & 0x01010101u; }

// Bytes 0 and 1, or 2 and 3, as the halves of a word.
__device__ inline u32 lower_bytes(u32 four) { return __byte_perm(four, 0, 0x4140); }
__device__ inline u32 upper_bytes(u32 four) { return __byte_perm(four, 0, 0x4342); }
