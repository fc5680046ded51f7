// Permanences two a word, as they lie in memory: learning changes both with one operation.
//
// From compute capability 9.0 on an addition between bounds is one instruction for two halves.
#pragma once
#include "fixed_point.cuh"

constexpr u32 BOTH = 0x00010001u;   // times a number of 16 bits: that number in both halves
constexpr u32 SIGNS = 0x80008000u;  // of both halves; NO_SYNAPSE has it, no permanence does
constexpr u32 HALF_MOST = 32767;

// What a window does to the synapses of a column that won `wins` times in it: `rise` for each
// sample in which the input was on, `fall` for all samples at once, then bounds. Where sums stay
// within a half of a word, `fall` is in both halves; otherwise the rule is WIDE, and it is one int.
struct PairRule {
    u32 rise, fall, connected;
};

// Whether sums stay within a half of a word. With one win they always do: a step up or down is at
// most PERMANENCE_ONE.
__device__ inline bool fits_pairs(u32 wins, int increment, int decrement) {
    return wins * (u32)(increment + decrement) <= HALF_MOST - (u32)PERMANENCE_ONE;
}

template <bool WIDE>
__device__ PairRule pair_rule(u32 wins, int increment, int decrement, int connected) {
    const u32 fall = (u32)(-(int)wins * decrement);
    return {(u32)(increment + decrement), WIDE ? fall : (fall & 0xffffu) * BOTH,
            (u32)connected * BOTH};
}

// All bits of each half whose sign is set.
__device__ inline u32 negative_halves(u32 pair) {
#if defined(__CUDA_ARCH__)
    u32 halves;  // bytes 1 and 3, each twice, their signs repeated
    asm("prmt.b32 %0, %1, 0, 0xbb99;" : "=r"(halves) : "r"(pair));
    return halves;
#else
    return ((pair & SIGNS) >> 15) * 0xffffu;
#endif
}

// The sum of a WIDE rule for `on` samples, as far as it matters.
__device__ inline int clipped_step(u32 on, PairRule rule) {
    const int step = (int)(on * rule.rise + rule.fall);
    return step < -PERMANENCE_ONE ? -PERMANENCE_ONE : step > PERMANENCE_ONE ? PERMANENCE_ONE : step;
}

// Bits 15 and 31: which of both permanences is connected; other bits say nothing.
__device__ inline u32 connected_halves(u32 pair, PairRule rule) {
    // A half without a synapse becomes 32767, the others 32768 and more: no borrow in between.
    return (pair ^ SIGNS) - rule.connected;
}

// Both permanences after the window, `on` being in how many of its samples each input was on.
// Bits 15 and 31 of `connected` say which of them is connected then, other bits nothing.
template <bool WIDE>
__device__ u32 learned_pair(u32 pair, u32 on, PairRule rule, u32& connected) {
    const u32 outside = negative_halves(pair);
    u32 sum = pair & ~outside, fall = rule.fall;
    if (WIDE) {
        const u32 high = (u32)clipped_step(on >> 16, rule);
        fall = ((u32)clipped_step(on & 0xffffu, rule) & 0xffffu) | high << 16;
    } else {
        sum += on * rule.rise;
    }
    const u32 after = outside | __viaddmin_s16x2_relu(sum, fall, (u32)PERMANENCE_ONE * BOTH);
    connected = connected_halves(after, rule);
    return after;
}

// The signs of eight halves as bits 24 to 31.
__device__ inline u32 sign_bits(const u32 (&pair)[4]) {
    const u32 low = __byte_perm(pair[0], pair[1], 0x7531), high = __byte_perm(pair[2], pair[3], 0x7531);
    return ((low >> 7 & 0x01010101u) | (high >> 3 & 0x10101010u)) * 0x01020408u;
}

// The upper bytes of four words as one, as `sign_bits` leaves them.
__device__ inline u32 upper_bytes_of(const u32 (&word)[4]) {
    return __byte_perm(
        __byte_perm(word[0], word[1], 0x0073), __byte_perm(word[2], word[3], 0x0073), 0x5410);
}

// Four bits as four bytes of 0 or 1.
__device__ inline u32 spread(u32 four) { return four * 0x00204081u & 0x01010101u; }

// Bytes 0 and 1, or 2 and 3, as the halves of a word.
__device__ inline u32 lower_bytes(u32 four) { return __byte_perm(four, 0, 0x4140); }
__device__ inline u32 upper_bytes(u32 four) { return __byte_perm(four, 0, 0x4342); }
