"""Counters of a made-up machine: a powercap folder and NVIDIA's library."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from htmrun.backends.cuda import cards
from htmrun.cli import main
from htmrun.cli.diagnosis import examine
from htmrun.config.compose import load
from htmrun.execution import energy, lots
from htmrun.execution.opening import OpenRun, open_run
from htmrun.tracking.store import open_existing
from htmrun.training.records import Failed, Finished, Job, Progress, Started
from tests.helpers.experiments import DIGITS

FIRST, SECOND = Job("online", 0), Job("online", 1)


class Machine:
    """Two processors with parts and a sum, as Linux shows them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name, title in (("intel-rapl:0", "package-0"), ("intel-rapl:1", "package-1"),
                            ("intel-rapl:0:0", "core"), ("intel-rapl:2", "psys"),
                            ("intel-rapl-mmio:0", "package-0")):  # fmt: skip
            (folder / name).mkdir()
            (folder / name / "name").write_text(f"{title}\n")
            (folder / name / "max_energy_range_uj").write_text("10000000\n")
            self.shows(name, 1_000_000)

    def shows(self, name: str, microjoules: int) -> None:
        (self.folder / name / "energy_uj").write_text(f"{microjoules}\n")


@pytest.fixture
def machine(tmp_path, monkeypatch):
    folder = tmp_path / "powercap"
    folder.mkdir()
    monkeypatch.setattr(energy, "POWERCAP", folder)
    return Machine(folder)


class Library:
    """pynvml, for one card whose counter a test sets; asked as NVIDIA's tools count cards."""

    class NVMLError(Exception):
        pass

    def __init__(self) -> None:
        self.millijoules = 5000
        self.nvmlInit = lambda: None

    def nvmlDeviceGetHandleByPciBusId(self, bus: bytes) -> bytes:  # noqa: N802
        assert bus == b"0000:65:00.0"
        return bus

    def nvmlDeviceGetTotalEnergyConsumption(self, handle: bytes) -> int:  # noqa: N802
        if self.millijoules < 0:
            raise self.NVMLError("Not Supported")
        return self.millijoules


@pytest.fixture
def library(monkeypatch):
    made = Library()
    monkeypatch.setitem(sys.modules, "pynvml", made)
    monkeypatch.setattr(cards, "bus_id", lambda index: {1: "0000:65:00.0"}[index])
    return made


def finished(job: Job) -> Finished:
    return Finished(job, {"accuracy": 1.0}, "", 1.0)


def test_packages_count_once_and_round(machine):
    meter = energy.Meter(None, True)
    machine.shows("intel-rapl:0", 3_500_000)
    machine.shows("intel-rapl:0:0", 9_000_000)
    machine.shows("intel-rapl:2", 9_000_000)
    assert meter.joules() == {"processor": 2.5, "card": None}
    machine.shows("intel-rapl:1", 1_250_000)
    assert meter.joules() == {"processor": 2.75, "card": None}
    machine.shows("intel-rapl:0", 500_000)  # it went on to 10 000 000 and began again
    assert meter.joules() == {"processor": 9.75, "card": None}


def test_what_cannot_be_read_is_none_and_stays_none(machine):
    meter = energy.Meter(None, True)
    (machine.folder / "intel-rapl:1" / "energy_uj").unlink()
    assert meter.joules() == {"processor": None, "card": None}
    machine.shows("intel-rapl:1", 1)
    assert meter.joules() == {"processor": None, "card": None}
    assert energy.line(meter.joules()) is None
    (machine.folder / "intel-rapl:0" / "energy_uj").unlink()
    # Half of the processors would be a wrong figure, not a smaller one.
    assert energy.processor() is None


def test_a_machine_without_counters_says_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(energy, "POWERCAP", tmp_path / "none")
    monkeypatch.setitem(sys.modules, "pynvml", None)
    assert energy.Meter(0, True).joules() == {"processor": None, "card": None}


def test_a_card_is_asked_by_its_place_on_the_bus(machine, library):
    meter = energy.Meter(1, True)
    library.millijoules = 7500
    assert meter.joules() == {"processor": 0.0, "card": 2.5}
    assert energy.line(meter.joules()) == (
        "energy of the whole machine meanwhile: 0 J by the processor, 2 J by the card"
    )
    library.millijoules = -1
    assert meter.joules()["card"] is None
    assert energy.Meter(1, True).joules()["card"] is None  # an older card does not count


def test_jobs_one_after_the_other_have_figures_of_their_own(machine):
    meter = energy.Meter(None, True)
    machine.shows("intel-rapl:0", 2_000_000)
    assert meter.noted(Started(FIRST, 10)) == Started(FIRST, 10)
    machine.shows("intel-rapl:0", 4_000_000)
    progress = Progress(FIRST, 5, 0, {}, 1.0)
    assert meter.noted(progress) == progress
    machine.shows("intel-rapl:0", 5_000_000)
    assert meter.noted(finished(FIRST)).metrics == {
        "accuracy": 1.0, "energy/processor_joules": 3.0,
    }  # fmt: skip
    machine.shows("intel-rapl:0", 6_000_000)
    assert meter.noted(Started(SECOND, 10)) == Started(SECOND, 10)
    assert meter.noted(Failed(SECOND, "")) == Failed(SECOND, "")
    machine.shows("intel-rapl:0", 7_000_000)
    meter.noted(Started(SECOND, 10))
    machine.shows("intel-rapl:0", 7_500_000)
    assert meter.noted(finished(SECOND)).metrics["energy/processor_joules"] == 0.5
    assert meter.joules()["processor"] == 6.5
    # A job that said no word before its end has no figure.
    assert meter.noted(finished(FIRST)).metrics == {"accuracy": 1.0}


def test_jobs_side_by_side_have_none(machine):
    meter = energy.Meter(None, False)
    meter.noted(Started(FIRST, 10))
    machine.shows("intel-rapl:0", 5_000_000)
    assert meter.noted(finished(FIRST)).metrics == {"accuracy": 1.0}
    assert meter.joules()["processor"] == 4


def test_who_runs_alone(monkeypatch):
    def opened(*overrides: str) -> OpenRun:
        return open_run(load([*DIGITS, *overrides]).experiment)

    alone, pair = opened("workers=1"), opened("workers=2")
    jobs = pair.jobs
    assert lots.one_by_one(alone, None)
    assert not lots.one_by_one(pair, None)
    assert lots.one_by_one(replace(pair, jobs=jobs[:1]), None)
    assert lots.one_by_one(pair, [[job] for job in jobs])
    assert not lots.one_by_one(alone, [jobs])
    monkeypatch.setattr("htmrun.execution.processes.cores", lambda: 2)
    assert not lots.one_by_one(opened("workers=null"), None)


@pytest.mark.parametrize("there", [True, False])
def test_a_run_says_what_it_used(there, machine, tmp_path, capsys, monkeypatch):
    if not there:
        monkeypatch.setattr(energy, "POWERCAP", tmp_path / "none")
    shown = iter(range(1, 10**6))
    read = Path.read_text

    def counting(path: Path, *rest: str, **named: str) -> str:
        if path.parent.name == "intel-rapl:0" and path.name == "energy_uj":
            machine.shows("intel-rapl:0", 10_000 * next(shown))
        return read(path, *rest, **named)

    monkeypatch.setattr(Path, "read_text", counting)
    place = tmp_path / "runs"
    arguments = [*DIGITS, "seeds=[3]", "arms=[online]", "workers=1", f"tracking.dir={place}"]
    assert main(["train", *arguments, "--json"]) == 0
    said = capsys.readouterr()
    summary = json.loads(said.out.splitlines()[-1])
    own = summary["arms"]["online"]
    _, client = open_existing(None, str(place))
    (run,) = client.search_runs([e.experiment_id for e in client.search_experiments()])
    tag = run.data.tags.get("htmrun.energy.processor_joules")
    if there:
        whole = summary["energy"]["processor_joules"]
        assert whole >= own["energy/processor_joules"]["values"][0] > 0
        assert run.data.metrics["energy/processor_joules"] > 0
        assert tag == f"{whole:.1f}"
        assert "J by the processor" in said.err
    else:
        assert "energy/processor_joules" not in own
        assert tag is None
        assert "J by the" not in said.err
        assert summary["energy"]["processor_joules"] is None
    assert summary["energy"]["card_joules"] is None


def test_doctor_says_whether_it_can_be_read(machine, tmp_path, monkeypatch):
    def found() -> tuple[str, str]:
        return next((f.state, f.found) for f in examine(None, str(tmp_path)) if f.what == "energy")

    assert found() == ("ok", "the processors' counters can be read")
    monkeypatch.setattr(energy, "POWERCAP", tmp_path / "none")
    assert found() == ("note", "no counter of the processors can be read")
