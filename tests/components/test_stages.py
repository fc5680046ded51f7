"""Poolers and temporal memories as stages of a pipeline."""

from __future__ import annotations

from htmrun.backends.parameters import SpatialPoolerParameters, TemporalMemoryParameters
from htmrun.components.stages.memory import MemoryStage
from htmrun.components.stages.pooler import PoolerStage
from htmrun.testing import StageChecks


class TestPooler(StageChecks):
    stage = PoolerStage

    def parameters(self, case: int) -> SpatialPoolerParameters:
        settings = {"columns": 80, "winners": 6, "boost_strength": 3.0 * case, "weak_bump": 0.01}
        return SpatialPoolerParameters.model_validate(settings)


class TestMemory(StageChecks):
    stage = MemoryStage

    def parameters(self, case: int) -> TemporalMemoryParameters:
        settings = {"cells_per_column": 3, "activation_threshold": 3, "matching_threshold": 2,
                    "new_synapses": 6, "segment_size": 9, "initial_permanence": 0.5}  # fmt: skip
        return TemporalMemoryParameters.model_validate(settings)
