"""What `import htmrun` offers: cheap to import, and the same results as the command line."""

from __future__ import annotations

import ast
import importlib
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import htmrun
import htmrun.testing
from htmrun.training.measures.registry import timed
from htmrun.training.records import Finished, Record
from tests.cli.test_cli import HEAVY
from tests.helpers.experiments import DIGITS, HERE, results, train

ROOT, EXTEND = Path(__file__).parents[1], "docs/guides/extend.md"
SMALL = (*DIGITS, "arms=[online,minibatch,no_sp]", "data.held_out=test")


@pytest.fixture(scope="module")
def done() -> htmrun.Results:
    return htmrun.run(SMALL)


def test_importing_it_imports_nothing_heavy() -> None:
    code = (
        "import sys; before = set(sys.modules); import htmrun; dir(htmrun)\n"
        f"print(sorted(({set(HEAVY)!r} | {{'pydantic', 'typer'}}) & set(sys.modules)))\n"
        "print([m for m in sys.modules if m.startswith('htmrun')])"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert ran.stdout.splitlines() == ["[]", "['htmrun']"], ran.stderr


def test_the_example_package_is_made_of_what_may_be_relied_on() -> None:
    rows = re.findall(r"^\| `(htmrun[\w.]*)` \| (.*) \|$", (ROOT / EXTEND).read_text(), re.M)
    told = {(module, name) for module, names in rows for name in re.findall(r"`(\w+)`", names)}
    told |= {("htmrun", name) for name in htmrun.__all__}
    for module, name in told:
        assert hasattr(importlib.import_module(module), name), f"{module}.{name}"
    tests = {("htmrun.testing", name) for name in htmrun.testing.__all__}
    files = sorted((ROOT / "examples").rglob("*.py"))
    assert len(files) >= 8
    for path in files:
        found = [n for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.ImportFrom)]
        used = {(str(n.module), a.name) for n in found for a in n.names}
        own = {pair for pair in used if pair[0].partition(".")[0] == "htmrun"}
        assert own <= told | tests, path


def test_every_name_is_there_documented_and_known_to_type_checkers() -> None:
    assert set(htmrun.__all__) <= set(dir(htmrun))
    for name in htmrun.__all__:
        assert getattr(htmrun, name) is not None
        if name not in ("__version__", "State"):
            assert (getattr(htmrun, name).__doc__ or "").strip(), name
    tree = ast.parse(Path(htmrun.__file__).read_text(encoding="utf-8"))
    [block] = [node for node in tree.body if isinstance(node, ast.If)]
    places = {
        alias.asname: node.module
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert set(places) | {"__version__"} == set(htmrun.__all__)
    for name, place in places.items():
        assert getattr(htmrun, name) is getattr(sys.modules[str(place)], name)
    with pytest.raises(AttributeError, match="no attribute 'Bit'"):
        _ = htmrun.Bit  # type: ignore[attr-defined]


def test_a_run_gives_the_figures_and_hashes_of_the_command_line(
    done: htmrun.Results, capsys: pytest.CaptureFixture[str]
) -> None:
    told, _ = train(capsys, *SMALL, *HERE)
    frame = done.frame
    assert list(frame.columns[:3]) == ["arm", "seed", "control"]
    assert list(frame[frame.control].arm) == ["no_sp", "no_sp"]
    for arm, metrics in results(told).items():
        rows = frame[frame.arm == arm].sort_values("seed")
        assert list(rows.seed) == [3, 5]
        for name, values in metrics.items():
            assert list(rows[name]) == values, (arm, name)
    names = {n for n in frame.columns if not timed(n)} - {"arm", "seed", "control", "seconds"}
    assert names == {name for metrics in results(told).values() for name in metrics}


def test_worker_processes_hand_over_the_same_models(done: htmrun.Results) -> None:
    seen: list[Record] = []
    beside = htmrun.run(SMALL, workers=2, watch=seen.append)
    assert list(beside.frame.state_hash) == list(done.frame.state_hash)
    assert [r for r in seen if isinstance(r, Finished) and not r.state] == []
    for record in beside.finished:
        model = beside.pipeline(record.job.arm, record.job.seed)
        assert model.state_hash() == record.state_hash


def test_a_recorded_run_compares_as_the_command_does(here: Path) -> None:
    recorded = htmrun.run([*SMALL, "tracking=mlflow"], record=True)
    stored = htmrun.compare_runs(recorded.run_id)
    mine = recorded.comparison()
    assert {m.metric: m for m in mine.metrics} == {m.metric: m for m in stored.metrics}
    assert (mine.arms, mine.controls, mine.reference) == (
        stored.arms, stored.controls, "online",
    )  # fmt: skip
    [accuracy] = recorded.comparison("accuracy").metrics
    assert [d.arm for d in accuracy.differences] == ["minibatch"]


def test_a_trained_pipeline_predicts_what_was_reported(done: htmrun.Results) -> None:
    source = htmrun.open_source(htmrun.load(list(SMALL)).experiment.data)
    chunks = source.test(10_000)
    assert chunks is not None
    [test] = chunks
    for arm in ("online", "minibatch", "no_sp"):
        model = done.pipeline(arm, 5)
        row = done.frame[(done.frame.arm == arm) & (done.frame.seed == 5)].iloc[0]
        right = model.predict(test) == test.target
        assert right.mean() == pytest.approx(row.accuracy)
        assert (model.predict(test.fields["image"]) == model.predict(test)).all()
        assert (model.probabilities(test.fields).argmax(1) == model.predict(test)).all()
        assert model.state_hash() == row.state_hash, "predicting leaves no trace"


def test_fitting_the_training_samples_is_what_a_run_does(done: htmrun.Results) -> None:
    source = htmrun.open_source(htmrun.load(list(SMALL)).experiment.data)
    [epoch] = source.train(3, 0, 10_000)
    half = len(epoch) // 2 + 3
    for arm in ("online", "minibatch"):
        model = htmrun.build_pipeline(SMALL, arm, 3)
        fields = epoch.slice(0, half).fields["image"]
        first = model.fit(fields, epoch.target[:half])
        second = model.fit(epoch.slice(half, len(epoch)), last=True)
        assert model.state_hash() == done.pipeline(arm, 3).state_hash()
        right = np.concatenate([first, second]) == epoch.target
        [row] = done.frame[(done.frame.arm == arm) & (done.frame.seed == 3)].to_dict("records")
        assert right.mean() == pytest.approx(row["prequential/accuracy"])
        before = model.state_hash()
        model.fit(epoch.slice(0, 200))
        assert model.state_hash() != before


def test_a_forecast_has_values_and_says_where_it_has_none(tmp_path: Path) -> None:
    experiment = [
        "experiment=sequences", "data.steps=300", "seeds=[0]", "arms=[online]",
        "data.sequences=4", "data.noise_symbols=100", "encoder.size=128", "encoder.active=8",
        "tm.cells_per_column=8", "tm.activation_threshold=5", "tm.matching_threshold=3",
    ]  # fmt: skip
    model = htmrun.build_pipeline(experiment)
    source = htmrun.open_source(htmrun.load(experiment).experiment.data)
    [chunk] = source.train(0, 0, 1000)
    predicted = model.fit(chunk)
    assert predicted[0] == -1
    assert (predicted[10:] >= 0).any()
    with pytest.raises(htmrun.UserError, match="horizon: found 9, expected one of 1"):
        model.predict(chunk, horizon=9)


def test_mistakes_are_one_line(done: htmrun.Results) -> None:
    with pytest.raises(htmrun.UserError, match=r"found \('onlin', 3\), expected one of"):
        done.pipeline("onlin", 3)
    with pytest.raises(htmrun.UserError, match="did you mean 'online'"):
        htmrun.build_pipeline("experiment=digits", "onlin")
    with pytest.raises(htmrun.UserError, match=r"sp\.colums"):
        htmrun.run(["experiment=digits", "sp.colums=3"])
    model = done.pipeline("online", 3)
    images = np.zeros((4, 8, 8))
    for call, message in (
        (lambda: model.fit(images), "target: found none"),
        (lambda: model.fit(images, [1, 2]), "target: found 2 samples, expected 4"),
        (lambda: model.predict({"picture": images}), "image: found none"),
    ):
        with pytest.raises(htmrun.UserError, match=message):
            call()
    with pytest.raises(htmrun.UserError, match="models=True"):
        htmrun.run([*SMALL, "arms=[no_sp]", "seeds=[3]"], models=False).pipeline("no_sp", 3)
