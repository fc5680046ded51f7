// Compact potential pools: of a column only the synapses of its pool are kept, in the order of
// inputs, in runs of 32.
//
// The permanences of a run lie as those of a word of a whole row do (octet_place), NO_SYNAPSE behind
// the last one. Beside them stands how far each input lies behind the first input of the run's
// `base` word, as one byte or two: sixteen bytes at a time, interleaved like the octets. Bits stay by
// input: both bit matrices are those of whole rows.
#pragma once
#include "columns.cuh"

using u8 = unsigned char;
using u16 = unsigned short;

// Where a row of lists has the input of place b of run r, counted in numbers of ENTRY bytes.
template <int ENTRY>
__device__ inline int input_place(int r, int b, int runs) {
    constexpr int TOGETHER = 16 / ENTRY;  // that are read at once
    const int first = r / 32 * 32 * 2 * ENTRY + b / TOGETHER * octet_span(r, runs) + r % 32;
    return first * TOGETHER + b % TOGETHER;
}

// Where the synapses of one column's pool lie; `entry` bytes an input.
struct Pool {
    i16* perm_j;          // in the order of perm_place, `runs` for words
    const u8* input_b;    // their inputs, in the order of input_place
    const u16* base_g;    // the word of inputs with which each run begins
    u32* conn_w;          // the column's row of connected bits
    u32* conn_iv;         // its word in the rows of inputs; null: they are brought in line later,
    u32* flip_w;          // and this row of bits is told what changes, unless that is null, too
    int runs, entry, words, column_words;
    u32 bit;
};

__device__ inline Pool pool_at(
    i16* perm_mcj, const u8* input_mcb, const u16* base_mcg, u32* conn_mcw, u32* conn_miv,
    int model, int columns, int words, int column_words, int runs, int entry, int c) {
    const u64 column = (u64)model * columns + c, run = column * runs;
    return {perm_mcj + run * 32, input_mcb + run * 32 * entry, base_mcg + run,
            conn_mcw + column * words,
            conn_miv ? conn_miv + (u64)model * words * 32 * column_words + c / 32 : nullptr,
            nullptr, runs, entry, words, column_words, 1u << (c % 32)};
}

// The input of place b of run r.
__device__ inline int input_at(const Pool& pool, int r, int b) {
    const int behind = pool.entry == 1
        ? pool.input_b[input_place<1>(r, b, pool.runs)]
        : reinterpret_cast<const u16*>(pool.input_b)[input_place<2>(r, b, pool.runs)];
    return pool.base_g[r] * 32 + behind;
}

// Turn the bit of one input over in both matrices, or in the first.
__device__ inline void flip_bit(const Pool& pool, int i) {
    const u32 bit = 1u << (i % 32);
    atomicXor(&pool.conn_w[i / 32], bit);
    if (pool.flip_w) atomicXor(&pool.flip_w[i / 32], bit);
    if (pool.conn_iv) atomicXor(&pool.conn_iv[(u64)i * pool.column_words], pool.bit);
}

// Write the permanence at place j of a pool and bring the bits in line.
__device__ inline void write_place(
    const Pool& pool, int j, int before, int after, int connected) {
    if (after != before) pool.perm_j[perm_place(j, pool.runs)] = (i16)after;
    if ((before >= connected) != (after >= connected)) {
        flip_bit(pool, input_at(pool, j / 32, j % 32));
    }
}

// How often inputs were on, a byte each in shared memory, where there are no more inputs than that.
constexpr int ON_ROOM = 1 << 14;
struct alignas(16) OnBytes {
    u8 on_i[ON_ROOM];
};
__device__ inline bool has_room(int words) { return words * 32 <= ON_ROOM; }

// Write what count(w) says of each word of inputs. The whole block; ends with a barrier.
template <typename Count>
__device__ void write_counts(OnBytes& bytes, int words, Count count) {
    for (int w = threadIdx.x; w < words; w += blockDim.x) {
        const auto on = count(w);
        uint4* const at = reinterpret_cast<uint4*>(bytes.on_i + w * 32);
        at[0] = make_uint4(on.bytes(0), on.bytes(1), on.bytes(2), on.bytes(3));
        at[1] = make_uint4(on.bytes(4), on.bytes(5), on.bytes(6), on.bytes(7));
    }
    __syncthreads();
}

// One run: permanences, inputs, and where these begin.
template <int ENTRY>
struct Run {
    uint4 octet[4], behind[2 * ENTRY];
    int base;

    // How far the input of place b lies behind the first of the run; above that other places'.
    __device__ u32 behind_from(int b) const {
        constexpr int IN_WORD = 4 / ENTRY;
        const uint4& four = behind[b / (4 * IN_WORD)];
        const int q = b / IN_WORD % 4;
        const u32 word = q == 0 ? four.x : q == 1 ? four.y : q == 2 ? four.z : four.w;
        return word >> b % IN_WORD * 8 * ENTRY;
    }

    // The bits of a row of inputs in the order of the run.
    __device__ u32 bits_of(const u32* x_w) const {
        u32 bits = 0;
        x_w += base;
#pragma unroll
        for (int b = 0; b < 32; ++b) {
            // Its lowest five bits say which bit of a word, those above which word.
            const u32 i = behind_from(b);
            const u32 x = x_w[i >> 5 & ((1u << (8 * ENTRY - 5)) - 1)];
            bits = __funnelshift_r(bits, __funnelshift_r(x, x, i), 1);
        }
        return bits;
    }
};

// The counts of a run's inputs as learn_octets asks for them, from shared memory.
template <int ENTRY>
struct RunCounts {
    const Run<ENTRY>& run;
    const u8* on_i;

    __device__ RunCounts(const Run<ENTRY>& run, const OnBytes& bytes)
        : run(run), on_i(bytes.on_i + run.base * 32) {}
    __device__ u32 at(int b) const {
        return on_i[run.behind_from(b) & ((1u << 8 * ENTRY) - 1)];
    }
    __device__ void octet(int k, u32 (&pair)[4]) const {
#pragma unroll
        for (int q = 0; q < 4; ++q) pair[q] = at(8 * k + 2 * q) | at(8 * k + 2 * q + 1) << 16;
    }
};

// PASSING: as load_synapses.
template <int ENTRY, bool PASSING>
__device__ Run<ENTRY> load_run(const Pool& pool, int r) {
    const int span = octet_span(r, pool.runs), place = octet_place(r, 0, pool.runs);
    const uint4* octet_o = reinterpret_cast<const uint4*>(pool.perm_j) + place;
    const uint4* behind_o =
        reinterpret_cast<const uint4*>(pool.input_b) + r / 32 * 32 * 2 * ENTRY + r % 32;
    Run<ENTRY> run;
#pragma unroll
    for (int k = 0; k < 2 * ENTRY; ++k) {
        run.behind[k] = PASSING ? __ldcs(behind_o + k * span) : behind_o[k * span];
    }
    run.base = pool.base_g[r];
#pragma unroll
    for (int k = 0; k < 4; ++k) {
        run.octet[k] = PASSING ? __ldcs(octet_o + k * span) : octet_o[k * span];
    }
    return run;
}

// Have one column learn: the runs rank, rank + stride ... of it. `count(run)` returns how often the
// inputs of a run were on, `see(run, on, conn, flipped)` is told that and its connected bits
// afterwards, and which of them differ from before.
template <int ENTRY, bool WIDE, bool PASSING, typename Count, typename See>
__device__ void learn_runs(
    const Pool& pool, int rank, int stride, PairRule rule, Count count, See see) {
    for (int r = rank; r < pool.runs; r += stride) {
        const Run<ENTRY> run = load_run<ENTRY, PASSING>(pool, r);
        auto on = count(run);
        u32 was;
        const u32 conn = learn_octets<WIDE, PASSING, true>(
            pool.perm_j, r, pool.runs, run.octet, on, rule, was);
        const u32 flipped = conn ^ was;
        for (u32 left = flipped; left; left &= left - 1) {
            flip_bit(pool, input_at(pool, r, __ffs((int)left) - 1));
        }
        see(run, on, conn, flipped);
    }
}
