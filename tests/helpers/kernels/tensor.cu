// Hands out the products of tensor.cuh: lanes take their parts element by element, where PTX ISA
// says that they lie. a: (16, 8 words), b: (8, 8 words), out: (16, 8), one warp.
#include "tensor.cuh"

// Element `i` of a register's `count` elements, each of 32 / count bits, of `row`.
__device__ inline u32 element(const u32* row_w, int column, int count) {
    const int bits = 32 / count;
    return row_w[column / count] >> column % count * bits & (0xffffffffu >> (32 - bits));
}

template <typename Add>
__device__ void product(const u32* a, const u32* b, int* out, int count, Add add) {
    const int group = threadIdx.x / 4, within = threadIdx.x % 4, half = 4 * count;
    u32 rows[4] = {}, columns[2] = {};
    for (int i = 0; i < 4 * count; ++i) {
        const bool low = (i >= count && i < 2 * count) || i >= 3 * count;
        const int row = low ? group + 8 : group;
        const int column = within * count + i % count + (i >= 2 * count ? half : 0);
        rows[i / count] |= element(a + row * 8, column, count) << i % count * (32 / count);
    }
    for (int i = 0; i < 2 * count; ++i) {
        const int row = within * count + i % count + (i >= count ? half : 0);
        columns[i / count] |= element(b + group * 8, row, count) << i % count * (32 / count);
    }
    int sum[4];
    for (int i = 0; i < 4; ++i) {
        sum[i] = out[(i < 2 ? group : group + 8) * 8 + within * 2 + (i & 1)];
    }
    add(sum, rows, columns);
    for (int i = 0; i < 4; ++i) {
        out[(i < 2 ? group : group + 8) * 8 + within * 2 + (i & 1)] = sum[i];
    }
}

extern "C" __global__ void common_bits(const u32* a, const u32* b, int* out) {
    product(a, b, out, 32, add_common_bits);
}
extern "C" __global__ void products(const u32* a, const u32* b, int* out) {
    product(a, b, out, 4, add_products);
}
