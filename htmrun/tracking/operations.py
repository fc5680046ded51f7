"""What tracking does to a run, as data: applied to a store, or kept in an outbox for later."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, NamedTuple

Status = Literal["FINISHED", "FAILED", "KILLED"]

SERIES = "series.npz"
"""Name of the artifact that holds a job's arrays."""
FORECASTS = "forecasts.parquet"
"""Name of the artifact that holds what a job said of each row of a series."""


class Point(NamedTuple):
    """One metric value: `time` in milliseconds since 1970, `step` in training samples."""

    name: str
    value: float
    time: int
    step: int


@dataclass(frozen=True)
class Begin:
    """Create the run named `job` with `tags`, started at `time` (milliseconds since 1970)."""

    job: str
    time: int
    tags: Mapping[str, str]


@dataclass(frozen=True)
class Log:
    """Write metrics, parameters and tags to the run."""

    job: str
    points: tuple[Point, ...] = ()
    parameters: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Attach:
    """Store the local file `path` with the run, in `folder` ("" is the top)."""

    job: str
    path: str
    folder: str = ""


@dataclass(frozen=True)
class UseData:
    """Note that the run has used the data set `name`: digest, origin as JSON, samples if known."""

    job: str
    name: str
    digest: str
    source: str
    samples: int | None


@dataclass(frozen=True)
class End:
    """Close the run with `status` at `time` (milliseconds since 1970)."""

    job: str
    status: Status
    time: int


@dataclass(frozen=True)
class Discard:
    """Move what an earlier attempt left of `job` to the trash: the run with MLflow's id `kept`."""

    job: str
    kept: str


Operation = Begin | Log | Attach | UseData | End | Discard
_KINDS: dict[str, type[Operation]] = {
    "begin": Begin,
    "log": Log,
    "attach": Attach,
    "data": UseData,
    "end": End,
    "discard": Discard,
}
_NAMES = {kind: name for name, kind in _KINDS.items()}


def to_plain(operation: Operation) -> dict[str, Any]:
    """Return `operation` as a dict of JSON types, its kind under "do"."""
    return {"do": _NAMES[type(operation)], **asdict(operation)}


def from_plain(plain: Mapping[str, Any]) -> Operation:
    """Return the operation that `to_plain` wrote; KeyError for an unknown kind."""
    values = {key: value for key, value in plain.items() if key != "do"}
    if "points" in values:
        values["points"] = tuple(Point(*point) for point in values["points"])
    return _KINDS[plain["do"]](**values)
