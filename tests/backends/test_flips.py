"""Which synapses were connected or cut: found in rows of any length, many at once or none."""

from __future__ import annotations

import numpy as np
import pytest

from htmrun.backends.bits import Bits
from htmrun.backends.cpu.pooler.spatial_pooler import SpatialPooler as Compiled
from htmrun.backends.parameters import SpatialPoolerParameters
from htmrun.backends.plan import Plan
from htmrun.backends.reference.spatial_pooler import SpatialPooler as Reference


@pytest.mark.parametrize("inputs", [64, 65, 4096, 4097, 8200])
@pytest.mark.parametrize(
    ("increment", "decrement"),
    [(1.0, 1.0), (0.001, 0.0), (0.0, 0.0), (0.02, 0.01)],
    ids=["all at once", "few", "none", "some"],
)
@pytest.mark.parametrize("every", [1, 7])
def test_rows_of_any_length_equal_the_reference(
    inputs: int, increment: float, decrement: float, every: int
) -> None:
    p = SpatialPoolerParameters(
        columns=70, density=0.1, potential_fraction=1.0, increment=increment, decrement=decrement
    )
    slow, fast = Reference(p, (inputs,), 3), Compiled(p, (inputs,), 3)
    bits = Bits.from_dense(np.random.default_rng(1).random((14, inputs)) < 0.5)
    plan = Plan.every(every, len(bits))
    first = fast.state()["permanences"]
    for _ in range(2):
        np.testing.assert_array_equal(slow.run(bits, plan).indices, fast.run(bits, plan).indices)
        np.testing.assert_array_equal(slow.overlaps(bits), fast.overlaps(bits))
    np.testing.assert_array_equal(slow.state()["permanences"], fast.state()["permanences"])
    assert (increment > 0) == bool((first != fast.state()["permanences"]).any())
