"""How much was learned, how fast, and how large it became."""

from __future__ import annotations

from typing import ClassVar

from htmrun.components.registry import register
from htmrun.training.measures.measure import RATE, Found, Measure, Metric, Run


@register("measure")
class Pace(Measure):
    """Samples, commits, seconds and bytes; joules, which the runner adds, have their row here."""

    metrics: ClassVar = (
        Metric(RATE, "cost", "up", "training samples per second of this job", "1/s", timed=True),
        Metric("train_seconds", "cost", "down", "time in which it learned", "s", timed=True),
        Metric("{samples,commits}", "cost", "none", "how many there were in this job"),
        Metric("state_bytes", "cost", "down", "size of all that was learned", "bytes"),
        Metric("energy/{processor,card}_joules", "cost", "down", "from the job's beginning to its "
               "end, evaluations included; only where jobs run one after the other (`workers=1`)",
               "J", timed=True),
    )  # fmt: skip
    order = 80

    def finish(self, run: Run) -> Found:
        """Return them for the whole job."""
        return Found({
            RATE: run.rate,
            "train_seconds": run.train_seconds,
            "samples": float(run.sample),
            "commits": float(run.commits),
            "state_bytes": float(sum(a.nbytes for a in run.state.values())),
        })  # fmt: skip
