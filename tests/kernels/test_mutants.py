"""The tests of the kernels can fail: with one barrier or comparison changed, they do."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

import pytest

from htmrun.paths import KERNELS
from tests.helpers.kernels import cases, host
from tests.helpers.kernels.checker import Checker

ORDERS = (0, 2, 3, 4)
BARRIER = re.compile(r"__syncthreads\(\);")


class Mutant(NamedTuple):
    """A change to one file, the library that shows it, and the case that must notice."""

    file: str
    before: str
    after: str
    library: str
    case: str
    occurrence: int = 0

    @property
    def text(self) -> str:
        """The changed file."""
        source = (KERNELS / self.file).read_text()
        places = [m.start() for m in re.finditer(re.escape(self.before), source)]
        assert len(places) > self.occurrence, f"{self.before!r} is no longer in {self.file}"
        at = places[self.occurrence]
        return source[:at] + self.after + source[at + len(self.before) :]


WINDOWED = "long window"
SMALL = "high threshold"
ONLINE = "two launches a sample"
LISTED, DEFERRED = "sp_online_listed.cu", "two launches a sample, ahead"
EQUAL_LISTED = "two launches a sample, equal keys, ahead"
SHARED_LISTS = "keys in memory, two launches a sample, ahead"
RADIX = "radix selection"
EQUAL = "equal keys"
SIXTEEN = "sixteen keys a thread"
IN_MEMORY = "keys in memory"
LONG = "window longer than a list"
UNITS = "steps of one unit"
STEPS = "steps beyond the clip"
TENSOR, AS_BYTES = "bits overlap", "bytes overlap"
CUT = "3 x 3 through shared memory, 9 x 34, cut"
TURNED, BYTE = "bits turned", "wins around a byte"
MEMORY = "temporal_memory.cu"
SLICED = "sp_overlap_sliced.cu"
EVERY = "memory, online"
FULL = "memory, full cells"
FRAGILE = "memory, fragile segments"
SINGLE = "memory, one cell a column"
CROWDED = "memory, more winners than wanted"
SHORT = "memory, arrays that run short"
MANY = "memory, full again and again"
WHOLE = "memory, full as a whole"
CELLS = "memory, many cells a column"
MOVED = "memory, taken up by other groups"
WINDOWS = "memory, windows of 1, 10 and 100"
POOLS, POOLS_FEW = "compact pools", "compact pools, few"
POOLS_WIDE = "compact pools, wide"
POOLS_TURNED = "compact pools, pushed, bits turned"
POOLS_UNITS = "compact pools, steps of one unit"
POOLS_ONLINE = "compact pools, two launches a sample"
POOLS_LARGE = "compact pools, more inputs than are written down"
POOLS_MANY = "compact pools, many inputs, two launches a sample"
POOLS_BYTE = "compact pools, wins around a byte"
POOLS_STEPS = "compact pools, all inputs"
POOLS_PUSHED = "compact pools, pushed"
BARRIERS = {
    "warp.cuh": [("sdr_classifier.cu", "classifier, many classes")],
    "select_radix.cuh": [("spatial_pooler.cu", RADIX)] * 5,
    "select.cuh": [("spatial_pooler.cu", EQUAL)] * 2
    + [("spatial_pooler.cu", SIXTEEN), ("sp_online.cu", "two launches a sample, wide")]
    + [
        ("spatial_pooler.cu", IN_MEMORY),
        ("sp_online.cu", "radix selection, two launches a sample"),
    ],
    "columns.cuh": [("spatial_pooler.cu", "global, sparse overlap")] * 2,
    "sp_start.cu": [("sp_start.cu", SMALL)],
    "online.cuh": [("sp_online.cu", "two launches a sample, wide")],
    "histogram.cuh": [(LISTED, DEFERRED)] * 2,
    "sp_online_listed.cu": [(LISTED, DEFERRED)] * 3
    + [(LISTED, "two launches a sample, many tied, ahead")]
    + [(LISTED, DEFERRED)] * 2,
    "sp_overlap_sliced.cu": [(SLICED, "sliced overlap, several lists")] * 2,
    "sp_overlap_tiled.cu": [("sp_overlap_tiled.cu", "tiled overlap")] * 2,
    "sp_overlap_tensor.cu": [("sp_overlap_tensor.cu", "bits overlap")] * 2,
    "pools.cuh": [("sp_learn.cu", "compact pools")],
    "sp_learn.cu": [("sp_learn.cu", LONG)] * 3 + [("sp_learn.cu", TURNED)],
    "local_inhibition.cu": [("local_inhibition.cu", CUT)] * 2,
    "sdr_classifier.cu": [("sdr_classifier.cu", "classifier, many classes")] * 2,
    "tm_model.cuh": [(MEMORY, EVERY)],
    # In some cases an index without these is a circle, which only time ends.
    "tm_index.cuh": [
        (MEMORY, EVERY),
        (MEMORY, FULL),
        (MEMORY, EVERY),
        (MEMORY, FULL),
        (MEMORY, EVERY),
    ],
    "tm_cells.cuh": [(MEMORY, EVERY)] * 7,
    "tm_commit.cuh": [
        (MEMORY, FULL),
        (MEMORY, EVERY),
        (MEMORY, WINDOWS),
        (MEMORY, WINDOWS),
        (MEMORY, FRAGILE),
        (MEMORY, EVERY),
    ],
    "tm_evict.cuh": [(MEMORY, WHOLE)] * 3 + [(MEMORY, MANY)] + [(MEMORY, WHOLE)] * 2,
    "temporal_memory.cu": [(MEMORY, EVERY)] * 3,
}
CHANGES = [
    ("select_radix.cuh", "rank < selection.at_limit", "rank <= selection.at_limit",
     "spatial_pooler", RADIX),
    ("select_radix.cuh", "key > selection.limit", "key >= selection.limit",
     "spatial_pooler", RADIX),
    ("select_radix.cuh", "up_to_here >= need", "up_to_here > need", "spatial_pooler", RADIX),
    *(("select.cuh", before, after, "spatial_pooler", case)
      for before, after, case in (
          ("from.z >= need ? 3", "from.z > 0 ? 3", SMALL),
          ("listed > blockDim.x", "false", EQUAL),
          ("(u32)(items - item)", "(u32)(item + 1)", SIXTEEN),
          ("_count(here > limit.key)", "_count(here >= limit.key)", SIXTEEN),
          ("here > limit.key || (tie", "here >= limit.key || (tie", SIXTEEN),
          ("if (reach < need) continue", "if (reach <= need) continue", SIXTEEN),
          ("__popc(like & below) < places", "__popc(like & below) <= places", EQUAL),
          ("equals = before >> 16", "equals = 0", EQUAL),
          ("equals += __popc(like)", "equals += 0", EQUAL),
          ("limit = 1, last = 1", "limit = 1, last = ~0u", "keys in memory, few that can win"),
          ("places = need - count_from(key, limit + 1", "places = need - count_from(key, limit",
           "keys in memory, equal ones"),
          ("(u32)(items - item[g]) >= last", "true", "keys in memory, equal ones"),
          ("listed > (u32)(threads * GROUPS)", "false", RADIX),
          ("place < (u32)(threads * GROUPS)", "place < 7u", IN_MEMORY),
      )),
    ("warp.cuh", "lane & 8 ? 0x3715", "lane & 8 ? 0x3725", "spatial_pooler", "many on-bits"),
    ("warp.cuh", "a, b, 0x7351", "a, b, 0x7531", "sp_learn", TURNED),
    ("warp.cuh", "step ? ~low : low", "step ? low : ~low", "spatial_pooler", "many on-bits"),
    ("synapses.cuh", "overlap < threshold", "overlap <= threshold", "spatial_pooler", SMALL),
    ("spatial_pooler.cu", "columns + c] >= threshold", "columns + c] > threshold",
     "spatial_pooler", SMALL),
    ("synapses.cuh", "after < 0 ? 0", "after < 1 ? 1", "sp_learn", LONG),
    ("synapses.cuh", "left < 32 ? left : 32", "32", "sp_learn", WINDOWED),
    ("synapses.cuh", "ALL_LANES, after >= connected", "ALL_LANES, after > connected",
     "sp_learn", UNITS),
    ("sp_learn.cu", "overlap_duty_mc[column] >= min", "overlap_duty_mc[column] > min",
     "sp_learn", SMALL),
    ("sp_learn.cu", "r < n ? won_r", "r < n - 1 ? won_r", "sp_learn", WINDOWED),
    *(("sp_learn.cu", before, after, "sp_learn", case)
      for before, after, case in (
          ("stop_row, c) : ~0u", "stop_row, c) : 0u", LONG),
          ("wins < 1 << FEW_PLANES &&", "", BYTE),
          ("wins < 1 << MANY_PLANES", "true", BYTE),
          ("all - on, increment", "all, increment", LONG),
          ("if (!by_input)", "if (by_input)", "global, sparse overlap"),
          ("c < columns && w < words ? conn_cw", "c < columns && w < words - 1 ? conn_cw", TURNED),
          ("i % 32 * PITCH + i / 32", "i / 32 * PITCH + i % 32", TURNED),
      )),
    *(("pairs.cuh", before, after, "sp_learn", case)
      for before, after, case in (
          ("wins * (u32)(increment + decrement) <=", "0 <=", STEPS),
          ("step < -PERMANENCE_ONE ?", "false ?", STEPS),
          ("(pair ^ SIGNS) - rule.connected", "(pair ^ SIGNS) - rule.connected - BOTH", UNITS),
          ("sum += on * rule.rise", "sum += on", SMALL),
          ("-(int)wins * decrement", "-decrement", WINDOWED),
          ("high >> 3 & 0x10101010u", "high >> 7 & 0x01010101u", SMALL),
          (">> 15) * 0xffffu", ">> 15) * 0x7fffu", "local, wrapping"),
          ("0x4342", "0x4140", SMALL),
      )),
    *(("columns.cuh", before, after, library, case)
      for library, before, after, case in (
          ("spatial_pooler", "base + lane < last", "base + lane <= last", "many on-bits"),
          ("spatial_pooler", "first_v + k < column_words", "first_v + k < column_words - 4", RADIX),
          ("sp_learn", "plane[p] & carry", "plane[p] | carry", WINDOWED),
          ("sp_learn", "four += spread(plane[p] >> 4 * k & 15u) << p",
           "four += spread(plane[p] >> 4 * k & 15u)", WINDOWED),
          ("sp_learn", "column.conn_iv ? flipped : 0", "0", "global, sparse overlap"),
          ("sp_learn", "if (flipped) column", "if (!flipped) column", SMALL),
      )),
    *(("pools.cuh", before, after, library, case)
      for library, before, after, case in (
          ("sp_learn", "r / 32 * 32 * 2 * ENTRY +", "", POOLS_WIDE),
          ("sp_start", "b / TOGETHER * octet_span", "b / TOGETHER + octet_span", POOLS),
          ("sp_start", "first * TOGETHER + b % TOGETHER", "first * TOGETHER + b / TOGETHER", POOLS),
          ("sp_learn", "pool.base_g[r] * 32 + behind", "behind", POOLS),
          ("sp_learn", "bit = 1u << (i % 32);", "bit = 1u << (i / 32);", POOLS),
          ("sp_learn", "if (pool.conn_iv) atomicXor", "atomicXor", POOLS_TURNED),
          ("sp_start", "if (pool.conn_iv) atomicXor", "if (!pool.conn_iv) atomicXor",
           POOLS_FEW),
          ("sp_learn", "(before >= connected) != (after", "(before > connected) != (after",
           POOLS_UNITS),
          ("sp_learn", "input_at(pool, j / 32, j % 32)", "input_at(pool, j / 32, 0)", POOLS_PUSHED),
          ("sp_learn", "x_w += base;", "", POOLS_LARGE),
          ("sp_learn", "b % IN_WORD * 8 * ENTRY", "b % IN_WORD * 8", POOLS_FEW),
          ("sp_learn", "((1u << (8 * ENTRY - 5)) - 1)", "7u",
           "compact pools, few of more inputs than are written down"),
          ("sp_learn", "__funnelshift_r(bits, __funnelshift_r(x, x, i), 1)",
           "__funnelshift_r(bits, x, 1)", POOLS_LARGE),
          ("sp_learn", "run.base * 32)", "run.base)", POOLS_WIDE),
          ("sp_learn", "((1u << 8 * ENTRY) - 1)", "255u", POOLS_FEW),
          ("sp_learn", "at(8 * k + 2 * q + 1) << 16", "at(8 * k + 2 * q) << 16", POOLS),
          ("sp_learn", "on.bytes(5)", "on.bytes(4)", POOLS),
          ("sp_learn", "* 2 * ENTRY + r % 32", "+ r % 32", POOLS_WIDE),
          ("sp_learn", "run.base = pool.base_g[r]", "run.base = pool.base_g[0]", POOLS_WIDE),
          ("sp_learn", "conn ^ was", "conn", POOLS),
          ("sp_online_listed", "conn ^ was", "was", POOLS_ONLINE),
          ("sp_learn", "r < pool.runs; r += stride", "r < pool.runs - 1; r += stride", POOLS),
      )),
    *(("sp_start.cu", before, after, "sp_start", case)
      for before, after, case in (
          ("found % 32 == 0 || r > found / 32 ? w : base", "r > found / 32 ? w : base", POOLS),
          ("found % 32 == 0 || r > found / 32 ? w : base", "found % 32 == 0 ? w : base", POOLS),
          ("found % 32 == 0 || after / 32 > found / 32", "after / 32 > found / 32", POOLS_WIDE),
          ("found % 32 == 0 || after / 32 > found / 32", "found % 32 == 0", POOLS_WIDE),
          ("(1u << lane) - 1)), r = j", "(2u << lane) - 1)), r = j", POOLS),
          ("perm_j[j] = (i16)NO_SYNAPSE", "perm_j[j] = 0", POOLS),
          ("perm_place(j, runs)] >= connected", "perm_place(j, runs)] > connected", POOLS_UNITS),
      )),
    *(("sp_learn.cu", before, after, "sp_learn", case)
      for before, after, case in (
          ("(u64)row_listed[q] * words)", "(u64)row_listed[0] * words)", POOLS_LARGE),
          ("wins < 1 << FEW_PLANES && fits_pairs(wins, up", "fits_pairs(wins, up", POOLS_BYTE),
          ("&& fits_pairs(wins, up, down)", "", POOLS_STEPS),
          ("all - on, up, down", "all, up, down", POOLS_BYTE),
          ("runs * 32, input_of", "runs * 32 - 32, input_of", POOLS_BYTE),
          ("input_of(j) : 0", "j : 0", POOLS_BYTE),
          ("pushed(before, step, inflection), connected);",
           "pushed(before, step, inflection), connected + 1);", POOLS_PUSHED),
      )),
    ("columns.cuh", "connected[q] = connected_halves(pair[q], rule)", "connected[q] = pair[q]",
     "sp_online_listed", POOLS_ONLINE),
    *(("online.cuh", before, after, "sp_online_listed", case)
      for before, after, case in (
          ("run.bits_of(next_w)) : 0", "run.bits_of(x_w)) : 0", POOLS_MANY),
          ("{{run.bits_of(x_w)}, 1}", "{{run.bits_of(next_w)}, 1}", POOLS_MANY),
          ("pair[q] << 14, pair[q] &= BOTH", "pair[q] << 14", POOLS_ONLINE),
          ("pair[q] << 14", "pair[q] << 15", POOLS_ONLINE),
          ("next_w ? next_w[w] : 0}, 2}", "next_w ? x_w[w] : 0}, 2}", POOLS_ONLINE),
          ("works && pool.entry == 1", "pool.entry == 1", POOLS_ONLINE),
      )),
    *((LISTED, before, after, "sp_online_listed", case)
      for before, after, case in (
          ("if (left) *flip = 0;", "", POOLS_ONLINE),
          ("if (later) pool.flip_w", "pool.flip_w", POOLS_ONLINE),
          ("if (later) pool.flip_w = flip_w;", "", POOLS_ONLINE),
          ("later ? nullptr : conn_miv", "conn_miv", POOLS_ONLINE),
      )),
    *(("sp_online.cu", before, after, "sp_online", ONLINE)
      for before, after in (
          ("!(all.learns && won)", "!won"),
          ("window_tm[at] != 0", "true"),
          ("row + 1;", "row;"),
          ("x_w + words : nullptr", "x_w : nullptr"),
          ("j < learner_count", "j <= learner_count"),
          ("threadIdx.x % team_threads", "threadIdx.x"),
          ("blockIdx.x - adapting", "blockIdx.x"),
          ("finish(c, 1, overlap", "finish(c, 0, overlap"),
      )),
    ("online.cuh", "= least_duty(most", "= least_duty(most + 65536", "sp_online", ONLINE),
    ("online.cuh", "learner_j[j] = c", "learner_j[0] = c", "sp_online", ONLINE),
    *(("histogram.cuh", before, after, "sp_online_listed", case)
      for before, after, case in (
          ("up_to_here >= need &&", "up_to_here > need &&", DEFERRED),
          ("warp_sum(lane < warp ? sums", "warp_sum(lane <= warp ? sums", DEFERRED),
          ("own_h[h] > 0", "own_h[h] > 1", DEFERRED),
      )),
    *((LISTED, before, after, "sp_online_listed", case)
      for before, after, case in (
          ("(u64)key << 32 | ~(u32)c", "(u64)key << 32 | (u32)c", DEFERRED),
          ("tied_j[j] > entry", "tied_j[j] >= entry", DEFERRED),
          ("j < tied; j += WARP", "j + 1 < tied; j += WARP", DEFERRED),
          ("bound.above + bound.equal > (u32)teams", "false", EQUAL_LISTED),
          ("bin > bound.bin", "bin >= bound.bin", DEFERRED),
          ("bin >= 0 && bin == bound.bin", "bin == bound.bin - 1", DEFERRED),
          ("first_v + q < column_words", "first_v + q < column_words - 1", DEFERRED),
          ("x == 0 && h < BINS", "x < 0 && h < BINS", DEFERRED),
          ("x * warps + (int)threadIdx.x", "(int)threadIdx.x", SHARED_LISTS),
          ("shared.first[1] + (place >> 16)", "shared.first[1]", DEFERRED),
          ("shared.first[0] + (place & 0xffffu)", "shared.first[0]", DEFERRED),
          ("w < words ? *flip", "w < words - 1 ? *flip", DEFERRED),
          ("listed < winners ? listed", "listed > winners ? listed", DEFERRED),
          ("% 2 * 2 + threadIdx.x] = 0", "% 2 * 2] = 0", DEFERRED),
          ("works = better < places", "works = better <= places", DEFERRED),
          ("j = sure + better", "j = sure", DEFERRED),
          ("if (later) flipped_mj", "if (!later) flipped_mj", DEFERRED),
          ("if (later) column.conn_iv = nullptr;", "", DEFERRED),
          ("all.learns && j < sure + tied", "j < sure + tied", DEFERRED),
          ("k < SPARSE_COLUMNS)", "k < SPARSE_COLUMNS - 250)", DEFERRED),
          ("rank_of(entry, tied_j, tied) < places", "true", DEFERRED),
          ("(all.learns && won)", "won", DEFERRED),
          ("if (owner) won_v[threadIdx.x] =", "if (!owner) won_v[0] =", DEFERRED),
          ("row + 1;", "row;", DEFERRED),
          ("finish(c, 1, overlap", "finish(c, 0, overlap", DEFERRED),
          ("if (key > 0) atomicAdd(&count_h[bin", "if (false) atomicAdd(&count_h[bin", DEFERRED),
      )),
    ("rows.cu", "up_to_here - mine", "up_to_here", "rows", SMALL),
    ("rows.cu", "next += warp_sum(mine)", "next += mine", "rows", SIXTEEN),
    *(("rows.cu", before, after, "rows", case)
      for before, after, case in (
          ("w % words * 32", "w * 32", CELLS),
          ("columns[w / words]", "columns[w]", CELLS),
          ("* per_column", "* 32", CELLS),
          ("list_words(cell_jw + offset[0] * words", "list_words(cell_jw + offset[0]", CELLS),
          ("count_words(cell_jw + offset[0] * words", "count_words(cell_jw", CELLS),
          ("* (rows + 1) + first + r", "* rows + first + r", WINDOWS),
          ("* (rows + 1) + first + r", "* (rows + 1) + r", WINDOWS),
          ("w < words; w += WARP) count", "w < WARP; w += WARP) count", CELLS),
      )),
    *((SLICED, before, after, "sp_overlap_sliced", case)
      for before, after, case in (
          ("| (c & (a ^ b))", "", "sliced overlap, several lists"),
          ("int p = 4;", "int p = 5;", "sliced overlap, several lists"),
          ("WHOLE || j + k + q < n", "WHOLE || j + k + q <= n", "sliced overlap, several lists"),
          ("p < PLANES; ++p) {\n        if (carry", "p < PLANES - 1; ++p) {\n        if (carry",
           "sliced overlap, all planes"),
          ("lane / PLANES * 16", "0", "sliced overlap"),
          ("low ^= low << step / 2", "low ^= low << step", "sliced overlap"),
      )),
    ("sp_overlap_tiled.cu", "words - base < TILE_WORDS", "words - base > TILE_WORDS",
     "sp_overlap_tiled", "tiled overlap"),
    ("sp_overlap_tiled.cu", "left[k] & right[q]", "left[k] | right[q]", "sp_overlap_tiled",
     "tiled overlap"),
    ("overlap_tile.cuh", "s >= samples ||", "", "sp_overlap_tiled", "tiled overlap"),
    *(("sp_overlap_tensor.cu", before, after, "sp_overlap_tensor", case)
      for case, before, after in (
          (TENSOR, "a[d][0], a[d][2]", "a[d][0], a[d][1]"),
          (TENSOR, "a[d][1], a[d][3]", "a[d][3], a[d][1]"),
          (TENSOR, "b[n][0], b[n][1]", "b[n][1], b[n][0]"),
          (TENSOR, "row_w + 8 * PITCH", "row_w + 4 * PITCH"),
          (TENSOR, "n * TENSOR_COLUMNS + group", "n * TENSOR_COLUMNS + within"),
          (TENSOR, "2 * within", "within"),
          (TENSOR, "c + k % 2", "c + k / 2"),
          (TENSOR, "warp / 2 * QUARTER, quarter_c = warp % 2", "warp / 2 * QUARTER, quarter_c = 0"),
          (TENSOR, "row_w[within + 4]", "row_w[within]"),
          (TENSOR, "w += Step::WORDS", "w += 2 * Step::WORDS"),
          (AS_BYTES, "(within + 4) & 0x01010101u", "within & 0x01010101u"),
          (AS_BYTES, "within & 0x01010101u", "within & 0x03030303u"),
          (TENSOR, "model * rows + first_row", "model * rows"),
      )),
    ("overlap_tile.cuh", "&& base + w < words", "", "sp_overlap_tensor", TENSOR),
    ("synapses.cuh", "before >= inflection", "before > inflection", "sp_learn",
     "pushed away from the inflection"),
    ("sp_learn.cu", "r < n; r += WARP) wins", "r < n - 1; r += WARP) wins", "sp_learn",
     "pushed away from the inflection"),
    ("fixed_point.cuh", "1u << (drop - 1)", "0u", "sp_topology",
     "local boost, global inhibition"),
    ("fixed_point.cuh", "rounded < most ? rounded : most", "rounded", "sp_topology",
     "local boost of columns that always win"),
    ("local_inhibition.cu", "shared_duty(active_tile[cell], drop)", "active_tile[cell]",
     "local_inhibition", "3 x 3 boost through shared memory, 8 bits"),
    ("sp_topology.cu", "other < c", "other > c", "sp_topology", "local, cut"),
    ("sp_topology.cu", "open > equal", "open >= equal", "sp_topology", "local, cut"),
    ("sp_topology.cu", " && bit_at(won_v, other)", "", "sp_topology", "local, cut"),
    ("sp_topology.cu", "(int)beaten < places", "(int)beaten <= places", "sp_topology",
     "local, cut"),
    ("topology.cuh", "pitch *= along", "pitch += along", "sp_topology", "local, cut"),
    ("topology.cuh", "centre + radius < size", "centre + radius <= size",
     "sp_topology", "local, cut"),
    ("topology.cuh", "2 * radius + 1 >= size", "2 * radius - 1 >= size", "sp_topology",
     "local, whole grid"),
    ("topology.cuh", "distance > radius", "distance >= radius", "sp_start", "pool by radius, cut"),
    ("sp_start.cu", "(word >> 32) < connected_below", "(word >> 32) > connected_below",
     "sp_start", STEPS),
    ("local_inhibition.cu", "size > 2 ? -1", "size > 1 ? -1", "local_inhibition",
     "3 x 3 through shared memory, 2 x 33, wrap"),
    *(("local_inhibition.cu", before, after, "local_inhibition",
       f"3 x 3 through {memory} memory, {case}")
      for memory, case, before, after in (
          ("global", "9 x 34, cut", "open > equal", "open >= equal"),
          ("global", "9 x 34, wrap", "own && other < c", "own && other > c"),
          ("global", "9 x 34, cut", "(i64)(sum / around)", "(i64)(sum / 9)"),
          ("global", "9 x 34, wrap", "active_duty_mc[first + other]", "active_duty_mc[other]"),
          ("global", "9 x 34, cut", "at + 1 < size ? 1", "at + 2 < size ? 1"),
          ("shared", "9 x 34, cut", "open > equal ?", "open >= equal ?"),
          ("shared", "9 x 34, wrap", "dy * HALO_X + dx", "dx * HALO_X + dy"),
          ("shared", "9 x 34, wrap", "(overlap_duty_mc + first", "(overlap_duty_mc"),
          ("shared", "9 x 34, wrap", "if (wrap && x", "if (!wrap && x"),
      )),
    ("fixed_point.cuh", ">> 30)", ">> 29)", "sdr_classifier", "classifier"),
    ("sdr_classifier.cu", "target < 0", "target < 1", "sdr_classifier", "classifier"),
]  # fmt: skip
MEMORY_CHANGES = [
    ("tm_model.cuh", "flags_t[t] & 1 ? -1", "flags_t[t] & 4 ? -1", EVERY),
    ("tm_dendrites.cuh", "potential < m.", "potential <= m.", EVERY),
    ("tm_dendrites.cuh", "connected >= m.rules.act", "connected > m.rules.act", EVERY),
    ("tm_dendrites.cuh", ">= m.rules.connected", "> m.rules.connected", EVERY),
    ("tm_dendrites.cuh", "slot >= room ||", "", FRAGILE),
    ("tm_dendrites.cuh", "count[k] + 1 != matching", "count[k] != matching", EVERY),
    ("tm_dendrites.cuh", "m.count_s[id[k]] = 0", "m.count_s[id[k]] = 9", EVERY),
    ("tm_dendrites.cuh", "end <= i", "end < i", EVERY),
    ("tm_dendrites.cuh", "fill = base ? chunk[1] : 0;", "fill = 0;", EVERY),
    ("tm_dendrites.cuh", "base = base ? chunk[0] : 0;", "base = 0;", EVERY),
    ("tm_index.cuh", "[CHUNK_HEAD + place] = (u32)s;", "[CHUNK_HEAD + place] = 0;", EVERY),
    ("tm_index.cuh", "place < room", "place <= room", EVERY),
    ("tm_index.cuh", "place == room ?", "place == room + 1 ?", EVERY),
    ("tm_index.cuh", "chunk[0] = m.list_base_n[cell]", "chunk[0] = 0", EVERY),
    ("tm_index.cuh", "chunk[1] = room", "chunk[1] = room - 1", EVERY),
    ("tm_index.cuh", "m.list_fill_n[cell] = 0;", "", EVERY),
    ("tm_index.cuh", "entry & 0x7fffffff", "entry & 1", EVERY),
    ("tm_index.cuh", "m.index_lost = !kept", "m.index_lost = 0", EVERY),
    ("tm_index.cuh", "m.logged = 0", "m.logged = logged", EVERY),
    ("tm_index.cuh", "m.index_used = m.index_next;", "", EVERY),
    ("tm_index.cuh", "u32 base = 1 + before.mine", "u32 base = before.mine", SHORT),
    ("tm_index.cuh", "slot - lane < most", "slot < 0", EVERY),
    ("tm_learn.cuh", "enter(m, cell, s);", "", EVERY),
    ("temporal_memory.cu", "m.index_lost = m.index_used == 0", "m.index_lost = 0", MOVED),
    ("temporal_memory.cu", "m.index_lost ? 0 : m.index_used", "m.index_used", SHORT),
    ("tm_cells.cuh", "owned > fewest", "owned < fewest", EVERY),
    ("tm_cells.cuh", "word > smallest", "word < smallest", EVERY),
    ("tm_cells.cuh", "winner_count_r[before] > 0", "winner_count_r[before] >= 0", EVERY),
    ("tm_cells.cuh", "staged_e[base + j] < s", "staged_e[base + j] > s", FRAGILE),
    ("tm_cells.cuh", "row - 1 - m.lead", "row - m.lead", EVERY),
    ("tm_cells.cuh", "if (burst) atomicAdd", "if (!burst) atomicAdd", EVERY),
    ("tm_learn.cuh", "slot >= room || cell", "cell", FRAGILE),
    ("tm_learn.cuh", "p <= 0", "p < 0", FRAGILE),
    ("tm_learn.cuh", "p < PERMANENCE_ONE ?", "p < PERMANENCE_ONE + 500 ?", EVERY),
    ("tm_learn.cuh", "kept >= n || bound >> 32", "true", "memory, one synapse"),
    ("tm_learn.cuh", "key_f[j] < key", "key_f[j] > key", CROWDED),
    ("tm_learn.cuh", "cell == m.cells || bit_at", "cell == m.cells && bit_at", EVERY),
    ("tm_learn.cuh", "empty && rank < n", "empty && rank <= n", EVERY),
    ("tm_commit.cuh", "m.gone_s[s] ==", "false && m.gone_s[s] ==", FRAGILE),
    ("tm_commit.cuh", "m.born_s[s] != q ||", "", SINGLE),
    ("tm_commit.cuh", "among &=", "among |=", SINGLE),
    ("tm_commit.cuh", "[cell] < m.rules", "[cell] <= m.rules", FULL),
    ("tm_commit.cuh", "used == m.oldest_e[e]", "used >= m.oldest_e[e]", FULL),
    ("tm_commit.cuh", "size == 0", "size < 0", FRAGILE),
    ("tm_commit.cuh", "free > 0", "free > 1", FRAGILE),
    ("tm_commit.cuh", "if (may_fill(m))", "if (false)", WHOLE),
    ("tm_evict.cuh", "[b] < m.age_left", "[b] + 1 < m.age_left", WHOLE),
    ("tm_evict.cuh", "tie++ >= m.age_left", "tie++ > m.age_left", WHOLE),
    ("tm_evict.cuh", "older + (ties < left ? ties : left)", "older + ties", WHOLE),
    ("tm_evict.cuh", "if (n < excess) n = excess;", "", WHOLE),
    ("tm_evict.cuh", "segment_limit / EVICTED_SHARE", "segment_limit / 1000", MANY),
]
MUTANTS = [
    Mutant(file, "__syncthreads();", "", library, case, k)
    for file, shown in BARRIERS.items()
    for k, (library, case) in enumerate(shown)
] + [Mutant(file, old, new, f"{lib}.cu", case) for file, old, new, lib, case in CHANGES]
MUTANTS += [Mutant(file, old, new, MEMORY, case) for file, old, new, case in MEMORY_CHANGES]


def test_each_barrier_has_its_mutant():
    count = {
        p.name: len(BARRIER.findall(p.read_text()))
        for p in KERNELS.glob("*.cu*")
        if BARRIER.search(p.read_text())
    }
    assert count == {file: len(shown) for file, shown in BARRIERS.items()}


@pytest.fixture(scope="module")
def checker():
    with Checker() as made:
        yield made


def link_libraries(build_folder: Path, into: Path, mutant: Mutant | None = None) -> None:
    for file in cases.FILES:
        edited = {mutant.file: mutant.text} if mutant and file == mutant.library else None
        built = host.build(file, build_folder, ("-w", "-O0") if edited else (), edited)
        (into / built.name).symlink_to(built)


@pytest.mark.parametrize(
    "mutant", MUTANTS, ids=lambda m: f"{m.file}-{m.before[:24]}-{m.occurrence}"
)
def test_a_mutant_is_caught(mutant, checker, build_folder, tmp_path):
    link_libraries(build_folder, tmp_path, mutant)
    assert checker.check(tmp_path, ORDERS, mutant.case) != 0


def test_the_unchanged_kernels_pass_the_same_way(checker, build_folder, tmp_path):
    link_libraries(build_folder, tmp_path)
    assert checker.check(tmp_path, ORDERS, SMALL, "classifier", "memory, one synapse") == 0


def test_a_crash_is_seen_and_the_next_case_is_checked(checker, build_folder, tmp_path):
    link_libraries(build_folder, tmp_path)
    (tmp_path / "empty").mkdir()
    assert checker.check(tmp_path / "empty", ORDERS, SMALL) == 1
    assert checker.check(tmp_path, [0], SMALL) == 0
