// Products of small matrices on tensor cores, each behind one function.
//
// Both multiply 16 rows by 8 columns. A lane holds four words of the rows, two of the columns and
// four sums. With `group` = lane / 4 and `within` = lane % 4 a word is, by PTX ISA, "Matrix
// Fragments for mma.m16n8k256" (and "... for mma.m16n8k32", where a word is four bytes, not 32 bits):
//
//   a[0]  row group       word within         b[0]  column group  word within
//   a[1]  row group + 8   word within         b[1]  column group  word within + 4
//   a[2]  row group       word within + 4
//   a[3]  row group + 8   word within + 4
//   sum[0], sum[1]  row group      columns 2 * within, 2 * within + 1
//   sum[2], sum[3]  row group + 8  the same columns
//
// All 32 lanes of a warp must come together. Cards before sm_80 lack the product of bits, cards
// before sm_75 both: there neither the function nor the name of its feature exists. On the host
// tests/helpers/kernels/fragments.cuh defines the functions.
#pragma once
#include "warp.cuh"

#if !defined(__CUDA_ARCH__) || __CUDA_ARCH__ >= 800
#define TENSOR_BITS
#endif
#if !defined(__CUDA_ARCH__) || __CUDA_ARCH__ >= 750
#define TENSOR_BYTES
#endif

constexpr int TENSOR_ROWS = 16, TENSOR_COLUMNS = 8;

#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
// Add the number of ones that a row and a column have in common, in 8 words of 32 bits each. One
// instruction for sm_80 to sm_90; from sm_100 on the compiler makes 8 products of bytes of it.
__device__ inline void add_common_bits(int (&sum)[4], const u32 (&a)[4], const u32 (&b)[2]) {
    asm volatile(
        "mma.sync.aligned.m16n8k256.row.col.s32.b1.b1.s32.and.popc "
        "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
        : "+r"(sum[0]), "+r"(sum[1]), "+r"(sum[2]), "+r"(sum[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

// Add the product of a row and a column, 8 words of four unsigned bytes each.
__device__ inline void add_products(int (&sum)[4], const u32 (&a)[4], const u32 (&b)[2]) {
    asm volatile(
        "mma.sync.aligned.m16n8k32.row.col.s32.u8.u8.s32 "
        "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
        : "+r"(sum[0]), "+r"(sum[1]), "+r"(sum[2]), "+r"(sum[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}
#elif defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 750
// The quarter that sm_75 has, 8 rows and 4 words: its lanes hold what those of the whole hold.
__device__ inline void add_quarter(int& even, int& odd, u32 a, u32 b) {
    asm volatile(
        "mma.sync.aligned.m8n8k16.row.col.s32.u8.u8.s32 {%0, %1}, {%2}, {%3}, {%0, %1};"
        : "+r"(even), "+r"(odd)
        : "r"(a), "r"(b));
}

__device__ inline void add_products(int (&sum)[4], const u32 (&a)[4], const u32 (&b)[2]) {
    add_quarter(sum[0], sum[1], a[0], b[0]);
    add_quarter(sum[0], sum[1], a[2], b[1]);
    add_quarter(sum[2], sum[3], a[1], b[0]);
    add_quarter(sum[2], sum[3], a[3], b[1]);
}
#endif
