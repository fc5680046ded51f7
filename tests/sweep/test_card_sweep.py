"""Trials side by side on a card: the study is what it is where they run one after the other.

The card is the host runner of `tests/kernels`: the same kernels, launched on NumPy arrays.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import optuna
import pytest

from htmrun.backends.cuda import cards, device
from htmrun.cli import main
from htmrun.config.sweep import load_sweep
from htmrun.execution.estimate import device_bytes
from htmrun.execution.opening import open_run
from htmrun.execution.placement import MARGIN
from htmrun.sweep.conductor import Conductor
from htmrun.sweep.storage import open_storage
from htmrun.sweep.study import FIGURES, HASHES
from htmrun.sweep.trial import LOST
from tests.helpers import host_card
from tests.helpers.experiments import timed

SMALL = (
    "experiment=sequences", "data.steps=72", "sweep.seeds=[0,1]", "data.sequences=2",
    "data.noise_symbols=20", "encoder.size=64", "encoder.active=6", "tm.cells_per_column=4",
    "tm.activation_threshold=4", "tm.matching_threshold=2", "tm.new_synapses=6",
    "tm.initial_permanence=0.5", "curve_points=4", "tracking=none",
    "sweep.start_with_default=false",
    "sweep.objectives={nll: minimize}",
)  # fmt: skip
PRUNED = ("sweep.pruner=median", "sweep.prune_after=1")
PLAIN = ("sweep.pruner=none",)
RATES = "classifier.learning_rate=log(0.005,0.9)"


@pytest.fixture
def launched(build_folder, monkeypatch):
    """Names of kernels and how many models each launch had, from now on."""
    host_card.put_in(monkeypatch, build_folder)
    made, found = device.cuda_device(), []
    find = made.find

    def counting(file: str, name: str) -> Any:
        kernel = find(file, name)

        def launch(grid: Any, block: Any, arguments: Any) -> None:
            found.append((name, grid[1]))
            kernel(grid, block, arguments)

        return launch

    made.find = counting
    return found


def study(name: str) -> list[dict[str, Any]]:
    """Return what a study has of its trials but times, in the order in which they were begun."""
    storage = open_storage(f"runs/sweeps/{name}/study.journal")
    found = optuna.load_study(study_name=name, storage=storage).get_trials()
    trials = []
    for trial in (t for t in found if LOST not in t.user_attrs):
        figures = trial.user_attrs.get(FIGURES, {})
        trials.append({
            "params": trial.params, "state": trial.state.name, "values": trial.values,
            "on the way": trial.intermediate_values, "hashes": trial.user_attrs.get(HASHES),
            "figures": {name: value for name, value in figures.items() if not timed(name)},
            "error": trial.user_attrs.get("error"),
        })  # fmt: skip
    return trials


def sweep(name: str, *arguments: str, status: int = 0) -> list[dict[str, Any]]:
    assert main(["sweep", *SMALL, f"sweep.name={name}", *arguments]) == status
    return study(name)


@pytest.mark.parametrize(
    ("arguments", "at_once"),
    [
        (
            ("sweep.sampler=random", "--trials", "5", "sweep.pruner=median", "sweep.prune_after=1"),
            5,
        ),
        (("sweep.sampler=grid", "sweep.grid_points=4", "sweep.pruner=halving"), 4),
        (("sweep.sampler=tpe", "sweep.workers=1", "--trials", "3", "sweep.pruner=none"), 1),
    ],
    ids=["median", "grid, halving", "one after the other"],
)
def test_a_study_on_a_card_is_that_of_the_processor(
    arguments, at_once, here: Path, launched, capsys
):
    plain = sweep("plain", RATES, "sweep.workers=1", *arguments)
    together = sweep("together", RATES, "device=cuda", *arguments)
    assert together == plain
    states = {trial["state"] for trial in plain}
    assert states == ({"COMPLETE"} if at_once == 1 else {"COMPLETE", "PRUNED"})
    models = [count for name, count in launched if name == "tm_advance"]
    assert max(models) == 2 * at_once, "memories are equal, so those of all trials share launches"
    said = capsys.readouterr().out
    trials = "1 trial" if at_once == 1 else f"{at_once} trials"
    assert f"on cuda:0 (host runner): {trials} at once, {2 * at_once} models" in said


def test_what_does_not_fit_beside_others_runs_after_them(here: Path, launched, monkeypatch, capsys):
    """Memories of two sizes; cards with room for two trials, and for half of one."""
    searched = (
        "sweep.sampler=grid", "sweep.pruner=none", "classifier.learning_rate=choice(0.1,0.3)",
        "tm.segment_size=choice(20,24)",
    )  # fmt: skip
    plain = sweep("plain", "sweep.workers=1", *searched)
    assert len({trial["hashes"][0] for trial in plain}) == 2, "no segment is as long as that"
    whole = sweep("whole", "device=cuda", *searched)
    assert whole == plain
    assert "4 trials at once, 8 models" in capsys.readouterr().out
    models = [count for name, count in launched if name == "tm_advance"]
    assert max(models) == 4, "those of another size have launches of their own"
    needs = []
    settings = load_sweep([*SMALL, "device=cuda", *searched])
    for size in (20, 24):
        run = open_run(settings.trial({"tm.segment_size": size}))
        needs.append(device_bytes(run.builder, "online"))
    for free, said in (
        (2 * sum(needs), "2 trials at once, 4 models"),
        (3 * needs[1] // 2, "1 trial at once, 1 model\n"),
    ):
        card = cards.Card(0, "small", int(free / MARGIN) + 2, 1 << 40)
        monkeypatch.setattr(cards, "card", lambda index, card=card: card)
        assert sweep(f"small{free}", "device=cuda", *searched) == plain
        assert said in capsys.readouterr().out


def test_a_study_cut_short_goes_on_as_it_would_have(here: Path, launched, monkeypatch):
    arguments = (
        "sweep.sampler=random", "--trials", "4", "sweep.pruner=median", "sweep.prune_after=1"
    )  # fmt: skip
    plain = sweep("plain", RATES, "sweep.workers=1", *arguments)
    ended = Conductor._ended

    def interrupted(conductor: Conductor, number: int) -> None:
        ended(conductor, number)
        if number == 1:
            raise KeyboardInterrupt

    monkeypatch.setattr(Conductor, "_ended", interrupted)
    cut = sweep("together", RATES, "device=cuda", *arguments, status=130)
    assert [trial["state"] for trial in cut][2:] == ["WAITING"] * 2
    monkeypatch.setattr(Conductor, "_ended", ended)
    assert sweep("together", RATES, "device=cuda", *arguments) == plain


def test_rounds_do_not_depend_on_the_cards_memory(here: Path, launched, monkeypatch, capsys):
    """Two trials of a round are chosen together, also where only one has room."""
    arguments = ("sweep.sampler=tpe", "sweep.workers=2", "--trials", "4", "sweep.pruner=none")
    whole = sweep("whole", RATES, "device=cuda", *arguments)
    assert capsys.readouterr().out.count("2 trials at once, 4 models") == 2
    settings = load_sweep([*SMALL, RATES, "device=cuda"])
    need = 2 * device_bytes(open_run(settings.trial({})).builder, "online")
    card = cards.Card(0, "small", int(1.5 * need / MARGIN), 1 << 40)
    monkeypatch.setattr(cards, "card", lambda index: card)
    assert sweep("small", RATES, "device=cuda", *arguments) == whole
    assert capsys.readouterr().out.count("1 trial at once, 2 models") == 4
    assert len({trial["params"]["classifier.learning_rate"] for trial in whole}) == 4
