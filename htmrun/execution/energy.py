"""Energy that this machine reports while a run goes on: of its processors, and of one card.

Counters belong to whole processors and cards. What several jobs side by side use cannot be told
apart, and other programs count too: so it is a figure of the run, and of a job only where jobs run
one after the other. What is not reported is None, never 0.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from htmrun.backends.cuda import cards
from htmrun.training.records import Finished, Record, Started

POWERCAP = Path("/sys/class/powercap")
"""Where Linux shows the counters of processors; mostly readable by root alone."""

Counter = Callable[[], float]
"""Returns joules since some moment; raises OSError where it cannot tell (any more)."""

Joules = Mapping[str, float | None]
"""Of "processor" and "card"; None for what the machine does not report."""


def processor() -> Counter | None:
    """Return the counter of all processors together; None where not every one can be read."""
    packages = []
    for folder in sorted(POWERCAP.glob("intel-rapl:*")):
        try:
            # Each package once: not its parts, not what holds all of them (psys).
            if (folder / "name").read_text().startswith("package"):
                packages.append(_Package(folder))
        except (OSError, ValueError):
            return None
    return (lambda: sum(p.joules() for p in packages)) if packages else None


class _Package:
    """One processor's counter, which begins again at 0 about once an hour under load."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "energy_uj"
        self._range = int((folder / "max_energy_range_uj").read_text())
        self._last, self._total = int(self._file.read_text()), 0

    def joules(self) -> float:
        """Return the joules since this object was made; to be asked before the counter is round."""
        now = int(self._file.read_text())
        self._total += now - self._last + (self._range if now < self._last else 0)
        self._last = now
        return self._total / 1e6


def card(index: int) -> Counter | None:
    """Return the counter of a card; None where NVIDIA's library is missing or does not tell."""
    try:
        import pynvml
    except ImportError:
        return None

    def joules() -> float:
        try:
            return float(pynvml.nvmlDeviceGetTotalEnergyConsumption(handle)) / 1e3
        except pynvml.NVMLError as error:
            raise OSError(str(error)) from error

    try:
        pynvml.nvmlInit()
        handle: Any = pynvml.nvmlDeviceGetHandleByPciBusId(cards.bus_id(index).encode())
        joules()
    except (pynvml.NVMLError, OSError):
        return None
    return joules


@dataclass
class _Reading:
    counter: Counter | None
    begin: float = 0.0
    last: float = 0.0

    def read(self) -> float | None:
        """Return the joules since `begin`; None for good once the counter cannot be read."""
        if self.counter is None:
            return None
        try:
            self.last = self.counter()
        except (OSError, ValueError):
            self.counter = None
            return None
        return self.last - self.begin


class Meter:
    """Counts what a run uses, from when it is made; `one_by_one`: its jobs follow each other.

    `card`: the number of the card that it runs on, None on the processor alone.
    """

    def __init__(self, card_index: int | None, one_by_one: bool) -> None:
        found = {"processor": processor(), "card": None if card_index is None else card(card_index)}
        self._readings = {name: _Reading(counter) for name, counter in found.items()}
        for reading in self._readings.values():
            reading.read()
            reading.begin = reading.last
        self._one_by_one = one_by_one
        self._job_begin: Joules = {}

    @classmethod
    def of_nothing(cls) -> Meter:
        """Return a meter for jobs that run elsewhere: nothing is known of their energy."""
        meter = cls(None, False)
        meter._readings = {name: _Reading(None) for name in meter._readings}
        return meter

    def joules(self) -> Joules:
        """Return what was used so far by "processor" and "card"; None for what cannot be known."""
        return {name: reading.read() for name, reading in self._readings.items()}

    def noted(self, record: Record) -> Record:
        """Return `record`, with what its job has used if it has ended and ran alone.

        Ask with every record: counters begin again at 0, and are read often enough that way.
        """
        now = self.joules()
        if isinstance(record, Started):
            self._job_begin = now
        if not self._one_by_one or not isinstance(record, Finished):
            return record
        used = {
            f"energy/{name}_joules": after - before
            for name, before in self._job_begin.items()
            if before is not None and (after := now[name]) is not None
        }
        self._job_begin = {}
        return replace(record, metrics={**record.metrics, **used})


def line(joules: Joules) -> str | None:
    """Return what the terminal says of a run's energy; None where nothing is known."""
    known = [f"{value:,.0f} J by the {name}" for name, value in joules.items() if value is not None]
    return f"energy of the whole machine meanwhile: {', '.join(known)}" if known else None
