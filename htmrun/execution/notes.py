"""What a user should know before a run: lines that parts of an experiment say of themselves.

Nothing here stops a run. Each part knows what about it misleads: the data how they were read, an
encoder what falls together, a stage what it cannot do with what stands before it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from htmrun.components.pipeline import Raw
from htmrun.components.registry import component_of
from htmrun.config.schema import Arm
from htmrun.execution.jobs import Builder
from htmrun.execution.playing import schedule_of

LOOKED_AT = 256
"""Samples that are encoded to see how many bits are on."""

MUCH_WIDER = 2.0
"""Times the known range from which an encoder is said to be made for too narrow a one."""


def notes_of(builder: Builder) -> tuple[str, ...]:
    """Return one line for each thing; of what holds of some arms only, their names stand behind.

    Raises UserError where an arm cannot be built, or anomalies not be judged.
    """
    builder.must_judge()
    experiment = builder.experiment
    regimes = {name: experiment.regime(name) for name in experiment.selected}
    arms = {name: regime for name, regime in regimes.items() if isinstance(regime, Arm)}
    said: dict[str, list[str]] = {}
    fronts: dict[str, tuple[list[str], int | None]] = {}
    for name, arm in arms.items():
        own = builder.of(arm)
        first = own.experiment.pipeline[0]
        if first not in fronts:
            fronts[first] = _of_encoder(own)
        for line in dict.fromkeys(_of_arm(own, arm, *fronts[first])):
            said.setdefault(line, []).append(name)
    return (
        *builder.source.notes,
        *_of_ranges(builder, arms.values()),
        *(
            line if len(names) == len(arms) else f"{line} ({', '.join(names)})"
            for line, names in said.items()
        ),
    )


def _of_ranges(builder: Builder, arms: Iterable[Arm]) -> Iterator[str]:
    """Say which range of the data encoders and buckets were made for, if it was left to them."""
    words = builder.source.range_of
    if words is None or not arms:
        return
    encoder = builder.encoder(builder.experiment.seeds[0])
    learned = {} if isinstance(encoder, Raw) else encoder.learned
    ranges = dict(learned)
    buckets = builder.targets.buckets
    if buckets is not None and (buckets.open_below or buckets.open_above):
        ranges.setdefault("value", (buckets.minimum, buckets.maximum))
    if ranges:
        said = ", ".join(f"{name} {low:g} to {high:g}" for name, (low, high) in ranges.items())
        yield f"ranges are those of {words}: {said}"
    for name, (low, high) in learned.items():
        least, most = builder.source.reach[name]
        wider = (max(most, high) - min(least, low)) / (high - low)
        if wider >= MUCH_WIDER:
            yield (
                f"{name} goes on to {least:g} to {most:g}, {wider:.2g} times that range, which is "
                "too narrow for its encoder: set what is known of it there, or data.range=file, "
                "which looks ahead"
            )


def _of_windows(builder: Builder, arm: Arm) -> Iterator[str]:
    """Say where a window never fills before an epoch ends."""
    if builder.source.task == "control":
        return  # Windows go on from one episode into the next.
    schedule, found = schedule_of(arm), builder.epoch(arm)
    ends = builder.source.pass_ends or (builder.samples(),)
    longest = max(end - begin for begin, end in zip((0, *ends), ends, strict=False))
    epoch = min(longest, found.samples if found else longest)
    if found and found.words and arm.boost_at == "epoch":
        yield f"epoch_length: an epoch is {found.words}, {found.samples} samples of the stream"
    if schedule.window(0) > epoch:
        yield (
            f"learn_every: {schedule.window(0)} is more than the {epoch} samples of an epoch: it "
            "learns at the end of each"
        )


def _of_encoder(builder: Builder) -> tuple[list[str], int | None]:
    """Return an encoder's lines, and how many of its bits are on; None: it has none."""
    encoder = builder.encoder(builder.experiment.seeds[0])
    if isinstance(encoder, Raw):
        return [], None
    first = next(iter(builder.source.train(0, 0, LOOKED_AT)), None)
    on = int(encoder.encode(first.fields).counts().max()) if first and len(first) else 0
    lines = [*encoder.notes()]
    if first and len(first) and not on:
        name = builder.experiment.pipeline[0]
        lines.append(f"{name}: not one bit is on in the first {len(first)} samples")
    return lines, on


def _of_arm(builder: Builder, arm: Arm, front: Iterable[str], on: int | None) -> Iterator[str]:
    yield from _of_windows(builder, arm)
    yield from front
    if on is None:
        return
    samples = builder.samples() * builder.experiment.epochs
    for stage in builder.layout(arm).stages:
        kind = component_of(stage.parameters)
        if stage.name not in arm.freeze:
            yield from kind.notes(stage.name, stage.parameters, on, samples)
        probation = builder.experiment.anomaly.begin(builder.samples())[1]
        if kind.predicts and builder.source.task != "classification" and samples <= probation:
            yield (
                f"anomaly.probation: {probation} rows are not judged, and there are {samples}: no "
                "anomaly has a likelihood"
            )
        on = kind.active(stage.parameters, stage.before, on)
