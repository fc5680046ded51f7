"""The usual step of a series in time, and where each of its samples stands, counted exactly.

Months and years differ in length, so what comes by the calendar is counted in months: a year
before the 31st of March is the March before, and so is a year before the first of March.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from htmrun.components.sources import Chunk, Source

Places = npt.NDArray[np.int64]
Times = npt.NDArray[np.datetime64]

SECOND = 1_000_000
DAY = 86_400 * SECOND
WEEK = 7 * DAY
LEAST_MONTH = 27 * DAY
MONTH = 30.436875 * DAY
YEAR = 365.2425 * DAY
STEPS_KEPT = 100_000
"""The step is that of so many samples at the start: of longer series, too."""

_CHUNK = 1024


@dataclass(frozen=True)
class Step:
    """The usual time from one sample to the next.

    count: in months ("M") for samples of different months, that many or a multiple of it apart,
    otherwise in microseconds ("us"). even: whether all steps are multiples of it.
    """

    unit: Literal["us", "M"]
    count: int
    even: bool = True

    def places(self, times: Times) -> Places:
        """Return where the times (T,) stand in units of the step: month or microsecond, int64."""
        out: Places = times.astype(f"datetime64[{self.unit}]").astype(np.int64)
        return out

    def after(self, time: np.datetime64, steps: Places) -> Times:
        """Return the times so many steps after `time`, datetime64[us] of the shape of `steps`.

        Days that a month does not have are those of the next one.
        """
        month = time.astype(f"datetime64[{self.unit}]")
        inside = time.astype("datetime64[us]") - month.astype("datetime64[us]")
        later: Times = (month + self.count * steps).astype("datetime64[us]") + inside
        return later

    def season(self) -> int:
        """Return a season in units of the step, the time from a sample to its like.

        A week where less than two days make a step, otherwise a year; of even steps a whole number.
        """
        if self.unit == "M":
            return 12 if 12 % self.count == 0 else self.count * max(1, round(12 / self.count))
        season = WEEK if self.count < 2 * DAY else YEAR
        if self.even:
            return self.count * max(1, round(season / self.count))
        return WEEK if season == WEEK else 52 * WEEK

    @property
    def text(self) -> str:
        """The step in words, e.g. `1 h`."""
        return span(self.count, self.unit)


def span(count: int, unit: Literal["us", "M"]) -> str:
    """Return a stretch of time in the largest unit that fits: `7 days`, `12 months`, `90 s`."""
    if unit == "M":
        return _counted(count, "month")
    for size, name in ((DAY, "day"), (3600 * SECOND, "h"), (60 * SECOND, "min")):
        if count % size == 0:
            return _counted(count // size, name)
    return f"{count / SECOND:g} s"


def usual_step(times: Times, follows: npt.NDArray[np.bool_]) -> Step | None:
    """Return the usual step of times (T,); None where none goes forward.

    follows (T,): whether a sample comes after the one before it, in the same sequence.
    """
    times = times[:STEPS_KEPT]
    inside = follows[1:STEPS_KEPT]
    steps = np.sort(_steps(times, "us")[inside])
    steps = steps[steps > 0]
    if not len(steps):
        return None
    usual = int(steps[len(steps) // 2])
    if usual >= LEAST_MONTH:
        months = _steps(times, "M")[inside]
        count = max(1, round(usual / MONTH))
        if (months > 0).all() and (months % count == 0).all():
            return Step("M", count)
    return Step("us", usual, bool((steps % usual == 0).all()))


def _steps(times: Times, unit: str) -> Places:
    places: Places = times.astype(f"datetime64[{unit}]").astype(np.int64)
    return places[1:] - places[:-1]


def uneven(source: Source) -> str | None:
    """Return a line where steps are not as long as the usual one; None where all are.

    Reads the beginning of the source.
    """
    times, follows = _beginning(source.train(0, 0, _CHUNK))
    step = None if times is None else usual_step(times, follows)
    if times is None or step is None:
        return None
    places = step.places(times)
    steps = (places[1:] - places[:-1])[follows[1:]]
    other = int((steps != step.count).sum())
    if not other:
        return None
    return (
        f"{other:,} of {len(steps):,} steps are not the usual one of {step.text}: horizons count "
        "rows (data.horizon_unit=time scores only what lies as far apart as a horizon says)"
    )


def step_of(source: Source) -> Step | None:
    """Return the usual step of a source's samples; None without dates. Reads its beginning."""
    return step_among(source.train(0, 0, _CHUNK))


def step_among(chunks: Iterable[Chunk]) -> Step | None:
    """Return the usual step of samples; None without dates. Reads their beginning."""
    times, follows = _beginning(chunks)
    return None if times is None else usual_step(times, follows)


def _beginning(chunks: Iterable[Chunk]) -> tuple[Times | None, npt.NDArray[np.bool_]]:
    """Return the times of the first samples, None without dates, and which follow another."""
    times: list[Times] = []
    follows: list[npt.NDArray[np.bool_]] = []
    kept = 0
    for chunk in chunks:
        stamps = chunk.fields.get("timestamp")
        if stamps is None:
            return None, np.zeros(0, np.bool_)
        times.append(stamps)
        follows.append(chunk.reset == 0)
        kept += len(chunk)
        if kept >= STEPS_KEPT:
            break
    if not times:
        return None, np.zeros(0, np.bool_)
    return np.concatenate(times)[:STEPS_KEPT], np.concatenate(follows)[:STEPS_KEPT]


def _counted(count: int, name: str) -> str:
    plural = "s" if count != 1 and name in ("day", "month") else ""
    return f"{count} {name}{plural}"
