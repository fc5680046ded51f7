"""The inhibition radius that follows the connected receptive fields."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from htmrun.backends import load_backend, receptive_fields
from htmrun.backends.bits import Bits
from htmrun.backends.parameters import SpatialPoolerParameters
from htmrun.backends.plan import Plan
from htmrun.components.networks.layers.sp import SPLayerParameters
from tests.backends.test_spatial_pooler import assert_bits_equal, assert_state_equal, noise

SHAPES: list[tuple[tuple[int, ...], tuple[int, ...]]] = [
    ((9, 7), (8, 6)),
    ((70,), (40,)),
    ((50,), (6, 7)),
    ((4, 5, 6), (3, 5, 5)),
    ((3, 130), (5, 20)),
    ((1, 64), (1, 30)),
]


def parameters(columns: tuple[int, ...], wrap: bool, **settings: Any) -> SpatialPoolerParameters:
    return SpatialPoolerParameters.model_validate(
        {
            "columns": math.prod(columns), "column_shape": columns, "inhibition": "local",
            "inhibition_radius": "connected", "wrap": wrap, "potential_radius": 3,
            "potential_fraction": 0.6, "initial_connected": 0.4, "density": 0.1, "increment": 0.1,
            "decrement": 0.05, "boost_strength": 2.0, "weak_bump": 0.02, "weak_fraction": 0.5,
        } | settings
    )  # fmt: skip


def formula(connected: np.ndarray, p: SpatialPoolerParameters, shape: tuple[int, ...]) -> int:
    """BAMI's average receptive field size, column by column and in fractions."""
    assert p.column_shape
    n = max(len(shape), len(p.column_shape))
    inputs, columns = ((1,) * (n - len(s)) + s for s in (shape, p.column_shape))
    spans = []
    for row in connected:
        for size, places in zip(inputs, np.unravel_index(np.flatnonzero(row), inputs), strict=True):
            starts = range(size) if p.wrap else [0]
            ends = [[int(x - s) % size for x in places] for s in starts]
            spans.append(min((max(e) - min(e) + 1 for e in ends), default=0) if len(places) else 0)
    ratio = sum(Fraction(c, i) for c, i in zip(columns, inputs, strict=True)) / n
    diameter = Fraction(sum(spans), len(spans)) * ratio
    return max(1, min(math.floor((diameter - 1) / 2 + Fraction(1, 2)), max(columns)))


@pytest.mark.parametrize("backend", ["reference", "cpu"])
@pytest.mark.parametrize("wrap", [True, False])
@pytest.mark.parametrize(("inputs", "columns"), SHAPES)
def test_it_is_the_formula_of_the_synapses_at_the_start_and_every_so_many_samples(
    inputs: tuple[int, ...], columns: tuple[int, ...], wrap: bool, backend: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(receptive_fields, "PERIOD", 7)
    p = parameters(columns, wrap)
    pooler = load_backend(backend).SpatialPooler(p, inputs, 5)
    at_start = formula(pooler.state()["permanences"] >= 1000, p, inputs)
    assert list(pooler.state()["inhibition_radius"]) == [at_start, 0]
    bits, plan = noise(21, math.prod(inputs), 0.15), Plan.every(3, 21)
    # Windows of 3: 9 samples are the first 7 that are committed, then 18.
    for stop in (8, 9, 17, 18, 20):
        start = {8: 0, 9: 8, 17: 9, 18: 17, 20: 18}[stop]
        before = pooler.state()
        pooler.run(bits.slice(start, stop), plan.slice(start, stop))
        radius, learned = pooler.state()["inhibition_radius"].tolist()
        if stop in (9, 18):
            assert learned == 0
            assert radius == formula(pooler.state()["permanences"] >= 1000, p, inputs)
        else:
            assert learned == {8: 6, 17: 6, 20: 0}[stop]
            assert radius == before["inhibition_radius"][0]


def test_it_shrinks_with_the_receptive_fields() -> None:
    p = parameters((20, 20), True, potential_radius=8, connected=0.2, decrement=0.05)
    pooler = load_backend("cpu").SpatialPooler(p, (40, 40), 1)
    first = pooler.state()["inhibition_radius"][0]
    # Only one place is ever on: what is connected elsewhere is unlearned.
    on = np.zeros((400, 40, 40), bool)
    on[:, ::10, ::10] = True
    pooler.run(Bits.from_dense(on.reshape(400, -1)), Plan.every(1, 400))
    last = pooler.state()["inhibition_radius"]
    assert first == 4
    assert last[0] < first
    assert last[1] == 0


@pytest.mark.parametrize("wrap", [True, False])
@pytest.mark.parametrize(("inputs", "columns"), SHAPES)
def test_backends_agree_however_the_stream_is_cut(
    inputs: tuple[int, ...], columns: tuple[int, ...], wrap: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(receptive_fields, "PERIOD", 7)
    p = parameters(columns, wrap)
    reference, cpu, pieces = (
        load_backend(b).SpatialPooler(p, inputs, 5) for b in ("reference", "cpu", "cpu")
    )
    bits, plan = noise(60, math.prod(inputs), 0.15), Plan.every(4, 60)
    want = reference.run(bits, plan)
    assert_bits_equal(want, cpu.run(bits, plan))
    assert_state_equal(reference.state(), cpu.state())
    for start, stop in ((0, 3), (3, 30), (30, 31), (31, 60)):
        other = load_backend("cpu").SpatialPooler(p, inputs, 99)
        other.load(pieces.state())
        assert_bits_equal(want.slice(start, stop), other.run(bits.slice(start, stop),
                                                             plan.slice(start, stop)))  # fmt: skip
        pieces = other
    assert_state_equal(reference.state(), pieces.state())
    before = cpu.state()
    assert_bits_equal(reference.compute(bits), cpu.compute(bits))
    assert_state_equal(before, cpu.state())


def test_a_radius_of_another_kind_and_rewards_are_refused() -> None:
    with pytest.raises(ValidationError, match="inhibition_radius"):
        parameters((8, 6), True, inhibition_radius="learned")
    with pytest.raises(ValidationError, match="inhibition_radius: found 'connected' with a reward"):
        SPLayerParameters.model_validate(
            {"columns": 48, "column_shape": (8, 6), "inhibition": "local",
             "inhibition_radius": "connected", "reward": {"levels": "good_bad"}}
        )  # fmt: skip
