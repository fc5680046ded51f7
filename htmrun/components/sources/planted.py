"""A series with anomalies that are known, because they were planted: hours of a daily rhythm.

Spikes, shifts of the level, days of another rhythm and days on which nothing moves lie at places
that a number chooses. It is CSV text with flags, and read like a file.
"""

from __future__ import annotations

import math

import numpy as np

ROWS = 4032
"""Hours of 24 weeks."""
FLAG = "anomaly"
"""The column of flags."""
CLEAN = 1200
"""Hours at the beginning without any."""
TAIL = 12
"""Hours behind an anomaly that are flagged, too: who says it late says it still."""
KINDS = ("spike", "shift", "rhythm", "still")
_APART = 230
_BEGIN = np.datetime64("2026-01-05T00")


def planted_text(variant: int) -> str:
    """Return columns hour, value and anomaly; `variant`: which of the many.

    Twelve anomalies, three of each kind in turn from 1,200 rows on: a spike of 1 to 3 hours; 36 to
    72 hours of another level; 48 hours in which the day goes twice as fast; 24 hours that stay as
    they are. Flagged are these rows and the 12 behind them.

    NumPy promises that `RandomState` never gives other numbers.
    """
    random = np.random.RandomState(variant)
    hours = np.arange(ROWS)
    noise = random.randint(-150, 151, ROWS) / 100
    phase = hours.astype(np.float64)
    added, held = np.zeros(ROWS), np.full(ROWS, -1)
    flags = np.zeros(ROWS, np.int64)
    for number in range(12):
        kind = KINDS[number % len(KINDS)]
        begin = CLEAN + _APART * number + int(random.randint(0, 100))
        size, sign = int(random.randint(0, 37)), int(random.randint(0, 2)) * 2 - 1
        length = {"spike": 1 + size % 3, "shift": 36 + size, "rhythm": 48, "still": 24}[kind]
        where = slice(begin, begin + length)
        flags[begin : begin + length + TAIL] = 1
        if kind == "spike":
            added[where] += sign * (30 + size)
        elif kind == "shift":
            added[where] += sign * (8 + size / 4)
        elif kind == "rhythm":
            phase[where] = 2 * hours[where]
        else:
            held[where] = begin
    values = [50 + 20 * _day(p) + (6 if hours[t] // 24 % 7 < 5 else 0) for t, p in enumerate(phase)]
    whole = np.array(values) + noise + added
    whole = np.where(held >= 0, whole[np.maximum(held, 0)], whole)
    times = (_BEGIN + hours).astype(str)
    rows = (
        f"{time.replace('T', ' ')}:00,{value:.2f},{flag}"
        for time, value, flag in zip(times, whole.tolist(), flags.tolist(), strict=True)
    )
    return "\n".join(["hour,value,anomaly", *rows]) + "\n"


def _day(hour: float) -> float:
    return math.sin(2 * math.pi * (hour % 24 - 8) / 24)
