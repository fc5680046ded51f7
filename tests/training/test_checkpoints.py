"""A job cut short at any place goes on from its file and ends as if nothing had happened."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from htmrun.components.sources import open_source
from htmrun.config.compose import load
from htmrun.errors import UserError
from htmrun.execution.jobs import Builder
from htmrun.training import trainer
from htmrun.training.checkpoints import SHARE, Checkpoints, Keeper
from htmrun.training.measures.registry import timed
from htmrun.training.records import Finished, Job, Progress, Record, Started
from tests.helpers.experiments import DIGITS, SEQUENCES, stream, write_series

JOBS = {
    "digits": ("online", (*DIGITS, "epochs=2", "evaluate_every=500")),
    "windows": ("minibatch", (*DIGITS, "epochs=2", "arm.minibatch.learn_every=300")),
    "growing": ("growing", (*DIGITS, "arm.growing.learn_every={start: 1, factor: 1.5, limit: 90}",
                            "arm.growing.boost_at=epoch", "epochs=3")),
    "sequences": ("minibatch_50", SEQUENCES),
    "network": ("sparse", ("experiment=sparse_digits", "epochs=2", "curve_points=4")),
    "validated": ("epoch_boost", (*DIGITS, "epochs=3", "data.held_out=best_epoch")),
}  # fmt: skip
FAR = {"sequences": 2, "stream": 2, "validated": 75}
"""Chances of the last cut: in the second epoch where there is one, after the best one of three."""


class CutShortError(Exception):
    """The process is gone."""


class Until:
    """A keeper that writes at every chance up to one of them, then the process is gone."""

    def __init__(self, keeper: Keeper, chances: int) -> None:
        self.keeper, self.left = keeper, chances

    def due(self) -> bool:
        return True

    def write(self, kept: dict[str, Any]) -> None:
        self.keeper.write(kept)
        self.left -= 1
        if self.left == 0:
            raise CutShortError

    def read(self) -> dict[str, Any] | None:
        return self.keeper.read()


class Files:
    """Checkpoints of which a test holds the keepers."""

    def __init__(self, keeper: Any) -> None:
        self.keeper = keeper

    def of_job(self, _job: Job) -> Any:
        return self.keeper


def records(builder: Builder, arm: str, keeper: Any = None) -> Iterator[Record]:
    kept: Any = None if keeper is None else Files(keeper)
    return replace(builder, checkpoints=kept).work(Job(arm, 3))(lambda: False)


def result(found: list[Record]) -> Any:
    """Return what must be the same: all but pace, time and memory."""
    last = found[-1]
    assert isinstance(last, Finished)
    metrics = {n: v for n, v in last.metrics.items() if not timed(n)}
    curves = [replace(r, rate=0.0) for r in found if isinstance(r, Progress)]
    series = {name: values.tobytes() for name, values in last.series.items()}
    return metrics, last.state_hash, curves, series


def builder_of(kind: str, folder: Path) -> tuple[str, Builder]:
    if kind == "stream":
        values = [round(float(v), 3) for v in 10 + 5 * np.sin(np.arange(300) / 5)]
        arm, overrides = "minibatch", stream(write_series(folder / "load.csv", values))
    else:
        arm, overrides = JOBS[kind][0], [*JOBS[kind][1]]
    experiment = load(overrides).experiment
    return arm, Builder(experiment, open_source(experiment.data))


@pytest.mark.parametrize("kind", [*JOBS, "stream"])
def test_cut_at_any_place_it_ends_the_same(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cut three times on its way, in the middle of windows and of the first and second epoch."""
    arm, builder = builder_of(kind, tmp_path)
    # Of a network the last digits of figures on the way depend on how many images it sees at once.
    whole = None if kind == "network" else result([*records(builder, arm)])
    # Small chunks: many places to cut, which do not fit windows, epochs or curves.
    monkeypatch.setattr(trainer, "CHUNK", 37)
    whole = whole or result([*records(builder, arm)])
    keeper = Keeper(tmp_path / "files" / "job", "this", 1e9)
    seen = 0
    for chances in (3, 7, FAR.get(kind, 45)):
        with pytest.raises(CutShortError):
            [*records(builder, arm, Until(keeper, chances))]
        begun = next(iter(records(builder, arm, keeper)))
        assert isinstance(begun, Started)
        assert seen < begun.earlier < begun.samples
        seen = begun.earlier
    assert result([*records(builder, arm, keeper)]) == whole
    if kind == "validated":
        assert whole[0]["reported_sample"] < seen, "the best epoch was before the cut"


def test_it_goes_on_on_another_backend(tmp_path: Path) -> None:
    arm, builder = builder_of("windows", tmp_path)
    whole = result([*records(builder, arm)])
    keeper = Keeper(tmp_path / "job", "this", 1e9)
    with pytest.raises(CutShortError):
        [*records(builder, arm, Until(keeper, 2))]
    plain = builder.experiment.model_copy(update={"device": "reference"})
    assert result([*records(Builder(plain, builder.source), arm, keeper)]) == whole


# --- the file -------------------------------------------------------------------------------


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_it_is_written_every_so_often_and_seldom_where_that_is_slow(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    keeper = Keeper(tmp_path / "a" / "job", "this", 10.0, clock)
    assert not keeper.due()
    assert not tmp_path.joinpath("a").exists(), "short jobs leave nothing"
    clock.now = 10.0
    assert keeper.due()
    keeper.write({"x": 1})
    assert not keeper.due()
    clock.now = 20.0
    dump = pickle.dump

    def slowly(*arguments: Any, **more: Any) -> None:
        clock.now += 1.0
        dump(*arguments, **more)

    monkeypatch.setattr(pickle, "dump", slowly)
    keeper.write({"x": 2})
    assert clock.now == 22.0
    clock.now = 22.0 + 2 * SHARE - 0.1
    assert not keeper.due()
    clock.now += 0.2
    assert keeper.due()
    assert keeper.read() == {"x": 2}
    assert [p.name for p in (tmp_path / "a").iterdir()] == ["job"]


def test_only_what_belongs_to_the_job_is_taken_up(tmp_path: Path) -> None:
    job, other = Job("online", 0), Job("online", 1)
    files = Checkpoints.of(tmp_path / "run", {"sp": {"columns": 64}}, "data", 60.0)
    assert files.of_job(job).read() is None
    for each in (job, other):
        files.of_job(each).write({"job": each.name})
    assert files.of_job(job).read() == {"job": "online-s000"}
    for changed in (
        Checkpoints.of(tmp_path / "run", {"sp": {"columns": 65}}, "data", 60.0),
        Checkpoints.of(tmp_path / "run", {"sp": {"columns": 64}}, "other", 60.0),
    ):
        assert changed.of_job(job).read() is None
    again = Checkpoints.of(tmp_path / "run", {"sp": {"columns": 64}}, "data", 1.0)
    assert again.of_job(job).read() is not None
    again.forget(job)
    assert again.of_job(job).read() is None
    again.forget(other)
    again.forget(other)
    assert list(tmp_path.iterdir()) == []


def test_a_write_that_is_cut_short_or_impossible_leaves_the_last_one(tmp_path: Path) -> None:
    lines: list[str] = []
    keeper = Keeper(tmp_path / "job", "this", 0.0, notice=lines.append)
    keeper.write({"x": 1})

    class Unwritable:
        def __reduce__(self) -> Any:
            raise OSError(28, "No space left on device")

    keeper.write({"x": 2, "y": Unwritable()})
    assert keeper.read() == {"x": 1}
    assert [p.name for p in tmp_path.iterdir()] == ["job"]
    (line,) = lines
    assert line.startswith(f"warning: {tmp_path / 'job'} cannot be written ([Errno 28] No space")
    assert not keeper.due(), "it is not tried over and over"


def test_a_file_that_is_not_whole_is_an_error(tmp_path: Path) -> None:
    keeper = Keeper(tmp_path / "job", "this", 0.0)
    keeper.write({"x": list(range(1000))})
    data = keeper.path.read_bytes()
    for broken in (data[:-5], data[:20], b"", b"hello"):
        keeper.path.write_bytes(broken)
        with pytest.raises(UserError, match="expected a whole checkpoint"):
            keeper.read()
