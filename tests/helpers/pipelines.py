"""Small pipelines and streams for tests, built without configuration or data files."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from htmrun.backends import load_backend
from htmrun.backends.bits import Bits
from htmrun.backends.parameters import SpatialPoolerParameters, TemporalMemoryParameters
from htmrun.components.classifiers import Targets
from htmrun.components.classifiers.sdr import SDRClassifierParameters, SDRReadout
from htmrun.components.pipeline import Pipeline
from htmrun.components.sources import Chunk
from htmrun.components.stages import Stage
from htmrun.components.stages.memory import MemoryStage
from htmrun.components.stages.pooler import PoolerStage
from htmrun.training.schedule import Cursor, Schedule

INPUTS, COLUMNS, CELLS, CLASSES = 90, 100, 4, 5


class DenseEncoder:
    """Takes the field "bits", a (T, size) array of zeros and ones."""

    def __init__(self, size: int) -> None:
        self.size, self.shape, self.fields, self.left_out = size, (size,), ("bits",), ()

    def encode(self, fields: Mapping[str, np.ndarray]) -> Bits:
        return Bits.from_dense(fields["bits"])


def stream(samples: int, seed: int = 0, resets: bool = True) -> Chunk:
    """Noisy repetitions of a few sequences of patterns, with classes and resets."""
    r = np.random.default_rng(seed)
    patterns = r.random((CLASSES, INPUTS)) < 0.12
    words = r.integers(0, CLASSES, (3, 6))
    symbols = np.concatenate([words[r.integers(0, 3)] for _ in range(samples // 6 + 1)])[:samples]
    bits = patterns[symbols] ^ (r.random((samples, INPUTS)) < 0.01)
    reset = np.zeros(samples, np.uint8)
    if resets:
        reset[:: 6 * 4] = 1
    return Chunk({"bits": bits}, symbols.astype(np.int64), reset, np.ones(samples, np.uint8))


def pipeline(
    backend: str = "cpu", seed: int = 1, *, memory: bool = True, horizons: tuple[int, ...] = (0, 1),
    **sp: object,
) -> Pipeline:  # fmt: skip
    """encoder -> SP -> (TM) -> SDR classifier, small enough for the plain reference."""
    found = load_backend(backend)
    settings: dict[str, object] = {
        "columns": COLUMNS, "density": 0.08, "duty_period": 200, "boost_strength": 2.0,
        "weak_bump": 0.01, "weak_fraction": 0.2, "stimulus_threshold": 2,
    }  # fmt: skip
    sp_parameters = SpatialPoolerParameters.model_validate(settings | sp)
    stages: list[Stage] = [
        PoolerStage("sp", found.SpatialPooler(sp_parameters, (INPUTS,), seed), COLUMNS, True)
    ]
    size = COLUMNS
    if memory:
        tm = TemporalMemoryParameters(
            cells_per_column=CELLS, activation_threshold=4, matching_threshold=3, new_synapses=6,
            segment_size=8, segments_per_cell=3, initial_permanence=0.45, punishment=0.02,
        )  # fmt: skip
        stages.append(
            MemoryStage("tm", found.TemporalMemory(tm, COLUMNS, seed), COLUMNS, CELLS, True)
        )
        size = COLUMNS * CELLS
    parameters = SDRClassifierParameters(learning_rate=0.2, horizons=horizons)
    targets = Targets(CLASSES, horizons)
    readout = SDRReadout(parameters, targets, (stages[-1].name,), size, found)
    return Pipeline(DenseEncoder(INPUTS), stages, readout)


def train(
    model: Pipeline, chunk: Chunk, schedule: Schedule, *, epoch: int | None = None,
    cuts: tuple[int, ...] = (), cursor: Cursor | None = None,
) -> tuple[list[np.ndarray], Cursor]:  # fmt: skip
    """Run a stream under a schedule; return the probabilities of each horizon, and the cursor.

    `epoch`: samples in an epoch (None: the whole stream never ends). `cuts`: where the
    stream is handed over in pieces.
    """
    cursor, parts = cursor or Cursor(), []
    places = [0, *cuts, len(chunk)]
    for start, stop in zip(places, places[1:], strict=False):  # noqa: RUF007
        piece = chunk.slice(start, stop)
        ends = np.zeros(len(piece), np.uint8)
        if epoch is not None:
            ends[(start + 1 + np.arange(len(piece))) % epoch == 0] = 1
        plan, cursor = schedule.plan(cursor, piece.reset, ends)
        parts.append([s.probability for s in model.run(piece, plan).scores])
    return [np.concatenate(h) for h in zip(*parts, strict=True)], cursor
