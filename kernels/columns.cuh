// Columns of the spatial pooler, 32 synapses a thread: what its kernels share, whether they launch
// phase by phase (spatial_pooler.cu, sp_learn.cu) or step by step (sp_online.cu).
#pragma once
#include "pairs.cuh"
#include "synapses.cuh"

constexpr int SPARSE_WORDS = 8;  // of 32 columns, that a block of count_sparse counts
constexpr int SPARSE_COLUMNS = SPARSE_WORDS * 32;

// Add up, for the columns of words first_v .. first_v + SPARSE_WORDS, the connected bits of the inputs
// on_j[first .. last]: total[k] of column first_v * 32 + k, in shared memory. A lane reads the words
// of one input; transposed, each lane has the bits of one column. The whole block; ends with a
// barrier.
__device__ inline void count_sparse(
    const u32* conn_iv, const int* on_j, i64 first, i64 last, int first_v, int column_words,
    u32* total) {
    const int lane = threadIdx.x % WARP, warps = blockDim.x / WARP;
    for (int k = threadIdx.x; k < SPARSE_COLUMNS; k += blockDim.x) total[k] = 0;
    __syncthreads();
    u32 count[SPARSE_WORDS] = {};
    const bool whole = column_words % 4 == 0;  // words come in fours, and lie so
    for (i64 base = first + threadIdx.x / WARP * WARP; base < last; base += warps * WARP) {
        u32 word[SPARSE_WORDS] = {};
        if (base + lane < last) {
            const u32* conn_v = conn_iv + (u64)on_j[base + lane] * column_words + first_v;
#pragma unroll
            for (int k = 0; k < SPARSE_WORDS; k += 4) {
                if (whole && first_v + k < column_words) {
                    const uint4 four = *reinterpret_cast<const uint4*>(conn_v + k);
                    word[k] = four.x, word[k + 1] = four.y, word[k + 2] = four.z, word[k + 3] = four.w;
                }
#pragma unroll
                for (int q = k; q < k + 4; ++q) {
                    if (!whole && first_v + q < column_words) word[q] = conn_v[q];
                }
            }
        }
#pragma unroll
        for (int k = 0; k < SPARSE_WORDS; ++k) count[k] += __popc(warp_transpose(word[k]));
    }
#pragma unroll
    for (int k = 0; k < SPARSE_WORDS; ++k) {
        if (count[k] > 0) atomicAdd(&total[k * 32 + lane], count[k]);
    }
    __syncthreads();
}

// Where one column's synapses lie.
struct Column {
    i16* perm_i;   // in the order of perm_place
    u32* conn_w;   // its row of connected bits
    u32* conn_iv;  // its word in the rows of inputs; null: they are made anew afterwards
    int words, column_words;
    u32 bit;
};

__device__ inline Column column_at(
    i16* perm_mci, u32* conn_mcw, u32* conn_miv, int model, int columns, int words,
    int column_words, int c) {
    const u64 column = (u64)model * columns + c;
    return {perm_mci + column * words * 32, conn_mcw + column * words,
            conn_miv + (u64)model * words * 32 * column_words + c / 32, words, column_words,
            1u << (c % 32)};
}

// The permanences of 32 inputs, two a word of `octet`, and their connected bits. PASSING: they are
// read and written as what need not stay in the cache, so that more of the bits by input does, of
// which learning changes single words here and there.
struct Synapses {
    uint4 octet[4];
    u32 conn;
};
template <bool PASSING>
__device__ Synapses load_synapses(const Column& column, int w) {
    const uint4* octet_o =
        reinterpret_cast<const uint4*>(column.perm_i) + octet_place(w, 0, column.words);
    const int span = octet_span(w, column.words);
    Synapses synapses;
#pragma unroll
    for (int k = 0; k < 4; ++k) {
        synapses.octet[k] = PASSING ? __ldcs(octet_o + k * span) : octet_o[k * span];
    }
    synapses.conn = column.conn_w[w];
    return synapses;
}

// How often each of 32 inputs was on, bit p of all counts in plane p.
template <int PLANES>
struct Counts {
    u32 plane[PLANES];
    int used;

    // Count one sample more.
    __device__ void add(u32 x) {
        u32 carry = x;
#pragma unroll
        for (int p = 0; p < PLANES; ++p) {
            const u32 both = plane[p] & carry;
            plane[p] ^= carry;
            carry = both;
        }
    }

    // Those of inputs 4 * k to 4 * k + 3 as bytes; of inputs 8 * k to 8 * k + 7, two a word.
    __device__ u32 bytes(int k) const {
        u32 four = 0;
#pragma unroll
        for (int p = 0; p < PLANES; ++p) {
            if (p >= used) break;
            four += spread(plane[p] >> 4 * k & 15u) << p;
        }
        return four;
    }
    __device__ void octet(int k, u32 (&pair)[4]) const {
        const u32 low = bytes(2 * k), high = bytes(2 * k + 1);
        pair[0] = lower_bytes(low), pair[1] = upper_bytes(low);
        pair[2] = lower_bytes(high), pair[3] = upper_bytes(high);
    }
};

// Replace the synapses of word w of a row of permanences by what they are after the window; returns
// the connected bits. `on` says how often their inputs were on, an octet after the other (see
// Counts). WAS: `was` becomes the connected bits of before.
template <bool WIDE, bool PASSING, bool WAS, typename On>
__device__ u32 learn_octets(
    i16* perm_i, int w, int words, const uint4 (&octet)[4], On& on, PairRule rule, u32& was) {
    uint4* octet_o = reinterpret_cast<uint4*>(perm_i);
    u32 bits[4], bits_before[4];
#pragma unroll
    for (int k = 0; k < 4; ++k) {
        const u32 pair[4] = {octet[k].x, octet[k].y, octet[k].z, octet[k].w};
        u32 count[4], after[4], connected[4], differs = 0;
        on.octet(k, count);
#pragma unroll
        for (int q = 0; q < 4; ++q) {
            after[q] = learned_pair<WIDE>(pair[q], count[q], rule, connected[q]);
            differs |= after[q] ^ pair[q];
        }
        if (differs) {
            const uint4 learned = make_uint4(after[0], after[1], after[2], after[3]);
            uint4* const at = octet_o + octet_place(w, k, words);
            if (PASSING) __stcs(at, learned);
            else *at = learned;
        }
        bits[k] = sign_bits(connected);
        if (WAS) {
#pragma unroll
            for (int q = 0; q < 4; ++q) connected[q] = connected_halves(pair[q], rule);
            bits_before[k] = sign_bits(connected);
        }
    }
    if (WAS) was = upper_bytes_of(bits_before);
    return upper_bytes_of(bits);
}

// Replace a word's synapses by what they are after the window; returns the connected bits.
template <bool WIDE, bool PASSING, int PLANES>
__device__ u32 learn_word(
    const Column& column, int w, const Synapses& before, const Counts<PLANES>& on, PairRule rule) {
    u32 none;
    const u32 conn = learn_octets<WIDE, PASSING, false>(
        column.perm_i, w, column.words, before.octet, on, rule, none);
    const u32 flipped = conn ^ before.conn;
    if (flipped) column.conn_w[w] = conn;
    for (u32 left = column.conn_iv ? flipped : 0; left; left &= left - 1) {
        const u64 i = (u64)w * 32 + (u64)(__ffs((int)left) - 1);
        atomicXor(&column.conn_iv[i * column.column_words], column.bit);
    }
    return conn;
}

// Have one column learn: the words rank, rank + stride ... of it. `count(w)` returns how often the
// inputs of a word were on, `see(w, conn, flipped)` is told its connected bits afterwards, and which
// of them differ from before.
template <bool WIDE, bool PASSING, typename Count, typename See>
__device__ void learn_words(
    const Column& column, int rank, int stride, PairRule rule, Count count, See see) {
    for (int w = rank; w < column.words; w += stride) {
        const Synapses before = load_synapses<PASSING>(column, w);
        const u32 conn = learn_word<WIDE, PASSING>(column, w, before, count(w), rule);
        see(w, conn, conn ^ before.conn);
    }
}

// Hold a sample's keys in the block's registers as select_top wants them, 0 beyond the last column.
template <int ITEMS>
__device__ void hold_keys(u32 (&key)[ITEMS], const u32* key_c, int columns) {
    const int first = (int)(threadIdx.x / WARP) * ITEMS * WARP + (int)(threadIdx.x % WARP);
#pragma unroll
    for (int q = 0; q < ITEMS; ++q) {
        const int c = first + q * WARP;
        key[q] = c < columns ? key_c[c] : 0;
    }
}
