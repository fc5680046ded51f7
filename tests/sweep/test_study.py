"""Studies that several workers share: exactly N trials, none lost, none twice."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import optuna
import pytest
from mlflow import MlflowClient

from htmrun.config.sweep import Sweep, load_sweep
from htmrun.config.validation import plain
from htmrun.errors import UserError
from htmrun.execution.signals import terminations_raised
from htmrun.execution.workers import News, Said
from htmrun.sweep import study as module
from htmrun.sweep.conductor import Conductor
from htmrun.sweep.record import SweepRecord
from htmrun.sweep.samplers import distributions
from htmrun.sweep.storage import open_storage
from htmrun.sweep.study import ATTEMPT, FIRST, OWNER, WORKER_TAG, SharedStudy, worker_name
from htmrun.sweep.trial import LOST, Ended, Task
from htmrun.tracking import holding
from htmrun.tracking.provenance import HOST_TAG, START_TAG, process_tags
from tests.helpers import forked
from tests.helpers.cut_short import terminated_within
from tests.helpers.dying import within

OBJECTIVES = {"accuracy": "maximize"}


def small(*arguments: str) -> Sweep:
    given = [
        "sp.density=interval(0.05,0.2)", "sp.columns=choice(64,128)",
        "classifier.learning_rate=log(0.01,0.1)", "sp.potential_fraction=0.5",
        "sweep.start_with_default=false", *arguments,
    ]  # fmt: skip
    # A field is searched once: the last one counts.
    return load_sweep(["experiment=digits", *{a.partition("=")[0]: a for a in given}.values()])


def opened(where: Path, *arguments: str, data: str = "abc") -> SharedStudy:
    shared = SharedStudy.open(small(*arguments), str(where), OBJECTIVES, data)
    shared.prepare()
    return shared


def value_at(trial: Any) -> list[float]:
    return [float(trial.params["sp.density"])]


def run_all(where: str, pause: float, arguments: tuple[str, ...] = ()) -> None:
    """A worker that runs trials until there are enough."""
    shared = opened(Path(where), *arguments)
    while (trial := shared.ask()) is not None:
        time.sleep(pause)
        shared.tell(trial.number, value_at(trial))


def points_of(shared: SharedStudy) -> list[tuple[Any, ...]]:
    return [tuple(sorted(t.params.items())) for t in shared.complete()]


@pytest.mark.parametrize("sampler", ["random", "grid", "tpe"])
def test_workers_at_once_make_exactly_so_many_trials(sampler: str, tmp_path: Path) -> None:
    arguments = (f"sweep.sampler={sampler}", "sweep.trials=11", "sweep.grid_points=3")
    where = tmp_path / "study.journal"
    context = forked.context()
    workers = [
        context.Process(target=run_all, args=(str(where), 0.01, arguments)) for _ in range(4)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(300)
    assert [worker.exitcode for worker in workers] == [0] * 4
    shared = opened(where, *arguments)
    assert len(shared.complete()) == 11
    assert len(set(points_of(shared))) == 11, "none was tried twice"


@pytest.mark.parametrize("sampler", ["random", "tpe"])
def test_who_begins_before_another_has_chosen_chooses_something_else(
    sampler: str, tmp_path: Path
) -> None:
    slow, fast = (opened(tmp_path / "study", f"sweep.sampler={sampler}") for _ in range(2))
    begun = slow.study.ask()
    other = fast.ask()
    assert other is not None
    late = {n: begun._suggest(n, d) for n, d in distributions(slow.sweep.space).items()}
    assert (begun.number, other.number) == (0, 1)
    assert late["sp.density"] != other.params["sp.density"]
    alone = opened(tmp_path / "alone", f"sweep.sampler={sampler}").ask()
    assert alone is not None
    assert late == alone.params, "what a number is given does not depend on who asks beside it"


@pytest.mark.parametrize("sampler", ["cmaes", "gp", "qmc", "nsga2"])
def test_the_other_samplers_choose_other_settings_each_time(sampler: str, tmp_path: Path) -> None:
    arguments = (f"sweep.sampler={sampler}", "sweep.trials=6")
    run_all(str(tmp_path / "study"), 0.0, arguments)
    assert len({point[2] for point in points_of(opened(tmp_path / "study", *arguments))}) == 6


def test_a_study_cut_short_goes_on_as_it_would_have(tmp_path: Path) -> None:
    whole, cut = tmp_path / "whole.journal", tmp_path / "cut.journal"
    run_all(str(whole), 0.0, ("sweep.trials=8",))
    run_all(str(cut), 0.0, ("sweep.trials=3",))
    run_all(str(cut), 0.0, ("sweep.trials=8",))
    first, second = (opened(path, "sweep.trials=8") for path in (whole, cut))
    assert points_of(first) == points_of(second)
    run_all(str(tmp_path / "other.journal"), 0.0, ("sweep.trials=8", "sweep.seed=1"))
    assert points_of(opened(tmp_path / "other.journal", "sweep.seed=1")) != points_of(first)


def test_a_grid_is_tried_once_and_no_further(tmp_path: Path) -> None:
    arguments = ("sweep.sampler=grid", "sweep.grid_points=2", "sweep.trials=1000")
    run_all(str(tmp_path / "grid"), 0.0, arguments)
    shared = opened(tmp_path / "grid", *arguments)
    assert shared.wanted == 2 * 2 * 2
    assert len(set(points_of(shared))) == 8


def test_the_first_trial_has_the_experiments_own_settings(tmp_path: Path) -> None:
    own = ("sweep.start_with_default=true", "sp.columns=choice(64,2048)")
    trial = opened(tmp_path / "study", *own).ask()
    assert trial is not None
    assert trial.params == {
        "sp.density": 0.1, "sp.columns": 2048, "classifier.learning_rate": 0.02,
    }  # fmt: skip


def ask_and_hang(where: str) -> None:
    opened(Path(where), "sweep.trials=4").ask()
    time.sleep(600)


def test_a_trial_of_a_killed_worker_is_run_again(tmp_path: Path) -> None:
    where = tmp_path / "study.journal"
    opened(where, "sweep.trials=4")
    worker = forked.context().Process(target=ask_and_hang, args=(str(where),))
    worker.start()
    shared = opened(where, "sweep.trials=4")
    deadline = time.monotonic() + 240
    while not [t for t in shared.begun() if OWNER in t.user_attrs]:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert shared.stale(set()) == [], "it lives"
    assert worker.pid is not None
    os.kill(worker.pid, signal.SIGKILL)
    worker.join()
    (lost,) = shared.stale(set())
    before = shared.begun()[0].params
    assert shared.requeue(lost, "its worker is gone")
    assert shared.begun() == []
    again = shared.ask()
    assert again is not None
    assert (again.params, again.user_attrs[ATTEMPT]) == (before, 2)
    shared.tell(again.number, [0.5])
    run_all(str(where), 0.0, ("sweep.trials=4",))
    assert len(shared.complete()) == 4


def test_elsewhere_a_beat_that_stands_still_tells(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "GRACE_S", 0.3)
    shared = opened(tmp_path / "study")
    shared.owner = {**shared.owner, "htmrun.host": "another-machine"}
    living, gone = shared.ask(), shared.ask()
    assert living is not None
    assert gone is not None
    watcher = opened(tmp_path / "study")
    assert watcher.stale(set()) == []
    for _ in range(8):
        time.sleep(0.1)
        shared.beat([living.number])
        found = watcher.stale(set())
    assert found == [gone.number]


def test_the_journals_lock_goes_with_its_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    held: Any = open_storage("runs/study.journal")

    @contextmanager
    def writing() -> Iterator[None]:
        held._backend._lock.acquire()
        yield

    with within(writing) as kill:
        asking = threading.Thread(target=opened, args=(Path("runs/study.journal"),), daemon=True)
        asking.start()
        asking.join(0.5)
        assert asking.is_alive(), "somebody writes"
        kill()
        asking.join(120)
    assert not asking.is_alive()
    assert [path.name for path in Path("runs").iterdir()] == ["study.journal"]


def test_half_a_line_of_the_journal_is_left_out(tmp_path: Path) -> None:
    """A full disk cuts it off; the next one would be appended to it."""
    where = tmp_path / "study.journal"
    run_all(str(where), 0.0, ("sweep.trials=2",))
    before = where.read_bytes()
    where.write_bytes(before + b'{"op_code":8,"worker')
    run_all(str(where), 0.0, ("sweep.trials=3",))
    assert len(opened(where).complete()) == 3
    assert where.read_bytes().startswith(before)


@pytest.mark.parametrize("sampler", ["random", "tpe", "gp", "nsga2"])
def test_trials_that_are_lost_change_nothing_of_those_after_them(
    sampler: str, tmp_path: Path
) -> None:
    """TPE and GP draw ten, and let the others follow from what has ended."""
    arguments = (f"sweep.sampler={sampler}", "sweep.trials=14")
    run_all(str(tmp_path / "whole"), 0.0, arguments)
    for cut in (0, 4, 11):
        shared = opened(tmp_path / "cut", *arguments)
        while len(shared.complete()) < cut:
            trial = shared.ask()
            assert trial is not None
            shared.tell(trial.number, value_at(trial))
        trial = shared.ask()
        assert trial is not None
        if cut == 4:
            shared.put_back(trial.number)
        else:
            shared.requeue(trial.number, "its worker is gone")
    run_all(str(tmp_path / "cut"), 0.0, arguments)
    whole, again = (opened(tmp_path / name, *arguments) for name in ("whole", "cut"))
    assert points_of(again) == points_of(whole)
    assert len(again.study.trials) == 14 + 3


def test_what_is_lost_is_run_again_where_its_finder_died(tmp_path: Path) -> None:
    where = tmp_path / "study"
    shared = opened(where, "sweep.trials=3")
    trial = shared.ask()
    assert trial is not None
    shared.set(trial.number, LOST, "its worker is gone")
    again = [opened(where, "sweep.trials=3").ask() for _ in range(2)]
    assert [t.params for t in again[:1] if t is not None] == [trial.params]
    # Had both found it at the same moment, one would not count.
    point = {"params": trial.params, "user_attrs": {FIRST: 0}}
    shared.study.enqueue_trial(**point)
    last = shared.ask()
    assert last is not None
    assert last.params != trial.params
    assert [t.number for t in shared.begun()] == [1, 2, 4]
    assert shared.ask() is None


def test_a_study_whose_creator_died_at_once_is_taken_up(tmp_path: Path) -> None:
    where = tmp_path / "runs" / "study"
    directions = ["maximize"]
    sweep = small(f"tracking.dir={tmp_path / 'runs'}")
    optuna.create_study(
        storage=open_storage(str(where)), study_name=sweep.name, directions=directions
    )
    begun = time.monotonic()
    shared = SharedStudy.open(sweep, str(where), OBJECTIVES, "abc", worker_name(sweep))
    shared.prepare()
    assert time.monotonic() - begun < module.READY_S / 2
    assert shared.ask() is not None


def test_a_lock_says_who_lives_whatever_its_process_id_says(tmp_path: Path) -> None:
    sweep = small(f"tracking.dir={tmp_path}")
    own, other = worker_name(sweep), worker_name(sweep)
    reused, elsewhere = {START_TAG: "1.0"}, {HOST_TAG: "elsewhere"}
    with holding.hold(tmp_path, own), within(lambda: holding.hold(tmp_path, other)) as kill:
        shared = SharedStudy.open(sweep, str(tmp_path / "study"), OBJECTIVES, "abc", own)
        owner = {**process_tags(), WORKER_TAG: other}
        assert [shared.works({**owner, **tags}) for tags in (reused, elsewhere)] == [True, True]
        assert shared.works(None) is None, "it may be just about to say so"
        kill()
        assert [shared.works({**owner, **tags}) for tags in ({}, elsewhere)] == [False, False]
        assert shared.works(None) is False


def test_what_keeps_killing_its_worker_is_given_up(tmp_path: Path) -> None:
    shared = opened(tmp_path / "study", "sweep.retries=1", "sweep.trials=1")
    first = shared.ask()
    assert first is not None
    assert shared.requeue(first.number, "it died")
    second = shared.ask()
    assert second is not None
    assert not shared.requeue(second.number, "it died")
    assert shared.ask() is None
    (given_up,) = shared.ended()
    assert given_up.state.name == "FAIL"
    assert given_up.user_attrs["error"] == "it died, 2 times"


def test_two_who_find_the_same_lost_trial_run_it_once(tmp_path: Path) -> None:
    one, other = (opened(tmp_path / "study", "sweep.trials=5") for _ in range(2))
    trial = one.ask()
    assert trial is not None
    one.requeue(trial.number, "gone")
    other.requeue(trial.number, "gone")
    waiting = [t for t in one.trials() if t.state.name == "WAITING"]
    assert len(waiting) == 1


def test_an_interrupted_trial_is_put_back_without_blame(tmp_path: Path) -> None:
    shared = opened(tmp_path / "study", "sweep.retries=0")
    trial = shared.ask()
    assert trial is not None
    shared.put_back(trial.number)
    again = shared.ask()
    assert again is not None
    assert again.params == trial.params
    assert again.user_attrs[ATTEMPT] == 1
    assert shared.study.trials[trial.number].user_attrs[LOST] == "interrupted"


def test_a_trial_that_has_ended_is_not_put_back(tmp_path: Path) -> None:
    shared = opened(tmp_path / "study")
    trial = shared.ask()
    assert trial is not None
    shared.tell(trial.number, [0.5])
    shared.put_back(trial.number)
    (kept,) = shared.trials()
    assert (kept.state.name, kept.values) == ("COMPLETE", [0.5])
    assert LOST not in kept.user_attrs


class OneAtATime:
    """Workers whose trials are over as soon as somebody waits for them."""

    def __init__(self) -> None:
        self.begun: list[int] = []

    def free(self) -> int:
        return 0 if self.begun else 1

    def start(self, key: int, task: Task) -> None:
        assert key == task.number
        self.begun.append(key)

    def wait(self, _seconds: float) -> list[tuple[int, News]]:
        return [(self.begun.pop(), Said([Ended(({"accuracy": 0.5},), ("hash",))]))]

    def go_on(self, key: int) -> None:
        raise AssertionError(key)

    def end(self, key: int) -> None:
        assert key not in self.begun

    def close(self) -> None:
        pass


@pytest.mark.parametrize("when", ["ask", "set", "tell"])
def test_an_interruption_waits_for_the_study(when: str, tmp_path: Path, monkeypatch: Any) -> None:
    shared = opened(tmp_path / "study.journal", "sweep.trials=3")
    conductor = Conductor(shared, OneAtATime(), None, lambda _: None)
    plain = getattr(shared, when)

    def interrupted(*arguments: Any) -> Any:
        monkeypatch.setattr(shared, when, plain)  # a second signal would not wait
        signal.raise_signal(signal.SIGTERM)
        return plain(*arguments)

    monkeypatch.setattr(shared, when, interrupted)
    with terminations_raised(), pytest.raises(SystemExit) as raised:
        conductor.run()
    assert raised.value.code == 128 + signal.SIGTERM
    conductor.give_up()
    shown = opened(tmp_path / "study.journal", "sweep.trials=3")
    states = [t.state.name for t in shown.trials()]
    assert states == (["WAITING"] if when == "ask" else ["COMPLETE"])


def test_an_interruption_waits_for_what_is_written_to_mlflow(tmp_path: Path) -> None:
    """Cut off, it would keep the database locked for what is written on the way out."""
    shared = opened(tmp_path / "study.journal")
    said: list[str] = []
    record = SweepRecord(shared, None, tmp_path, "digits-sweeps", said.append)
    said.clear()
    trial = shared.ask()
    assert trial is not None
    with (
        terminations_raised(),
        terminated_within("INSERT INTO params", record._client) as sent,
        pytest.raises(SystemExit, match="143"),
    ):
        record.begin(trial.number, plain(shared.sweep.trial(trial.params)))
    assert sent
    record.close("KILLED", [])
    assert said == []
    runs = MlflowClient(f"sqlite:///{tmp_path}/mlflow.db").search_runs(["1"])
    assert {run.info.run_name for run in runs if run.data.params} == {
        shared.sweep.name,
        "trial-0000",
    }
    assert [r.info.status for r in runs if r.info.run_id == record.parent] == ["KILLED"]


def test_another_sweep_under_the_same_name_is_refused(tmp_path: Path) -> None:
    where = tmp_path / "study.journal"
    opened(where)
    with pytest.raises(UserError, match="was begun with another space; repeat its command"):
        opened(where, "sp.density=interval(0.05,0.3)")
    with pytest.raises(UserError, match="was begun with another settings of the experiment;"):
        opened(where, "epochs=2")
    with pytest.raises(UserError, match="was begun with another data;"):
        opened(where, data="other")
    opened(where, "sweep.trials=99", "sweep.workers=3", "workers=1")


def test_a_file_that_is_no_journal_stays_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("mine")
    with pytest.raises(UserError, match=r"sweep.storage: found .*, which is no journal"):
        opened(path)
    assert path.read_text() == "mine"
    with pytest.raises(UserError, match="expected null, a file, postgresql"):
        SharedStudy.open(small(), "mongodb://u:secret@h/d", OBJECTIVES, "abc")
    with pytest.raises(UserError, match=r"sweep.storage: cannot use postgresql://\*\*\*@") as found:
        SharedStudy.open(small(), "postgresql://u:secret@127.0.0.1:9/d", OBJECTIVES, "abc")
    assert "secret" not in str(found.value)
