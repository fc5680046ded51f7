"""Promise 1 for the spatial pooler: a commit after every sample is the plain online rule.

The rule is written here once more, from `docs/math.md` alone: one sample and one column at a
time, in Python integers, with no window, no NumPy and none of the code under test.
"""

from __future__ import annotations

import math
import struct

import numpy as np
import pytest

from htmrun.backends import load_backend
from htmrun.backends.bits import Bits
from htmrun.backends.parameters import SpatialPoolerParameters
from htmrun.backends.plan import Plan
from tests.helpers.devices import BACKENDS

INPUTS, COLUMNS, SAMPLES = 60, 40, 160
POLYNOMIAL = (1073741824, 744260969, 257944274, 59576801, 10389024, 1338674, 232076)


def single(x: float) -> float:
    """Return `x` rounded to float32."""
    return float(struct.unpack("<f", struct.pack("<f", x))[0])


def exp2(a: int) -> float:
    """Return 2**(a / 2**24), the integer polynomial of the rules, cut off to 24 bits."""
    a = max(-100 << 24, min(100 << 24, a))
    fraction = (a % (1 << 24)) << 6
    r = POLYNOMIAL[6]
    for c in reversed(POLYNOMIAL[:6]):
        r = c + ((r * fraction) >> 30)
    r = min(r, (1 << 31) - 1)
    return math.ldexp((1 << 23) + ((r >> 7) & 0x7FFFFF), (a // (1 << 24)) - 23)


class OnlinePooler:
    """Global inhibition, from initial permanences; `step` learns from one sample."""

    def __init__(self, p: SpatialPoolerParameters, permanences: list[list[int]]) -> None:
        self.p, self.permanence = p, permanences
        columns = len(permanences)
        self.k = math.floor(p.density * columns + 0.5)
        self.up, self.down, self.bump = (
            round(x * 10000) for x in (p.increment, p.decrement, p.weak_bump)
        )
        self.active, self.overlap = [0] * columns, [0] * columns
        self.boost, self.least = [1.0] * columns, 0

    def step(self, on: set[int]) -> list[int]:
        """Return the winners of one sample, then learn from it and boost."""
        connected = round(self.p.connected * 10000)
        overlaps = [sum(row[i] >= connected for i in on) for row in self.permanence]
        scores = [
            single(overlap * boost) if self.p.boost_strength else float(overlap)
            for overlap, boost in zip(overlaps, self.boost, strict=True)
        ]
        reached = [overlap >= self.p.stimulus_threshold for overlap in overlaps]
        order = sorted(range(len(scores)), key=lambda c: (-scores[c], c))
        winners = sorted([c for c in order if reached[c]][: self.k])
        for c in winners:
            row = self.permanence[c]
            for i, value in enumerate(row):
                if value >= 0:
                    row[i] = min(10000, max(0, value + (self.up if i in on else -self.down)))
        self.active = self._advanced(self.active, [c in winners for c in range(len(scores))])
        if self.bump:
            self.overlap = self._advanced(self.overlap, reached)
            for c, row in enumerate(self.permanence):
                if self.overlap[c] < self.least:
                    row[:] = [min(10000, x + self.bump) if x >= 0 else x for x in row]
        gain = round(self.p.boost_strength * math.log2(math.e) * 65536)
        target = (self.k << 30) // len(scores)
        self.boost = [exp2((gain * (target - duty)) >> 22) for duty in self.active]
        self.least = (max(self.overlap) * math.floor(self.p.weak_fraction * 65536)) >> 16
        return winners

    def _advanced(self, duty: list[int], came: list[bool]) -> list[int]:
        period = self.p.duty_period
        return [
            d - ((d * (2**32 // period)) >> 32) + yes * (2**30 // period)
            for d, yes in zip(duty, came, strict=True)
        ]


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"boost_strength": 3.0, "duty_period": 20},
        {"boost_strength": 8.0, "duty_period": 50, "weak_bump": 0.02, "weak_fraction": 0.4},
        {"stimulus_threshold": 4, "increment": 0.3, "decrement": 0.2},
    ],
    ids=["plain", "boosted", "bumped", "clipped"],
)
def test_online_learning_is_that_of_the_plain_rule(backend: str, changes: dict[str, float]) -> None:
    settings = {"columns": COLUMNS, "density": 0.1, "potential_fraction": 0.6, **changes}
    parameters = SpatialPoolerParameters.model_validate(settings)
    generator = np.random.default_rng(len(changes))
    share = np.where(np.arange(INPUTS) < 20, 0.3, 0.06)
    bits = Bits.from_dense(generator.random((SAMPLES, INPUTS)) < share)
    pooler = load_backend(backend).SpatialPooler(parameters, (INPUTS,), seed=3)
    online = OnlinePooler(parameters, pooler.state()["permanences"].tolist())
    for t in range(SAMPLES):
        made = pooler.run(bits.slice(t, t + 1), Plan.every(1, 1))
        assert made.row(0).tolist() == online.step(set(bits.row(t).tolist())), f"sample {t}"
        state = pooler.state()
        assert state["permanences"].tolist() == online.permanence, f"sample {t}"
        assert state["active_duty"].tolist() == online.active
        assert state["overlap_duty"].tolist() == online.overlap
        assert state["boost"].tolist() == online.boost
