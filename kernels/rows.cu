// Packed rows of bits on their way back to the host: as lists of on-bits, a fraction of the bytes.
//
// Suffixes: m model, r row, w word of 32 bits, j entry. Rows first .. rows of each model; `kept` =
// rows - first of them. Blocks are whole warps, one warp a row; blockIdx.y is the model.
//
// kernel      grid x                writes
// count_rows  ceil(kept / warps)    count_mr[1 + model * kept + row], the on-bits of the row
// list_rows   the same              on_j from end_mr[model * kept + row] on, ascending
//
// end_mr is count_mr summed up, count_mr[0] being 0.
#include "warp.cuh"

extern "C" __global__ void count_rows(
    const u32* x_mrw, i64* count_mr, int first, int rows, int words) {
    const int lane = threadIdx.x % WARP, kept = rows - first;
    const int r = (int)((blockIdx.x * blockDim.x + threadIdx.x) / WARP);
    if (r >= kept) return;
    const u32* x_w = x_mrw + ((u64)blockIdx.y * rows + first + r) * words;
    u32 count = 0;
    for (int w = lane; w < words; w += WARP) count += __popc(x_w[w]);
    count = warp_sum(count);
    if (lane == 0) count_mr[1 + (u64)blockIdx.y * kept + r] = count;
}

extern "C" __global__ void list_rows(
    const u32* x_mrw, const i64* end_mr, int* on_j, int first, int rows, int words) {
    const int lane = threadIdx.x % WARP, kept = rows - first;
    const int r = (int)((blockIdx.x * blockDim.x + threadIdx.x) / WARP);
    if (r >= kept) return;
    const u32* x_w = x_mrw + ((u64)blockIdx.y * rows + first + r) * words;
    i64 next = end_mr[(u64)blockIdx.y * kept + r];
    for (int base = 0; base < words; base += WARP) {
        const int w = base + lane;
        u32 word = w < words ? x_w[w] : 0;
        const u32 mine = __popc(word);
        u32 up_to_here = mine;
        for (int step = 1; step < WARP; step *= 2) {
            const u32 below = __shfl_up_sync(ALL_LANES, up_to_here, step);
            if (lane >= step) up_to_here += below;
        }
        i64 j = next + (up_to_here - mine);
        for (; word; word &= word - 1) on_j[j++] = w * 32 + __ffs((int)word) - 1;
        next += warp_sum(mine);
    }
}
