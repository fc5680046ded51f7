"""`htmrun train --on ray://`: the same bytes as here, whatever happens to workers and nodes."""

from __future__ import annotations

import json
import signal
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from htmrun.cli import main
from tests.helpers.experiments import results
from tests.helpers.ray_cluster import Command, RayCluster, until
from tests.tracking.test_reproduce import cut_short

Capsys = pytest.CaptureFixture[str]
REAL = [pytest.mark.slow, pytest.mark.xdist_group("ray")]
JOBS = ("train", "experiment=digits", "sp.columns=512", "epochs=4", "seeds=[0,1]",
        "arms=[online,minibatch,no_sp]", "curve_points=40")  # fmt: skip
BRIEF = ("train", "experiment=digits", "sp.columns=64", "epochs=1", "seeds=[0,1,2,3]",
         "arms=[online]", "cluster.gpus=1", "--json")  # fmt: skip


def summary(command: Command) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(command.out[-1])
    return found


def rows(folder: Path, query: str) -> list[tuple[Any, ...]]:
    """Return what MLflow's database has; nothing while it does not exist."""
    path = folder / "runs" / "mlflow.db"
    if not path.exists():
        return []
    with closing(sqlite3.connect(path)) as database:
        try:
            return database.execute(query).fetchall()
        except sqlite3.OperationalError:  # Its tables are being made.
            return []


class TestOnTwoNodes:
    pytestmark = REAL

    def test_a_run_is_the_same_as_here_though_a_worker_is_killed(
        self, ray_cluster: RayCluster, tmp_path: Path, capsys: Capsys
    ) -> None:
        with ray_cluster.htmrun(*JOBS, "--json", cwd=tmp_path) as far:
            points = "SELECT DISTINCT run_uuid FROM metrics WHERE key = 'recent/accuracy'"
            far.until(lambda: rows(tmp_path, points), "curves come back while jobs run")
            ray_cluster.kill_a_runner()
            assert far.ended() == 0, "\n".join(far.err)
        assert sum("lost: its worker on the cluster died; it is run" in li for li in far.err) == 1
        assert f"on {ray_cluster.address}: nodes 2, room for jobs at once 2" in far.err
        assert main([*JOBS, "--json", "tracking=none"]) == 0
        here = json.loads(capsys.readouterr().out.splitlines()[-1])
        assert results(summary(far)) == results(here)
        # Every job once in MLflow, every point of its curves once.
        runs = rows(tmp_path, "SELECT name, status FROM runs")
        assert sorted(runs) == [
            (f"{arm}-s00{seed}", "FINISHED")
            for arm in ("minibatch", "no_sp", "online")
            for seed in (0, 1)
        ]
        counts = rows(tmp_path, "SELECT count(*), count(DISTINCT step) FROM metrics "
                                "WHERE key = 'recent/accuracy' GROUP BY run_uuid")  # fmt: skip
        assert counts == [(40, 40)] * 6
        self.resumed(ray_cluster, tmp_path, here)

    @staticmethod
    def resumed(cluster: RayCluster, folder: Path, here: dict[str, Any]) -> None:
        """Cut a job out of the run and have the cluster continue it."""
        cut_short(folder, "online-s001")
        with cluster.htmrun("resume", "--json", cwd=folder) as again:
            assert again.ended() == 0, (again.out, again.err)
        assert results(summary(again)) == results(here)
        where = "SELECT value FROM tags WHERE key = 'htmrun.on'"
        assert rows(folder, where) == [(cluster.address,)] * 7

    def test_nodes_that_join_while_it_waits_and_while_it_runs_are_used(
        self, ray_cluster: RayCluster, tmp_path: Path
    ) -> None:
        """Jobs ask for a GPU, so that only nodes that say they have one are theirs."""
        without_end = ("epochs=1000000", "curve_points=3", "tracking=none")
        with ray_cluster.htmrun(*BRIEF, *without_end, cwd=tmp_path) as far:
            far.until_said("waiting for nodes: ")
            first = ray_cluster.join("--num-gpus=1")
            far.until(first.runners, "the first node that joins has a job")
            second = ray_cluster.join("--num-gpus=1")
            far.until(second.runners, "the second node that joins has a job")
            far.process.send_signal(signal.SIGINT)
            assert far.ended() == 130, (far.out, far.err)
        assert f"on {ray_cluster.address}: nodes 1, room for jobs at once 1" in far.err
        assert far.err[-1] == "interrupted: 0 of 4 jobs finished; nothing was recorded"
        until(lambda: not first.runners() and not second.runners(), "what it ran has ended")
        for node in (first, second):
            node.end()

    def test_a_node_with_another_version_is_refused_in_one_line(
        self, ray_cluster: RayCluster, tmp_path: Path
    ) -> None:
        other = tmp_path / "other" / "htmrun"
        other.mkdir(parents=True)
        (other / "__init__.py").write_text('__version__ = "0.0.9"\n')
        node = ray_cluster.join("--num-gpus=2", path=str(other.parent))
        with ray_cluster.htmrun(*BRIEF, "cluster.gpus=2", cwd=tmp_path) as far:
            assert far.ended() == 2, (far.out, far.err)
        node.end()
        (error,) = [line for line in far.err if line.startswith("error: ")]
        assert error.startswith("error: --on: node ")
        assert " has htmrun 0.0.9, expected htmrun " in error
        assert not any("Traceback" in line for line in [*far.out, *far.err])
        assert not (tmp_path / "runs").exists()


# --- without a cluster ----------------------------------------------------------------------


def test_a_dry_run_says_where_it_would_run(capsys: Capsys) -> None:
    """It needs no cluster."""
    plan = ("experiment=digits", "--dry-run", "--on", "ray://10.1.2.3", "seeds=[0,1]")
    assert main(["train", *plan]) == 0
    out = capsys.readouterr().out
    assert "on ray://10.1.2.3:10001: a job takes 1 cores of a node, as many at once as have" in out
    assert "10 runs (5 arms x 2 seeds). Nothing was run." in out
    more = ("device=auto", "cluster.gpus=0.25", "cluster.cpus=2", "workers=3", "--json")
    assert main(["train", *plan, *more]) == 0
    found = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert found["device"] == "cuda:0"
    assert found["device_note"] == (
        "device: auto chose cuda:0: a job has a share of a GPU (cluster.gpus = 0.25); on "
        "ray://10.1.2.3:10001: a job takes 2 cores and 0.25 GPUs of a node, at most 3 at once"
    )


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (
            ("train", "experiment=digits", "--on", "10.0.0.1"),
            "--on: found '10.0.0.1', expected local or ray://HOST[:PORT], e.g. ray://10.0.0.1",
        ),
        (
            ("resume", "--on", "ray://"),
            "--on: found 'ray://', expected local or ray://HOST[:PORT], e.g. ray://10.0.0.1",
        ),
        (
            ("train", "experiment=digits", "device=cuda", "--on", "ray://10.0.0.1"),
            "device: found 'cuda' with cluster.gpus = 0 on a cluster, expected device=cuda and a "
            "share of a GPU, e.g. cluster.gpus=0.5",
        ),
        (
            ("train", "experiment=digits", "device=cuda:1", "cluster.gpus=1", "--on", "ray://h"),
            "device: found 'cuda:1' with cluster.gpus = 1 on a cluster, expected device=cuda and a "
            "share of a GPU, e.g. cluster.gpus=0.5",
        ),
        (
            ("sweep", "experiment=digits", "sweep=pooler", "cluster.gpus=1"),
            "cluster.gpus: found in a sweep, expected sweep.gpus",
        ),
    ],
)
def test_what_cannot_run_there_is_one_line(
    arguments: tuple[str, ...], line: str, capsys: Capsys
) -> None:
    assert main([*arguments]) == 2
    captured = capsys.readouterr()
    assert captured.err == f"error: {line}\n"
    assert captured.out == ""
