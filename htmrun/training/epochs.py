"""What an epoch is where a stream goes by once: so many samples, by time where dates are known."""

from __future__ import annotations

from dataclasses import dataclass

from htmrun.components.sources import Source
from htmrun.errors import UserError

SECONDS: dict[str, float] = {
    "minute": 60.0, "hour": 3600.0, "day": 86_400.0, "week": 604_800.0, "year": 365.2425 * 86_400,
}  # fmt: skip
LEAST_EPOCHS = 10
"""A stream has at least so many, unless somebody says otherwise."""
WITHOUT_DATES = 1000
"""Samples of an epoch where no dates are known, of a stream that is long enough."""


@dataclass(frozen=True)
class Epoch:
    """Samples that make an epoch; `words`: what that is, empty where a number was asked for."""

    samples: int
    words: str = ""


def stated(length: int | str | None, source: Source) -> Epoch | None:
    """Return the epoch that is asked for; None: a pass over the data, or nothing is asked for.

    A period is as many samples as it has at the median step. Raises UserError for a period of data
    without dates, or whose samples lie further apart.
    """
    if length is None or length == "pass":
        return None
    if isinstance(length, int):
        return Epoch(length)
    step = source.median_step
    if not step:
        raise UserError(
            f"epoch_length: found '{length}', but {source.name} has no dates, expected a number"
        )
    if step > SECONDS[length]:
        raise UserError(
            f"epoch_length: found '{length}', but the samples of {source.name} lie {step:g} s "
            f"apart, expected a longer one of {', '.join(SECONDS)}"
        )
    return Epoch(round(SECONDS[length] / step), f"a {length}")


def found(source: Source, samples: int) -> Epoch | None:
    """Return what an epoch of a stream is where nothing is asked for; None: a pass, an episode.

    Streams are data that are scored as they go by. The longest period of at least two samples that
    goes ten times into the stream; without one 1000 samples, of a short stream a tenth.
    """
    if source.task in ("classification", "control"):
        return None
    most, step = samples // LEAST_EPOCHS, source.median_step
    for name, seconds in reversed(SECONDS.items()):
        held = round(seconds / step) if step else 0
        if 2 <= held <= most:
            return Epoch(held, f"a {name}")
    if most >= WITHOUT_DATES:
        return Epoch(WITHOUT_DATES, f"{WITHOUT_DATES} samples")
    return Epoch(most, "a tenth of the stream") if most else None
