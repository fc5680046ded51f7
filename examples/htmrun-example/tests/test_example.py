"""The kinds of this package keep what htmrun's own keep."""

from __future__ import annotations

import numpy as np
import torch
from htmrun_example.places import PlacesParameters
from htmrun_example.position import PositionParameters
from htmrun_example.prototypes import PrototypesReadout
from htmrun_example.softsign import SoftsignParameters
from htmrun_example.undecided import Undecided

from htmrun.components.classifiers import Targets
from htmrun.testing import (
    EncoderChecks,
    LayerChecks,
    MeasureChecks,
    ReadoutChecks,
    SourceChecks,
)

POSITIONS = np.random.default_rng(0).normal(0, 10, (40, 2))
BEYOND = np.array([[1.0, np.inf]])


class TestPlaces(SourceChecks):
    parameters = PlacesParameters()
    others = (PlacesParameters(data_seed=1), PlacesParameters(places=7))
    reshuffles = True


class TestPosition(EncoderChecks):
    parameters = PositionParameters()
    samples = {"position": POSITIONS}  # noqa: RUF012
    refused = ({"position": BEYOND},)
    seeded = True


class TestPrototypes(ReadoutChecks):
    def make(self, case: int, seed: int = 1) -> PrototypesReadout:
        return PrototypesReadout("classifier", "x", 50, Targets(self.classes, (0,)), 1 + case)


class TestSoftsign(LayerChecks):
    parameters = SoftsignParameters(width=0.5)
    shapes = ((12,), (3, 5, 4))

    def expected(self, values: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.softsign(2 * values)


class TestUndecided(MeasureChecks):
    measure = Undecided
