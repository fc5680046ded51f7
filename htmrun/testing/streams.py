"""Streams for checks, cuts through them, and comparisons of what comes out, byte for byte."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
import numpy.typing as npt

from htmrun.backends import CellActivity
from htmrun.backends.bits import Bits
from htmrun.backends.plan import Plan
from htmrun.components.classifiers.scores import Scores

Outputs = Mapping[str, Bits | np.ndarray]
"""What a model says of T samples, by name; every first axis is T."""


@dataclass(frozen=True)
class Stream:
    """T samples: bits by the name of what made them, classes int64 (T,), -1 for none; a plan."""

    activity: dict[str, Bits]
    targets: npt.NDArray[np.int64]
    plan: Plan

    def __len__(self) -> int:
        return len(self.targets)

    @property
    def bits(self) -> Bits:
        """The first of the bits."""
        return next(iter(self.activity.values()))

    def slice(self, start: int, stop: int) -> Stream:
        """Return samples start..stop."""
        activity = {name: bits.slice(start, stop) for name, bits in self.activity.items()}
        return Stream(activity, self.targets[start:stop], self.plan.slice(start, stop))

    def afresh(self) -> Stream:
        """Return the same samples, the first of which begins a sequence."""
        reset = self.plan.reset.copy()
        reset[:1] = 1
        return replace(self, plan=replace(self.plan, reset=reset))

    def committing(self, *places: int) -> Stream:
        """Return the same samples with commits (and boosts) after these places only."""
        flags = np.zeros(len(self), np.uint8)
        flags[list(places)] = 1
        return replace(self, plan=Plan(self.plan.reset, flags, flags))


def random_stream(
    case: int, sizes: Mapping[str, int], classes: int, samples: int = 75, density: float = 0.12
) -> Stream:
    """Return noisy patterns of `classes`, some without a class; resets; all kinds of windows."""
    r = np.random.default_rng(case)
    symbols = r.integers(0, classes, samples)
    activity = {}
    for name, size in sizes.items():
        patterns = r.random((classes, size)) < density
        activity[name] = Bits.from_dense(patterns[symbols] ^ (r.random((samples, size)) < 0.02))
    third = samples // 3
    kinds = [Plan.every(1, third), Plan.every(7, third)]
    kinds.insert(case % 3, _strewn(r, samples - 2 * third))
    commit, boost = (np.concatenate([getattr(p, n) for p in kinds]) for n in ("commit", "boost"))
    reset = (r.random(samples) < 0.08).astype(np.uint8)
    return Stream(
        activity, np.where(r.random(samples) < 0.1, -1, symbols), Plan(reset, commit, boost)
    )


def _strewn(r: np.random.Generator, samples: int) -> Plan:
    commit, boost = (r.random((2, samples)) < 0.3).astype(np.uint8)
    return Plan(np.zeros(samples, np.uint8), commit, boost)


def cuts(seed: int, samples: int, longest: int = 30) -> list[tuple[int, int]]:
    """Cut 0..samples into chunks: a few of one sample, then of random lengths."""
    r = np.random.default_rng(seed)
    stops = [*range(1, min(5, samples))]
    while not stops or stops[-1] < samples:
        last = stops[-1] if stops else 0
        stops.append(min(samples, last + int(r.integers(1, longest))))
    return list(zip([0, *stops[:-1]], stops, strict=True))


def outputs_of(said: CellActivity | Sequence[Scores]) -> Outputs:
    """Return by name what a temporal memory or a readout said; scores where there are any."""
    if isinstance(said, CellActivity):
        # By field: a card makes some of them only when they are read.
        return {field.name: getattr(said, field.name) for field in fields(CellActivity)}
    named: dict[str, np.ndarray] = {}
    for scores in said:
        named[f"h{scores.horizon}.valid"] = scores.valid
        known = np.where(scores.valid[:, None], scores.probability, np.float32(0))
        named[f"h{scores.horizon}"] = known
    return named


def joined(parts: Sequence[Outputs]) -> Outputs:
    """Return outputs of consecutive chunks as those of one."""
    whole: dict[str, Bits | np.ndarray] = {}
    for name in parts[0]:
        pieces = [part[name] for part in parts]
        bits = [p for p in pieces if isinstance(p, Bits)]
        whole[name] = Bits.concatenate(bits) if bits else np.concatenate(pieces)  # type: ignore[arg-type]
    return whole


def first(outputs: Outputs, samples: int) -> Outputs:
    """Return the outputs of the first `samples`."""
    return {n: x.slice(0, samples) if isinstance(x, Bits) else x[:samples]
            for n, x in outputs.items()}  # fmt: skip


def assert_same(a: Outputs, b: Outputs) -> None:
    """Fail unless names, types, shapes and bytes of arrays and bits are the same."""
    assert set(a) == set(b)
    for name, x in a.items():
        y = b[name]
        if isinstance(x, Bits):
            assert isinstance(y, Bits), name
            assert x.size == y.size, name
            assert_same({f"{name}.offsets": x.offsets, f"{name}.indices": x.indices},
                        {f"{name}.offsets": y.offsets, f"{name}.indices": y.indices})  # fmt: skip
            continue
        assert isinstance(y, np.ndarray), name
        assert (x.dtype, x.shape) == (y.dtype, y.shape), name
        np.testing.assert_array_equal(x, y, name)
        assert x.tobytes() == y.tobytes(), name


def assert_well_formed(bits: Bits, size: int, samples: int) -> None:
    """Fail unless these are `samples` ascending rows of on-bits below `size`."""
    assert (bits.size, len(bits)) == (size, samples)
    assert (bits.indices.dtype, bits.offsets.dtype) == (np.int32, np.int64)
    assert bits.offsets[0] == 0
    assert bits.offsets[-1] == len(bits.indices)
    for t in range(samples):
        row = bits.row(t)
        assert (np.diff(row) > 0).all(), f"sample {t}: not ascending, or a bit twice"
        assert ((row >= 0) & (row < size)).all(), f"sample {t}: a bit outside 0..{size - 1}"
