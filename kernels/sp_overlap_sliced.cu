// Spatial pooler: overlaps of many samples from their lists of on-bits, counted bit by bit.
//
// A thread has one word of 32 columns of one sample. It adds the words of the sample's on-inputs
// as 32 numbers at once: plane p holds bit p of each, and a full adder is two operations on words.
// Sixteen words at a time go through a tree of adders (Harley and Seal), so that a word costs about
// three operations, where sp_overlap_sparse transposes 32 words among the lanes of a warp for each 32.
//
// Suffixes and rows as in spatial_pooler.cu; results are those of sp_overlap, byte for byte.
//
// kernel              grid                                      threads           writes
// sp_overlap_sliced   ceil(column_words / threads), models,     whole warps,      overlap_msc,
//                     samples                                   at most 128       key_msc
//
// A sample has at most 65,535 on-bits: a number has 16 planes.
#include "synapses.cuh"

constexpr int PLANES = 16;
constexpr int ADDED = 16;     // words that go through the tree at a time
constexpr int LISTED = 1024;  // on-bits that are listed in shared memory at a time
constexpr int MOST_THREADS = 128;
constexpr int PITCH = PLANES + 1;  // so that lanes write to different banks

// a + b + c for each bit: the sum, and what is carried.
struct Sum {
    u32 sum, carry;
};
__device__ inline Sum add(u32 a, u32 b, u32 c) { return {a ^ b ^ c, (a & b) | (c & (a ^ b))}; }

// Add sixteen words to the numbers in `plane`.
__device__ inline void add_words(u32 (&plane)[PLANES], const u32 (&word)[ADDED]) {
    u32 carried[ADDED / 2];
#pragma unroll
    for (int k = 0; k < ADDED / 2; ++k) {
        const Sum s = add(plane[0], word[2 * k], word[2 * k + 1]);
        plane[0] = s.sum, carried[k] = s.carry;
    }
#pragma unroll
    for (int p = 1, left = ADDED / 2; left > 1; ++p, left /= 2) {
#pragma unroll
        for (int k = 0; k < left / 2; ++k) {
            const Sum s = add(plane[p], carried[2 * k], carried[2 * k + 1]);
            plane[p] = s.sum, carried[k] = s.carry;
        }
    }
    u32 carry = carried[0];
#pragma unroll
    for (int p = 4; p < PLANES; ++p) {
        if (carry == 0) return;
        const u32 both = plane[p] & carry;
        plane[p] ^= carry;
        carry = both;
    }
}

// Turn planes into numbers: word j becomes that of column j in its lower half, of column 16 + j in
// its upper one. Transposes two squares of 16 x 16 bits at once.
__device__ inline void transpose_halves(u32 (&plane)[PLANES]) {
    u32 low = 0x00ff00ffu;
#pragma unroll
    for (int step = PLANES / 2; step > 0; step /= 2) {
#pragma unroll
        for (int p = 0; p < PLANES; ++p) {
            if (p & step) continue;
            const u32 moved = (plane[p] >> step ^ plane[p + step]) & low;
            plane[p] ^= moved << step;
            plane[p + step] ^= moved;
        }
        low ^= low << step / 2;
    }
}

// The words of sixteen on-inputs from the j-th listed on, those beyond the n-th zero; `listed` has
// where their rows begin.
template <bool WHOLE>
__device__ void read_words(
    u32 (&word)[ADDED], const u32* conn_v, const uint4* listed, int j, int n) {
#pragma unroll
    for (int k = 0; k < ADDED; k += 4) {
        const uint4 at = listed[(j + k) / 4];
        const u32 row[4] = {at.x, at.y, at.z, at.w};
#pragma unroll
        for (int q = 0; q < 4; ++q) {
            word[k + q] = WHOLE || j + k + q < n ? conn_v[row[q]] : 0;
        }
    }
}

extern "C" __global__ void __launch_bounds__(128) sp_overlap_sliced(
    const u32* conn_miv, const int* on_j, const i64* offset_mr, const float* boost_mc,
    u32* overlap_msc, u32* key_msc, int first_row, int samples, int rows, int columns, int words,
    int column_words, u32 threshold, int boosted) {
    __shared__ uint4 listed[LISTED / 4];
    __shared__ u32 turned[MOST_THREADS][PITCH];
    const int s = blockIdx.z, model = blockIdx.y, v = blockIdx.x * blockDim.x + threadIdx.x;
    const i64* offset_r = offset_mr + (u64)model * (rows + 1) + first_row + s;
    const i64 last = offset_r[1];
    const u32* conn_iv = conn_miv + (u64)model * words * 32 * column_words;
    // Beyond the last word a thread adds up the words of the first, and nobody asks for them.
    const u32* conn_v = conn_iv + (v < column_words ? v : 0);
    u32 plane[PLANES] = {}, word[ADDED];
    for (i64 base = offset_r[0]; base < last; base += LISTED) {
        const int n = last - base < LISTED ? (int)(last - base) : LISTED;
        u32* row_j = reinterpret_cast<u32*>(listed);
        __syncthreads();
        for (int j = threadIdx.x; j < n; j += blockDim.x) {
            row_j[j] = (u32)on_j[base + j] * (u32)column_words;
        }
        __syncthreads();
        int j = 0;
        for (; j + ADDED <= n; j += ADDED) {
            read_words<true>(word, conn_v, listed, j, n);
            add_words(plane, word);
        }
        if (j < n) {
            read_words<false>(word, conn_v, listed, j, n);
            add_words(plane, word);
        }
    }
    transpose_halves(plane);
#pragma unroll
    for (int j = 0; j < PLANES; ++j) turned[threadIdx.x][j] = plane[j];
    __syncwarp();
    const u64 first = ((u64)model * samples + s) * columns;
    const float* boost_c = boost_mc + (u64)model * columns;
    const int lane = threadIdx.x % WARP, leader = threadIdx.x - lane;
#pragma unroll 8
    for (int k = 0; k < WARP; ++k) {
        const int c = (v - lane + k) * 32 + lane;
        if (c >= columns) continue;
        const u32 overlap = turned[leader + k][lane % PLANES] >> lane / PLANES * 16 & 0xffffu;
        overlap_msc[first + c] = overlap;
        key_msc[first + c] = score_key(overlap, boost_c, c, threshold, boosted);
    }
}
