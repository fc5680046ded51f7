"""Components with one fault each, below the checks that must find it.

pytest does not collect this file by itself; `test_mutants` runs it and looks at what fails.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from htmrun.backends import cpu
from htmrun.backends.bits import Bits
from htmrun.backends.parameters import Parameters, SpatialPoolerParameters
from htmrun.backends.plan import Plan
from htmrun.components.classifiers import Targets
from htmrun.components.classifiers.sdr import SDRClassifierParameters, SDRReadout
from htmrun.components.networks.layers.relu import ReLUParameters
from htmrun.components.sources import Chunk
from htmrun.components.stages.pooler import PoolerStage
from htmrun.testing import (
    ClassifierChecks,
    EncoderChecks,
    LayerChecks,
    MeasureChecks,
    ReadoutChecks,
    SourceChecks,
    StageChecks,
)
from htmrun.training import trainer
from htmrun.training.measures.measure import Found, Measure, Metric, Run
from htmrun.training.measures.registry import measures


class Nothing(Parameters):
    """No parameters but what choosing settings asks for."""

    held_out: str = "test"


class Encoder:
    """One of ten bits by the value's whole part; NaN has none."""

    size, shape, fields, left_out = 10, (10,), ("value",), ()

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def encode(self, fields: Mapping[str, np.ndarray]) -> Bits:
        return Bits.from_rows(10, [self.bits(x) for x in fields["value"]])

    def bits(self, value: float) -> list[int]:
        return [] if np.isnan(value) else [int(value) % 10]


class SoundEncoder(EncoderChecks):
    parameters = Nothing()
    samples: Any = {"value": np.arange(20) / 3}  # noqa: RUF012
    encoder: type[Encoder] = Encoder

    def build(self, seed: int = 0) -> Any:
        return self.encoder(seed)


class TestSound(SoundEncoder):
    """The fault is not in the checks."""


class TestStatefulEncoder(SoundEncoder):
    class encoder(Encoder):  # noqa: N801
        last = 0.0

        def bits(self, value: float) -> list[int]:
            found, self.last = super().bits(value - self.last), value
            return found


class TestEncoderOfWholeChunks(SoundEncoder):
    class encoder(Encoder):  # noqa: N801
        def encode(self, fields: Mapping[str, np.ndarray]) -> Bits:
            values = fields["value"]
            return super().encode({"value": values - (values[0] if len(values) else 0)})


class TestEncoderWithoutAPlaceForMissing(SoundEncoder):
    class encoder(Encoder):  # noqa: N801
        def bits(self, value: float) -> list[int]:
            return super().bits(np.nan_to_num(value))


class TestEncoderWithoutSeed(SoundEncoder):
    class encoder(Encoder):  # noqa: N801
        built = count()

        def __init__(self, seed: int) -> None:
            self.seed = next(self.built)

        def bits(self, value: float) -> list[int]:
            return super().bits(value + self.seed % 7)


class TestEncoderWithAWrongSize(SoundEncoder):
    class encoder(Encoder):  # noqa: N801
        size, shape = 12, (12,)


class Source:
    """Thirty numbers, shuffled by seed and epoch; their class is whether they are odd."""

    name, task, classes, class_names, samples = "numbers", "classification", 2, ("even", "odd"), 30
    shapes: Any = {"value": ()}  # noqa: RUF012
    ranges: Any = {"value": (0.0, 29.0)}  # noqa: RUF012

    def __init__(self, parameters: Nothing) -> None:
        self.parameters = parameters
        self.fingerprint = f"{len(parameters.held_out):064x}"

    def train(self, seed: int, epoch: int, chunk: int) -> Iterator[Chunk]:
        order = np.random.default_rng([seed, epoch]).permutation(30)
        return self.cut(order.astype(float), chunk)

    def test(self, chunk: int) -> Iterator[Chunk] | None:
        return self.cut(np.arange(10) + 1 / len(self.parameters.held_out), chunk)

    def validation(self, chunk: int) -> Iterator[Chunk] | None:
        return None

    def cut(self, values: np.ndarray, chunk: int) -> Iterator[Chunk]:
        flags = np.ones(len(values), np.uint8)
        target = np.asarray(values, np.int64) % 2
        return Chunk({"value": values}, target, flags, flags).pieces(chunk)


class SoundSource(SourceChecks):
    parameters = Nothing()
    source: type[Source] = Source
    reshuffles = True

    def open(self, folder: Path, parameters: Any = None) -> Any:
        return self.source(parameters or self.parameters)


class TestSoundSource(SoundSource):
    """The fault is not in the checks."""


class ByChunks(Source):
    def train(self, seed: int, epoch: int, chunk: int) -> Iterator[Chunk]:
        return super().train(seed, epoch + min(chunk, 30), chunk)


class TestSourceWhoseOrderHangsOnChunks(SoundSource):
    source = ByChunks


class OneGenerator(Source):
    def __init__(self, parameters: Nothing) -> None:
        super().__init__(parameters)
        self.random = np.random.default_rng(0)

    def train(self, seed: int, epoch: int, chunk: int) -> Iterator[Chunk]:
        return self.cut(self.random.permutation(30).astype(float), chunk)


class TestSourceWithOneGenerator(SoundSource):
    source = OneGenerator


class Peeking(Source):
    def test(self, chunk: int) -> Iterator[Chunk]:
        return self.cut(np.arange(10.0), chunk)


class TestSourceThatTestsWhatItTrained(SoundSource):
    source = Peeking


class Mislabelled(Source):
    classes, class_names = 1, ("all",)


class TestSourceWithMoreClassesThanItSays(SoundSource):
    source = Mislabelled


class Constant(Source):
    def __init__(self, parameters: Nothing) -> None:
        super().__init__(parameters)
        self.fingerprint = "0" * 64


class TestSourceWithOneFingerprint(SoundSource):
    source = Constant


class SoundReadout(ReadoutChecks):
    readout: type[SDRReadout] = SDRReadout

    def make(self, case: int, seed: int = 1) -> Any:
        parameters, targets = SDRClassifierParameters(horizons=(0, 2)), Targets(4, (0, 2))
        return self.readout(parameters, targets, ("x",), 50, cpu)


class Tracing(SDRReadout):
    def compute(self, activity: Any, reset: Any) -> Any:
        self._past._since_reset += 1
        return super().compute(activity, reset)


class TestComputeThatWrites(SoundReadout):
    readout = Tracing


class Forgetful(SDRReadout):
    def state(self) -> Any:
        return {n: a * 0 if n == "since_reset" else a for n, a in super().state().items()}


class TestStateThatLacksSomething(SoundReadout):
    readout = Forgetful


class Restless(SDRReadout):
    def run(self, activity: Any, targets: Any, plan: Plan) -> Any:
        self.learn = True
        return super().run(activity, targets, plan)


class TestReadoutThatLearnsAnyway(SoundReadout):
    readout = Restless


class Hasty(SDRReadout):
    def run(self, activity: Any, targets: Any, plan: Plan) -> Any:
        return super().run(activity, targets, Plan(plan.reset, plan.commit | 1, plan.boost))


class TestReadoutThatDoesNotWaitForCommits(SoundReadout):
    readout = Hasty


class Deaf(SDRReadout):
    def run(self, activity: Any, targets: Any, plan: Plan) -> Any:
        return super().run(activity, targets * 0 - 1, plan)


class TestReadoutThatLearnsNothing(SoundReadout):
    readout = Deaf


class Unscaled(SDRReadout):
    def compute(self, activity: Any, reset: Any) -> Any:
        found = super().compute(activity, reset)
        for scores in found:
            scores.probability[:] *= 2
        return found


class TestScoresThatAreNoProbabilities(SoundReadout):
    readout = Unscaled


class SoundStage(StageChecks):
    stage: type[PoolerStage] = PoolerStage

    def parameters(self, case: int) -> SpatialPoolerParameters:
        return SpatialPoolerParameters.model_validate({"columns": 80, "winners": 6})


class Undeclared(PoolerStage):
    @classmethod
    def outputs(cls, name: str, parameters: Any, shape: Any) -> Any:
        return {name: (parameters.columns + 1,)}


class TestStageOfAnotherSize(SoundStage):
    stage = Undeclared


class Learning(PoolerStage):
    def compute(self, before: Bits, reset: Any, activity: Any) -> Bits:
        return self.run(before, Plan.every(1, len(before)), activity)


class TestStageThatLearnsFromInference(SoundStage):
    stage = Learning


class Joined(PoolerStage):
    def compute(self, before: Bits, reset: Any, activity: Any) -> Bits:
        found = super().compute(before, reset, activity)
        return Bits.from_dense(np.maximum.accumulate(found.dense()))


class TestStageThatSaysMoreOfLaterRows(SoundStage):
    stage = Joined


class Rounded(cpu.SDRClassifier):
    def compute(self, bits: Bits) -> np.ndarray:
        return np.round(super().compute(bits), 5)


class OtherBytes:
    SDRClassifier = Rounded


class TestBackendWithOtherBytes(ClassifierChecks):
    backend = OtherBytes()


class SoundLayer(LayerChecks):
    parameters = ReLUParameters()
    module: type[nn.Module] = nn.ReLU

    def build(self, shape: tuple[int, ...], seed: int = 1) -> nn.Module:
        return self.module().eval()


class Tall(nn.ReLU):
    def forward(self, values: Tensor) -> Tensor:
        return super().forward(values)[:, :-1]


class TestLayerOfAnotherShape(SoundLayer):
    module = Tall


class Random(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.rand(1))

    def forward(self, values: Tensor) -> Tensor:
        return values * self.weight


class TestLayerWithTorchsOwnRandomNumbers(SoundLayer):
    module = Random


class Joint(nn.Module):
    def forward(self, values: Tensor) -> Tensor:
        return values - values.mean(0)


class TestLayerThatMixesSamples(SoundLayer):
    module = Joint


class SoundMeasure(MeasureChecks):
    @pytest.fixture(scope="class", autouse=True)
    def asked(self) -> Iterator[None]:
        """The trainer asks it, too, though it is not registered."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(trainer, "measures", lambda: (*measures(), self.measure))
            yield


class Forgetful(Measure):
    metrics = (Metric("forgetful", "learning", "none", "samples since it was stopped"),)
    count = 0

    def chunk(self, run: Run, chunk: Chunk, *more: Any) -> None:
        self.count += len(chunk)

    def finish(self, run: Run) -> Found:
        return Found({"forgetful": float(self.count)})


class TestMeasureThatForgets(SoundMeasure):
    measure = Forgetful


class Meddling(Forgetful):
    def chunk(self, run: Run, chunk: Chunk, plan: Plan, *more: Any) -> None:
        run.pipeline.run(chunk, plan)


class TestMeasureThatTeaches(SoundMeasure):
    measure = Meddling
