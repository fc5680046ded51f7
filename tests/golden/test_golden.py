"""Every shipped experiment still gives the state hashes, figures and series of `golden.json`.

`python -m tests.golden --write` makes the file. Who changes it on purpose runs that command, and
says in the commit's message why results are others now.
"""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from tests.golden.cases import MORE, NETWORKS, SHIPPED, write_data
from tests.golden.golden import COMMAND, FILE, differences, machine, run

KEPT: dict[str, Any] = json.loads(FILE.read_text())
EXPERIMENTS = Path(__file__).resolve().parents[2] / "conf" / "experiment"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Path]]:
    """A place for runs, whose database is prepared once, and the data that cases read."""
    base = tmp_path_factory.mktemp("golden")
    return base / "runs", write_data(base)


@pytest.mark.xdist_group("golden")
@pytest.mark.parametrize("name", [*SHIPPED, *MORE])
def test_results_are_what_they_were(name: str, folder: tuple[Path, dict[str, Path]]) -> None:
    loose = name in NETWORKS and KEPT["networks are of"] != machine()
    found = list(differences(KEPT["cases"][name], run(name, *folder), loose))
    assert not found, "\n".join(
        [
            f"{name}: {len(found)} results differ from {FILE.name}",
            *(f"  {line}" for line in found[:40]),
            f"If that is meant: `{COMMAND}`, and say why in the commit's message.",
        ]
    )


def test_every_shipped_experiment_is_in_it() -> None:
    assert {path.stem for path in EXPERIMENTS.glob("*.yaml")} == set(SHIPPED)
    assert set(KEPT["cases"]) == {*SHIPPED, *MORE}


def test_hashes_of_networks_are_compared_too() -> None:
    """Said where it is not so: another processor or torch may round otherwise."""
    if KEPT["networks are of"] != machine():
        pytest.skip(
            f"networks are compared loosely, without hashes: {FILE.name} is of "
            f"{KEPT['networks are of']}, this is {machine()}"
        )


def test_a_change_of_anything_is_told() -> None:
    was = KEPT["cases"]["digits"]
    assert not list(differences(was, was, False))
    now = copy.deepcopy(was)
    arm = now["arms"]["online"]
    arm["state_hash"][1] = "0"
    arm["figures"]["accuracy"][0] += 1e-6
    arm["figures"]["samples"][0] += 1
    del arm["figures"]["nll"]
    arm["series"]["curve/sample"][0][1] = [1]
    arm["series"]["another"] = arm["series"]["curve/sample"]
    told = [line.partition(":")[0] for line in differences(was, now, False)]
    assert sorted(told) == [
        "online, another", "online, nll", "online, seed 3, accuracy",
        "online, seed 3, curve/sample", "online, seed 3, samples", "online, seed 5, state_hash",
    ]  # fmt: skip
