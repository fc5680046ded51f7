"""An agent's loop: windows, episodes, figures, and that a job is the same however it is run."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from htmrun.components.sources import open_source
from htmrun.config.compose import load
from htmrun.errors import StopRequestedError, UserError
from htmrun.execution.jobs import Builder
from htmrun.experiment import run
from htmrun.training.checkpoints import Checkpoints
from htmrun.training.measures.returns import Episodes, returns_of
from htmrun.training.records import Finished, Job, Progress, Started

SMALL = ("data.steps=400", "behaviour.babble=50", "seeds=[3]", "curve_points=5")


def builder(name: str, *overrides: str, **more: Any) -> Builder:
    experiment = load([f"experiment={name}", *SMALL, *overrides]).experiment
    return Builder(experiment, open_source(experiment.data), **more)


def played(made: Builder, arm: str, stop: Any = lambda: False) -> list[Any]:
    return list(made.work(Job(arm, 3))(stop))


def end(made: Builder, arm: str) -> Finished:
    last = played(made, arm)[-1]
    assert isinstance(last, Finished)
    return last


@pytest.mark.parametrize("arm", ["pooler_10", "pooler_episode", "behaviour_10"])
def test_the_reference_gives_the_same_bytes(arm: str) -> None:
    fast, plain = (
        end(builder("grid_world"), arm),
        end(builder("grid_world", "device=reference"), arm),
    )
    assert fast.state_hash == plain.state_hash
    assert (fast.series["episode/return"] == plain.series["episode/return"]).all()


@pytest.mark.parametrize("arm", ["pooler_10", "behaviour_10", "net_episode", "table"])
def test_a_job_that_is_cut_short_goes_on_to_the_same_end(arm: str, tmp_path: Path) -> None:
    whole = end(builder("grid_world"), arm)
    kept = Checkpoints(tmp_path, "this", 3600.0)
    asked = iter([False] * 5)
    with pytest.raises(StopRequestedError):
        played(builder("grid_world", checkpoints=kept), arm, lambda: next(asked, True))
    again = played(builder("grid_world", checkpoints=kept), arm)
    assert isinstance(again[0], Started)
    assert 0 < again[0].earlier < 400
    last = again[-1]
    assert last.state_hash == whole.state_hash
    for name in ("episode/return", "episode/end", "episode/best", "curve/recent/return"):
        assert (last.series[name] == whole.series[name]).all()
    for name in ("return", "episodes", "commits"):
        assert last.metrics[name] == whole.metrics[name]


def test_the_same_seed_twice_gives_the_same_and_another_seed_does_not() -> None:
    first, second = end(builder("bandit"), "pooler_online"), end(builder("bandit"), "pooler_online")
    assert first.state_hash == second.state_hash
    other = Builder.work(builder("bandit", "seeds=[3,4]"), Job("pooler_online", 4))
    assert list(other(lambda: False))[-1].state_hash != first.state_hash


@pytest.mark.slow
def test_one_process_and_two_end_in_the_same_states() -> None:
    played_by = {
        workers: run(
            ["experiment=bandit", *SMALL[:1], "seeds=[3,4]", "arms=[pooler_10,net_episode]"],
            workers=workers,
            models=False,
        ).frame
        for workers in (1, 2)
    }
    one, two = (frame.set_index(["arm", "seed"])["state_hash"] for frame in played_by.values())
    assert len(set(one)) == 4
    assert one.to_dict() == two.to_dict()


def test_windows_end_where_the_regime_says() -> None:
    # Episodes of slot machines have ten actions each.
    commits = {
        arm: end(builder("bandit"), arm).metrics["commits"]
        for arm in ("pooler_online", "pooler_10", "pooler_episode", "random")
    }
    assert commits == {"pooler_online": 400, "pooler_10": 40, "pooler_episode": 40, "random": 400}
    seven = builder("bandit", "arm.mine.learn_every=7", "arm.mine.pipeline=[pooler]")
    assert end(seven, "mine").metrics["commits"] == 58  # 57 whole ones and what is left.
    both = builder("bandit", "arm.mine.learn_every=7", "arm.mine.boost_at=epoch",
                   "arm.mine.pipeline=[pooler]")  # fmt: skip
    assert end(both, "mine").metrics["commits"] == 80  # An episode of ten is cut into 7 and 3.


def test_ten_steps_a_window_and_episodes_of_ten_steps_are_the_same() -> None:
    hashes = {end(builder("bandit"), arm).state_hash for arm in ("pooler_10", "pooler_episode")}
    assert len(hashes) == 1


def test_figures_are_those_of_the_episodes() -> None:
    last = end(builder("bandit"), "random")
    returns = last.series["episode/return"]
    assert len(returns) == last.metrics["episodes"] == 40
    assert last.metrics["return"] == pytest.approx(returns.mean())
    assert last.series["episode/end"].tolist() == list(range(10, 401, 10))
    assert last.series["episode/best"].shape == (11, 2)
    best, worst = (last.series[f"episode/{n}"][1:, 1].sum() for n in ("best", "worst"))
    assert (best, worst) == (returns.max(), returns.min())
    assert last.series["episode/best_frames"].shape == (8, 80, 120, 3)
    looks = [r for r in played(builder("bandit"), "random") if isinstance(r, Progress)]
    assert [r.sample for r in looks] == [80, 160, 240, 320, 400]
    assert looks[1].metrics["recent/return"] == pytest.approx(returns[8:16].mean())


def test_solved_is_the_first_hundred_whose_mean_is_enough() -> None:
    episodes = Episodes()
    for number in range(150):
        episodes.add(float(number), 2 * number + 2, np.zeros((1, 1)), np.zeros(0, np.int64))
    found, notes = returns_of(episodes, 60.0)
    # Of the episodes k .. k + 99 the mean is k + 49.5: first 60 or more at k = 11.
    assert found["episodes_to_solve"] == 111
    assert found["samples_to_solve"] == 222
    assert found["return"] == pytest.approx(99.5)
    assert not notes
    assert "episodes_to_solve" not in returns_of(episodes, 100.0)[0]


@pytest.mark.parametrize(
    ("overrides", "line"),
    [
        (["experiment=digits", "arm.online.learn_every=episode"],
         "arm.online.learn_every: found 'episode' with data.kind 'digits', which has no episodes"),
        (["experiment=bandit", "epochs=2"], "epochs: found 2 with data.kind 'bandit', expected 1"),
        (["experiment=bandit", "epoch_length=5"], "epoch_length: found 5 with data.kind 'bandit'"),
        (["experiment=digits", "data=bandit", "~data.split_seed"],
         "encoder.kind: found an encoder of 'image', expected one of 'observation'"),
        (["experiment=bandit", "data=digits", "~data.steps"],
         "pooler.kind: found 'reward_pooler' with data.kind 'digits', expected one of bandit, "),
        (["experiment=grid_world", "data.goal=[9,0]"], "data.goal: found [9, 0], expected cells"),
        (["experiment=bandit", "pooler.sp.weak_bump=0.1"], "pooler.sp.weak_bump: found 0.1"),
        (["experiment=bandit", "pooler.sp.duty_period=5", "arm.pooler_10.learn_every=6"],
         "arm.pooler_10.learn_every: 6 is above pooler.sp.duty_period = 5"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_said_in_one_line(overrides: list[str], line: str) -> None:
    with pytest.raises(UserError) as raised:
        load(overrides)
    assert line in str(raised.value)


@pytest.mark.parametrize(
    ("overrides", "line"),
    [
        (["pooler.encoders={place: {kind: rdse}}"], "pooler.encoders: found 'place', expected one"),
        (["table.bins=100", "data.contexts=900", "table.bins=9999"], "table.bins: 9999 bins of 2"),
    ],
)
def test_what_does_not_fit_the_environment_is_said_before_it_runs(
    overrides: list[str], line: str
) -> None:
    with pytest.raises(UserError) as raised:
        builder("bandit", *overrides).prepare()
    assert line in str(raised.value)


def test_importing_agents_imports_neither_torch_nor_gymnasium() -> None:
    code = "import sys; from htmrun.components import registry; registry.kinds('readout'); " \
           "sys.exit(bool({'torch', 'gymnasium'} & set(sys.modules)))"  # fmt: skip
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
