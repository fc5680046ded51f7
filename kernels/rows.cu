// Rows of bits and of cells on their way out: as lists of on-bits, a fraction of the bytes.
//
// Suffixes: m model, r row, w word of 32 bits, j entry. Rows first .. rows of each model; `kept` =
// rows - first of them. Blocks are whole warps, one warp a row; blockIdx.y is the model.
//
// kernel       grid x                writes
// count_rows   ceil(kept / warps)    count_mr[1 + model * kept + row], the on-bits of the row
// list_rows    the same              on_j from end_mr[model * kept + row] on, ascending
// count_cells  the same              as count_rows; rows have columns of `words` words of 32 cells
// list_cells   the same              cell_j as on_j; a column has `per_column` cells
//
// end_mr is count_mr summed up, count_mr[0] being 0. Columns of rows are column_j, ascending in a
// row, and begin where offset_mr (rows + 1 for each model) says.
#include "warp.cuh"

__device__ u32 count_words(const u32* x_w, int words) {
    u32 count = 0;
    for (int w = threadIdx.x % WARP; w < words; w += WARP) count += __popc(x_w[w]);
    return warp_sum(count);
}

// Write the on-bits of words to on_j from `next` on; first_bit(w) is the number of word w's bit 0.
template <class FirstBit>
__device__ void list_words(
    const u32* x_w, int words, i64 next, int* on_j, const FirstBit& first_bit) {
    const int lane = threadIdx.x % WARP;
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
        const int first = word ? first_bit(w) : 0;
        for (; word; word &= word - 1) on_j[j++] = first + __ffs((int)word) - 1;
        next += warp_sum(mine);
    }
}

__device__ int row_of_warp() {
    return (int)((blockIdx.x * blockDim.x + threadIdx.x) / WARP);
}

extern "C" __global__ void count_rows(
    const u32* x_mrw, i64* count_mr, int first, int rows, int words) {
    const int kept = rows - first, r = row_of_warp();
    if (r >= kept) return;
    const u32 count = count_words(x_mrw + ((u64)blockIdx.y * rows + first + r) * words, words);
    if (threadIdx.x % WARP == 0) count_mr[1 + (u64)blockIdx.y * kept + r] = count;
}

extern "C" __global__ void list_rows(
    const u32* x_mrw, const i64* end_mr, int* on_j, int first, int rows, int words) {
    const int kept = rows - first, r = row_of_warp();
    if (r >= kept) return;
    const u32* x_w = x_mrw + ((u64)blockIdx.y * rows + first + r) * words;
    const i64 next = end_mr[(u64)blockIdx.y * kept + r];
    list_words(x_w, words, next, on_j, [](int w) { return w * 32; });
}

extern "C" __global__ void count_cells(
    const u32* cell_jw, const i64* offset_mr, i64* count_mr, int first, int rows, int words) {
    const int kept = rows - first, r = row_of_warp();
    if (r >= kept) return;
    const i64* offset = offset_mr + (u64)blockIdx.y * (rows + 1) + first + r;
    const u32 count =
        count_words(cell_jw + offset[0] * words, (int)(offset[1] - offset[0]) * words);
    if (threadIdx.x % WARP == 0) count_mr[1 + (u64)blockIdx.y * kept + r] = count;
}

extern "C" __global__ void list_cells(
    const u32* cell_jw, const int* column_j, const i64* offset_mr, const i64* end_mr, int* cell_j,
    int first, int rows, int words, int per_column) {
    const int kept = rows - first, r = row_of_warp();
    if (r >= kept) return;
    const i64* offset = offset_mr + (u64)blockIdx.y * (rows + 1) + first + r;
    const int* columns = column_j + offset[0];
    const i64 next = end_mr[(u64)blockIdx.y * kept + r];
    list_words(cell_jw + offset[0] * words, (int)(offset[1] - offset[0]) * words, next, cell_j,
               [&](int w) { return columns[w / words] * per_column + w % words * 32; });
}
