"""A sweep on a Ray cluster of two nodes, with a worker killed on purpose."""

from __future__ import annotations

import importlib.util
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psutil
import pytest

from htmrun.cli import main
from tests.experiments import started
from tests.sweep.test_sweep_command import recorded

TRIALS = 16
SEARCH = (
    "experiment=digits", "sp.columns=256", "epochs=2", "curve_points=2",
    "sp.density=interval(0.05,0.3)", "classifier.learning_rate=log(0.005,0.1)",
    "sweep.name=far", "sweep.seeds=[0,1]", "sweep.pruner=none", "--trials", str(TRIALS),
)  # fmt: skip


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def node(folder: Path, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """One node in a process group of its own; `ray stop` would end every Ray of the machine."""
    command = [sys.executable, "-m", "ray.scripts.scripts", "start", "--block",
               "--object-store-memory=80000000", "--disable-usage-stats", *arguments]  # fmt: skip
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, text=True, cwd=folder,
        start_new_session=True,
    )  # fmt: skip
    try:
        yield process
    finally:
        members = psutil.Process(process.pid).children(recursive=True)
        os.killpg(process.pid, signal.SIGKILL)
        for member in members:  # Workers have sessions of their own.
            if member.is_running():
                member.kill()
        process.wait(20)


def listens(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A head without cores, two nodes with one each; a token that outsiders do not have."""
    if importlib.util.find_spec("ray") is None:
        pytest.skip("Ray is not installed")
    token = tmp_path / "token"
    token.write_text(secrets.token_hex(32))
    token.chmod(0o600)
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(token))
    port, client = free_port(), free_port()
    with ExitStack() as stack:
        head = (f"--port={port}", f"--ray-client-server-port={client}", "--head", "--num-cpus=0",
                "--include-dashboard=false")  # fmt: skip
        stack.enter_context(node(tmp_path, *head))
        deadline = time.monotonic() + 90
        while not listens(client):
            assert time.monotonic() < deadline, "the head does not answer"
            time.sleep(0.3)
        for _ in range(2):
            stack.enter_context(node(tmp_path, f"--address=127.0.0.1:{port}", "--num-cpus=1"))
        time.sleep(15)
        yield f"ray://127.0.0.1:{client}"


def runners() -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter(["cmdline"]):
        if "ray::TrialRunner" in " ".join(process.info["cmdline"] or []):
            found.append(process)
    return found


@pytest.mark.slow
def test_sixteen_trials_on_two_nodes_with_a_worker_killed(cluster: str, tmp_path: Path) -> None:
    before = {process.pid for process in runners()}
    process = started("sweep", *SEARCH, "--on", cluster, cwd=tmp_path)
    assert process.stdout is not None
    lines: list[str] = []
    killed = 0
    for line in process.stdout:
        lines.append(line)
        if line.startswith("trial 4:") and not killed:
            victim = next(p for p in runners() if p.pid not in before)
            victim.kill()
            killed = victim.pid
    assert process.wait(60) == 0, (lines, process.stderr and process.stderr.read())
    assert killed
    assert sum("lost: its worker on the cluster died; it is run again" in li for li in lines) == 1
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
