"""What MLflow shows of a run in words: descriptions, data set, arms by mean and colour."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from matplotlib.colors import to_hex

import htmrun
from htmrun.config.compose import load
from htmrun.tracking import dashboard, plots
from htmrun.tracking.database import mlflow_client
from htmrun.tracking.descriptions import NOTE, DataSet, Descriptions, in_words
from htmrun.tracking.operations import UseData, from_plain, to_plain
from htmrun.tracking.store import open_existing, store_uri
from htmrun.training.records import Job
from tests.helpers.synthetic import ARMS, RUN, one_job, tracker

SMALL = ["experiment=digits", "sp.columns=64", "epochs=1", "noise_images=0", "seeds=[0,1]"]


def test_arms_and_controls_in_words() -> None:
    digits = load(["experiment=digits"]).experiment
    words = {name: in_words(digits.regime(name)) for name in digits.selected}
    each = "boost factors are recomputed at each commit"
    assert words["online"] == f"learns after each sample; {each}"
    assert words["minibatch"] == f"learns every 10 samples; {each}"
    assert words["epoch_boost"].endswith("boost factors are recomputed between epochs")
    assert words["untrained"].endswith("; sp never learns")
    assert words["no_sp"].endswith("; without sp")
    drift = load(["experiment=drift"]).experiment
    assert in_words(drift.regime("growing")).startswith("learns in windows that grow from 1 to 200")


def test_how_to_repeat_it_has_no_password_and_can_be_pasted() -> None:
    experiment = load(["experiment=digits"]).experiment
    told = Descriptions(
        experiment, RUN, ["experiment=digits", "seeds=[0, 1]", "tracking.uri=http://u:pass@host"]
    )
    text = told.job(Job("online", 3), ["It is so."])
    assert text.startswith("**online**, seed 3: learns after each sample")
    assert f"`htmrun rerun {RUN}`" in text
    assert "htmrun train experiment=digits 'seeds=[0, 1]'" in text
    assert "pass" not in text
    assert text.endswith("**Answer.** It is so.")
    assert told.whole(["It is so."]).splitlines()[0] == f"Latest run, `{RUN}`: It is so."


def test_a_recorded_run_says_what_it_is_and_what_came_out(
    tmp_path: Path, prepared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("runs").mkdir()
    Path("runs/mlflow.db").write_bytes(prepared.read_bytes())
    results = htmrun.run([*SMALL, "arms=[online,no_sp]"], record=True, models=False)
    client = mlflow_client(store_uri(None, tmp_path / "runs"))
    [experiment] = [e for e in client.search_experiments() if e.name == "digits"]
    answer = " ".join(results.comparison("accuracy").answer)
    assert experiment.tags[NOTE].startswith(f"Latest run, `{results.run_id}`: {answer}")
    found = client.search_runs([experiment.experiment_id])
    assert len(found) == 4
    source = htmrun.open_source(load(SMALL).experiment.data)
    for run in found:
        assert answer in run.data.tags[NOTE]
        assert run.data.tags[NOTE].startswith(f"**{run.data.tags['htmrun.arm']}**, seed ")
        [used] = run.inputs.dataset_inputs
        assert used.dataset.name == "digits"
        assert source.fingerprint.startswith(used.dataset.digest)
        assert json.loads(used.dataset.profile) == {"num_rows": source.samples}


def test_a_data_set_waits_in_the_outbox_like_everything_else() -> None:
    told = UseData("online-s000", "digits", "ab", '{"kind": "digits"}', 1438)
    assert from_plain(json.loads(json.dumps(to_plain(told)))) == told
    data = load(["experiment=sequences"]).experiment.data
    found = DataSet.of(htmrun.open_source(data), data)
    assert len(found.digest) == 36


def test_arms_have_the_colours_of_the_configuration_whatever_runs_first(
    tmp_path: Path, prepared: Path
) -> None:
    (tmp_path / "mlflow.db").write_bytes(prepared.read_bytes())
    order = [Job(arm, seed) for seed in range(2) for arm in ARMS]
    with tracker(tmp_path, order=order) as made:
        for job in reversed(order[3:]):  # What a resumed run still has to do.
            for record in one_job(job):
                made.handle(record)
    _, client = open_existing(None, tmp_path)
    found = dashboard.newest(client)
    assert found.arms == ARMS
    for run in found.runs:
        tags = client.get_run(run).data.tags
        place = ARMS.index(tags["htmrun.arm"])
        assert tags["mlflow.runColor"] == plots.colour_of(place)


def test_an_arm_without_a_curve_leaves_the_others_their_colours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: dict[str, str] = {}

    def panel(_axis: object, _metric: str, arms: object, looks: dict[str, dict[str, str]]) -> None:
        seen.update({arm: looks[arm]["color"] for arm in arms})  # type: ignore[attr-defined]

    monkeypatch.setattr(plots, "_panel", panel)
    points = [(s, float(v)) for s, v in enumerate(np.linspace(0, 1, 5))]
    curves = {"accuracy": {"epoch_boost": {0: points}, "minibatch": {0: points}}}
    plots.plot_curves(curves, tmp_path / "curves.png", order=ARMS)
    assert seen == {arm: plots.colour_of(ARMS.index(arm)) for arm in ("minibatch", "epoch_boost")}
    assert to_hex(seen["minibatch"]).upper() == "#D55E00"
