// Columns of the spatial pooler, eight synapses a thread: what its kernels share, whether they launch
// phase by phase (spatial_pooler.cu) or step by step (sp_online.cu).
#pragma once
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

// Replace eight permanences by after(before, k) and bring both bit matrices in line; returns the
// connected bits.
template <typename After>
__device__ u32 adapt_octet(
    const Column& column, int o, Octet octet, int connected, After after) {
    u32 pair[4] = {octet.perm.x, octet.perm.y, octet.perm.z, octet.perm.w};
    u32 conn = 0, differs = 0;
#pragma unroll
    for (int k = 0; k < 8; k += 2) {
        const int low = after((i16)(pair[k / 2] & 0xffffu), k);
        const int high = after((i16)(pair[k / 2] >> 16), k + 1);
        conn |= (u32)(low >= connected) << k | (u32)(high >= connected) << (k + 1);
        const u32 now = ((u32)low & 0xffffu) | (u32)high << 16;
        differs |= now ^ pair[k / 2];
        pair[k / 2] = now;
    }
    if (differs) {
        reinterpret_cast<uint4*>(column.perm_i)[o] = make_uint4(pair[0], pair[1], pair[2], pair[3]);
    }
    if (conn != octet.conn) column.conn_o[o] = (unsigned char)conn;
    for (u32 changed = conn ^ octet.conn; changed; changed &= changed - 1) {
        const u64 i = (u64)o * 8 + (u64)(__ffs((int)changed) - 1);
        atomicXor(&column.conn_iv[i * column.column_words], column.bit);
    }
    return conn;
}

// The bits of octet o in a packed row.
__device__ inline u32 octet_at(const u32* row_w, int o) { return row_w[o / 4] >> (o % 4 * 8) & 255u; }

// Four bits as four bytes of 0 or 1.
__device__ inline u32 spread(u32 four) { return four * 0x00204081u & 0x01010101u; }

// Add to on[k] in how many of the listed rows bit k of octet o is on.
__device__ inline void count_on(
    u32 (&on)[8], const u32* x_rw, int words, const int* row_listed, int listed, int o) {
    constexpr int MOST = 255;  // rows whose bits a byte can count
    for (int q = 0; q < listed;) {
        const int stop = listed - q < MOST ? listed : q + MOST;
        u32 low = 0, high = 0;
#pragma unroll 4
        for (; q < stop; ++q) {
            const u32 bits = octet_at(x_rw + (u64)row_listed[q] * words, o);
            low += spread(bits & 15u);
            high += spread(bits >> 4);
        }
#pragma unroll
        for (int k = 0; k < 4; ++k) {
            on[k] += low >> 8 * k & 255u;
            on[k + 4] += high >> 8 * k & 255u;
        }
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
