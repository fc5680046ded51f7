"""Anomalies from the command line: figures, alerts, controls, with labels and without."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from htmrun.cli import main
from tests.helpers.experiments import results, train

Capsys = pytest.CaptureFixture[str]
SMALL = (
    "sp.columns=128", "sp.winners=10", "tm.cells_per_column=4", "tm.activation_threshold=4",
    "tm.matching_threshold=2", "tm.new_synapses=8", "seeds=[0]", "workers=1", "curve_points=3",
)  # fmt: skip
PLANTED = ("experiment=anomaly", "data.rows=2000", "arms=[online,out_of_range,gaussian,seasonal]")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_every_arm_and_control_has_figures_and_a_table_of_alerts(
    here: Path, capsys: Capsys
) -> None:
    summary, said = train(capsys, *PLANTED, *SMALL)
    found = results(summary)
    assert list(found) == ["online", "out_of_range", "gaussian", "seasonal"]
    for arm, figures in found.items():
        assert {"anomaly/nab_standard", "anomaly/f1", "anomaly/recall",
                "anomaly/alerts_per_1000"} <= set(figures), arm  # fmt: skip
    assert "last alerts of online-s000, " in said
    tables = {}
    for path in here.glob("runs/artifacts/*/*/artifacts/alerts.csv"):
        job = (path.parent / "job.yaml").read_text()
        arm = next(line.split(": ")[1] for line in job.splitlines() if line.startswith("arm: "))
        tables[arm] = list(csv.DictReader(path.open()))
    assert sorted(tables) == sorted(found)
    for arm, rows in tables.items():
        scored = 2000 - 300
        per_1000 = found[arm]["anomaly/alerts_per_1000"][0]
        assert len(rows) == pytest.approx(per_1000 * scored / 1000), arm
        hit = {row["window"] for row in rows} - {""}
        windows = found[arm]["anomaly/windows"][0]
        assert found[arm]["anomaly/recall"][0] == pytest.approx(len(hit) / windows), arm
    assert len(tables["online"]) > 1
    assert list(tables["online"][0]) == [
        "row", "time", "value", "score", "likelihood", "anomaly", "window",
    ]  # fmt: skip
    assert main(["compare", "--all"]) == 0
    assert "anomaly/precision" in capsys.readouterr().out


def test_forecasts_have_figures_of_anomalies_where_there_are_labels(
    here: Path, capsys: Capsys
) -> None:
    hours = np.datetime64("2026-01-05T00") + np.arange(600)
    load = 50 + 10 * np.sin(np.arange(600) * np.pi / 12)
    load[500:504] += 40
    rows = [f"{hour},{value:.2f}" for hour, value in zip(hours, load, strict=True)]
    (here / "my.csv").write_text("\n".join(["when,load", *rows]) + "\n")
    window = [str(hours[498]), str(hours[510])]
    (here / "labels.json").write_text(json.dumps({"my.csv": [window]}))
    common = ("experiment=stream", "data.path=my.csv", "control=[persistence,gaussian]", *SMALL,
              "arms=[online,persistence,gaussian]", "tracking=none")  # fmt: skip
    labelled, _ = train(capsys, *common, "data.labels=labels.json")
    plain, _ = train(capsys, *common)
    one, other = results(labelled), results(plain)
    assert one["gaussian"]["anomaly/recall"] == [1.0], "five deviations and more are an alert"
    assert one["gaussian"]["anomaly/precision"] == [1.0]
    assert one["persistence"]["anomaly/windows"] == [1.0]
    assert one["persistence"]["rmse_1"] == other["persistence"]["rmse_1"]
    assert one["online"]["state_hash"] == other["online"]["state_hash"]
    assert not [name for name in other["online"] if name.startswith("anomaly/")]
    notes = [n for n in plain["notes"] if n.startswith("control.gaussian")]
    assert notes == [
        "control.gaussian: it forecasts nothing, and without labels (data.labels, data.label) it "
        "has no figures here"
    ]


def test_what_cannot_choose_a_threshold_is_refused_before_anything_runs(
    here: Path, capsys: Capsys
) -> None:
    for settings, said in (
        (("anomaly.choose=budget", "anomaly.first_rows=3000", "anomaly.threshold=null"),
         "error: anomaly.first_rows: 3,000 choose the threshold, and there are 2,000, expected "
         "fewer"),
        (("anomaly.choose=f1", "anomaly.first_rows=1000", "anomaly.threshold=null"),
         "error: anomaly.choose: found f1, and no labelled window in the rows 300 to 999, expected "
         "one (data.labels, data.label, anomaly.first_rows)"),
        (("anomaly.learning=400",),
         "error: anomaly.probation: 300 is not above learning = 400, expected more, for at least "
         "one average"),
    ):  # fmt: skip
        assert main(["train", *PLANTED, *SMALL, *settings]) == 2
        assert capsys.readouterr().err.splitlines()[-1] == said
    assert not list(here.glob("runs/artifacts/*/*"))


def test_a_threshold_that_was_chosen_is_recorded_and_goes_on(here: Path, capsys: Capsys) -> None:
    chosen = ("anomaly.choose=budget", "anomaly.first_rows=1500", "anomaly.threshold=null",
              "anomaly.budget=5", "arms=[online]")  # fmt: skip
    summary, _ = train(capsys, *PLANTED, *SMALL, *chosen)
    threshold = results(summary)["online"]["anomaly/threshold"][0]
    assert 0 < threshold <= 1
    (here / "new.csv").write_text("hour,value\n2026-05-01 00:00,50\n2026-05-01 01:00,900\n")
    capsys.readouterr()
    assert main(["predict", "latest", "--data", "new.csv"]) == 0
    rows = list(csv.DictReader(capsys.readouterr().out.splitlines()))
    assert float(rows[0]["score"]) < 1.0
    assert float(rows[1]["score"]) == 1.0, "900 is out of range"
    assert [int(row["alert"]) for row in rows] == [float(row["score"]) >= threshold for row in rows]


def test_an_exported_folder_has_its_labels(
    here: Path, capsys: Capsys, monkeypatch: pytest.MonkeyPatch
) -> None:
    hours = np.datetime64("2026-01-05T00") + np.arange(120)
    rows = [f"{hour},{hour.astype(int) % 7}" for hour in hours]
    (here / "my.csv").write_text("\n".join(["when,load", *rows]) + "\n")
    (here / "odd.csv").write_text("start,end\n2026-01-08,2026-01-08\n")
    summary, _ = train(
        capsys, "experiment=anomaly", "data.path=my.csv", "data.labels=odd.csv", *SMALL,
        "arms=[online,out_of_range]",
    )  # fmt: skip
    assert main(["export", summary["run"], "out"]) == 0
    (here / "odd.csv").unlink()
    (here / "my.csv").unlink()
    monkeypatch.chdir(here / "out")
    [configuration] = (here / "out").glob("*.yaml")
    again, _ = train(capsys, configuration.name, "tracking=none")
    assert results(again) == results(summary)
    assert results(again)["online"]["anomaly/windows"] == [1.0]
