"""The last alerts of a run that looks for anomalies, as lines for the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from htmrun.tracking.alerts import columns
from htmrun.training.records import Finished

SHOWN = 5


def last_alerts(results: Mapping[str, Sequence[Finished]]) -> list[str]:
    """Return lines about the last alerts of the first arm that has a seed; empty without any."""
    record = next((done[0] for done in results.values() if done), None)
    found = {} if record is None else columns(record.series)
    if record is None or not found:
        return []
    count = len(found["row"])
    if not count:
        return [f"{record.job.name} has no alert"]
    rows = [dict(zip(found, row, strict=True)) for row in zip(*found.values(), strict=True)]
    lines = [f"last alerts of {record.job.name}, {count:,} in all:"]
    for row in rows[-SHOWN:]:
        window = "" if row.get("window") is None else f", in window {row['window']}"
        when = f"  {row['time']}" if "time" in row else ""
        value = f", value {row['value']:g}" if "value" in row else ""
        lines.append(f"  row {row['row']:,}{when}{value}, score {row['score']:.4g}{window}")
    return lines
