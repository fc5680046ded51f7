"""Where a pipeline ends without a readout: its temporal memory says how strange each sample is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from htmrun.backends import State
from htmrun.backends.plan import Flags, Plan
from htmrun.backends.state import checked
from htmrun.components.classifiers import Classes, Readout, Site, Targets
from htmrun.components.classifiers.scores import Activity, Scores
from htmrun.components.layout import Layout
from htmrun.components.sources import Source, Task


class NoReadout(Readout):
    """Stands where a readout would: it predicts nothing, learns nothing, and has no state.

    No kind of its own, so nobody names it; `ending_of` returns it. Its parameters are None.
    """

    name = ""
    targets = Targets(0, ())
    learn = False

    @classmethod
    def horizons(cls, parameters: Any) -> tuple[int, ...]:
        """Return none."""
        return ()

    @classmethod
    def targets_of(cls, name: str, parameters: Any, source: Source) -> Targets:
        """Return that nothing is asked."""
        return cls.targets

    @classmethod
    def unfit(cls, name: str, parameters: Any, task: Task, kind: str) -> Iterator[str]:
        """Say that only values of a series have anomalies that are scored."""
        if task != "forecast":
            yield (
                f"pipeline: found no classifier with data.kind '{kind}', expected one at the end "
                "(without it anomalies of a series are scored)"
            )

    @classmethod
    def state_bytes(cls, parameters: Any, front: Layout, targets: Targets) -> int:
        """Return nothing."""
        return 0

    @classmethod
    def build(cls, parameters: Any, site: Site) -> NoReadout:
        """Return one."""
        return cls()

    def classes_of(self, target: np.ndarray) -> Classes:
        """Return that no target has a class."""
        return np.full(len(target), -1, np.int64)

    def run(self, activity: Activity, targets: Classes, plan: Plan) -> list[Scores]:
        """Predict nothing."""
        return []

    def compute(self, activity: Activity, reset: Flags) -> list[Scores]:
        """Predict nothing."""
        return []

    def state(self) -> State:
        """Return no array."""
        return {}

    def load(self, state: State) -> None:
        """Take over nothing; ValueError on any array."""
        checked(state, {})
