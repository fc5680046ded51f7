"""Readouts with a model for each horizon, which all learn from shifted pairs alike."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, Protocol

import numpy as np

from htmrun.backends import State
from htmrun.backends.bits import Bits
from htmrun.backends.plan import Flags, Plan
from htmrun.backends.state import checked, must_fit
from htmrun.components.classifiers import Classes, Targets
from htmrun.components.classifiers.horizons import HorizonReadout, Made, Past, ahead
from htmrun.components.classifiers.scores import Activity, Scores, read

_NONE = np.array([-1])
"""The target of one sample of which nothing is learned."""


class Model(Protocol):
    """What learns the classes of bits; see `htmrun.backends`."""

    def run(
        self, bits: Bits, targets: Classes, plan: Plan, learn: bool = True,
        learn_bits: Bits | None = None,
    ) -> Made: ...  # fmt: skip
    def compute(self, bits: Bits) -> Made: ...
    def state(self) -> State: ...
    def load(self, state: State) -> None: ...


class ModelsReadout(HorizonReadout):
    """Predicts the class of sample t from the bits of sample t - h, for each horizon h.

    What is learned at sample t is the pair (bits of t - h, class of t), with the error
    measured against the model of the last commit. No pair reaches across a reset.
    """

    grows: ClassVar[frozenset[str]] = frozenset()
    """Names of a model's arrays that grow and shrink."""

    def __init__(
        self, targets: Targets, reads: tuple[str, ...], size: int, make: Callable[[], Model],
        *, name: str, learn: bool,
    ) -> None:  # fmt: skip
        """`size`: bits of all outputs that it reads; make: a fresh model."""
        self.targets, self.inputs, self.name, self.learn = targets, reads, name, learn
        self.models: dict[int, Model] = {h: make() for h in targets.horizons}
        self._past = Past(
            size, targets.classes, targets.horizons, forecasts=targets.buckets is not None
        )

    def run(self, activity: Activity, targets: Classes, plan: Plan) -> list[Scores]:
        """Predict each sample, then learn from `targets`."""
        bits, age = read(activity, self.inputs), self._past.ages(plan.reset)
        scores, buckets, single = [], self.buckets, len(plan.commit) == 1
        for h, model in self.models.items():
            if h == 0:
                made = model.run(bits, targets, plan, self.learn)
                scores.append(Scores(0, made, np.ones(len(bits), np.bool_)))
                continue
            before = self._past.before(bits, h)
            if single:
                due = targets if age.item() >= h else _NONE
            else:
                due = np.where(age >= h, targets, -1)
            made = model.run(bits, due, plan, self.learn, before)
            scores.append(self._past.delay(h, made, age, buckets))
        self._past.remember(bits, age)
        return scores

    def pending(self) -> list[Scores]:
        """Return what was predicted of samples that are still to come."""
        return self._past.pending()

    def newest(self) -> list[Scores]:
        """Return the last of each horizon in `pending`."""
        return self._past.newest()

    def compute(self, activity: Activity, reset: Flags) -> list[Scores]:
        """Return what is predicted from these bits alone; writes nothing."""
        bits = read(activity, self.inputs)
        return [ahead(h, m.compute(bits), reset, self.buckets) for h, m in self.models.items()]

    def state(self) -> State:
        """Return the models' arrays and what is remembered for the horizons."""
        named = self._past.state() | self.range_state()
        for h, model in self.models.items():
            named |= {f"h{h}.{name}": value for name, value in model.state().items()}
        return named

    def load(self, state: State) -> None:
        """Take over what `state()` returned; ValueError on other names or shapes."""
        own = {f"h{h}.{name}" for h in self.models for name in self.grows}
        expected = self.state()
        must_fit(state, expected, self._past.free | own)
        past = self._past.state() | self.range_state()
        taken = checked({name: state[name] for name in past}, past, self._past.free)
        self._past.load(taken)
        self.load_range(taken)
        # Each takes copies by itself; of all weights another one would be most of the work.
        for h, model in self.models.items():
            start = f"h{h}."
            names = [name for name in expected if name.startswith(start) and name not in past]
            model.load({name.removeprefix(start): state[name] for name in names})
