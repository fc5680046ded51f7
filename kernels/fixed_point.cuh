// Fixed-point numbers: the twins of htmrun/backends/fixed_point.py, the same bits.
//
// Every float here is the result of single IEEE operations or of integer arithmetic on its
// representation. Compile with --fmad=false and without --use_fast_math.
#pragma once
#include "warp.cuh"

constexpr int PERMANENCE_ONE = 10000;
constexpr int NO_SYNAPSE = -1;
constexpr i64 EXP2_MAX = 100ll << 24;
constexpr i64 EXP2_MIN = -EXP2_MAX;

// log2(e) * 2^24 as the nearest double.
constexpr double EXP_SCALE = 0x1.71547652b82fep+24;

// 2^(a / 2^24), a clipped to +-100 octaves.
__device__ inline float exp2_fixed(i64 a) {
    a = a < EXP2_MIN ? EXP2_MIN : a > EXP2_MAX ? EXP2_MAX : a;
    const i64 exponent = a >> 24;
    const i64 fraction = (a & 0xFFFFFF) << 6;
    i64 r = 232076;
    r = 1338674 + ((r * fraction) >> 30);
    r = 10389024 + ((r * fraction) >> 30);
    r = 59576801 + ((r * fraction) >> 30);
    r = 257944274 + ((r * fraction) >> 30);
    r = 744260969 + ((r * fraction) >> 30);
    r = 1073741824 + ((r * fraction) >> 30);
    if (r > 0x7FFFFFFF) r = 0x7FFFFFFF;
    return __uint_as_float((u32)(((exponent + 127) << 23) | ((r >> 7) & 0x7FFFFF)));
}

// exp(x) for x <= 0. fmax also sends a NaN to the lower end, as the CPU does.
__device__ inline float exp_fixed(float x) {
    const double scaled = floor(__dmul_rn((double)x, EXP_SCALE));
    return exp2_fixed((i64)fmax(scaled, (double)EXP2_MIN));
}

// Boost factor exp(strength * (target - duty)); gain = fixed_point.boost_gain(strength).
__device__ inline float boost_factor(u32 duty, i64 target, i64 gain) {
    return exp2_fixed((gain * (target - (i64)duty)) >> 22);
}

// A duty cycle as neighbours read it, without its last `drop` bits; halves upwards.
__device__ inline u32 shared_duty(u32 duty, int drop) {
    if (drop == 0) return duty;
    const u32 rounded = (duty + (1u << (drop - 1))) >> drop, most = (1u << (30 - drop)) - 1;
    return (rounded < most ? rounded : most) << drop;
}

// Duty cycle after a window of n samples of which `count` were active.
// reciprocal = 2^32 / period, unit = 2^30 / period, both rounded down.
__device__ inline u32 advance_duty(u32 duty, u32 count, u32 n, u64 reciprocal, u32 unit) {
    const u64 d = duty;
    return (u32)(d - ((d * (n * reciprocal)) >> 32) + (u64)count * unit);
}
