// Spatial pooler, before the first sample: permanences, connected bits, packing of inputs.
//
// Rules: docs/math.md, "Pool", "Initial permanences". No kernel uses dynamic shared memory.
// Suffixes: m model, c column, r row (sample), i input, w word of 32 inputs, v word of 32
// columns, j entry. Models lie behind each other; blockIdx.y is the model. The pitch of an
// input axis is `words` * 32, that of a column-bit axis `column_words`.
//
// kernel      grid x                block                writes
// sp_start    columns from          32..1024, whole      perm_mci of these, whole rows, padding
//             `first` on                                 included
// sp_pack     the same              one warp             pools of the same, compact (pools.cuh), in
//                                                        perm_mcj, input_mcb, base_mcg, whole rows
// sp_connect  ceil(columns / warps  whole warps          conn_mcw; conn_miv, which must be zero
//             in a block)
// pack_rows   rows                  any                  x_mrw, all of it
//
// perm_mci has as many columns as sp_start and sp_pack have blocks; all other arrays have all.
#include "fixed_point.cuh"
#include "pools.cuh"
#include "rng.cuh"
#include "select_radix.cuh"
#include "topology.cuh"

// Draw the potential pool of one column and its starting permanences. `reach_radius` < 0: every
// input is in reach. pool_c says how many synapses a column gets; at least one, at most its reach.
extern "C" __global__ void __launch_bounds__(1024) sp_start(
    i16* perm_mci, const u64* pool_key_m, const u64* value_key_m, const int* pool_c,
    const int* input_shape_d, const int* column_shape_d, int reach_radius, int wrap, int inputs,
    int first, int words, int connected, int spread, u64 connected_below) {
    __shared__ SelectScratch shared;
    const int c = first + blockIdx.x, model = blockIdx.y;
    const u64 pool_key = pool_key_m[model], value_key = value_key_m[model];
    i16* perm_i = perm_mci + ((u64)model * gridDim.x + blockIdx.x) * words * 32;

    Place centre = place_of(column_shape_d, c);
    for (int d = 0; d < DIMENSIONS; ++d) {
        const i64 doubled = (2ll * centre.at[d] + 1) * input_shape_d[d];
        centre.at[d] = (int)(doubled / (2ll * column_shape_d[d]));
    }
    // The pool are the smallest words, so the complement turns it into a selection of the largest.
    auto key_of = [&](int i, u64& key) {
        if (reach_radius >= 0 &&
            !within(input_shape_d, place_of(input_shape_d, i), centre, reach_radius, wrap)) {
            return false;
        }
        key = ~hash2(pool_key, c, i);
        return true;
    };
    const auto pool = select_largest<u64>(key_of, inputs, pool_c[c], shared);
    visit_selected<u64>(key_of, inputs, pool, shared, [&](int i, bool in_pool) {
        if (i >= words * 32) return;
        int permanence = NO_SYNAPSE;
        if (in_pool) {
            const u64 word = hash2(value_key, c, i), low = word & 0xFFFFFFFFull;
            permanence = (word >> 32) < connected_below
                             ? connected + (int)((low * (u64)(spread + 1)) >> 32)
                             : connected - 1 - (int)((low * (u64)spread) >> 32);
            permanence = permanence < 0 ? 0 : permanence;
            permanence = permanence > PERMANENCE_ONE ? PERMANENCE_ONE : permanence;
        }
        perm_i[perm_place(i, words)] = (i16)permanence;
    });
}

// Keep the synapses of a column's pool only: its k-th input has place k. `misfit` becomes 1 where a
// run is too long for inputs of `entry` bytes, or a pool for `runs` runs.
extern "C" __global__ void sp_pack(
    const i16* perm_mci, i16* perm_mcj, u8* input_mcb, u16* base_mcg, u32* misfit, int first,
    int columns, int words, int runs, int entry) {
    const int lane = threadIdx.x, model = blockIdx.y;
    const i16* perm_i = perm_mci + ((u64)model * gridDim.x + blockIdx.x) * words * 32;
    const u64 run = ((u64)model * columns + first + blockIdx.x) * runs;
    i16* perm_j = perm_mcj + run * 32;
    u8* input_b = input_mcb + run * 32 * entry;
    u16* base_g = base_mcg + run;
    for (int j = lane; j < runs * 32; j += WARP) perm_j[j] = (i16)NO_SYNAPSE;
    for (int j = lane; j < runs * 32 * entry; j += WARP) input_b[j] = 0;
    for (int r = lane; r < runs; r += WARP) base_g[r] = 0;
    __syncwarp();
    int found = 0, base = 0;  // the base of the run that the next input belongs to, if it has one
    for (int w = 0; w < words; ++w) {
        const int i = w * 32 + lane, permanence = perm_i[perm_place(i, words)];
        const u32 members = __ballot_sync(ALL_LANES, permanence != NO_SYNAPSE);
        const int j = found + __popc(members & ((1u << lane) - 1)), r = j / 32;
        // Of a run that begins in this word the base is this word.
        const int own = found % 32 == 0 || r > found / 32 ? w : base;
        const int behind = i - own * 32;
        if (permanence != NO_SYNAPSE) {
            if (r >= runs || behind >= 1 << 8 * entry) {
                atomicOr(misfit, 1u);
            } else {
                perm_j[perm_place(j, runs)] = (i16)permanence;
                if (j % 32 == 0) base_g[r] = (u16)w;
                if (entry == 1) input_b[input_place<1>(r, j % 32, runs)] = (u8)behind;
                else reinterpret_cast<u16*>(input_b)[input_place<2>(r, j % 32, runs)] = (u16)behind;
            }
        }
        const int after = found + __popc(members);
        if (found % 32 == 0 || after / 32 > found / 32) base = w;
        found = after;
    }
}

// Derive both bit matrices from the permanences. One warp a column.
extern "C" __global__ void sp_connect(
    i16* perm_mci, const u8* input_mcb, const u16* base_mcg, u32* conn_mcw, u32* conn_miv,
    int columns, int words, int column_words, int runs, int entry, int connected) {
    const int lane = threadIdx.x % WARP;
    const int c = (int)((blockIdx.x * blockDim.x + threadIdx.x) / WARP), model = blockIdx.y;
    if (c >= columns) return;
    const u64 column = (u64)model * columns + c;
    if (entry) {
        const Pool pool = pool_at(
            perm_mci, input_mcb, base_mcg, conn_mcw, conn_miv, model, columns, words, column_words,
            runs, entry, c);
        for (int w = lane; w < words; w += WARP) pool.conn_w[w] = 0;
        __syncwarp();
        for (int j = lane; j < runs * 32; j += WARP) {
            if (pool.perm_j[perm_place(j, runs)] >= connected) {
                flip_bit(pool, input_at(pool, j / 32, j % 32));
            }
        }
        return;
    }
    for (int w = 0; w < words; ++w) {
        const int i = w * 32 + lane;
        const bool on = perm_mci[column * words * 32 + perm_place(i, words)] >= connected;
        const u32 word = __ballot_sync(ALL_LANES, on);
        if (lane == 0) conn_mcw[column * words + w] = word;
        if (on) {
            const u64 input = (u64)model * words * 32 + i;
            atomicOr(&conn_miv[input * column_words + c / 32], 1u << (c % 32));
        }
    }
}

// Pack compressed rows into bits. Row r of a model has on_j[offset_mr[r]] up to offset_mr[r + 1];
// each model has rows + 1 offsets into the one list `on_j`.
extern "C" __global__ void pack_rows(
    const int* on_j, const i64* offset_mr, u32* x_mrw, int rows, int words) {
    const int r = blockIdx.x, model = blockIdx.y;
    const i64* offset_r = offset_mr + (u64)model * (rows + 1) + r;
    u32* x_w = x_mrw + ((u64)model * rows + r) * words;
    for (int w = threadIdx.x; w < words; w += blockDim.x) x_w[w] = 0;
    __syncthreads();
    for (i64 j = offset_r[0] + threadIdx.x; j < offset_r[1]; j += blockDim.x) {
        atomicOr(&x_w[on_j[j] / 32], 1u << (on_j[j] % 32));
    }
}
