"""Composition: shipped experiments, the user's folder first, new keys, taken-away arms."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from htmrun.components.controls.persistence import PersistenceParameters
from htmrun.config.catalogue import choices, experiments
from htmrun.config.compose import load
from htmrun.config.schema import Arm, GrowingWindow
from htmrun.config.validation import validate
from htmrun.errors import UserError
from htmrun.paths import CONF

SHIPPED = (
    "activations_digits", "anomaly", "bandit", "cartpole", "cifar10", "classes_digits",
    "credit_digits", "csv", "digits", "drift", "game_digits", "grid_world", "heard_digits",
    "hierarchy_digits", "hotgym", "local_mnist", "mnist", "nab", "norms_digits", "permuted_digits",
    "reber", "reward_digits", "rotated_digits", "sequences", "sp_mnist", "sparse_digits",
    "sparse_mnist", "stream", "taxi", "taxi_perturbed", "topology_digits",
)  # fmt: skip
MINE = """\
# @package _global_
# Two spatial poolers, one on the other.
defaults:
  - override /data: digits
  - override /encoder: image
  - override /control: [untrained]

name: two_layers
pipeline: [encoder, sp, sp2, classifier]
sp2:
  kind: spatial_pooler
  columns: 512
  density: 0.05
arm:
  annealed:
    learn_every: {start: 1, factor: 1.5, limit: 200}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "experiment").mkdir()
    return tmp_path


def write(folder: Path, name: str, text: str) -> None:
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf-8")


def complaint(overrides: list[str], folder: Path | None = None) -> str:
    with pytest.raises(UserError) as caught:
        load(overrides, folder)
    return str(caught.value)


def test_the_shipped_experiments_are_all_listed_and_say_what_they_show() -> None:
    found = {entry.name: entry.summary for entry in experiments(None)}
    assert tuple(found) == SHIPPED
    assert all(20 < len(summary) < 250 and "@" not in summary for summary in found.values())


@pytest.mark.parametrize("name", SHIPPED)
def test_every_shipped_experiment_validates_and_can_be_read_back(name: str) -> None:
    loaded = load([f"experiment={name}"], look=False)
    assert loaded.experiment.name == name
    arms = [*loaded.experiment.arm.values(), *loaded.experiment.control.values()]
    own = [getattr(arm, "pipeline", None) or () for arm in arms]
    used = set(loaded.experiment.pipeline).union(*own)
    assert set(loaded.experiment.stages) == used
    # What is recorded with a run is itself a configuration, and means the same.
    again = validate(yaml.safe_load(yaml.safe_dump(loaded.resolved, sort_keys=False)))
    assert again == loaded.experiment


# What fits digits; others are refused for what they are, not for how they are written.
FITTING = {
    "encoder": {"image"}, "data": {"digits", "idx", "cifar10"}, "sp": {"default", "local"},
    "tm": {"default"}, "classifier": {"cla", "knn", "mlp", "sdr"}, "cluster": {"default"},
    "anomaly": {"default"}, "tracking": {"mlflow", "none"},
}  # fmt: skip


@pytest.mark.parametrize(
    ("group", "name"), [(group, name) for group in FITTING for name in choices(group, None)]
)
def test_every_choice_of_a_group_composes(group: str, name: str) -> None:
    overrides = ["experiment=plain", f"{group}={name}", "~encoder.threshold"]
    own = Path(__file__).parent / "own"
    if name in FITTING[group]:
        load(overrides, own)
    else:
        line = complaint(overrides, own)
        assert "unknown" not in line
        assert re.match(r"pipeline: |encoder\.|classifier\.|data\.path: missing", line)


def test_the_four_regimes_of_the_defaults() -> None:
    experiment = load(["experiment=digits"]).experiment
    dials = {n: (a.learn_every, a.boost_at) for n, a in experiment.arm.items()}
    assert dials == {
        "online": (1, "commit"),
        "minibatch": (10, "commit"),
        "epoch_boost": (1, "epoch"),
    }
    assert experiment.control["untrained"] == Arm(freeze=("sp",))
    assert experiment.control["no_sp"] == Arm(bypass=("sp",))
    stream = load(["experiment=stream"]).experiment
    assert stream.control["persistence"] == PersistenceParameters()


def test_overrides_reach_stages_arms_and_lists() -> None:
    loaded = load(
        [
            "experiment=digits",
            "sp.columns=4096",
            "arm.minibatch.learn_every=50",
            "seeds=[0,1,2]",
            "arms=[minibatch,untrained]",
        ]
    )
    experiment = loaded.experiment
    assert experiment.stages["sp"].columns == 4096  # type: ignore[union-attr]
    assert experiment.longest_window(experiment.arm["minibatch"]) == 50
    assert experiment.seeds == (0, 1, 2)
    assert experiment.selected == ("minibatch", "untrained")
    assert loaded.resolved["sp"]["columns"] == 4096
    assert loaded.overrides[1] == "sp.columns=4096"


def test_arms_are_added_by_setting_them_and_taken_away() -> None:
    added = load(
        ["experiment=digits", "arm.mine.learn_every={start:1,factor:2,limit:64}"]
    ).experiment
    assert added.arm["mine"].learn_every == GrowingWindow(start=1, factor=2.0, limit=64)
    for text in ("~arm.epoch_boost", "arm.epoch_boost=null"):
        left = load(["experiment=digits", text]).experiment
        assert tuple(left.arm) == ("online", "minibatch")
    assert load(["experiment=digits", "control=null"]).experiment.control == {}


def test_plus_signs_of_hydra_are_understood() -> None:
    plain = load(["experiment=digits", "sp.columns=100"]).experiment
    for sign in ("+", "++"):
        assert load([f"{sign}experiment=digits", f"{sign}sp.columns=100"]).experiment == plain


def test_a_second_pooler_from_the_command_line() -> None:
    experiment = load(
        ["experiment=digits", "sp@sp2=local", "pipeline=[encoder,sp,sp2,classifier]"]
    ).experiment
    assert experiment.stages["sp2"].inhibition == "local"  # type: ignore[union-attr]


def test_an_unused_standard_section_need_not_be_deleted() -> None:
    loaded = load(["experiment=digits", "pipeline=[encoder,classifier]", "control=[]"])
    assert set(loaded.experiment.stages) == {"encoder", "classifier"}
    assert "sp" not in loaded.resolved
    assert "tm" not in loaded.resolved


def test_without_an_experiment_the_choices_are_named() -> None:
    assert complaint(["sp.columns=3"]) == (
        "experiment: none chosen, expected experiment=NAME with one of " + ", ".join(SHIPPED)
    )


def test_a_user_folder_adds_an_experiment(folder: Path) -> None:
    write(folder, "experiment/two_layers.yaml", MINE)
    experiment = load(["experiment=two_layers"], folder).experiment
    assert experiment.pipeline == ("encoder", "sp", "sp2", "classifier")
    assert experiment.stages["sp2"].columns == 512  # type: ignore[union-attr]
    assert experiment.longest_window(experiment.arm["annealed"]) == 200
    entry = next(e for e in experiments(folder) if e.name == "two_layers")
    assert entry.summary == "Two spatial poolers, one on the other."


def test_a_user_folder_wins_against_shipped_files(folder: Path) -> None:
    write(folder, "experiment/digits.yaml", MINE.replace("two_layers", "digits"))
    write(folder, "sp/default.yaml", "kind: spatial_pooler\ncolumns: 333\ndensity: 0.1\n")
    experiment = load(["experiment=digits"], folder).experiment
    assert "sp2" in experiment.stages
    assert experiment.stages["sp"].columns == 333  # type: ignore[union-attr]
    # And leaves no trace for those who come after.
    shipped = load(["experiment=digits"]).experiment
    assert shipped.stages["sp"].columns == 2048  # type: ignore[union-attr]


def test_a_user_folder_may_bring_a_root_of_its_own(folder: Path) -> None:
    root = (CONF / "config.yaml").read_text(encoding="utf-8").replace("name: ???", "name: own")
    write(folder, "config.yaml", root)
    assert load(["sp.columns=128"], folder).experiment.name == "own"


def test_folders_may_be_relative(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(folder, "experiment/two_layers.yaml", MINE)
    monkeypatch.chdir(folder.parent)
    assert load(["experiment=two_layers"], Path(folder.name)).experiment.name == "two_layers"


def test_a_folder_that_is_missing() -> None:
    assert complaint(["experiment=digits"], Path("/no/such/folder")) == (
        "--config-dir: found '/no/such/folder', expected a folder that exists"
    )


def test_broken_yaml_names_file_and_line(folder: Path) -> None:
    write(folder, "experiment/bad.yaml", "# @package _global_\nname: [a\nb: c: d\n")
    line = complaint(["experiment=bad"], folder)
    assert line.startswith(f"{folder / 'experiment' / 'bad.yaml'}:3: ")
    assert "\n" not in line


def test_a_key_given_twice_names_file_and_line(folder: Path) -> None:
    write(folder, "experiment/bad.yaml", "# @package _global_\nname: a\nname: b\n")
    line = complaint(["experiment=bad"], folder)
    assert line.startswith(f"{folder / 'experiment' / 'bad.yaml'}:3: ")
    assert "name" in line


def test_a_group_choice_inside_a_file_that_does_not_exist(folder: Path) -> None:
    write(
        folder, "experiment/bad.yaml", MINE.replace("override /encoder: image", "override /sp: x")
    )
    assert complaint(["experiment=bad"], folder) == (
        "sp: found 'x', expected one of default, local"
    )


def test_a_file_without_its_package_line(folder: Path) -> None:
    write(folder, "experiment/bad.yaml", "name: mine\n")
    assert complaint(["experiment=bad", "name=mine"], folder) == (
        "experiment: found a section, expected '# @package _global_' as the first line of the "
        "experiment's file"
    )


def test_values_left_open_are_named(folder: Path) -> None:
    write(folder, "experiment/bad.yaml", MINE.replace("name: two_layers\n", ""))
    assert complaint(["experiment=bad"], folder) == "name: missing (???), expected a value"


def test_overrides_that_do_not_come_last_are_said_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "experiment").mkdir()
    (tmp_path / "experiment" / "mine.yaml").write_text(
        "# @package _global_\n"
        "defaults:\n  - override /control: [untrained]\n  - /sp@sp2: default\n"
        "name: mine\n",
        encoding="utf-8",
    )
    with pytest.raises(UserError, match=r"^defaults: found an entry below .*override.*last$"):
        load(["experiment=mine"], tmp_path)
