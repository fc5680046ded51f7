// Spatial pooler: overlaps of many samples as one product of bit matrices, on tensor cores.
//
// As in sp_overlap_tiled.cu a block multiplies TILE columns by TILE samples, and words of both
// sides go through shared memory. Each of its four warps has a quarter, 32 samples by 32 columns,
// in pieces of 16 by 8 (tensor.cuh). Bits are multiplied as they are, 256 inputs an instruction
// (sm_80 and later), or each as a byte of 0 or 1, 32 inputs an instruction (sm_75 and later). Sums
// are integers: both give what sp_overlap gives.
//
// Suffixes as in spatial_pooler.cu. Block: exactly 128 threads.
//
// kernel            grid x                grid y  grid z                writes
// sp_overlap_bits   ceil(columns / TILE)  models  ceil(samples / TILE)  overlap_msc, key_msc
// sp_overlap_bytes  the same                                            the same
#include "overlap_tile.cuh"
#include "tensor.cuh"

#if defined(TENSOR_BYTES)  // otherwise there is nothing here
constexpr int PITCH = TILE_WORDS + 4;  // so that the 8 rows and 4 words of a load are in 32 banks
constexpr int THREADS = 4 * WARP;
constexpr int QUARTER = TILE / 2;                // samples, and columns, of a warp
constexpr int DOWN = QUARTER / TENSOR_ROWS;      // its pieces along the samples
constexpr int ACROSS = QUARTER / TENSOR_COLUMNS; // and along the columns

// Step::load reads a lane's two words of one row in shared memory; Step::WORDS of its words are used
// up by one Step::add. `left` and `right` are shared memory of the block, TILE rows each.
template <typename Step>
__device__ void multiply_tile(
    const u32* x_sw, const u32* conn_cw, u32* left, u32* right, int words, const Scores& scores) {
    const int lane = threadIdx.x % WARP, warp = threadIdx.x / WARP;
    const int group = lane / 4, within = lane % 4;
    const int first_c = blockIdx.x * TILE, first_s = blockIdx.z * TILE;
    const int quarter_s = warp / 2 * QUARTER, quarter_c = warp % 2 * QUARTER;
    int sum[DOWN][ACROSS][4] = {};
    for (int base = 0; base < words; base += TILE_WORDS) {
        load_tile<PITCH, THREADS>(left, x_sw, first_s, scores.samples, base, words);
        load_tile<PITCH, THREADS>(right, conn_cw, first_c, scores.columns, base, words);
        __syncthreads();
        const int some = words - base < TILE_WORDS ? words - base : TILE_WORDS;
        // The last step may read words beyond the last: they are zero.
        for (int w = 0; w < some; w += Step::WORDS) {
            u32 a[DOWN][4], b[ACROSS][2];
#pragma unroll
            for (int d = 0; d < DOWN; ++d) {
                const u32* row_w = left + (quarter_s + d * TENSOR_ROWS + group) * PITCH + w;
                Step::load(a[d][0], a[d][2], row_w, within);
                Step::load(a[d][1], a[d][3], row_w + 8 * PITCH, within);
            }
#pragma unroll
            for (int n = 0; n < ACROSS; ++n) {
                const u32* row_w = right + (quarter_c + n * TENSOR_COLUMNS + group) * PITCH + w;
                Step::load(b[n][0], b[n][1], row_w, within);
            }
#pragma unroll
            for (int d = 0; d < DOWN; ++d) {
#pragma unroll
                for (int n = 0; n < ACROSS; ++n) Step::add(sum[d][n], a[d], b[n]);
            }
        }
        __syncthreads();
    }
#pragma unroll
    for (int d = 0; d < DOWN; ++d) {
#pragma unroll
        for (int n = 0; n < ACROSS; ++n) {
            const int s = first_s + quarter_s + d * TENSOR_ROWS + group;
            const int c = first_c + quarter_c + n * TENSOR_COLUMNS + 2 * within;
#pragma unroll
            for (int k = 0; k < 4; ++k) scores.write(s + k / 2 * 8, c + k % 2, (u32)sum[d][n][k]);
        }
    }
}

#if defined(TENSOR_BITS)
struct Bits {
    static constexpr int WORDS = 8;
    __device__ static void load(u32& first, u32& second, const u32* row_w, int within) {
        first = row_w[within];
        second = row_w[within + 4];
    }
    __device__ static void add(int (&sum)[4], const u32 (&a)[4], const u32 (&b)[2]) {
        add_common_bits(sum, a, b);
    }
};

extern "C" __global__ void __launch_bounds__(128) sp_overlap_bits(
    const u32* conn_mcw, const u32* x_mrw, const float* boost_mc, u32* overlap_msc, u32* key_msc,
    int first_row, int samples, int rows, int columns, int words, u32 threshold, int boosted) {
    __shared__ u32 left[TILE * PITCH];
    __shared__ u32 right[TILE * PITCH];
    const u64 model = blockIdx.y, first = model * samples * columns;
    multiply_tile<Bits>(
        x_mrw + (model * rows + first_row) * words, conn_mcw + model * columns * words, left, right,
        words,
        {overlap_msc + first, key_msc + first, boost_mc + model * columns, samples, columns,
         threshold, boosted});
}
#endif

// One word a step: a lane's bytes are every eighth bit of it. Which bits meet in a product does not
// matter, as long as they are the same of both sides and each is met once.
struct Bytes {
    static constexpr int WORDS = 1;
    __device__ static void load(u32& first, u32& second, const u32* row_w, int within) {
        first = *row_w >> within & 0x01010101u;
        second = *row_w >> (within + 4) & 0x01010101u;
    }
    __device__ static void add(int (&sum)[4], const u32 (&a)[4], const u32 (&b)[2]) {
        add_products(sum, a, b);
    }
};

extern "C" __global__ void __launch_bounds__(128) sp_overlap_bytes(
    const u32* conn_mcw, const u32* x_mrw, const float* boost_mc, u32* overlap_msc, u32* key_msc,
    int first_row, int samples, int rows, int columns, int words, u32 threshold, int boosted) {
    __shared__ u32 left[TILE * PITCH];
    __shared__ u32 right[TILE * PITCH];
    const u64 model = blockIdx.y, first = model * samples * columns;
    multiply_tile<Bytes>(
        x_mrw + (model * rows + first_row) * words, conn_mcw + model * columns * words, left, right,
        words,
        {overlap_msc + first, key_msc + first, boost_mc + model * columns, samples, columns,
         threshold, boosted});
}
#endif
