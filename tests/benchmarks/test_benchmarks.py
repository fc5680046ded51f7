"""The benchmark of a card: its rows and its page, measured on the host in the card's place."""

from __future__ import annotations

import dataclasses
import os
import re
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from htmrun.backends.bits import Bits
from htmrun.backends.cuda import cards
from tests.helpers.kernels import host

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def on_card(monkeypatch):
    """benchmarks/on_card.py as a module, and small memories."""
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    import on_card

    for name, small in (("INPUTS", 40), ("COLUMNS", 32), ("ON", 6), ("ELEMENTS", 2), ("WARM", 20)):
        monkeypatch.setattr(on_card.cuda_both, name, small)
    yield on_card
    for name in (
        "on_card",
        "cuda_both",
        "cuda_kernels",
        "cuda_models",
        "cuda_online",
        "card",
        "roofline",
        "measuring",
    ):
        sys.modules.pop(name, None)


@pytest.fixture
def device(build_folder):
    modules = host.HostModules(lambda file: host.build(file, build_folder))
    return modules.device()


def value(cell: str) -> float:
    return float(cell.replace(",", ""))


CARD = cards.Card(0, "Tried Card", 1 << 30, 2 << 30)


def test_no_file_hides_a_package_of_cupys():
    """A script's folder comes first on the path, and `cuda` is a namespace package."""
    files = {path.stem for path in (ROOT / "benchmarks").glob("*.py")}
    assert not files & {"cuda", "cupy", "cupyx", "cupy_backends", "nvidia", "pynvml"}


def test_rows_and_page(on_card, device, tmp_path, monkeypatch):
    models = on_card.cuda_models
    monkeypatch.setattr(on_card, "RESULTS", tmp_path)
    monkeypatch.setattr(models.Case, "samples", 256)
    images = models.Case(40, 64, 0.1, 256)
    monkeypatch.setattr(models, "IMAGES", images)
    monkeypatch.setattr(models, "LARGE", models.Case(40, 96, 0.1))
    monkeypatch.setattr(
        models, "cases", lambda quick: [models.Case(40, 64, 0.1, 4, 2), images, models.LARGE]
    )
    (tmp_path / "gpu.md").write_text("# Before\n\n## Measured\n\nNothing yet.\n")
    clock, report = on_card.Clock(240), on_card.Report()
    pooler, first, online, _, both, *_ = on_card.parts(device, 1e9, True, clock)
    both = dataclasses.replace(both, rows=both.rows[:1])
    begin = [
        models.Row(c.name, partial(models.measure_at_first, device, c, 1e9))
        for c in (models.Case(40, 96, 0.1), models.Case(40, 96, 0.1, 4, 2))
    ]
    first = dataclasses.replace(first, rows=begin)
    ways = partial(on_card.cuda_online.ways_of, device, models.Case(40, 96, 0.1, 1, 2))
    online = dataclasses.replace(online, rows=[models.Row("two models", ways)])
    on_card.measure([pooler, first, online, both], clock, report, True, CARD, 1e9)
    (table, rows), (_, at_first), (_, by_way), (_, together) = report.results
    assert [row[:5] for row in rows] == [
        ["40 -> 64", "10 %", "no", "4", "2"],
        ["40 -> 64", "10 %", "no", "256", "1"],
        ["40 -> 96", "10 %", "no", "1", "1"],
    ]
    assert all(len(row) == len(table.heads) for row in rows)
    assert value(rows[1][5]) > 0
    assert [row[:4] for row in at_first] == [
        ["40 -> 96", "10 %", "1", "1"], ["40 -> 96", "10 %", "4", "2"],
    ]  # fmt: skip
    assert all(value(cell) > 0 for row in at_first for cell in row[4:6])
    assert by_way[0][:4] == ["40 -> 96", "10 %", "no", "2"]
    assert all(value(cell) > 0 for cell in by_way[0][4:9])
    assert len(by_way[0]) == len(online.heads)
    assert len(together[0]) == len(both.heads)
    assert value(together[0][1]) > 0
    page = (tmp_path / "gpu.md").read_text()
    assert page.startswith("# Before\n\n## Measured\n\nTried Card, 2 GiB, 20")
    assert "Nothing yet" not in page
    assert "Left out" not in page
    assert len(re.findall(r"^\| 40 -> 64 \|", page, re.M)) == 2
    goal = r"\d+ % in windows of 1{}\. .* 60 %\.$"
    assert re.search(r"^- .*16384 squared, a pooler at rest, .* " + goal.format(""), page, re.M)
    assert re.search(
        r"^- .* that begins, .* " + goal.format(r", \d+ % in windows of 4 of 2 models"), page, re.M
    )
    assert f"inference: {rows[1][8]} images/s on the card, {rows[1][6]} by" in page
    assert f"together: {together[0][1]} steps/s with 1 models" in page
    assert (tmp_path / "roofline-gpu.png").read_bytes()[:4] == b"\x89PNG"
    assert not report.failed


def test_what_fails_or_finds_no_time_is_named_and_the_rest_goes_on(on_card, tmp_path, monkeypatch):
    def fails(error):
        def measure():
            raise error

        return measure

    monkeypatch.setattr(on_card, "RESULTS", tmp_path)
    (tmp_path / "gpu.md").write_text("## Measured\n")
    row, part = on_card.cuda_models.Row, on_card.Part
    bad = part("Bad", "", ["a"], [row("one", fails(ValueError("wrong\nmore"))),
                                  row("two", fails(MemoryError())),
                                  row("three", lambda: ["good"])], 1.0)  # fmt: skip
    late = part("Late", "", ["a"], [row("four", lambda: ["never"])], 1e-9)
    last = part("Last", "", ["a"], [row("five", lambda: ["well"])], 1.0)
    report = on_card.Report()
    on_card.measure([bad, late, last], on_card.Clock(6), report, True, CARD, 1e9)
    assert [rows for _, rows in report.results] == [[["good"]], [], [["well"]]]
    assert report.failed
    assert report.left_out == [
        "Bad, one: ValueError: wrong", "Bad, two: no room on the card", "Late, four: out of time",
    ]  # fmt: skip
    page = (tmp_path / "gpu.md").read_text()
    assert "| good |" in page
    assert "### Left out\n\n- Bad, one: ValueError: wrong\n" in page


def test_a_memory_that_learns_too_long_is_given_up(on_card, device):
    with pytest.raises(on_card.cuda_both.OutOfTimeError):
        on_card.cuda_both.measure(device, 1, 0.0, time.monotonic() - 1)


def test_kernels_side_by_side(on_card, device, monkeypatch):
    kernels = on_card.cuda_kernels
    monkeypatch.setattr(kernels, "REPEATED", 2)
    row = kernels.ways_of(device, 70, 65, 0.3, 17, 2, 0.0)
    assert len(row) == len(kernels.HEADS_WAYS)
    cell = dict(zip(kernels.HEADS_WAYS, row, strict=True))
    assert all(value(cell[way]) > 0 for way in kernels.WAYS)
    assert cell["chosen"] == "dense"
    assert cell["best"] in kernels.WAYS
    device.capability = (7, 0)
    cell = dict(zip(kernels.HEADS_WAYS, kernels.ways_of(device, 70, 65, 0.3, 17, 1, 0.0),
                    strict=True))  # fmt: skip
    assert (cell["bits"], cell["bytes"], cell["chosen"]) == ("", "", "dense")
    row = kernels.neighbours_of(device, 9, 34, True, 0.0)
    assert len(row) == len(kernels.HEADS_3X3)
    assert all(value(c) > 0 for c in row[2:])


def test_layouts_of_pools_side_by_side(on_card, device):
    pools = on_card.cuda_pools
    case = on_card.cuda_models.Case(640, 96, 0.1, 2, 2, {"potential_fraction": 0.1})
    row = pools.layouts_of(device, case, 1e3)
    cell = dict(zip(pools.HEADS, row, strict=True))
    assert (cell["synapses"], cell["chosen"]) == ("64", "dense")
    assert all(value(cell[way]) > 0 and value(cell[f"{way}, of a copy"]) > 0 for way in pools.WAYS)
    assert cell["best"] in pools.WAYS
    assert pools.goal([]) == []
    faster = [*row[:-1], "dense"]
    assert "the faster one was chosen in every row" in pools.goal([faster])[0]
    assert (
        "640 -> 96, 64 synapses, windows of 2." in pools.goal([[*row[:-1], "compact"], faster])[0]
    )
    names = [row.name for row in pools.pools(device, 1e9, False)]
    assert "16384 -> 16384, window 64, models 1, potential_fraction 0.1" in names
    assert len({*names}) == len(names) > 6


def test_the_plan_needs_no_card():
    script = str(ROOT / "benchmarks" / "on_card.py")
    command = [sys.executable, script, "--plan", "--seconds", "120"]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=120,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    parts = re.findall(r"^(\S.*): about (\d+) s$", done.stdout, re.M)
    assert [name for name, _ in parts] == [
        "Spatial pooler", "Spatial pooler, at first", "Ways of learning online",
        "Whole rows and compact pools", "Both together", "Ways of counting overlaps",
        "3 x 3 neighbours",
    ]  # fmt: skip
    assert sum(int(s) for _, s in parts) == pytest.approx(120, abs=4)
    for line in ("784 -> 2048, 19 % on, window 256, models 1", "128 models",
                 "16384 -> 16384, 2 % on, window 1, models 1"):  # fmt: skip
        assert f"  {line}\n" in done.stdout


def test_bytes_of_a_step_by_hand(on_card):
    case = on_card.cuda_models.Case
    # 1024 inputs, 51.2 on: their rows of 2048 bits; 41 winners of 1024 int16, read; 500 bytes back.
    assert case(1024, 2048, 0.05).bytes(41, 500, 2048) == pytest.approx(
        51.2 * 256 + 41 * 1024 * 2 + 500
    )
    # A dense window reads the whole matrix of bits once for 64 samples; 900 columns learn.
    assert case(784, 2048, 0.19, 64).bytes(900, 6400, 1568) == pytest.approx(
        784 * 2048 / 8 / 64 + 2 * 900 * 784 / 64 + 100
    )


def test_written_are_eights_that_differ(on_card, device):
    models = on_card.cuda_models
    case = models.Case(64, 96, 0.2, 2)
    group = models.SpatialPoolerGroup(case.parameters, (64,), range(2), device)
    bits = Bits.from_dense(np.random.default_rng(0).random((4, 64)) < 0.2)
    before = [group.state(m)["permanences"] for m in range(2)]
    found = models.written(group, [bits] * 2, 2, 1)
    after = [group.state(m)["permanences"] for m in range(2)]
    eights = sum((a != b).reshape(-1, 8).any(1).sum() for a, b in zip(after, before, strict=True))
    assert found == 16 * eights / 2 > 0


def test_columns_that_win_twice_in_a_window_learn_once(on_card):
    won = Bits.from_rows(50, [[1, 2], [2, 3], [1, 2], [1, 2]])
    windows = on_card.cuda_models.Case(9, 50, 0.1, 2)
    assert on_card.cuda_models.learners(windows, won) == (3 + 2) / 2
