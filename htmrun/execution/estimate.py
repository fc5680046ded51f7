"""What a run would do and need, told before anything is run: samples, commits, bytes."""

from __future__ import annotations

import numpy as np

from htmrun.backends.parameters import SpatialPoolerParameters, TemporalMemoryParameters
from htmrun.components.classifiers.parameters import SDRClassifierConfig
from htmrun.components.sources import Source
from htmrun.config.schema import Arm, Baseline, Experiment
from htmrun.execution import build_network
from htmrun.execution.jobs import Builder, schedule_of
from htmrun.training.schedule import Cursor, Growth


def plan_table(experiment: Experiment, source: Source) -> list[dict[str, object]]:
    """Return one row per arm: what it does, its samples, commits, and bytes of state per seed.

    `bytes` are those of the state on the processor, `device_bytes` all that a card would hold.
    """
    builder = Builder(experiment, source)
    samples = builder.samples()
    rows: list[dict[str, object]] = []
    for name in experiment.selected:
        regime = experiment.regime(name)
        row: dict[str, object] = {"arm": name, "control": name not in experiment.arm}
        if isinstance(regime, Baseline):
            row |= {"regime": regime.baseline, "samples": samples, "commits": 0, "bytes": 0}
            row |= {"device_bytes": 0}
        else:
            row |= {
                "regime": _words(regime),
                "samples": samples * experiment.epochs,
                "commits": _commits(regime, experiment, samples),
                "bytes": _state_bytes(builder, regime),
                "device_bytes": device_bytes(builder, name),
            }
        rows.append(row | {"seeds": len(experiment.seeds)})
    return rows


def _words(arm: Arm) -> str:
    schedule = schedule_of(arm)
    every = schedule.learn_every
    size = f"{every.start}..{every.limit}" if isinstance(every, Growth) else str(every)
    words = [f"learn every {size}", f"boost at {arm.boost_at}"]
    words += [f"frozen: {', '.join(arm.freeze)}"] if arm.freeze else []
    words += [f"without: {', '.join(arm.bypass)}"] if arm.bypass else []
    return "; ".join(words)


def _commits(arm: Arm, experiment: Experiment, samples: int) -> int:
    none = np.zeros(samples, np.uint8)
    ends = none.copy()
    ends[-1:] = 1
    if experiment.epoch_length is not None:
        ends[experiment.epoch_length - 1 :: experiment.epoch_length] = 1
    schedule, cursor, commits = schedule_of(arm), Cursor(), 0
    for _ in range(experiment.epochs):
        plan, cursor = schedule.plan(cursor, none, ends)
        commits += int(plan.commit.sum())
    return commits


def device_bytes(builder: Builder, name: str) -> int:
    """Return the bytes of a card that one model of an arm takes, chunks included."""
    from htmrun.backends.cuda import footprint

    experiment, regime = builder.experiment, builder.experiment.regime(name)
    if isinstance(regime, Baseline):
        return 0
    experiment = (builder := builder.of(regime)).experiment
    if build_network.network_of(experiment) is not None:
        return build_network.state_bytes(experiment, builder.source, regime)
    encoder = builder.encoder(experiment.seeds[0])
    size, total, sizes = encoder.size, 0, {experiment.pipeline[0]: encoder.size}
    before = experiment.pipeline[0]
    for stage in experiment.pipeline[1:-1]:
        parameters = experiment.stages[stage]
        if stage in regime.bypass:
            continue
        before = stage
        if isinstance(parameters, SpatialPoolerParameters):
            total += footprint.pooler(size, parameters.columns, regime.longest_window)
            size = parameters.columns
        elif isinstance(parameters, TemporalMemoryParameters):
            total += footprint.memory(parameters, size)
            sizes[f"{stage}.predicted"] = size
            size *= parameters.cells_per_column
            sizes[f"{stage}.winners"] = size
        sizes[stage] = size
    config = experiment.stages[experiment.pipeline[-1]]
    if isinstance(config, SDRClassifierConfig):
        read = [sizes[r] for r in config.reads or () if r in sizes] or [sizes[before]]
        total += len(builder.horizons) * footprint.classifier(sum(read), builder.classes)
    return total


def _state_bytes(builder: Builder, arm: Arm) -> int:
    """Estimate the bytes of state of one pipeline, before a temporal memory grows segments."""
    experiment = (builder := builder.of(arm)).experiment
    if build_network.network_of(experiment) is not None:
        return build_network.state_bytes(experiment, builder.source, arm)
    encoder = builder.encoder(experiment.seeds[0])
    size, total = encoder.size, 0
    for name in experiment.pipeline[1:-1]:
        parameters = experiment.stages[name]
        if name in arm.bypass:
            continue
        if isinstance(parameters, SpatialPoolerParameters):
            # Permanences, the connected bits of the compiled backend, four words per column.
            total += parameters.columns * (size * 2 + size // 8 + 16)
            size = parameters.columns
        elif isinstance(parameters, TemporalMemoryParameters):
            size *= parameters.cells_per_column
            total += size * 16
    # Weights and the pending gradient of each horizon.
    return total + len(builder.horizons) * size * builder.classes * 8
