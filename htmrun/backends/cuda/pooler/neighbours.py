"""Local inhibition and local boosting on a device: neighbourhoods, and the kernels that read them.

Grids, blocks and preconditions are those stated at the head of `kernels/sp_topology.cu` and
`kernels/local_inhibition.cu`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from htmrun.backends import State, receptive_fields, topology
from htmrun.backends.cuda.device import Device
from htmrun.backends.cuda.pooler import grid
from htmrun.backends.cuda.pooler.arrays import PoolerArrays
from htmrun.backends.cuda.pooler.pools import PoolsAsked
from htmrun.backends.parameters import SpatialPoolerParameters, round_half_up

LocalKernels = Literal["auto", "any", "global", "shared"]
"""How local inhibition and boosting read neighbours; auto: `NEAR` among 3 x 3."""
NEAR: LocalKernels = "global"
"""What an H200 was fastest with, or as fast, among 3 x 3 neighbours (docs/results/gpu.md)."""
i32 = np.int32
_TILE_X, _TILE_Y = 32, 8


class NeighbourKernels(PoolerArrays):
    """What columns of several spatial poolers do with their neighbours."""

    def __init__(
        self,
        parameters: SpatialPoolerParameters,
        input_shape: tuple[int, ...],
        seeds: Sequence[int],
        device: Device,
        local_kernels: LocalKernels,
        pools: PoolsAsked = "auto",
    ) -> None:
        super().__init__(parameters, input_shape, seeds, device, pools)
        self._input_shape, self._follows = input_shape, receptive_fields.follows(parameters)
        if parameters.inhibition == "local" or parameters.boosts_locally:
            self._place_neighbours(local_kernels)

    def radius(self, model: int) -> int:
        """Return how far local inhibition of a model reaches."""
        return int(self.device.to_host(self._radius)[model])

    def renew_radius(self, model: int) -> None:
        """Let a model's inhibition reach as far as its connected synapses say."""
        words = self.device.to_host(self._connected[model])
        bits = np.unpackbits(np.ascontiguousarray(words).view(np.uint8), axis=1, bitorder="little")
        connected = bits[:, : self.inputs].astype(np.bool_)
        spans = receptive_fields.span_total(connected, self.parameters, self._input_shape)
        radius = receptive_fields.radius_of(self.parameters, self._input_shape, spans)
        self._reach(slice(model, model + 1), radius)

    def load(self, model: int, state: State) -> None:
        """Take over one model's canonical arrays; `state` has been checked."""
        super().load(model, state)
        if self._follows:
            self._reach(slice(model, model + 1), int(state["inhibition_radius"][0]))

    def _select_locally(self, keys: tuple[Any, ...], where: tuple[Any, ...], samples: int) -> None:
        """Write the winners that ties leave no doubt about, then those that they do."""
        needed = self.models * samples * self.column_words
        if len(self._tied) < needed:
            self._tied = self.device.xp.empty(needed, np.uint32)
        keys, words = (*keys, self._tied, self._places), i32(self.column_words)
        sizes = (*where, i32(self.parameters.columns), words)
        if self._selecting_near == "any":
            self._launch(
                "sp_select_local", (self._blocks(), self.models, samples), *keys,
                *self._topology(self._radius), *sizes, file="sp_topology.cu",
            )  # fmt: skip
        else:
            self._tied[:needed] = 0
            self._launch_3x3(
                "select", self._selecting_near, samples, *keys, *self._topology_3x3(), *where, words
            )
        self.device.launch(
            "sp_topology.cu", "sp_settle_ties", (1, self.models, samples), (32,), *keys,
            *self._topology(self._radius), *sizes,
        )  # fmt: skip

    def _boost_locally(
        self, boost: Any, least: Any, active: Any, overlap: Any, boost_tm: Any, t: int,
        gain: np.int64, share: np.uint32,
    ) -> None:  # fmt: skip
        """Recompute boost factors and minimum overlap duty cycles from those of neighbours."""
        p = self.parameters
        duties, drop = (boost, least, active, overlap, boost_tm), i32(30 - p.boost_bits)
        if self._boosting_near == "any":
            self._launch(
                "sp_boost_local", (self._blocks(), self.models), *duties,
                *self._topology(self._boost_radius), i32(t), i32(p.columns), gain, share, drop,
                file="sp_topology.cu",
            )  # fmt: skip
        else:
            self._launch_3x3(
                "boost", self._boosting_near, 1, *duties, *self._topology_3x3(), i32(t), gain,
                share, drop,
            )  # fmt: skip

    def _place_neighbours(self, local_kernels: LocalKernels) -> None:
        p = self.parameters
        assert p.column_shape is not None
        dimensions = len(p.column_shape)
        if p.inhibition == "local":
            self._selecting_near = _way(local_kernels, p.inhibition_radius, dimensions)
        if p.boosts_locally:
            around = p.boost_radius or p.inhibition_radius
            self._boosting_near = _way(local_kernels, around, dimensions)
        self._shape = self.device.xp.asarray(grid.four(p.column_shape, "column_shape"))
        if not self._follows:
            self._reach(slice(0, self.models), receptive_fields.fixed_radius(p))
            return
        for model in range(self.models):
            self.renew_radius(model)

    def _reach(self, models: slice, radius: int) -> None:
        """Let the inhibition of some models reach as far as `radius`, and place their winners."""
        p = self.parameters
        assert p.column_shape is not None
        sizes = topology.neighbourhood_sizes(p.column_shape, radius, p.wrap)
        by_size = {int(n): max(1, round_half_up(p.density * int(n))) for n in np.unique(sizes)}
        places = np.array([by_size[int(n)] for n in sizes], np.int32)
        if p.inhibition == "local":
            self._places[models] = self.device.xp.asarray(places)
            self._radius[models] = min(radius, max(p.column_shape))
        around = receptive_fields.boost_radius(p, radius)
        self._boost_radius[models] = min(around, max(p.column_shape))

    def _topology(self, radius_m: Any) -> tuple[Any, ...]:
        return self._shape, radius_m, i32(self.parameters.wrap)

    def _topology_3x3(self) -> tuple[Any, ...]:
        assert self.parameters.column_shape is not None
        height, width = self.parameters.column_shape
        return i32(width), i32(height), i32(self.parameters.wrap)

    def _launch_3x3(self, phase: str, memory: str, samples: int, *arguments: Any) -> None:
        assert self.parameters.column_shape is not None
        height, width = self.parameters.column_shape
        shared = memory == "shared"
        blocks = -(-width // _TILE_X) * -(-height // _TILE_Y) if shared else self._blocks()
        block = (_TILE_X, _TILE_Y) if shared else (self.device.threads,)
        self.device.launch(
            "local_inhibition.cu", f"local3_{phase}_{memory}",
            (blocks, self.models, samples), block, *arguments,
        )  # fmt: skip

    def _launch(
        self, name: str, blocks: tuple[int, ...], *arguments: Any, file: str = "spatial_pooler.cu"
    ) -> None:
        self.device.launch(file, name, blocks, (self.device.threads,), *arguments)

    def _blocks(self) -> int:
        """Return the blocks of a kernel with a thread for each column."""
        return -(-self.parameters.columns // self.device.threads)


def _way(asked: LocalKernels, radius: int | str | None, dimensions: int) -> LocalKernels:
    """Return which kernels read neighbours within `radius` of a grid."""
    near = radius == 1 and dimensions == 2
    if asked == "auto":
        return NEAR if near else "any"
    if asked != "any" and not near:
        raise ValueError(
            f"local_kernels {asked!r} with radius {radius} on {dimensions} dimensions, expected "
            "radius 1 on 2"
        )
    return asked
