"""Dimensions as they are written, and what a sweep refuses."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from htmrun.config.space import Choice, Interval, grid, is_dimension, parse
from htmrun.config.sweep import load_sweep
from htmrun.errors import UserError


def complaint(*arguments: str, folder: Path | None = None) -> list[str]:
    with pytest.raises(UserError) as caught:
        load_sweep(["experiment=digits", *arguments], folder)
    return str(caught.value).splitlines()


@pytest.mark.parametrize(
    ("text", "dimension"),
    [
        ("choice(64, 128)", Choice((64, 128))),
        ("choice(1e-3,x, true,null,[3,8])", Choice((1e-3, "x", True, None, [3, 8]))),
        ("interval(0, 3)", Interval(0, 3)),
        (" log( 1e-3 , 1 ) ", Interval(1e-3, 1, log=True)),
        ("integer(2,9)", Interval(2, 9, whole=True)),
        ("log_integer(2,9)", Interval(2, 9, log=True, whole=True)),
    ],
)
def test_dimensions_are_read(text: str, dimension: Any) -> None:
    assert is_dimension(text)
    assert parse("x", text) == dimension


@pytest.mark.parametrize(
    ("argument", "line"),
    [
        (
            "sp.columns=chioce(1,2)",
            "sp.columns: found 'chioce(...)', expected one of choice(a, b, ...), "
            "interval(low, high), log(low, high), integer(low, high), log_integer(low, high); did "
            "you mean 'choice'?",
        ),
        (
            "sp.colums=choice(64,128)",
            "sp.colums: unknown field, found 64; did you mean 'columns'? (in the sweep's space)",
        ),
        (
            "sp.columns=interval(64,128)",
            "sp.columns: found 64.0, expected an integer 1 to 16777216 (in the sweep's space)",
        ),
        (
            "sp.density=interval(0.1,0.9)",
            "sp.density: found 0.9, expected a number > 0, <= 0.5 (in the sweep's space)",
        ),
        ("sp.density=log(0,0.4)", "sp.density: found log(0, 0.4), expected low > 0"),
        ("sp.density=interval(0.4,0.4)",
         "sp.density: found interval(0.4, 0.4), expected low < high"),
        ("sp.density=interval(0.4)",
         "sp.density: found interval(0.4), expected two numbers, interval(low, high)"),
        ("sp.columns=integer(1.5,3)",
         "sp.columns: found integer(1.5, 3), expected two integers, integer(low, high)"),
        ("sp.density=choice(0.1)",
         "sp.density: found 1 in choice(...), expected at least 2 values"),
        ("sp.density=choice(0.1,0.1)",
         "sp.density: found 0.1 twice in choice(...), expected each value once"),
        ("sp.density=choice([1,2)",
         "sp.density: cannot read 'choice([1,2)', expected values with commas"),
        (
            "seeds=choice(1,2)",
            "seeds: found in the space, expected a setting of a stage, an arm or a control; "
            "'seeds' is the same for all trials",
        ),
        (
            "data.test_fraction=interval(0.1,0.5)",
            "data.test_fraction: found in the space, expected a setting of a stage, an arm or a "
            "control; 'data' is the same for all trials",
        ),
        (
            "sp=choice(default,lokal)",
            "sp: found 'lokal', expected one of default, local; did you mean 'local'? (in the "
            "sweep's space)",
        ),
    ],
)  # fmt: skip
def test_a_wrong_dimension_is_one_line(argument: str, line: str) -> None:
    assert complaint(argument) == [line]


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (
            [],
            "sweep.space: found nothing to search, expected e.g. 'sp.boost_strength=interval(0,3)' "
            "or sweep=NAME",
        ),
        (["sweep=poler"],
         "sweep: found 'poler', expected one of cost, default, digits, pooler; did you mean "
         "'pooler'?"),
        (["sweep.trails=3"], "sweep.trails: unknown field, found 3; did you mean 'trials'?"),
        (["sweep.trials=0"], "sweep.trials: found 0, expected integer 1 to 1000000"),
        (
            ["sweep.sampler=tep"],
            "sweep.sampler: found 'tep', expected tpe, random, grid, cmaes, gp, qmc, nsga2; did "
            "you mean 'tpe'?",
        ),
        (["sweep.objectives={accuracy: max}"],
         "sweep.objectives.accuracy: found 'max', expected maximize or minimize"),
        (
            ["sweep=pooler", "sweep.arm=onlin"],
            "sweep.arm: found 'onlin', expected one of online, minibatch, epoch_boost; did you "
            "mean 'online'?",
        ),
        (["sweep=cost", "sweep.pruner=median"],
         "sweep.pruner: found 'median' with 2 objectives, expected none"),
        (["sweep=pooler", "sweep.seeds=[3,3]"],
         "sweep.seeds: found 3 twice, expected each seed once"),
        (["sweep=pooler", "sp.colums=64"],
         "sp.colums: unknown field, found 64; did you mean 'columns'?"),
    ],
)  # fmt: skip
def test_a_wrong_setting_is_one_line(arguments: list[str], line: str) -> None:
    assert complaint(*arguments) == [line]


def test_all_wrong_dimensions_are_said_at_once(tmp_path: Path) -> None:
    folder = tmp_path / "sweep"
    folder.mkdir()
    (folder / "mine.yaml").write_text(
        "defaults: [default]\nspace:\n  sp.density: log(0, 1)\n  sp.columns: 64\n"
    )
    assert complaint("sweep=mine", folder=tmp_path) == [
        "sp.density: found log(0, 1), expected low > 0",
        "sp.columns: found '64', expected one of choice(a, b, ...), interval(low, high), "
        "log(low, high), integer(low, high), log_integer(low, high)",
    ]


def test_a_setting_takes_a_dimension_out_of_the_space() -> None:
    sweep = load_sweep(["experiment=digits", "sweep=pooler", "sp.density=0.05"])
    assert "sp.density" not in sweep.space
    assert sweep.final({}).stages["sp"].density == 0.05  # type: ignore[union-attr]


def test_a_trial_has_one_arm_the_sweeps_seeds_and_validation() -> None:
    sweep = load_sweep(
        ["experiment=digits", "sweep=pooler", "sweep.arm=minibatch", "sweep.seeds=[7]"]
    )
    point = {"sp.density": 0.07, "classifier.learning_rate": 0.005}
    trial, final = sweep.trial(point), sweep.final(point)
    assert (trial.selected, trial.seeds) == (("minibatch",), (7,))
    assert (trial.data.held_out, final.data.held_out) == ("validation", "test")
    assert not trial.tracking.enabled
    assert final.seeds == sweep.base.seeds
    for experiment in (trial, final):
        assert experiment.stages["sp"].density == 0.07  # type: ignore[union-attr]
        assert experiment.stages["classifier"].learning_rate == 0.005  # type: ignore[union-attr]


def test_choices_in_groups_lists_and_new_arms_can_be_searched() -> None:
    sweep = load_sweep(
        ["experiment=digits", "sp=choice(default,local)", "encoder.levels=choice([8],[3,8,12])",
         "arm.mine.learn_every=integer(1,50)", "sp.density=0.1"]
    )  # fmt: skip
    assert sweep.space["encoder.levels"] == Choice(([8], [3, 8, 12]))
    point = {"sp": "local", "encoder.levels": "[3, 8, 12]", "arm.mine.learn_every": 7}
    final = sweep.final(point)
    assert final.stages["sp"].inhibition == "local"  # type: ignore[union-attr]
    assert final.stages["encoder"].levels == (3, 8, 12)  # type: ignore[union-attr]
    assert final.arm["mine"].learn_every == 7


def test_a_grid_has_every_combination_and_its_ends() -> None:
    space = {
        "a": parse("a", "choice(x,y)"),
        "b": parse("b", "log(0.001, 10)"),
        "c": parse("c", "integer(1,3)"),
    }
    points = grid(space, 5)
    assert len(points) == 2 * 5 * 3
    assert [p["b"] for p in points[:15:3]] == pytest.approx([1e-3, 1e-2, 1e-1, 1, 10])
    assert max(p["b"] for p in points) == 10
    assert sorted({p["c"] for p in points}) == [1, 2, 3]
    assert not any(math.isnan(p["b"]) for p in points)
