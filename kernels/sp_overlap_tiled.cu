// Spatial pooler: overlaps of many samples as one product of bit matrices.
//
// A block multiplies TILE columns by TILE samples: words of both sides go through shared memory
// once for all pairs, and a thread counts the common bits of 4 x 4 pairs in registers. Reads
// (columns + samples) * words * 4 bytes for each TILE of the other side; needs columns * samples *
// words ANDs and population counts.
//
// Suffixes as in spatial_pooler.cu. Block: exactly 256 threads.
//
// kernel            grid x                grid y  grid z                writes
// sp_overlap_tiled  ceil(columns / TILE)  models  ceil(samples / TILE)  overlap_msc, key_msc
#include "overlap_tile.cuh"

constexpr int PITCH = TILE_WORDS + 1;  // rows of 33 words, so that lanes read different banks
constexpr int SIDE = 16;               // threads along each side of a tile
constexpr int THREADS = SIDE * SIDE;
constexpr int EACH = TILE / SIDE;      // columns, and samples, of a thread

extern "C" __global__ void __launch_bounds__(256) sp_overlap_tiled(
    const u32* conn_mcw, const u32* x_mrw, const float* boost_mc, u32* overlap_msc, u32* key_msc,
    int first_row, int samples, int rows, int columns, int words, u32 threshold, int boosted) {
    __shared__ u32 conn[TILE * PITCH];
    __shared__ u32 x[TILE * PITCH];
    const int across = threadIdx.x % SIDE, down = threadIdx.x / SIDE, model = blockIdx.y;
    const int first_c = blockIdx.x * TILE, first_s = blockIdx.z * TILE;
    const u32* conn_cw = conn_mcw + (u64)model * columns * words;
    const u32* x_sw = x_mrw + ((u64)model * rows + first_row) * words;
    u32 count[EACH][EACH] = {};
    for (int base = 0; base < words; base += TILE_WORDS) {
        load_tile<PITCH, THREADS>(conn, conn_cw, first_c, columns, base, words);
        load_tile<PITCH, THREADS>(x, x_sw, first_s, samples, base, words);
        __syncthreads();
        const int some = words - base < TILE_WORDS ? words - base : TILE_WORDS;
        for (int w = 0; w < some; ++w) {
            u32 left[EACH], right[EACH];
#pragma unroll
            for (int k = 0; k < EACH; ++k) {
                left[k] = conn[(across + k * SIDE) * PITCH + w];
                right[k] = x[(down + k * SIDE) * PITCH + w];
            }
#pragma unroll
            for (int k = 0; k < EACH; ++k) {
#pragma unroll
                for (int q = 0; q < EACH; ++q) count[k][q] += __popc(left[k] & right[q]);
            }
        }
        __syncthreads();
    }
    const u64 first = (u64)model * samples * columns;
    const Scores scores = {overlap_msc + first, key_msc + first, boost_mc + (u64)model * columns,
                           samples, columns, threshold, boosted};
#pragma unroll
    for (int q = 0; q < EACH; ++q) {
#pragma unroll
        for (int k = 0; k < EACH; ++k) {
            scores.write(first_s + down + q * SIDE, first_c + across + k * SIDE, count[k][q]);
        }
    }
}
