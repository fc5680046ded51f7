"""An epoch of a stream that goes by once: by time where dates are known, else a number."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from htmrun.errors import UserError
from htmrun.execution.estimate import plan_table
from htmrun.training.epochs import Epoch, found, stated
from tests.helpers.experiments import stream, write_series
from tests.training.test_trainer import VALUES, builder, run, same

HOUR, DAY = 3600.0, 86_400.0
BOOSTED = ("sp.boost_strength=3.0", "sp.winners=3", "arms=null")


def data(step: float | None, task: str = "forecast") -> Any:
    return SimpleNamespace(task=task, median_step=step, name="load")


@pytest.mark.parametrize(
    ("step", "samples", "expected"),
    [
        (HOUR, 1680, Epoch(168, "a week")),
        (HOUR, 1679, Epoch(24, "a day")),
        (300.0, 10_000, Epoch(288, "a day")),
        (DAY, 200, Epoch(7, "a week")),
        (DAY, 69, Epoch(6, "a tenth of the stream")),
        (31 * DAY, 732, Epoch(12, "a year")),  # months
        (7 * DAY, 2284, Epoch(52, "a year")),
        (365 * DAY, 309, Epoch(30, "a tenth of the stream")),
        (1.0, 5000, Epoch(60, "a minute")),
        (None, 50_000, Epoch(1000, "1000 samples")),
        (None, 300, Epoch(30, "a tenth of the stream")),
        (None, 9, None),
    ],
)
def test_the_longest_period_that_goes_ten_times_into_the_stream(
    step: float | None, samples: int, expected: Epoch | None
) -> None:
    assert found(data(step), samples) == expected


def test_images_have_passes() -> None:
    assert found(data(None, "classification"), 60_000) is None


def test_what_is_asked_for() -> None:
    assert stated(None, data(HOUR)) is None
    assert stated("pass", data(HOUR)) is None
    assert stated(70, data(None)) == Epoch(70)
    assert stated("day", data(600.0)) == Epoch(144, "a day")
    with pytest.raises(UserError, match="epoch_length: found 'day', but load has no dates"):
        stated("day", data(None))
    with pytest.raises(UserError, match="'hour', but the samples of load lie 86400 s apart"):
        stated("hour", data(DAY))


@pytest.fixture
def hourly(tmp_path: Path) -> Path:
    when = [f"2026-01-{1 + i // 24:02d} {i % 24:02d}:00" for i in range(300)]
    return write_series(tmp_path / "load.csv", VALUES, ("when", when))


def ended(hourly: Path, *overrides: str, arm: str = "epoch_boost") -> Any:
    return run(*stream(hourly, *BOOSTED, *overrides), arm=arm)[1]


def test_epoch_boost_boosts_every_day_of_a_series_and_other_arms_stay(hourly: Path) -> None:
    default = ended(hourly)
    assert same(default, ended(hourly, "epoch_length=24"))
    assert same(default, ended(hourly, "epoch_length=day"))
    once = ended(hourly, "epoch_length=pass")
    assert default.state_hash != once.state_hash
    assert same(ended(hourly, arm="minibatch"), ended(hourly, "epoch_length=pass", arm="minibatch"))
    days = ended(hourly, "epoch_length=day", arm="minibatch")
    # Twelve days of 24 hours, each two windows of 10 and one of 4; then 12 hours: 10 and 2.
    assert days.metrics["commits"] == 12 * 3 + 2


def test_the_plan_says_what_an_epoch_is(hourly: Path) -> None:
    made = builder(*stream(hourly, *BOOSTED))
    rows = {row["arm"]: row["regime"] for row in plan_table(made.experiment, made.source)}
    assert rows["epoch_boost"] == "learn every 1; boost at epoch of 24 samples"
    assert rows["online"] == "learn every 1; boost at commit"
