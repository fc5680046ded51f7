"""Checks across the parts of an experiment, before any data is read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeVar

from htmrun.components import registry
from htmrun.components.controls import ControlParameters
from htmrun.components.encoders import Encoder
from htmrun.components.ending import Ending, ending_of
from htmrun.components.layout import Layout, Shape, layout
from htmrun.components.registry import component_of
from htmrun.components.sources import Source
from htmrun.config.acting import acting
from htmrun.config.schema import Arm, Experiment, GrowingWindow
from htmrun.errors import mismatch

T = TypeVar("T")


def problems(experiment: Experiment) -> list[str]:
    """Return one line for each combination that cannot run, dotted path first."""
    views = [*_views(experiment)]
    # What is wrong with a pipeline itself would come back as a dozen errors of the arms.
    found = [line for path, view in views for line in _sections(view, path)] or [
        line for path, view in views for line in _order(view.pipeline, view, path)
    ]
    if found:
        return found
    found = [*_arms(experiment), *_endings(views)]
    for _, view in views:
        found += [*_reads(view), *_data(view), *_shapes(view)]
    found += [*_drift(experiment), *_tasks(experiment), *acting(experiment)]
    return list(dict.fromkeys(found))


def _views(experiment: Experiment) -> Iterator[tuple[str, Experiment]]:
    """Yield the experiment, and once more with the pipeline of each arm that has its own."""
    yield "pipeline", experiment
    for group, regimes in (("arm", experiment.arm), ("control", experiment.control)):
        for name, regime in regimes.items():
            if experiment.pipeline_of(regime) != experiment.pipeline:
                yield f"{group}.{name}.pipeline", _view(experiment, regime)


def _view(experiment: Experiment, regime: Arm | ControlParameters) -> Experiment:
    return experiment.model_copy(update={"pipeline": experiment.pipeline_of(regime)})


def _kind(experiment: Experiment, stage: str) -> registry.Kind:
    return registry.of(experiment.stages[stage])


def _data_kind(experiment: Experiment) -> str:
    return registry.of(experiment.data).name


def _source(experiment: Experiment) -> type[Source]:
    kind: type[Source] = component_of(experiment.data)
    return kind


def _encoder(experiment: Experiment) -> type[Encoder]:
    kind: type[Encoder] = component_of(experiment.stages[experiment.pipeline[0]])
    return kind


def _ending(experiment: Experiment) -> Ending:
    return ending_of(experiment.pipeline, experiment.stages)


def _repeated(names: Sequence[T]) -> list[T]:
    seen: set[T] = set()
    return [name for name in names if name in seen or seen.add(name)]  # type: ignore[func-returns-value]


def _sections(experiment: Experiment, path: str) -> Iterator[str]:
    for name in _repeated(experiment.pipeline):
        yield f"{path}: found '{name}' twice, expected each stage once"
    for index, name in enumerate(experiment.pipeline):
        if name in type(experiment).model_fields:
            yield f"{path}[{index}]: found '{name}', which is no stage, expected a stage's name"
        elif name not in experiment.stages:
            lacks = "which has no section"
            yield mismatch(f"{path}[{index}]", name, experiment.stages, lacks)


def _order(stages: Sequence[str], experiment: Experiment, path: str) -> Iterator[str]:
    """Say which of `stages`, in this order, cannot stand where it stands."""
    *front, last = stages
    kinds = [_kind(experiment, name) for name in stages]
    is_readout = kinds[-1].family == "readout"
    if not front and not (is_readout and kinds[-1].component.field):
        yield _misplaced(path, last, experiment, "an encoder first and a classifier at the end")
        return
    if kinds[-1].family == "stage" and kinds[-1].component.predicts:
        front = [*stages]
    elif not is_readout:
        expected = "a classifier at the end, or a temporal memory that scores anomalies"
        yield _misplaced(path, last, experiment, expected)
    for index, (name, kind) in enumerate(zip(front, kinds, strict=False)):
        if kind.family == "readout":
            yield _misplaced(path, name, experiment, "a classifier only at the end")
        elif index == 0 and kind.family == "stage":
            yield _misplaced(path, name, experiment, "an encoder first")
        elif index > 0 and kind.family != "stage":
            yield _misplaced(path, name, experiment, "an encoder only as the first stage")
        elif index > 0 and kind.component.behind and kinds[index - 1] == kind:
            yield _misplaced(path, name, experiment, kind.component.behind)
    needs = kinds[-1].component.needs if is_readout else None
    if needs is not None and all(kind.family == "stage" for kind in kinds[1:-1]):
        place = layout(stages, experiment.stages, None)
        if f"{place.last}.{needs[0]}" not in place.outputs:
            yield _misplaced(path, last, experiment, f"{needs[1]} right before it")


def _endings(views: Sequence[tuple[str, Experiment]]) -> Iterator[str]:
    """Say which arms have a classifier, or none, where the experiment has it the other way."""
    first, *others = [(path, _ending(view).reads) for path, view in views]
    words = {True: "a classifier at the end", False: "no classifier at the end"}
    for path, reads in others:
        if reads != first[1]:
            yield f"{path}: found {words[reads]}, expected {words[first[1]]} as in {first[0]}"


def _misplaced(path: str, name: str, experiment: Experiment, expected: str) -> str:
    return f"{path}: found '{name}' ({_kind(experiment, name).name}), expected {expected}"


def _arms(experiment: Experiment) -> Iterator[str]:
    names = [*experiment.arm, *experiment.control]
    for name in experiment.control:
        if name in experiment.arm:
            yield f"control.{name}: found in arm too, expected a name of its own"
    if not experiment.arm:
        yield "arm: found none, expected at least one arm"
    for index, name in enumerate(experiment.arms or ()):
        if name not in names:
            yield mismatch(f"arms[{index}]", name, names)
    for name in _repeated(experiment.arms or ()):
        yield f"arms: found '{name}' twice, expected each arm once"
    for seed in _repeated(experiment.seeds):
        yield f"seeds: found {seed} twice, expected each seed once"
    for group, regimes in (("arm", experiment.arm), ("control", experiment.control)):
        for name, regime in regimes.items():
            if isinstance(regime, Arm):
                yield from _regime(_view(experiment, regime), f"{group}.{name}", regime)
            elif _source(experiment).task != "forecast":
                yield (
                    f"{group}.{name}.baseline: found '{registry.of(regime).name}' with data.kind "
                    f"'{_data_kind(experiment)}', expected a series to forecast"
                )


def _regime(experiment: Experiment, path: str, arm: Arm) -> Iterator[str]:
    pipeline, end = experiment.pipeline, _ending(experiment)
    parts = [f"{end.name}.{part}" for part in end.kind.parts(end.parameters)]
    alone = len(pipeline) == 1
    unknown = False
    for part, known in (("freeze", [*pipeline, *parts]),
                        ("bypass", parts if alone else [*pipeline, *parts])):  # fmt: skip
        for index, name in enumerate(getattr(arm, part)):
            if name not in known:
                unknown = True
                yield mismatch(f"{path}.{part}[{index}]", name, known)
    if unknown:
        return
    for index, name in enumerate(arm.freeze):
        if name == pipeline[0] and not alone:
            yield f"{path}.freeze[{index}]: found '{name}', expected a stage that learns"
        if name in arm.bypass:
            yield f"{path}.freeze[{index}]: found '{name}' in bypass too, expected it in one only"
    cut = [name for name in arm.bypass if name in (pipeline[0], end.name)]
    for name in cut:
        yield f"{path}.bypass: found '{name}', expected stages between encoder and classifier"
    if arm.bypass and not cut:
        rest = [name for name in pipeline if name not in arm.bypass]
        wrong = [*_order(rest, experiment, f"{path}.bypass")] or [
            f"{path}.bypass: {line}"
            for line in end.kind.problems(end.name, end.parameters, _layout(experiment, arm))
        ]
        if wrong:
            yield from wrong
            return
    yield from _windows(experiment, path, arm)


def _windows(experiment: Experiment, path: str, arm: Arm) -> Iterator[str]:
    place = "learn_every.limit" if isinstance(arm.learn_every, GrowingWindow) else "learn_every"
    for window in _ending(experiment).windows(_layout(experiment, arm), arm.freeze):
        problem = window.problem(experiment.longest_window(arm))
        if problem is not None:
            yield f"{path}.{place}: {problem}"


def _reads(experiment: Experiment) -> Iterator[str]:
    """Check the names of what the readout reads."""
    end = _ending(experiment)
    reads, known = end.kind.reads(end.parameters) or (), _layout(experiment).outputs
    for index, source in enumerate(reads):
        if source not in known:
            yield mismatch(f"{end.name}.reads[{index}]", source, known)
    for source in _repeated(reads):
        yield f"{end.name}.reads: found '{source}' twice, expected each once"


def _data(experiment: Experiment) -> Iterator[str]:
    kind, source = _data_kind(experiment), _source(experiment)
    end = _ending(experiment)
    if len(experiment.pipeline) == 1:
        wanted = end.kind.field
        having = {n: k.component.fields or () for n, k in registry.kinds("source").items()}
        if wanted not in having[kind]:
            kinds = ", ".join(name for name, fields in having.items() if wanted in fields)
            yield (
                f"{end.name}.kind: found '{registry.of(end.parameters).name}' with data.kind "
                f"'{kind}', "
                f"expected one of {kinds}"
            )
    else:
        yield from _fields(experiment, kind, source)
    yield from end.kind.unfit(end.name, end.parameters, source.task, kind)


def _fields(experiment: Experiment, kind: str, source: type[Source]) -> Iterator[str]:
    """Say what an encoder reads that there is not, and what is there only to be read and is not."""
    name = experiment.pipeline[0]
    reads = [*_encoder(experiment).reads(experiment.stages[name])]
    for setting, field, optional in reads:
        if source.fields is not None and field not in source.fields and not optional:
            yield (
                f"{name}.{setting}: found an encoder of '{field}', expected one of "
                f"'{', '.join(source.fields)}', all that data.kind '{kind}' has"
            )
    yield from _names(experiment, source)
    for setting, field in source.asked_for(experiment.data).items():
        if field not in (read for _, read, _ in reads):
            entry = _encoder(experiment).further.format(field)
            yield (
                f"data.{setting}: found '{field}', which no encoder reads, expected "
                f"{name}.{entry}, or the column left out"
            )


def _names(experiment: Experiment, source: type[Source]) -> Iterator[str]:
    """Say which encoders read names as numbers."""
    name, named = experiment.pipeline[0], source.names_only(experiment.data)
    for setting, field, kind in _encoder(experiment).kinds_by_field(experiment.stages[name]):
        if field in named and not component_of(kind).nominal:
            yield (
                f"{name}.{setting}: found '{registry.of(kind).name}' for the texts of '{field}', "
                "of which none is near another, expected category"
            )


def _drift(experiment: Experiment) -> Iterator[str]:
    drift_at = getattr(experiment.data, "drift_at", None)
    if drift_at is not None and not _ending(experiment).reads:
        yield (
            f"data.drift_at: found {drift_at} in a pipeline without classifier, expected null "
            "(how forecasts come back is measured)"
        )
    if drift_at is not None and experiment.epochs > 1:
        yield (
            f"epochs: found {experiment.epochs} with data.drift_at, expected 1 "
            "(a second pass begins before the change again)"
        )


def _tasks(experiment: Experiment) -> Iterator[str]:
    """Say what cannot be asked of tasks that come one after the other."""
    if getattr(experiment.data, "tasks", None) is None:
        return
    if experiment.epochs > 1:
        yield (
            f"epochs: found {experiment.epochs} with data.tasks, expected 1 (data.tasks.passes "
            "repeats the samples of each task)"
        )
    if experiment.epoch_length not in (None, "pass"):
        yield (
            f"epoch_length: found {experiment.epoch_length} with data.tasks, expected null (an "
            "epoch is a pass over the samples of a task)"
        )
    if experiment.data.held_out == "best_epoch":
        yield (
            "data.held_out: found best_epoch with data.tasks, expected test or validation (no "
            "state is best for all tasks before the last)"
        )


def _shapes(experiment: Experiment) -> Iterator[str]:
    """Check what does not fit what stands before it; what is not known yet, building checks."""
    front, end = _layout(experiment), _ending(experiment)
    for stage in front.stages:
        p = stage.parameters
        yield from component_of(p).problems(stage.name, p, stage.before)
    yield from end.kind.problems(end.name, end.parameters, front)


def _layout(experiment: Experiment, arm: Arm | None = None) -> Layout:
    """Return what stands before the readout, as far as the configuration tells its shapes."""
    given = experiment.pipeline, experiment.stages, _shape(experiment)
    return layout(*given, () if arm is None else arm.bypass)


def _shape(experiment: Experiment) -> Shape | None:
    """Return the shape of what the encoder puts out, or of the images without one."""
    known = _source(experiment).known_shapes(experiment.data)
    first = experiment.stages[experiment.pipeline[0]]
    if len(experiment.pipeline) == 1:
        return known.get(component_of(first).field)
    return _encoder(experiment).shape_of(first, known)
