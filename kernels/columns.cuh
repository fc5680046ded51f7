// Columns of the spatial pooler, eight synapses a thread: what its kernels share, whether they launch
// phase by phase (spatial_pooler.cu) or step by step (sp_online.cu).
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

// Where one column's synapses lie. Octet o of it are inputs 8 * o to 8 * o + 7.
struct Column {
    i16* perm_i;
    unsigned char* conn_o;  // bytes of its row of connected bits
    u32* conn_iv;           // its word in the rows of inputs
    int column_words;
    u32 bit;
};

__device__ inline Column column_at(
    i16* perm_mci, u32* conn_mcw, u32* conn_miv, int model, int columns, int words,
    int column_words, int c) {
    const u64 column = (u64)model * columns + c;
    return {perm_mci + column * words * 32,
            reinterpret_cast<unsigned char*>(conn_mcw + column * words),
            conn_miv + (u64)model * words * 32 * column_words + c / 32, column_words,
            1u << (c % 32)};
}

// Eight permanences, two a word, and their connected bits.
struct Octet {
    uint4 perm;
    u32 conn;
};
__device__ inline Octet load_octet(const Column& column, int o) {
    return {reinterpret_cast<const uint4*>(column.perm_i)[o], column.conn_o[o]};
}

// Write an octet where it differs from `before`.
__device__ inline void store_octet(const Column& column, int o, Octet before, Octet now) {
    const uint4 a = before.perm, b = now.perm;
    if ((a.x ^ b.x) | (a.y ^ b.y) | (a.z ^ b.z) | (a.w ^ b.w)) {
        reinterpret_cast<uint4*>(column.perm_i)[o] = b;
    }
    if (before.conn != now.conn) column.conn_o[o] = (unsigned char)now.conn;
}

// How often each of eight inputs was on, a byte each.
struct Counts {
    u32 low, high;
};
__device__ inline void count_octet(Counts& counts, u32 bits) {
    counts.low += spread(bits & 15u);
    counts.high += spread(bits >> 4);
}

// The octet after the window.
__device__ inline Octet learned_octet(Octet octet, Counts on, PairRule rule) {
    const u32 pair[4] = {octet.perm.x, octet.perm.y, octet.perm.z, octet.perm.w};
    const u32 count[4] = {
        lower_bytes(on.low), upper_bytes(on.low), lower_bytes(on.high), upper_bytes(on.high)};
    u32 after[4], conn = 0;
#pragma unroll
    for (int k = 0; k < 4; ++k) {
        u32 connected;
        after[k] = learned_pair(pair[k], count[k], rule, connected);
        conn |= connected >> (15 - 2 * k);
    }
    return {make_uint4(after[0], after[1], after[2], after[3]), (conn | conn >> 15) & 255u};
}

constexpr int OCTETS = 4;  // of a thread, that are read and changed at a time

// Have the synapses of one column learn; the whole block. `count(on, base)` adds up, for the octets
// base + k * blockDim.x that the column has, how often their inputs were on; `see(k, conn)` is told
// the connected bits of each of them afterwards.
template <typename Count, typename See>
__device__ void learn_column(
    const Column& column, int octets, PairRule rule, Count count, See see) {
    const int stride = blockDim.x;
    for (int base = threadIdx.x; base < octets; base += stride * OCTETS) {
        Octet held[OCTETS];
#pragma unroll
        for (int k = 0; k < OCTETS; ++k) {
            const int o = base + k * stride;
            if (o < octets) held[k] = load_octet(column, o);
        }
        Counts on[OCTETS] = {};
        count(on, base);
        u32 flipped = 0;
#pragma unroll
        for (int k = 0; k < OCTETS; ++k) {
            const int o = base + k * stride;
            if (o >= octets) continue;
            const Octet now = learned_octet(held[k], on[k], rule);
            store_octet(column, o, held[k], now);
            flipped |= (now.conn ^ held[k].conn) << 8 * k;
            see(k, now.conn);
        }
        // The flips of all octets in one loop: lanes have about as many in all as each other.
        for (; flipped; flipped &= flipped - 1) {
            const int bit = __ffs((int)flipped) - 1;
            const u64 i = (u64)(base + bit / 8 * stride) * 8 + bit % 8;
            atomicXor(&column.conn_iv[i * column.column_words], column.bit);
        }
    }
}

// The bits of octet o in a packed row.
__device__ inline u32 octet_at(const u32* row_w, int o) {
    return reinterpret_cast<const unsigned char*>(row_w)[o];
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
