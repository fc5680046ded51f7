"""The script for a machine with a card, on one without: a made-up card and a made-up Python."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from htmrun.backends.cuda import cards, device
from tests.helpers import card_tour
from tests.helpers.kernels import cases, host

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "benchmarks" / "gpu.sh"
PAGE = "# On a GPU\n\n## Measured\n\nNothing yet.\n"
PYTHON = """#!/bin/sh
case "$*" in
  *lacking*) exit {lacking} ;;
  *pip*) echo installed ;;
  *sysconfig*) echo /nowhere ;;
  *pytest*) echo 3 passed; exit {tests} ;;
  *on_card.py*) {benchmark} ;;
  *card_tour*) echo all equal; exit {tour} ;;
esac
"""
SANITIZER = """#!/bin/sh
case "$*" in *racecheck*) echo "hazard | found"; exit 3 ;; esac
echo "ERROR SUMMARY: 0 errors"
"""


def executable(path: Path, text: str) -> Path:
    path.write_text(text)
    path.chmod(0o755)
    return path


@pytest.fixture
def run(tmp_path):
    """Run the script with a card and tools that do as they are told; return it and its page."""
    smi = '#!/bin/sh\necho "GPU 0: Tried Card (UUID: GPU-1)"\necho "| CUDA Version: 12.4  |"\n'
    executable(tmp_path / "nvidia-smi", smi)
    executable(tmp_path / "compute-sanitizer", SANITIZER)
    page = tmp_path / "gpu.md"
    page.write_text(PAGE)

    def go(
        *arguments, tests=0, lacking=0, tour=0, benchmark="echo measured for $4 s", seconds="600"
    ):
        text = PYTHON.format(lacking=lacking, tests=tests, tour=tour, benchmark=benchmark)
        python = executable(tmp_path / "python", text)
        environment = {
            **os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}", "PYTHON": str(python),
            "PAGE": str(page), "SECONDS_IN_ALL": seconds,
        }  # fmt: skip
        done = subprocess.run(
            ["bash", str(SCRIPT), *arguments], env=environment, capture_output=True, text=True,
            timeout=120,
        )  # fmt: skip
        return done, page.read_text()

    return go


def outcomes(page: str) -> dict[str, tuple[str, str]]:
    rows = re.findall(r"^\| ([^|]*) \| ([^|]*) \| \d+ \| ([^|]*) \|$", page, re.M)
    return {name: (outcome, last) for name, outcome, last in rows}


def test_all_parts_run_and_one_that_fails_costs_no_other(run):
    done, page = run(tests=1)
    assert done.returncode == 1
    assert outcomes(page) == {
        "all kernels against the reference": ("passed", "all equal"),
        "tests that need a card": ("FAILED, status 1", "3 passed"),
        "benchmark": ("passed", "measured for 230 s"),
        "compute-sanitizer memcheck": ("passed", "ERROR SUMMARY: 0 errors"),
        "compute-sanitizer racecheck": ("FAILED, status 3", "hazard / found"),
        "compute-sanitizer synccheck": ("passed", "ERROR SUMMARY: 0 errors"),
        "compute-sanitizer initcheck": ("passed", "ERROR SUMMARY: 0 errors"),
    }
    assert page.startswith(PAGE)
    assert re.search(r"### Checks\n\nGPU 0: Tried Card, 20\d\d-\d\d-\d\d\.\n", page)
    assert "tests that need a card: FAILED, status 1" in done.stderr


def test_what_finds_no_time_is_said_and_takes_none(run):
    done, page = run(seconds="120")
    # 120 seconds: the tests leave 260 to others, the benchmark 60.
    assert done.returncode == 1
    assert outcomes(page)["tests that need a card"] == ("out of time", "no time left")
    outcome, said = outcomes(page)["benchmark"]
    assert outcome == "passed"
    seconds = int(re.fullmatch(r"measured for (\d+) s", said)[1])
    assert 10 <= seconds <= 60
    assert f"benchmark (at most {seconds} s)" in done.stdout


def test_without_what_kernels_need_it_ends_with_one_line(run):
    done, page = run(lacking=1)
    assert done.returncode == 1
    assert "installing the extra cuda12" in done.stdout
    assert page == PAGE


def test_the_plan_needs_neither_card_nor_tools(run, tmp_path):
    (tmp_path / "nvidia-smi").unlink()
    done, page = run("--plan")
    assert (done.returncode, page, done.stderr) == (0, PAGE, "")
    lines = done.stdout.splitlines()
    assert [re.match(r"(.*), at most \d+ s: ", line)[1] for line in lines] == [
        "installing the extra cuda12", "all kernels against the reference",
        "tests that need a card", "benchmark", "installing compute-sanitizer",
        *(f"compute-sanitizer {t}" for t in ("memcheck", "racecheck", "synccheck", "initcheck")),
    ]  # fmt: skip
    assert "pytest -m gpu" in lines[2]
    assert lines[3].endswith("on_card.py --write --seconds 230")


def test_without_a_card_the_script_says_so_at_once(tmp_path):
    # A PATH without nvidia-smi.
    for tool in ("bash", "dirname", "env"):
        (tmp_path / tool).symlink_to(Path("/usr/bin") / tool)
    done = subprocess.run(
        ["bash", str(SCRIPT)],
        env={**os.environ, "PATH": str(tmp_path)}, capture_output=True, text=True, timeout=30,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (2, "no card: nvidia-smi shows none\n")


def test_the_tour_goes_on_after_a_wrong_case(build_folder, capsys, monkeypatch):
    made = host.HostModules(lambda file: host.build(file, build_folder)).device()
    made.capability = (7, 5)
    names = ["high threshold", "bits overlap, few of all", "bytes overlap, few of all"]
    assert card_tour.tour(made, names, 60) == 0
    said = capsys.readouterr().out
    assert (
        said == "2 of 2 cases equal the reference; 1 need another card, for 0 there was no time\n"
    )
    monkeypatch.setitem(cases.CASES, "broken", cases.Pooling({"columns": 3, "winners": 9}, (4,)))
    assert card_tour.tour(made, ["broken", "high threshold"], 60) == 1
    said = capsys.readouterr().out
    assert said.startswith("broken: ")
    assert "1 of 2 cases equal the reference" in said
    assert card_tour.tour(made, names, -1) == 0
    assert "0 of 0 cases equal the reference; 0 need another card, for 3" in capsys.readouterr().out


def test_the_small_tour_reaches_every_kernel(build_folder, monkeypatch):
    made = host.HostModules(lambda file: host.build(file, build_folder)).device()
    reached, launch = set(), made.launch

    def noting(file, name, *rest):
        reached.add(name)
        launch(file, name, *rest)

    monkeypatch.setattr(made, "launch", noting)
    assert card_tour.tour(made, cases.SMALL, 1e9) == 0
    kernels = (device.KERNELS / file for file in cases.FILES)
    assert reached == {name for path in kernels for name in host.kernel_names(path.read_text())}


def test_main_needs_a_card(monkeypatch):
    monkeypatch.setattr(cards, "lacking", lambda: "a card")
    device.cuda_device.cache_clear()
    monkeypatch.setattr(sys, "argv", ["card_tour"])
    with pytest.raises(Exception, match="without a card"):
        card_tour.main()
