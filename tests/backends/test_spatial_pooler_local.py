"""Local inhibition on grids whose columns fill registers, and on those that do not."""

from __future__ import annotations

import math

import numpy as np
import pytest

from htmrun.backends.cpu import SpatialPooler
from htmrun.parameters import SpatialPoolerParameters
from htmrun.plan import Plan
from tests.backends.test_spatial_pooler import assert_bits_equal, assert_state_equal, make, noise

GRIDS = [
    ((64, 32), 8, 0.02, True),
    ((43, 47), 5, 0.1, False),
    ((2000,), 60, 0.03, True),
    ((12, 11, 13), 2, 0.05, False),
    ((64, 32), 4, 0.3, True),
    ((50, 42), 3, 0.1, True),
]


@pytest.mark.parametrize("boost_strength", [0.0, 3.0])
@pytest.mark.parametrize(("grid", "radius", "density", "wrap"), GRIDS)
def test_grids_of_a_usual_size(
    grid: tuple[int, ...], radius: int, density: float, wrap: bool, boost_strength: float
) -> None:
    settings = {
        "columns": math.prod(grid), "column_shape": grid, "inhibition": "local",
        "inhibition_radius": radius, "density": density, "wrap": wrap,
        "boost_strength": boost_strength, "increment": 0.3,
    }  # fmt: skip
    reference, cpu = (make(b, (90,), **settings) for b in ("reference", "cpu"))
    bits = noise(16, 90, 0.3)
    # As many levels of overlap as there are inputs, and next to none: ties decide then.
    bits.indices[bits.offsets[12] :] //= 9
    bits = type(bits).from_rows(90, [np.unique(bits.row(t)) for t in range(16)])
    for plan in (Plan.every(4, 16), Plan.every(1, 16)):
        assert_bits_equal(reference.run(bits, plan), cpu.run(bits, plan))
    assert_state_equal(reference.state(), cpu.state())


def test_which_grids_fit_registers() -> None:
    fits = []
    for grid, radius, density, wrap in GRIDS:
        parameters = SpatialPoolerParameters(
            columns=math.prod(grid), column_shape=grid, inhibition="local",
            inhibition_radius=radius, density=density, wrap=wrap,
        )  # fmt: skip
        fits.append(len(SpatialPooler(parameters, (9,), 1)._field.rows) > 0)
    assert fits == [True, True, True, True, False, False]
