"""What a run would do and need, told before anything is run: samples, commits, bytes."""

from __future__ import annotations

from collections.abc import Sequence

from htmrun.components import registry
from htmrun.components.registry import component_of
from htmrun.components.sources import Source
from htmrun.config.schema import Arm, Experiment
from htmrun.execution.jobs import Builder
from htmrun.execution.playing import ends_with_episodes, schedule_of
from htmrun.training.epochs import Epoch
from htmrun.training.schedule import Growth, Schedule


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
        if not isinstance(regime, Arm):
            row |= {
                "regime": registry.of(regime).name,
                "samples": samples,
                "commits": 0,
                "bytes": 0,
            }
            row |= {"device_bytes": 0}
        else:
            epoch = builder.epoch(regime)
            here, there = _bytes(builder.of(regime), regime)
            row |= {
                "regime": _words(regime, epoch),
                "samples": samples * experiment.epochs,
                "commits": None
                if ends_with_episodes(experiment, regime)
                else commits_of(
                    schedule_of(regime),
                    experiment.epochs,
                    samples,
                    None if epoch is None else epoch.samples,
                )
                if not source.pass_ends
                else commits_in(schedule_of(regime), source.pass_ends),
                "bytes": here,
                "device_bytes": there,
            }
        rows.append(row | {"seeds": len(experiment.seeds)})
    return rows


def _words(arm: Arm, epoch: Epoch | None) -> str:
    schedule = schedule_of(arm)
    every = schedule.learn_every
    size = f"{every.start}..{every.limit}" if isinstance(every, Growth) else str(arm.learn_every)
    at = f" of {epoch.samples} samples" if epoch and arm.boost_at == "epoch" else ""
    words = [f"learn every {size}", f"boost at {arm.boost_at}{at}"]
    words += [f"frozen: {', '.join(arm.freeze)}"] if arm.freeze else []
    words += [f"without: {', '.join(arm.bypass)}"] if arm.bypass else []
    return "; ".join(words)


def commits_in(schedule: Schedule, ends: Sequence[int]) -> int:
    """Return the windows that a schedule closes in passes that end after so many samples each."""
    windows = 0
    for begin, end in zip((0, *ends), ends, strict=False):
        windows += commits_of(schedule, 1, end - begin, begun=windows)
    return windows


def commits_of(
    schedule: Schedule, passes: int, samples: int, epoch: int | None = None, begun: int = 0
) -> int:
    """Return the windows that a schedule closes in so many passes of `samples`.

    epoch: samples after which one closes in any case, as at the end of a pass; None: only there.
    begun: windows that were closed before.
    Nothing is as long as the data, which may be 2^32 samples.
    """
    length, most = epoch or samples, schedule.largest

    def closed(done: int) -> int:
        """Return how many of the largest windows close from sample `done` of a pass on."""
        first = min(length - done % length, samples - done)
        whole, rest = divmod(samples - done - first, length)
        return -(-first // most) + whole * -(-length // most) + -(-rest // most)

    windows, number, done = begun, 0, 0
    while number < passes and (window := schedule.window(windows)) < most:
        done += min(window, length - done % length, samples - done)
        windows += 1
        if done == samples:
            number, done = number + 1, 0
    if number < passes:
        windows += closed(done) + (passes - number - 1) * closed(0)
    return windows - begun


def device_bytes(builder: Builder, name: str) -> int:
    """Return the bytes of a card that one model of an arm takes, chunks included."""
    regime = builder.experiment.regime(name)
    return 0 if not isinstance(regime, Arm) else _bytes(builder.of(regime), regime)[1]


def _bytes(builder: Builder, arm: Arm) -> tuple[int, int]:
    """Estimate the bytes of one pipeline: of its state here, and of a card."""
    front, targets, end = builder.layout(arm), builder.targets, builder.ending
    readouts = 1 + (len(builder.source.predicted) if targets.horizons else 0)
    here = readouts * end.kind.state_bytes(end.parameters, front, targets)
    there = readouts * end.kind.card_bytes(end.parameters, front, targets)
    for stage in front.stages:
        p, kind = stage.parameters, component_of(stage.parameters)
        here += kind.state_bytes(p, stage.before)
        there += kind.card_bytes(p, stage.before, builder.experiment.longest_window(arm))
    return here, there
