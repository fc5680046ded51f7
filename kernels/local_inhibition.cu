// Local inhibition and boosting among 3 x 3 neighbours on a two-dimensional grid of columns, twice:
// through global memory and through shared memory. Both write the same bytes as sp_topology.cu with
// a radius of 1. What neighbours share is 4 bytes a column: a score key, or a duty cycle, of which
// boosting reads all bits but the last `drop`.
//
// Suffixes and layouts as in spatial_pooler.cu; a column is y * width + x. blockIdx.y is the model.
// No dynamic shared memory. Ties that selection leaves open in tied_msv are for sp_settle_ties.
//
// kernel               grid x                        grid z    block         writes
// local3_select_global ceil(columns / threads)       samples   whole warps   won_mrv, tied_msv: words
// local3_select_shared tiles                         samples   32 x 8        both, zero before
// local3_boost_global  ceil(columns / threads)       1         any           boost_mc and minimum
// local3_boost_shared  tiles                         1         32 x 8        boost_mc and minimum
// tiles = ceil(width / 32) * ceil(height / 8), row by row.
#include "fixed_point.cuh"

constexpr int TILE_X = 32, TILE_Y = 8;
constexpr int HALO_X = TILE_X + 2, HALO_Y = TILE_Y + 2;

// Steps to a neighbour along one side. On a wrapping side of 1 or 2 places some steps would meet
// the same column twice.
struct Steps {
    int first, last;
};

__device__ inline Steps steps(int at, int size, bool wrap) {
    if (!wrap) return {at > 0 ? -1 : 0, at + 1 < size ? 1 : 0};
    return {size > 2 ? -1 : 0, size > 1 ? 1 : 0};
}

__device__ inline int wrapped(int at, int size) {
    return at < 0 ? at + size : at >= size ? at - size : at;
}

// Call visit(column, dx, dy) for each of the up to nine columns around (x, y), itself included.
template <typename Visit>
__device__ void visit_3x3(int x, int y, int width, int height, bool wrap, Visit visit) {
    const Steps along_x = steps(x, width, wrap), along_y = steps(y, height, wrap);
    for (int dy = along_y.first; dy <= along_y.last; ++dy) {
        for (int dx = along_x.first; dx <= along_x.last; ++dx) {
            visit(wrapped(y + dy, height) * width + wrapped(x + dx, width), dx, dy);
        }
    }
}

// Place of a thread of a tiled kernel: its column, and its cell in the tile with a halo of one.
struct InTile {
    int x, y, cell;
    bool inside;
};

__device__ inline InTile in_tile(int width, int height) {
    const int tiles_x = (width + TILE_X - 1) / TILE_X;
    const int x = (int)blockIdx.x % tiles_x * TILE_X + (int)threadIdx.x;
    const int y = (int)blockIdx.x / tiles_x * TILE_Y + (int)threadIdx.y;
    const int cell = ((int)threadIdx.y + 1) * HALO_X + (int)threadIdx.x + 1;
    return {x, y, cell, x < width && y < height};
}

// Fill a tile and its halo from a plane of columns. Cells off the grid are never read.
__device__ inline void load_tile(
    const u32* plane_c, u32* tile, int width, int height, bool wrap) {
    const InTile here = in_tile(width, height);
    const int left = here.x - (int)threadIdx.x - 1, top = here.y - (int)threadIdx.y - 1;
    const int thread = (int)threadIdx.y * TILE_X + (int)threadIdx.x;
    for (int cell = thread; cell < HALO_X * HALO_Y; cell += TILE_X * TILE_Y) {
        int x = left + cell % HALO_X, y = top + cell / HALO_X;
        // A tile that sticks out ends one place after the edge: that place is the other edge's.
        if (wrap && x <= width && y <= height) {
            x = wrapped(x, width);
            y = wrapped(y, height);
        }
        if (x >= 0 && x < width && y >= 0 && y < height) tile[cell] = plane_c[y * width + x];
    }
}

extern "C" __global__ void local3_select_global(
    const u32* key_msc, u32* won_mrv, u32* tied_msv, const int* places_mc, int width, int height,
    int wrap, int first_row, int samples, int rows, int column_words) {
    const int columns = width * height;
    const int c = blockIdx.x * blockDim.x + threadIdx.x, s = blockIdx.z, model = blockIdx.y;
    const u32* key_c = key_msc + ((u64)model * samples + s) * columns;
    int open = 0, equal = 0;
    if (c < columns && key_c[c] != 0) {
        const u32 own = key_c[c];
        open = places_mc[(u64)model * columns + c];
        visit_3x3(c % width, c / width, width, height, wrap, [&](int other, int, int) {
            open -= key_c[other] > own;
            equal += key_c[other] == own && other < c;
        });
    }
    const u32 won = __ballot_sync(ALL_LANES, open > equal);
    const u32 tied = __ballot_sync(ALL_LANES, open > 0 && open <= equal);
    if (c % WARP == 0 && c < columns) {
        won_mrv[((u64)model * rows + first_row + s) * column_words + c / 32] = won;
        tied_msv[((u64)model * samples + s) * column_words + c / 32] = tied;
    }
}

extern "C" __global__ void local3_select_shared(
    const u32* key_msc, u32* won_mrv, u32* tied_msv, const int* places_mc, int width, int height,
    int wrap, int first_row, int samples, int rows, int column_words) {
    __shared__ u32 key_tile[HALO_X * HALO_Y];
    const int s = blockIdx.z, model = blockIdx.y;
    load_tile(
        key_msc + ((u64)model * samples + s) * width * height, key_tile, width, height, wrap);
    __syncthreads();
    const InTile here = in_tile(width, height);
    if (!here.inside) return;
    const int c = here.y * width + here.x;
    const u32 own = key_tile[here.cell];
    int open = own != 0 ? places_mc[(u64)model * width * height + c] : 0, equal = 0;
    visit_3x3(here.x, here.y, width, height, wrap, [&](int other, int dx, int dy) {
        const u32 key = key_tile[here.cell + dy * HALO_X + dx];
        open -= key > own;
        equal += key == own && other < c;
    });
    if (open <= 0) return;
    u32* won_v = won_mrv + ((u64)model * rows + first_row + s) * column_words;
    u32* tied_v = tied_msv + ((u64)model * samples + s) * column_words;
    atomicOr(open > equal ? &won_v[c / 32] : &tied_v[c / 32], 1u << (c % 32));
}

extern "C" __global__ void local3_boost_global(
    float* boost_mc, u32* min_overlap_duty_mc, const u32* active_duty_mc,
    const u32* overlap_duty_mc, const unsigned char* boost_tm, int width, int height, int wrap,
    int t, i64 gain, u32 weak_share, int drop) {
    const int columns = width * height, c = blockIdx.x * blockDim.x + threadIdx.x;
    const u64 first = (u64)blockIdx.y * columns;
    if (c >= columns || !boost_tm[(u64)t * gridDim.y + blockIdx.y]) return;
    u64 sum = 0;
    u32 most = 0, around = 0;
    visit_3x3(c % width, c / width, width, height, wrap, [&](int other, int, int) {
        sum += shared_duty(active_duty_mc[first + other], drop);
        most = overlap_duty_mc[first + other] > most ? overlap_duty_mc[first + other] : most;
        ++around;
    });
    boost_mc[first + c] = boost_factor(active_duty_mc[first + c], (i64)(sum / around), gain);
    min_overlap_duty_mc[first + c] = (u32)(((u64)shared_duty(most, drop) * weak_share) >> 16);
}

extern "C" __global__ void local3_boost_shared(
    float* boost_mc, u32* min_overlap_duty_mc, const u32* active_duty_mc,
    const u32* overlap_duty_mc, const unsigned char* boost_tm, int width, int height, int wrap,
    int t, i64 gain, u32 weak_share, int drop) {
    __shared__ u32 active_tile[HALO_X * HALO_Y], overlap_tile[HALO_X * HALO_Y];
    const u64 first = (u64)blockIdx.y * width * height;
    if (!boost_tm[(u64)t * gridDim.y + blockIdx.y]) return;
    load_tile(active_duty_mc + first, active_tile, width, height, wrap);
    load_tile(overlap_duty_mc + first, overlap_tile, width, height, wrap);
    __syncthreads();
    const InTile here = in_tile(width, height);
    if (!here.inside) return;
    u64 sum = 0;
    u32 most = 0, around = 0;
    visit_3x3(here.x, here.y, width, height, wrap, [&](int, int dx, int dy) {
        const int cell = here.cell + dy * HALO_X + dx;
        sum += shared_duty(active_tile[cell], drop);
        most = overlap_tile[cell] > most ? overlap_tile[cell] : most;
        ++around;
    });
    const int c = here.y * width + here.x;
    boost_mc[first + c] = boost_factor(active_tile[here.cell], (i64)(sum / around), gain);
    min_overlap_duty_mc[first + c] = (u32)(((u64)shared_duty(most, drop) * weak_share) >> 16);
}
