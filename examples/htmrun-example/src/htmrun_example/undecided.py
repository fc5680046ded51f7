"""A measure: how often the readout had nothing to say."""

from __future__ import annotations

from htmrun.backends.plan import Plan
from htmrun.components.pipeline import Outcome
from htmrun.components.registry import register
from htmrun.components.sources import Chunk
from htmrun.training.measures.measure import Found, Measure, Metric, Run, Saved


@register("measure")
class Undecided(Measure):
    """Share of the training samples for which every class had the score 0."""

    metrics = (
        Metric(
            "example/undecided", "learning", "down",
            "share of the samples of which the readout said nothing, before they were learned",
            "share",
        ),
    )  # fmt: skip

    def begin(self, run: Run) -> None:
        """Start to count."""
        self._silent = self._samples = 0

    def chunk(self, run: Run, chunk: Chunk, plan: Plan, outcome: Outcome) -> None:
        """Count the samples of a chunk."""
        nearest = outcome.scores[0]
        self._silent += int((nearest.valid & (nearest.probability.sum(1) == 0)).sum())
        self._samples += int(nearest.valid.sum())

    def finish(self, run: Run) -> Found:
        """Return the share; nothing where nothing was to be said."""
        if not self._samples:
            return Found()
        return Found({"example/undecided": self._silent / self._samples})

    def state(self) -> Saved:
        """Return both counts."""
        return {"silent": self._silent, "samples": self._samples}

    def load(self, saved: Saved) -> None:
        """Go on from them."""
        self._silent, self._samples = saved["silent"], saved["samples"]
