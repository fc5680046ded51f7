"""A sweep on a Ray cluster of two nodes, with a worker killed on purpose."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from htmrun.cli import main
from tests.helpers.ray_cluster import RayCluster, free_port
from tests.sweep.test_sweep_command import recorded

TRIALS = 16
SEARCH = (
    "experiment=digits", "sp.columns=256", "epochs=2", "curve_points=2",
    "sp.density=interval(0.05,0.3)", "classifier.learning_rate=log(0.005,0.1)",
    "sweep.name=far", "sweep.seeds=[0,1]", "sweep.pruner=none", "--trials", str(TRIALS),
)  # fmt: skip


@pytest.mark.slow
@pytest.mark.xdist_group("ray")
def test_sixteen_trials_on_two_nodes_with_a_worker_killed(
    ray_cluster: RayCluster, tmp_path: Path
) -> None:
    with ray_cluster.htmrun("sweep", *SEARCH, cwd=tmp_path) as sweep:
        sweep.until_said("trial 4:")
        ray_cluster.kill_a_runner()
        assert sweep.ended() == 0, (sweep.out, sweep.err)
    words = "lost: its worker on the cluster died; it is run again"
    assert sum(words in line for line in sweep.out) == 1
    (parent,), children = recorded(tmp_path)
    done = [run for run in children if run.info.status == "FINISHED"]
    assert len(done) == TRIALS
    assert len({run.data.tags["htmrun.trial"] for run in done}) == TRIALS
    assert len({tuple(run.data.params.items()) for run in done}) == TRIALS
    assert [run.info.status for run in children if run not in done] == ["KILLED"]
    assert {run.data.tags["mlflow.parentRunId"] for run in children} == {parent.info.run_id}


def test_a_cluster_that_is_not_there_is_one_line(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if importlib.util.find_spec("ray") is None:
        pytest.skip("Ray is not installed")
    monkeypatch.chdir(tmp_path)
    port = free_port()
    assert main(["sweep", *SEARCH, "tracking=none", "--on", f"ray://127.0.0.1:{port}"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: --on: no Ray answers at ray://127.0.0.1:{port} (")
    assert line.endswith("start it with: ray start --head --ray-client-server-port=10001")
