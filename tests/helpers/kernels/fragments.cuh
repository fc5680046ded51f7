// The products of kernels/tensor.cuh on the host: the lanes of a warp exchange their words.
//
// Written from PTX ISA, "Matrix Fragments for mma.m16n8k256" and "... for mma.m16n8k32": element i
// of a lane's part of A, read in the order of its registers, lies in
//   row    groupID, + 8 in the second and fourth register
//   column threadID_in_group * elements of a register + i % elements of a register, + half of all
//          columns in the third and fourth register
// of B in the same places with row and column exchanged, two registers, no + 8; of C in row
// groupID (+ 8 from i = 2 on), column threadID_in_group * 2 + i % 2.
#pragma once

namespace cuda_host {

struct Fragments {
    unsigned a[4], b[2];
};

// What a lane of this warp holds.
inline const Fragments& held_by(unsigned lane) {
    return *static_cast<const Fragments*>(fibers[current->warp * LANES + lane].lent);
}
inline unsigned word_of_row(unsigned row, unsigned word) {
    return held_by(row % 8 * 4 + word % 4).a[row / 8 + word / 4 * 2];
}
inline unsigned word_of_column(unsigned column, unsigned word) {
    return held_by(column * 4 + word % 4).b[word / 4];
}

template <typename Dot>
void multiply(int (&sum)[4], const unsigned (&a)[4], const unsigned (&b)[2], Dot dot) {
    Fragments own;
    memcpy(own.a, a, sizeof a);
    memcpy(own.b, b, sizeof b);
    current->lent = &own;
    meet(Collective::product, 0xffffffffu, 0, 0);
    const unsigned row = current->lane / 4, column = current->lane % 4 * 2;
    for (unsigned word = 0; word < 8; ++word) {
        for (unsigned k = 0; k < 4; ++k) {
            sum[k] += dot(word_of_row(row + k / 2 * 8, word), word_of_column(column + k % 2, word));
        }
    }
    meet(Collective::product, 0xffffffffu, 0, 0);  // until all have read what was lent
}

}  // namespace cuda_host

inline void add_common_bits(int (&sum)[4], const unsigned (&a)[4], const unsigned (&b)[2]) {
    cuda_host::multiply(
        sum, a, b, [](unsigned x, unsigned y) { return __builtin_popcount(x & y); });
}
inline void add_products(int (&sum)[4], const unsigned (&a)[4], const unsigned (&b)[2]) {
    cuda_host::multiply(sum, a, b, [](unsigned x, unsigned y) {
        int total = 0;
        for (int k = 0; k < 32; k += 8) total += int(x >> k & 255u) * int(y >> k & 255u);
        return total;
    });
}
