"""Poolers and temporal memories as stages of a pipeline."""

from __future__ import annotations

from htmrun.backends import load_backend
from htmrun.backends.parameters import SpatialPoolerParameters, TemporalMemoryParameters
from htmrun.components.stages import MemoryStage, PoolerStage
from htmrun.testing import StageChecks


class TestPooler(StageChecks):
    def make(self, case: int, seed: int = 1) -> PoolerStage:
        settings = {"columns": 80, "winners": 6, "boost_strength": 3.0 * case, "weak_bump": 0.01}
        parameters = SpatialPoolerParameters.model_validate(settings)
        model = load_backend("cpu").SpatialPooler(parameters, (self.inputs,), seed)
        return PoolerStage("sp", model, 80, True)


class TestMemory(StageChecks):
    def make(self, case: int, seed: int = 1) -> MemoryStage:
        settings = {"cells_per_column": 3, "activation_threshold": 3, "matching_threshold": 2,
                    "new_synapses": 6, "segment_size": 9, "initial_permanence": 0.5}  # fmt: skip
        parameters = TemporalMemoryParameters.model_validate(settings)
        model = load_backend("cpu").TemporalMemory(parameters, self.inputs, seed)
        return MemoryStage("tm", model, self.inputs, 3, True)
