"""A job cut short at any place goes on from its file and ends as if nothing had happened."""

from __future__ import annotations

import hashlib
import io
import os
import pickle
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from htmrun.backends.bits import Bits
from htmrun.components.sources import open_source
from htmrun.config.compose import load
from htmrun.errors import StopRequestedError, UserError
from htmrun.execution.jobs import Builder
from htmrun.training import trainer, typed_file
from htmrun.training.checkpoints import SHARE, Checkpoints, Keeper, TrainerState
from htmrun.training.measures.registry import timed
from htmrun.training.records import Finished, Job, Progress, Record, Started
from htmrun.training.schedule import Cursor
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
FAR = {"sequences": 2, "stream": 2, "epochs": 2, "validated": 75}
"""Chances of the last cut: in the second epoch where there is one, after the best one of three."""


class CutShortError(Exception):
    """The process is gone."""


class Until:
    """A keeper that writes at every chance up to one of them, then the process is gone."""

    def __init__(self, keeper: Keeper, chances: int) -> None:
        self.keeper, self.left = keeper, chances

    def due(self) -> bool:
        return True

    def write(self, kept: TrainerState) -> None:
        self.keeper.write(kept)
        self.left -= 1
        if self.left == 0:
            raise CutShortError

    def read(self) -> TrainerState | None:
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
    if kind in ("stream", "epochs"):
        values = [round(float(v), 3) for v in 10 + 5 * np.sin(np.arange(300) / 5)]
        arm, overrides = "minibatch", stream(write_series(folder / "load.csv", values))
        if kind == "epochs":  # of 30 samples, a tenth of the stream
            arm, overrides = "epoch_boost", [*overrides, "arms=null", "sp.boost_strength=3"]
    else:
        arm, overrides = JOBS[kind][0], [*JOBS[kind][1]]
    experiment = load(overrides).experiment
    return arm, Builder(experiment, open_source(experiment.data))


@pytest.mark.parametrize("kind", [*JOBS, "stream", "epochs"])
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


def test_asked_to_stop_before_any_piece_it_ends_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where windows stand is that of what was learned, not of the piece that comes next."""
    arm, builder = builder_of("sequences", tmp_path)
    whole = result([*records(builder, arm)])
    monkeypatch.setattr(trainer, "CHUNK", 37)
    keeper = Keeper(tmp_path / "job", "this", 1e9)
    work = replace(builder, checkpoints=Files(keeper)).work(Job(arm, 3))  # type: ignore[arg-type]
    for pieces in (1, 0, 2, 5):
        asked = iter([False] * pieces)
        with pytest.raises(StopRequestedError):
            [*work(lambda: next(asked, True))]  # noqa: B023
    assert result([*work(lambda: False)]) == whole


def test_it_goes_on_on_another_backend(tmp_path: Path) -> None:
    arm, builder = builder_of("windows", tmp_path)
    whole = result([*records(builder, arm)])
    keeper = Keeper(tmp_path / "job", "this", 1e9)
    with pytest.raises(CutShortError):
        [*records(builder, arm, Until(keeper, 2))]
    plain = builder.experiment.model_copy(update={"device": "reference"})
    assert result([*records(Builder(plain, builder.source), arm, keeper)]) == whole


# --- the file -------------------------------------------------------------------------------


def state(sample: int = 1, **arrays: np.ndarray) -> TrainerState:
    """Return what a keeper writes: something of every type."""
    job = Job("online", 3)
    told = (Progress(job, 7, 0, {"accuracy": 0.1 + 0.2, "nll": float("inf")}, 12.5),)
    found = {"sums": np.array([1.5, np.nan]), "before": None, "named": {"3": [1, 2.5, "x"]}}
    pipeline = arrays or {"sp/permanences": np.arange(6, dtype=np.int16).reshape(2, 3)}
    return TrainerState(
        sample, 2, 1, 3, Cursor(4, 5), 0.1, 0.7, told, pipeline, {"Probes": found, "Pace": {}}
    )


def equal(first: Any, second: Any) -> bool:
    """Return whether two states hold the same, arrays with dtype and shape."""
    if isinstance(first, np.ndarray):
        return (first.dtype, first.shape, first.tobytes()) == (
            second.dtype, second.shape, second.tobytes()
        )  # fmt: skip
    if isinstance(first, dict):
        return first.keys() == second.keys() and all(equal(first[k], second[k]) for k in first)
    if isinstance(first, TrainerState):
        return isinstance(second, TrainerState) and equal(vars(first), vars(second))
    return bool(first == second)


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
    keeper.write(state(1))
    assert not keeper.due()
    clock.now = 20.0
    fsync = os.fsync

    def slowly(number: int) -> None:
        clock.now += 2.0
        fsync(number)

    monkeypatch.setattr(os, "fsync", slowly)
    keeper.write(state(2))
    assert clock.now == 22.0
    clock.now = 22.0 + 2 * SHARE - 0.1
    assert not keeper.due()
    clock.now += 0.2
    assert keeper.due()
    assert equal(keeper.read(), state(2))
    assert sorted(p.name for p in (tmp_path / "a").iterdir()) == ["job", "job.before"]


def test_only_what_belongs_to_the_job_is_taken_up(tmp_path: Path) -> None:
    job, other = Job("online", 0), Job("online", 1)
    files = Checkpoints.of(tmp_path / "run", {"sp": {"columns": 64}}, "data", 60.0)
    assert files.of_job(job).read() is None
    for each in (job, other):
        files.of_job(each).write(state(each.seed + 7))
        files.of_job(each).write(state(each.seed))
    assert equal(files.of_job(job).read(), state(0))
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


def test_a_write_that_is_cut_short_or_impossible_leaves_the_last_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines: list[str] = []
    keeper = Keeper(tmp_path / "job", "this", 0.0, notice=lines.append)
    keeper.write(state(1))

    def full(_number: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        keeper.write(state(2))
    assert equal(keeper.read(), state(1))
    assert [p.name for p in tmp_path.iterdir()] == ["job"]
    (line,) = lines
    assert line.startswith(f"warning: {tmp_path / 'job'} cannot be written ([Errno 28] No space")
    assert not keeper.due(), "it is not tried over and over"


def test_a_state_is_read_as_it_was_written(tmp_path: Path) -> None:
    keeper = Keeper(tmp_path / "job", "this", 0.0)
    arrays = {
        f"a/{dtype}": np.arange(3).astype(dtype)[:length]
        for length, dtype in enumerate(("uint8", "int64", "float32", "float64"))
    }
    whole = state(5, empty=np.zeros((0, 4), np.int32), flag=np.array([True]), **arrays)
    keeper.write(whole)
    assert equal(keeper.read(), whole)


def notices(path: Path) -> tuple[Keeper, list[str]]:
    lines: list[str] = []
    return Keeper(path, "this", 0.0, notice=lines.append), lines


def refused(keeper: Keeper, lines: list[str]) -> str:
    """Return the one line that is said of a file that is not taken up."""
    lines.clear()
    assert keeper.read() is None
    (line,) = lines
    assert line.startswith(f"warning: {keeper.path} is no whole checkpoint (")
    assert line.endswith("); the job starts from its beginning")
    assert "\n" not in line
    return line


def test_flipped_bits_are_noticed_wherever_they_are(tmp_path: Path) -> None:
    keeper, lines = notices(tmp_path / "job")
    keeper.write(state())
    data, rng = keeper.path.read_bytes(), np.random.default_rng(3)
    for place in (0, len(data) - 1, *rng.integers(len(data), size=100)):
        damaged = bytearray(data)
        damaged[place] ^= 1 << int(rng.integers(8))
        keeper.path.write_bytes(damaged)
        refused(keeper, lines)
    keeper.path.write_bytes(data)
    assert keeper.read() is not None


class Code:
    """What a pickle calls when it is read."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return Path.touch, (self.path,)


def forged(archive: bytes) -> bytes:
    """Return a file whose first line is right for what follows it."""
    digest = hashlib.blake2b(archive, digest_size=32).hexdigest()
    return f"htmrun checkpoint 1 {digest}\n".encode() + archive


def zipped(compression: int = zipfile.ZIP_STORED, **parts: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for name, data in parts.items():
            archive.writestr(f"{name}.npy", data)
    return buffer.getvalue()


def npy(array: np.ndarray, shape: tuple[int, ...] | None = None) -> bytes:
    """Return an array's file, which says that it has another `shape`."""
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, array, allow_pickle=True)
    data = buffer.getvalue()
    if shape is not None:
        header = {"descr": array.dtype.str, "fortran_order": False, "shape": shape}
        buffer = io.BytesIO()
        np.lib.format.write_array_header_1_0(buffer, header)
        data = buffer.getvalue() + array.tobytes()
    return data


def test_hostile_files_run_no_code_and_are_said_in_a_line(tmp_path: Path) -> None:
    keeper, lines = notices(tmp_path / "job")
    keeper.write(state())
    data, trap = keeper.path.read_bytes(), tmp_path / "trap"
    code = pickle.dumps(Code(trap))
    pickle.loads(code)
    assert trap.exists(), "it is armed"
    trap.unlink()
    objects = np.array([Code(trap)], dtype=object)
    text = npy(np.frombuffer(b'{"belongs_to": "this", "state": {"array": "x"}}', np.uint8))
    files = {
        "a pickle": code,
        "a pickle with the right first line": forged(code),
        "an archive of objects": forged(zipped(json=npy(objects))),
        "objects for an array": forged(zipped(json=text, x=npy(objects))),
        "a bomb": forged(zipped(zipfile.ZIP_DEFLATED, json=text, x=npy(np.zeros(1 << 24)))),
        "a size that is not there": forged(
            zipped(json=text, x=npy(np.zeros(4), (1 << 40,)))
        ),
        "an array for all": forged(zipped(json=text, x=npy(np.zeros(4)))),
        "no JSON": forged(zipped(json=npy(np.frombuffer(b"{'a': 1}", np.uint8)))),
        "deep": forged(zipped(json=npy(np.frombuffer(b"[" * 10**6, np.uint8)))),
        "another version": data.replace(b"checkpoint 1", b"checkpoint 2", 1),
        "text": b"hello", "nothing": b"", "a part": data[:-5], "its first line": data[:85],
        "more": data + b"x",
    }  # fmt: skip
    for what, content in files.items():
        keeper.path.write_bytes(content)
        line = refused(keeper, lines)
        assert not trap.exists(), what
        assert (" (it is compressed); " in line) == (what == "a bomb")
    assert [path.name for path in tmp_path.iterdir()] == ["job"]


@pytest.mark.parametrize("damage", ["bit", "cut", "zeros", "text", "gone", "version"])
def test_of_a_damaged_file_the_one_before_is_taken(tmp_path: Path, damage: str) -> None:
    keeper, lines = notices(tmp_path / "job")
    keeper.write(state(1))
    keeper.write(state(2))
    data = keeper.path.read_bytes()
    spoilt = {
        "bit": data[:700] + bytes([data[700] ^ 4]) + data[701:], "cut": data[: len(data) // 2],
        "zeros": bytes(len(data)), "text": b"hello",
        "version": data.replace(b"checkpoint 1", b"checkpoint 9", 1),
    }  # fmt: skip
    if damage == "gone":  # A process died between the two renames.
        keeper.path.unlink()
    else:
        keeper.path.write_bytes(spoilt[damage])
    assert equal(keeper.read(), state(1))
    assert len(lines) == (damage != "gone")
    assert all(line.endswith("goes on from the one before it, at sample 1") for line in lines)
    keeper.before.write_bytes(b"as bad")
    lines.clear()
    assert keeper.read() is None
    assert all(line.endswith("; the job starts from its beginning") for line in lines)
    assert len(lines) == 1


def test_what_a_dead_process_left_half_written_goes(tmp_path: Path) -> None:
    keeper, other = Keeper(tmp_path / "job", "this", 0.0), tmp_path / "job2.77"
    keeper.write(state(1))
    for half in (tmp_path / "job.4711", other):
        half.write_bytes(b"half")
    assert equal(keeper.read(), state(1))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["job", "job2.77"]


def test_a_job_with_a_damaged_file_starts_from_its_beginning(tmp_path: Path) -> None:
    arm, builder = builder_of("digits", tmp_path)
    keeper, lines = notices(tmp_path / "job")
    with pytest.raises(CutShortError):
        [*records(builder, arm, Until(keeper, 2))]
    for path in (keeper.path, keeper.before):
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 1
        path.write_bytes(data)
    begun = next(iter(records(builder, arm, keeper)))
    assert isinstance(begun, Started)
    assert begun.earlier == 0
    assert len(lines) == 1


def test_a_whole_file_that_does_not_fit_the_job_is_an_error(tmp_path: Path) -> None:
    arm, builder = builder_of("digits", tmp_path)
    keeper, _ = notices(tmp_path / "job")
    keeper.write(state())
    with pytest.raises(UserError, match="job: found a checkpoint that does not fit its job"):
        next(iter(records(builder, arm, keeper)))


def test_rows_that_are_empty_take_no_room(tmp_path: Path) -> None:
    weights = np.zeros((4096, 48), np.float32)
    weights[7], weights[11, 3] = 0.5, -0.0
    full = np.arange(4096 * 48, dtype=np.float32).reshape(4096, 48)
    for name, array, most in (("few", weights, 10_000), ("all", full, full.nbytes + 2000)):
        path = tmp_path / name
        typed_file.write(path, {"a": array, "b": [array[:3]]}, "test 1")
        found = typed_file.read(path, "test 1")
        assert found["a"].tobytes() == array.tobytes(), "the sign of a zero stays, too"
        assert found["a"].dtype == array.dtype
        assert found["b"][0].tobytes() == array[:3].tobytes()
        assert path.stat().st_size < most


def test_bits_are_kept_as_what_they_are_made_of(tmp_path: Path) -> None:
    bits = Bits.from_rows(8, [[1, 5], [], [7]])
    typed_file.write(tmp_path / "kept", {"before": bits, "none": [bits]}, "kept 1")
    found = typed_file.read(tmp_path / "kept", "kept 1")
    for again in (Bits(**found["before"]), Bits(**found["none"][0])):
        assert again.size == 8
        np.testing.assert_array_equal(again.indices, bits.indices)
        np.testing.assert_array_equal(again.offsets, bits.offsets)
