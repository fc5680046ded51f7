"""Spatial poolers of equal parameters, one for each seed, all in the same launches.

Every model has its own state, input and schedule, and ends as it would alone. Inside a
chunk nothing waits for the device: the schedule is uploaded once, and every decision that
depends on data is taken by a kernel.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from copy import copy
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from htmrun.backends import State, receptive_fields
from htmrun.backends.bits import Bits
from htmrun.backends.cuda.card_bits import lies_on, on_host
from htmrun.backends.cuda.chunk_schedule import Schedule
from htmrun.backends.cuda.device import Device, cuda_device
from htmrun.backends.cuda.footprint import scratch_samples
from htmrun.backends.cuda.pooler.kernels import ByInput
from htmrun.backends.cuda.pooler.neighbours import LocalKernels
from htmrun.backends.cuda.pooler.online import OnlineKernels, OnlineWay
from htmrun.backends.cuda.pooler.overlap_kernels import SLICED_ON_BITS, OverlapWay, chosen, possible
from htmrun.backends.cuda.pooler.pools import PoolsAsked
from htmrun.backends.cuda.replay import Replays
from htmrun.backends.cuda.rows import Rows, after_gap, listed, packed
from htmrun.backends.parameters import SpatialPoolerParameters
from htmrun.backends.plan import Plan
from htmrun.backends.sp_contract import check_bits, check_plan, check_shape, check_state

CHUNK = 1024
"""Samples uploaded at a time; bounds the dense winners on the host."""

INFERRED = 8192
"""Samples of all models together that are uploaded at a time where nothing learns, about."""

SEGMENT = 1024
"""Samples between two commits that go through one launch, at most."""

REPLAYED_FROM = 8
"""So many segments of a chunk are worth capturing: each is three to seven launches."""


@dataclass
class _Window:
    """The samples of one model's open window: their inputs and their winners.

    learned: how many samples have been committed since the inhibition radius was computed.
    """

    inputs: Bits
    winners: Bits
    learned: int = 0


class SpatialPoolerGroup:
    """Spatial poolers over `input_shape`, one for each of `seeds`.

    `local_kernels` says how neighbours are read: "any" radius, or the 3 x 3 kernels through
    "global" or "shared" memory (two dimensions, radius 1); "auto" takes the former where it fits.
    `overlap` forces one way of counting overlaps; `steps="phase"` keeps a launch for each phase
    also where each sample is a window, which otherwise takes two launches ("online" insists on
    them), and `online` says how these find winners and flip bits; `by_input` says how windows
    change the bits by input; `pools` whether rows of permanences are whole ("dense") or hold
    potential pools alone ("compact"). None can be seen in a result. Raises `UserError` as
    `SpatialPooler` does, and where pools cannot be made compact.
    """

    def __init__(
        self,
        parameters: SpatialPoolerParameters,
        input_shape: tuple[int, ...],
        seeds: Sequence[int],
        device: Device | None = None,
        *,
        local_kernels: LocalKernels = "auto",
        overlap: OverlapWay | Literal["auto"] = "auto",
        steps: Literal["auto", "phase", "online"] = "auto",
        by_input: ByInput = "auto",
        online: OnlineWay = "ahead",
        pools: PoolsAsked = "auto",
    ) -> None:
        self.parameters = parameters
        self.inputs = check_shape(parameters, input_shape)
        self.models = len(seeds)
        self._overlap, self._steps = overlap, steps
        device = device or cuda_device()
        if overlap != "auto" and overlap not in possible(device.capability):
            raise ValueError(
                f"overlap {overlap!r} on a card of compute capability {device.capability}, "
                f"expected one of {', '.join(possible(device.capability))}"
            )
        self._kernels = OnlineKernels(
            parameters, input_shape, seeds, device, local_kernels, by_input, online, pools
        )
        none = Bits.empty(self.inputs), Bits.empty(parameters.columns)
        self._open = [_Window(*none) for _ in seeds]
        self._replays = Replays()

    def part(self, first: int, last: int) -> SpatialPoolerGroup:
        """Return models first..last as a group over the same memory."""
        part = copy(self)
        part.models = last - first
        part._kernels, part._open = self._kernels.part(first, last), self._open[first:last]
        part._replays = Replays()
        return part

    def run(self, samples: Sequence[Bits], plans: Sequence[Plan], learn: bool = True) -> list[Bits]:
        """Return each model's winners, learning, committing and boosting as its plan says.

        Raises ValueError for a wrong size, a window larger than `duty_period`, or models with
        different numbers of samples.
        """
        if not (learn and self.parameters.learn):
            return self.compute(samples)
        length = self._check(samples)
        for bits, plan, window in zip(samples, plans, self._open, strict=True):
            check_plan(plan, len(bits), len(window.inputs), self.parameters.duty_period)
        renewed = self._renewals(plans)
        cuts = sorted({*range(0, length, CHUNK), *renewed} - {length})
        parts = []
        for a, b in zip(cuts, [*cuts[1:], length], strict=False):
            chunk = [x.slice(a, b) for x in samples], [p.slice(a, b) for p in plans]
            won = self._run_chunk(*chunk)
            # Of a long stream only a chunk's winners stay on the card.
            parts.append(won if len(cuts) == 1 else [on_host(bits) for bits in won])
            for model in renewed.get(b, ()):
                self._kernels.renew_radius(model)
        return self._joined(parts)

    def _renewals(self, plans: Sequence[Plan]) -> dict[int, list[int]]:
        """Return which models compute their inhibition radius again after how many samples."""
        found: dict[int, list[int]] = {}
        if not receptive_fields.follows(self.parameters):
            return found
        for model, (plan, w) in enumerate(zip(plans, self._open, strict=True)):
            ends, w.learned = receptive_fields.renewals(plan.commit, len(w.inputs), w.learned)
            for stop in ends:
                found.setdefault(stop, []).append(model)
        return found

    def compute(self, samples: Sequence[Bits]) -> list[Bits]:
        """Return each model's winners under the present state; writes nothing."""
        length, parts = self._check(samples), []
        chunk = max(CHUNK, INFERRED // self.models)
        for a in range(0, length, chunk):
            rows = Rows.upload(
                self._kernels.device, [b.slice(a, min(a + chunk, length)) for b in samples]
            )
            won = self._kernels.no_winners(rows.rows)
            self._infer(rows, won)
            found = listed(self._kernels.device, won, 0, self.parameters.columns)
            parts.append(found if length <= chunk else [on_host(bits) for bits in found])
        return self._joined(parts)

    def overlaps(self, samples: Sequence[Bits]) -> list[npt.NDArray[np.int32]]:
        """Return every column's overlap with each sample, int32 (T, columns) for each model."""
        length = self._check(samples)
        out = np.zeros((self.models, length, self.parameters.columns), np.int32)
        for start, stop in _segments(length, self._segment()):
            part = Rows.upload(self._kernels.device, [b.slice(start, stop) for b in samples])
            self._forward(part, 0, stop - start, boosted=False)
            out[:, start:stop] = self._kernels.last_overlaps(stop - start)
        return list(out)

    def state(self, model: int) -> State:
        """Return copies of the canonical state of one model (names: `sp_contract`)."""
        window = self._open[model]
        inputs, winners, radius = window.inputs, window.winners, {}
        if receptive_fields.follows(self.parameters):
            found = self._kernels.radius(model), window.learned
            radius = {"inhibition_radius": np.array(found)}
        return {
            **radius,
            **self._kernels.state(model),
            "pending_inputs": inputs.indices.copy(),
            "pending_input_offsets": inputs.offsets.copy(),
            "pending_winners": winners.indices.copy(),
            "pending_winner_offsets": winners.offsets.copy(),
        }

    def load(self, model: int, state: State) -> None:
        """Take over what `state(model)` returned; ValueError if a name, dtype or shape differs."""
        follows = receptive_fields.follows(self.parameters)
        check_state(state, self.parameters.columns, self.inputs, follows)
        s = {name: array.copy() for name, array in state.items()}
        self._kernels.load(model, s)
        window, columns = self._open[model], self.parameters.columns
        window.inputs = Bits(self.inputs, s["pending_inputs"], s["pending_input_offsets"])
        window.winners = Bits(columns, s["pending_winners"], s["pending_winner_offsets"])
        if follows:
            window.learned = int(s["inhibition_radius"][1])

    def _run_chunk(self, samples: Sequence[Bits], plans: Sequence[Plan]) -> list[Bits]:
        k, waiting = self._kernels, [len(w.inputs) for w in self._open]
        # Pending samples end where the chunk begins, so that each window is a range of rows.
        lead = max(waiting)
        history = [
            Bits.concatenate([after_gap(w.inputs, lead - n), bits])
            for w, n, bits in zip(self._open, waiting, samples, strict=True)
        ]
        rows = Rows.upload(k.device, history)
        won = k.no_winners(rows.rows)
        if lead:
            past = [packed(after_gap(w.winners, lead - len(w.winners))) for w in self._open]
            won[:, :lead] = k.device.xp.asarray(np.stack(past))
        schedule = Schedule.upload(k.device, plans, waiting, lead)
        if self._online(schedule):
            run, ways = k.online, ("online",) * len(schedule.commits)
        else:
            run, ways = self._phase_by_phase, tuple(self._ways(rows, schedule))
        if len(ways) < REPLAYED_FROM:
            run(rows, won, schedule)
        else:
            won = self._replays.run(k.device, ways, run, k.scratch, rows, won, schedule)
        new = listed(k.device, won, lead, self.parameters.columns)
        self._keep_open(history, new, schedule.left)
        return new

    def _online(self, schedule: Schedule) -> bool:
        """Say whether every sample is a window of some model, and no window is longer."""
        p = self.parameters
        possible = (
            p.inhibition == "global"
            and not p.boosts_locally
            and p.weak_bump == p.push == 0
            and bool((schedule.most_window == 1).all())
        )
        if self._steps == "online" and not possible:
            raise ValueError("steps 'online' for other than windows of 1 without weak columns")
        return possible and self._steps != "phase"

    def _ways(self, rows: Rows, schedule: Schedule) -> Iterator[OverlapWay]:
        for start, stop in schedule.segments(self._segment()):
            yield self._way(rows, schedule.lead + start, schedule.lead + stop)

    def _phase_by_phase(self, rows: Rows, won: Any, schedule: Schedule) -> None:
        k, lead = self._kernels, schedule.lead
        for start, stop in schedule.segments(self._segment()):
            self._forward(rows, lead + start, lead + stop, self.parameters.boost_strength > 0)
            k.select(won, lead + start, lead + stop)
            k.count_reached(stop - start)
            if schedule.commits[stop - 1]:
                k.commit(rows, won, schedule, stop - 1)
            if schedule.boosts[stop - 1]:
                k.boost(schedule, stop - 1)

    def _keep_open(self, history: Sequence[Bits], new: Sequence[Bits], left: Sequence[int]) -> None:
        """Keep the last `left` samples of each model, whose window has not ended."""
        for window, inputs, winners, n in zip(self._open, history, new, left, strict=True):
            won = winners
            if n > len(winners):
                won = Bits.concatenate([window.winners, winners])
            keep = [b.slice(len(b) - n, len(b)) for b in (inputs, won)]
            window.inputs, window.winners = (
                Bits(b.size, b.indices.copy(), b.offsets) for b in keep
            )

    def _infer(self, rows: Rows, won: Any) -> None:
        """Take the winners of all rows under the present state."""
        boosted = self.parameters.boost_strength > 0 and self.parameters.infer_boost
        for start, stop in _segments(rows.rows, self._segment()):
            self._forward(rows, start, stop, boosted)
            self._kernels.select(won, start, stop)

    def _forward(self, rows: Rows, start: int, stop: int, boosted: bool) -> None:
        self._kernels.overlap(rows, start, stop, boosted, self._way(rows, start, stop))

    def _way(self, rows: Rows, start: int, stop: int) -> OverlapWay:
        """Return how overlaps are counted, by the words that a sample makes the card read."""
        # By the fullest sample of the whole chunk: so that the launches of chunks are alike.
        on_bits, capability = int(rows.most_on.max()), self._kernels.device.capability
        if self._overlap == "sliced" and on_bits > SLICED_ON_BITS:
            raise ValueError(f"overlap 'sliced', {on_bits} on-bits, expected <= {SLICED_ON_BITS}")
        if self._overlap != "auto":
            return self._overlap
        columns = self.parameters.columns
        return chosen(capability, on_bits, stop - start, columns, rows.words, self.models)

    def _segment(self) -> int:
        """Return the samples of a launch; bounds the scratch memory of all models together."""
        return min(SEGMENT, scratch_samples(self.parameters.columns, self.models))

    def _check(self, samples: Sequence[Bits]) -> int:
        for bits in samples:
            # What lies on the card was made by a kernel, in range.
            if bits.size != self.inputs or not lies_on(bits, self._kernels.device):
                check_bits(bits, self.inputs)
        lengths = {len(b) for b in samples}
        if len(samples) != self.models or len(lengths) != 1:
            raise ValueError(
                f"{len(samples)} inputs of {sorted(lengths)} samples, expected {self.models} of "
                "equal length"
            )
        return lengths.pop()

    def _joined(self, parts: Sequence[Sequence[Bits]]) -> list[Bits]:
        if not parts:
            return [Bits.empty(self.parameters.columns)] * self.models
        return [Bits.concatenate([p[m] for p in parts]) for m in range(self.models)]


def _segments(length: int, most: int) -> Iterator[tuple[int, int]]:
    for i in range(math.ceil(length / most)):
        yield i * most, min((i + 1) * most, length)
