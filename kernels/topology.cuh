// Boxes on a grid of four dimensions (missing leading ones are 1), wrapping or cut at the edges.
//
// The twin of htmrun/backends/topology.py: Chebyshev distance, no place twice.
// Precondition: radius is at most the largest size, so that 2 * radius + 1 cannot overflow.
#pragma once
#include "warp.cuh"

constexpr int DIMENSIONS = 4;

// `count` positions from `first` on, modulo `size`.
struct Interval {
    int first, count, size;
    __device__ int at(int j) const { return first + j < size ? first + j : first + j - size; }
};

__device__ inline Interval interval(int size, int centre, int radius, bool wrap) {
    if (wrap && 2 * radius + 1 >= size) return {0, size, size};
    if (wrap) return {centre - radius + (centre < radius ? size : 0), 2 * radius + 1, size};
    const int first = centre > radius ? centre - radius : 0;
    const int last = centre + radius < size ? centre + radius : size - 1;
    return {first, last - first + 1, size};
}

struct Place {
    int at[DIMENSIONS];
};

__device__ inline Place place_of(const int* shape_d, int flat) {
    Place place;
    for (int d = DIMENSIONS - 1; d >= 0; --d) {
        place.at[d] = flat % shape_d[d];
        flat /= shape_d[d];
    }
    return place;
}

// Whether `place` lies within `radius` of `centre`.
__device__ inline bool within(
    const int* shape_d, const Place& place, const Place& centre, int radius, bool wrap) {
    for (int d = 0; d < DIMENSIONS; ++d) {
        int distance = place.at[d] - centre.at[d];
        if (distance < 0) distance = -distance;
        if (wrap && shape_d[d] - distance < distance) distance = shape_d[d] - distance;
        if (distance > radius) return false;
    }
    return true;
}

// All places within some distance of one.
struct Box {
    Interval along[DIMENSIONS];
    __device__ int count() const {
        int all = 1;
        for (int d = 0; d < DIMENSIONS; ++d) all *= along[d].count;
        return all;
    }
    // The flat index of the j-th place.
    __device__ int at(int j) const {
        int flat = 0, pitch = 1;
        for (int d = DIMENSIONS - 1; d >= 0; --d) {
            flat += along[d].at(j % along[d].count) * pitch;
            j /= along[d].count;
            pitch *= along[d].size;
        }
        return flat;
    }
};

__device__ inline Box box_around(const int* shape_d, int centre, int radius, bool wrap) {
    const Place middle = place_of(shape_d, centre);
    Box box;
    for (int d = 0; d < DIMENSIONS; ++d) {
        box.along[d] = interval(shape_d[d], middle.at[d], radius, wrap);
    }
    return box;
}

// Call `visit(flat)` for every place within `radius` of `centre`, until it returns false.
template <typename Visit>
__device__ void visit_box(const int* shape_d, int centre, int radius, bool wrap, Visit visit) {
    const Box box = box_around(shape_d, centre, radius, wrap);
    const Interval* along = box.along;
    for (int a = 0; a < along[0].count; ++a) {
        for (int b = 0; b < along[1].count; ++b) {
            const int outer = along[0].at(a) * shape_d[1] + along[1].at(b);
            for (int c = 0; c < along[2].count; ++c) {
                const int row = (outer * shape_d[2] + along[2].at(c)) * shape_d[3];
                for (int d = 0; d < along[3].count; ++d) {
                    if (!visit(row + along[3].at(d))) return;
                }
            }
        }
    }
}
