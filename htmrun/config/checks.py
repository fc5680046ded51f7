"""Checks across the parts of an experiment, before any data is read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from htmrun.backends.parameters import (
    SpatialPoolerParameters,
    TemporalMemoryParameters,
    round_half_up,
)
from htmrun.components import registry
from htmrun.components.encoders.parameters import FieldsEncoderParameters, SingleEncoderParameters
from htmrun.config import network_checks
from htmrun.errors import nearest

if TYPE_CHECKING:
    from htmrun.config.schema import Arm, Baseline, Experiment

T = TypeVar("T")
# What encoders can read from generated data and images; a CSV file names its own columns.
FIELDS = {
    "digits": "image", "idx": "image", "cifar10": "image", "folder": "image", "npz": "image",
    "sequences": "symbol", "reber": "symbol",
}  # fmt: skip
CLASSIFIERS = ("sdr", "predicted_columns")
LEARNING = ("spatial_pooler", "temporal_memory")


def problems(experiment: Experiment) -> list[str]:
    """Return one line for each combination that cannot run, dotted path first."""
    views = [*_views(experiment)]
    # What is wrong with a pipeline itself would come back as a dozen errors of the arms.
    found = [line for path, view in views for line in _sections(view, path)] or [
        line for path, view in views for line in _order(view.pipeline, view, path)
    ]
    if found:
        return found
    found = [*_arms(experiment)]
    for _, view in views:
        network = network_checks.network_of(view)
        if network is not None:
            found += network_checks.problems(view, network)
        else:
            found += [*_reads(view), *_data(view), *_pools(view)]
    found += [*_drift(experiment)]
    return list(dict.fromkeys(found))


def _views(experiment: Experiment) -> Iterator[tuple[str, Experiment]]:
    """Yield the experiment, and once more with the pipeline of each arm that has its own."""
    yield "pipeline", experiment
    for group, regimes in (("arm", experiment.arm), ("control", experiment.control)):
        for name, regime in regimes.items():
            if experiment.pipeline_of(regime) != experiment.pipeline:
                yield f"{group}.{name}.pipeline", _view(experiment, regime)


def _view(experiment: Experiment, regime: Arm | Baseline) -> Experiment:
    return experiment.model_copy(update={"pipeline": experiment.pipeline_of(regime)})


def _kind(experiment: Experiment, stage: str) -> str:
    return registry.of(experiment.stages[stage]).name


def _data_kind(experiment: Experiment) -> str:
    return registry.of(experiment.data).name


def _repeated(names: Sequence[T]) -> list[T]:
    return [name for index, name in enumerate(names) if name in names[:index]]


def _one_of(name: str, known: Iterable[str]) -> str:
    names = list(known)
    return f"found '{name}', expected one of {', '.join(names)}{nearest(name, names)}"


def _sections(experiment: Experiment, path: str) -> Iterator[str]:
    for name in _repeated(experiment.pipeline):
        yield f"{path}: found '{name}' twice, expected each stage once"
    for index, name in enumerate(experiment.pipeline):
        if name in type(experiment).model_fields:
            yield f"{path}[{index}]: found '{name}', which is no stage, expected a stage's name"
        elif name not in experiment.stages:
            known = experiment.stages
            yield (
                f"{path}[{index}]: found '{name}', which has no section, expected one of "
                f"{', '.join(known)}{nearest(name, known)}"
            )


def _order(stages: Sequence[str], experiment: Experiment, path: str) -> Iterator[str]:
    """Say which of `stages`, in this order, cannot stand where it stands."""
    networks = [*network_checks.misplaced(experiment, path)]
    if networks or network_checks.network_of(experiment) is not None:
        yield from networks
        return
    *front, last = stages
    if not front:
        yield _misplaced(path, last, experiment, "an encoder first and a classifier at the end")
        return
    if _kind(experiment, last) not in CLASSIFIERS:
        yield _misplaced(path, last, experiment, "a classifier at the end")
    for index, name in enumerate(front):
        kind = _kind(experiment, name)
        if kind in CLASSIFIERS:
            yield _misplaced(path, name, experiment, "a classifier only at the end")
        elif index == 0 and kind in LEARNING:
            yield _misplaced(path, name, experiment, "an encoder first")
        elif index > 0 and kind not in LEARNING:
            yield _misplaced(path, name, experiment, "an encoder only as the first stage")
        elif kind == "temporal_memory" and _kind(experiment, front[index - 1]) == kind:
            yield _misplaced(
                path, name, experiment, "a temporal memory on an encoder or a spatial pooler"
            )
    kinds = [_kind(experiment, name) for name in stages[-2:]]
    if kinds[1] == "predicted_columns" and kinds[0] != "temporal_memory":
        yield _misplaced(path, last, experiment, "a temporal memory right before it")


def _misplaced(path: str, name: str, experiment: Experiment, expected: str) -> str:
    return f"{path}: found '{name}' ({_kind(experiment, name)}), expected {expected}"


def _arms(experiment: Experiment) -> Iterator[str]:
    from htmrun.config.schema import Arm

    names = [*experiment.arm, *experiment.control]
    for name in experiment.control:
        if name in experiment.arm:
            yield f"control.{name}: found in arm too, expected a name of its own"
    if not experiment.arm:
        yield "arm: found none, expected at least one arm"
    for index, name in enumerate(experiment.arms or ()):
        if name not in names:
            yield f"arms[{index}]: {_one_of(name, names)}"
    for name in _repeated(experiment.arms or ()):
        yield f"arms: found '{name}' twice, expected each arm once"
    for seed in _repeated(experiment.seeds):
        yield f"seeds: found {seed} twice, expected each seed once"
    for group, regimes in (("arm", experiment.arm), ("control", experiment.control)):
        for name, regime in regimes.items():
            if isinstance(regime, Arm):
                view = _view(experiment, regime)
                network = network_checks.network_of(view)
                if network is not None:
                    yield from network_checks.regime(view, network, f"{group}.{name}", regime)
                else:
                    yield from _regime(view, f"{group}.{name}", regime)
            elif _data_kind(experiment) in FIELDS:
                yield (
                    f"{group}.{name}.baseline: found '{regime.baseline}' with data.kind "
                    f"'{_data_kind(experiment)}', expected a series to forecast"
                )


def _regime(experiment: Experiment, path: str, arm: Arm) -> Iterator[str]:
    unknown = False
    for part in ("freeze", "bypass"):
        for index, name in enumerate(getattr(arm, part)):
            if name not in experiment.pipeline:
                unknown = True
                yield f"{path}.{part}[{index}]: {_one_of(name, experiment.pipeline)}"
    if unknown:
        return
    for index, name in enumerate(arm.freeze):
        if name == experiment.pipeline[0]:
            yield f"{path}.freeze[{index}]: found '{name}', expected a stage that learns"
        if name in arm.bypass:
            yield f"{path}.freeze[{index}]: found '{name}' in bypass too, expected it in one only"
    rest = [name for name in experiment.pipeline if name not in arm.bypass]
    if arm.bypass:
        ends = {experiment.pipeline[0], experiment.pipeline[-1]}
        cut = [name for name in arm.bypass if name in ends]
        for name in cut:
            yield f"{path}.bypass: found '{name}', expected stages between encoder and classifier"
        if not cut:
            yield from _order(rest, experiment, f"{path}.bypass")
    learns = [name for name in rest if name not in arm.freeze]
    yield from _windows(experiment, path, arm, learns)


def _windows(experiment: Experiment, path: str, arm: Arm, learns: Sequence[str]) -> Iterator[str]:
    from htmrun.config.schema import GrowingWindow

    place = "learn_every.limit" if isinstance(arm.learn_every, GrowingWindow) else "learn_every"
    for name in learns:
        sp = experiment.stages[name]
        if not isinstance(sp, SpatialPoolerParameters) or not sp.learn:
            continue
        if arm.longest_window > sp.duty_period:
            yield (
                f"{path}.{place}: {arm.longest_window} is above {name}.duty_period = "
                f"{sp.duty_period}, expected at most that"
            )


def _reads(experiment: Experiment) -> Iterator[str]:
    """Check the names of what the classifier reads."""
    last = experiment.pipeline[-1]
    reads = getattr(experiment.stages[last], "reads", None)
    front = experiment.pipeline[:-1]
    parts = [
        part
        for name in front
        for part in (
            [name, f"{name}.winners", f"{name}.predicted"]
            if isinstance(experiment.stages[name], TemporalMemoryParameters)
            else [name]
        )
    ]
    for index, source in enumerate(reads or ()):
        if source not in parts:
            yield f"{last}.reads[{index}]: {_one_of(source, parts)}"
    for source in _repeated(reads or ()):
        yield f"{last}.reads: found '{source}' twice, expected each once"


def _data(experiment: Experiment) -> Iterator[str]:
    kind = _data_kind(experiment)
    encoder, last = experiment.pipeline[0], experiment.pipeline[-1]
    field = FIELDS.get(kind)
    if field is None:
        if _kind(experiment, last) == "predicted_columns":
            yield (
                f"{last}.kind: found 'predicted_columns' with data.kind '{kind}', "
                "expected sdr (a series has values, not symbols)"
            )
        yield from _unread(experiment, encoder)
        if 0 in getattr(experiment.stages[last], "horizons", ()):
            yield f"{last}.horizons: found 0 with data.kind '{kind}', expected at least 1"
        return
    for path, read in _fields_read(experiment, encoder):
        if read != field:
            yield (
                f"{path}: found an encoder of '{read}', expected one of '{field}', "
                f"all that data.kind '{kind}' has"
            )
    horizons = getattr(experiment.stages[last], "horizons", (0,))
    if field == "image" and set(horizons) != {0}:
        yield (
            f"{last}.horizons: found {list(horizons)} with data.kind '{kind}', expected [0] "
            "(images have no order)"
        )


def _drift(experiment: Experiment) -> Iterator[str]:
    if getattr(experiment.data, "drift_at", None) is not None and experiment.epochs > 1:
        yield (
            f"epochs: found {experiment.epochs} with data.drift_at, expected 1 "
            "(a second pass begins before the change again)"
        )


def _unread(experiment: Experiment, encoder: str) -> Iterator[str]:
    """Say which further columns of a series nothing reads."""
    read = {field for _, field in _fields_read(experiment, encoder, optional=True)}
    fields = _kind(experiment, encoder) == "fields"
    for index, name in enumerate(getattr(experiment.data, "values", ())):
        if name not in read:
            entry = f"{encoder}.fields.{name}" if fields else f"{encoder}.field={name}"
            yield (
                f"data.values[{index}]: found '{name}', which no encoder reads, expected {entry}, "
                "or the column left out"
            )


def _fields_read(
    experiment: Experiment, encoder: str, *, optional: bool = False
) -> Iterator[tuple[str, str]]:
    """Yield path and field of what the encoder reads; `optional`: also of what may be absent."""
    usual = {"image": "image", "date": "timestamp", "category": "symbol"}
    stage = experiment.stages[encoder]
    if isinstance(stage, FieldsEncoderParameters):
        for name, entry in stage.fields.items():
            if optional or not entry.optional:
                yield f"{encoder}.fields.{name}", entry.field or name
    elif isinstance(stage, SingleEncoderParameters):
        yield f"{encoder}.kind", stage.field or usual.get(_kind(experiment, encoder), "value")


def _pools(experiment: Experiment) -> Iterator[str]:
    """Check pools on inputs whose size the configuration tells; others are checked once known."""
    size = _encoder_bits(experiment)
    for name in experiment.pipeline[1:-1]:
        stage = experiment.stages[name]
        if isinstance(stage, SpatialPoolerParameters):
            whole = size if stage.potential_radius is None else None
            if whole is not None and round_half_up(stage.potential_fraction * whole) < 1:
                yield (
                    f"{name}.potential_fraction: {stage.potential_fraction} of {whole} inputs "
                    f"makes a pool of 0, expected at least {0.5 / whole:.3g}"
                )
            size = stage.columns
        elif isinstance(stage, TemporalMemoryParameters) and size is not None:
            size *= stage.cells_per_column


def _encoder_bits(experiment: Experiment) -> int | None:
    stage: Any = experiment.stages[experiment.pipeline[0]]
    kind = registry.of(stage).name
    if kind == "image":
        planes = len(stage.levels or (0,))
        return 64 * planes if _data_kind(experiment) == "digits" else None
    if kind in ("rdse", "scalar", "category"):
        size: int | None = stage.size
        return size
    return None
