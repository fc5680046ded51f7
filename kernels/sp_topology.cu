// Spatial pooler: winners and boosting under local inhibition, any radius, up to four dimensions.
//
// Rules: docs/math.md, "Winners, local" and "Boost". Suffixes and layouts as in spatial_pooler.cu.
// shape_d are the four sizes of the column grid, leading ones first; radius is at most the largest.
// places_c says how many columns may win in the neighbourhood of a column. Blocks are whole warps.
// No shared memory. Each column reads its whole neighbourhood: for a radius of 1 on two dimensions
// local_inhibition.cu has the same thing through shared memory.
//
// kernel           grid x                     grid z    writes
// sp_select_local  ceil(columns / threads)    samples   won_mrv rows of the launch
// sp_boost_local   ceil(columns / threads)    1         boost_mc, min_overlap_duty_mc
#include "fixed_point.cuh"
#include "topology.cuh"

// A column wins if fewer than places_c of its neighbours beat it.
extern "C" __global__ void sp_select_local(
    const u32* key_msc, u32* won_mrv, const int* places_c, const int* shape_d, int radius, int wrap,
    int first_row, int samples, int rows, int columns, int column_words) {
    const int c = blockIdx.x * blockDim.x + threadIdx.x, s = blockIdx.z, model = blockIdx.y;
    const u32* key_c = key_msc + ((u64)model * samples + s) * columns;
    bool wins = c < columns && key_c[c] != 0;
    if (wins) {
        const u32 own = key_c[c];
        int open = places_c[c];
        visit_box(shape_d, c, radius, wrap, [&](int other) {
            const u32 key = key_c[other];
            open -= key > own || (key == own && other < c);
            return open > 0;
        });
        wins = open > 0;
    }
    const u32 word = __ballot_sync(ALL_LANES, wins);
    if (c % WARP == 0 && c < columns) {
        won_mrv[((u64)model * rows + first_row + s) * column_words + c / 32] = word;
    }
}

// The target is the mean active duty cycle around, the minimum a share of the largest overlap duty.
extern "C" __global__ void sp_boost_local(
    float* boost_mc, u32* min_overlap_duty_mc, const u32* active_duty_mc,
    const u32* overlap_duty_mc, const unsigned char* boost_tm, const int* shape_d, int radius,
    int wrap, int t, int columns, i64 gain, u32 weak_share) {
    const int c = blockIdx.x * blockDim.x + threadIdx.x;
    const u64 first = (u64)blockIdx.y * columns;
    if (c >= columns || !boost_tm[(u64)t * gridDim.y + blockIdx.y]) return;
    u64 sum = 0;
    u32 most = 0, around = 0;
    visit_box(shape_d, c, radius, wrap, [&](int other) {
        sum += active_duty_mc[first + other];
        if (overlap_duty_mc[first + other] > most) most = overlap_duty_mc[first + other];
        return ++around > 0;
    });
    boost_mc[first + c] = boost_factor(active_duty_mc[first + c], (i64)(sum / around), gain);
    min_overlap_duty_mc[first + c] = (u32)(((u64)most * weak_share) >> 16);
}
