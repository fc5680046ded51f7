// Spatial pooler: winners and boosting under local inhibition, any radius, up to four dimensions.
//
// Rules: docs/math.md, "Winners, local" and "Boost". Suffixes and layouts as in spatial_pooler.cu.
// shape_d are the four sizes of the column grid, leading ones first; radius_m is at most the largest.
// places_mc says how many columns may win in the neighbourhood of a column. Blocks are whole warps.
// No shared memory. Each column reads its whole neighbourhood: for a radius of 1 on two dimensions
// local_inhibition.cu has the same thing through shared memory.
//
// kernel           grid x                     grid z    writes
// sp_select_local  ceil(columns / threads)    samples   won_mrv rows of the launch, tied_msv
// sp_settle_ties   1, a block of one warp     samples   won_mrv rows of the launch
// sp_boost_local   ceil(columns / threads)    1         boost_mc, min_overlap_duty_mc
//
// Equal neighbours of a lower index count only if they win themselves. Few columns depend on that:
// sp_select_local marks them in tied_msv, and sp_settle_ties goes through them one after the other.
#include "fixed_point.cuh"
#include "topology.cuh"

// A column wins if fewer than its places are taken by higher neighbours and by equal ones before it,
// all of these; it loses if the higher ones take them. What lies between is left to sp_settle_ties.
extern "C" __global__ void sp_select_local(
    const u32* key_msc, u32* won_mrv, u32* tied_msv, const int* places_mc, const int* shape_d,
    const int* radius_m, int wrap, int first_row, int samples, int rows, int columns,
    int column_words) {
    const int c = blockIdx.x * blockDim.x + threadIdx.x, s = blockIdx.z, model = blockIdx.y;
    const u32* key_c = key_msc + ((u64)model * samples + s) * columns;
    int open = 0, equal = 0;
    if (c < columns && key_c[c] != 0) {
        const u32 own = key_c[c];
        open = places_mc[(u64)model * columns + c];
        visit_box(shape_d, c, radius_m[model], wrap, [&](int other) {
            const u32 key = key_c[other];
            open -= key > own;
            equal += key == own && other < c;
            return open > 0;
        });
    }
    const u32 won = __ballot_sync(ALL_LANES, open > equal);
    const u32 tied = __ballot_sync(ALL_LANES, open > 0 && open <= equal);
    if (c % WARP == 0 && c < columns) {
        won_mrv[((u64)model * rows + first_row + s) * column_words + c / 32] = won;
        tied_msv[((u64)model * samples + s) * column_words + c / 32] = tied;
    }
}

// Columns in ascending order: whether equal ones before them win is known by then.
extern "C" __global__ void sp_settle_ties(
    const u32* key_msc, u32* won_mrv, const u32* tied_msv, const int* places_mc, const int* shape_d,
    const int* radius_m, int wrap, int first_row, int samples, int rows, int columns,
    int column_words) {
    const int lane = threadIdx.x, s = blockIdx.z, model = blockIdx.y, radius = radius_m[model];
    const u32* key_c = key_msc + ((u64)model * samples + s) * columns;
    const u32* tied_v = tied_msv + ((u64)model * samples + s) * column_words;
    u32* won_v = won_mrv + ((u64)model * rows + first_row + s) * column_words;
    for (int v = 0; v < (columns + 31) / 32; ++v) {
        for (u32 left = tied_v[v]; left != 0; left &= left - 1) {
            const int c = v * 32 + __ffs((int)left) - 1;
            const u32 own = key_c[c];
            const Box box = box_around(shape_d, c, radius, wrap);
            u32 beaten = 0;
            for (int j = lane; j < box.count(); j += WARP) {
                const int other = box.at(j);
                const u32 key = key_c[other];
                beaten += key > own || (key == own && other < c && bit_at(won_v, other));
            }
            beaten = warp_sum(beaten);
            __syncwarp();  // all have read what the first writes
            if (lane == 0 && (int)beaten < places_mc[(u64)model * columns + c]) {
                won_v[v] |= left & (0u - left);
            }
            __syncwarp();
        }
    }
}

// The target is the mean active duty cycle around, the minimum a share of the largest overlap duty,
// both without the last `drop` bits of what is read. radius_m is that of boosting here.
extern "C" __global__ void sp_boost_local(
    float* boost_mc, u32* min_overlap_duty_mc, const u32* active_duty_mc,
    const u32* overlap_duty_mc, const unsigned char* boost_tm, const int* shape_d,
    const int* radius_m, int wrap, int t, int columns, i64 gain, u32 weak_share, int drop) {
    const int c = blockIdx.x * blockDim.x + threadIdx.x;
    const u64 first = (u64)blockIdx.y * columns;
    if (c >= columns || !boost_tm[(u64)t * gridDim.y + blockIdx.y]) return;
    u64 sum = 0;
    u32 most = 0, around = 0;
    visit_box(shape_d, c, radius_m[blockIdx.y], wrap, [&](int other) {
        sum += shared_duty(active_duty_mc[first + other], drop);
        if (overlap_duty_mc[first + other] > most) most = overlap_duty_mc[first + other];
        return ++around > 0;
    });
    most = shared_duty(most, drop);  // rounding keeps the order
    boost_mc[first + c] = boost_factor(active_duty_mc[first + c], (i64)(sum / around), gain);
    min_overlap_duty_mc[first + c] = (u32)(((u64)most * weak_share) >> 16);
}
