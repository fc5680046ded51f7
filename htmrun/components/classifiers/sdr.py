"""The SDR classifier as the last stage of a pipeline: several horizons, delayed targets."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from htmrun.backends import Backend, SDRClassifierBackend, State
from htmrun.backends.bits import Bits
from htmrun.backends.plan import Flags, Plan
from htmrun.backends.state import checked
from htmrun.components.classifiers.parameters import SDRClassifierConfig
from htmrun.components.classifiers.scores import Activity, Scores
from htmrun.components.registry import register

Targets = npt.NDArray[np.int64]


@register("readout", SDRClassifierConfig)
class SDRPredictor:
    """Predicts the class of sample t from the bits of sample t - h, for each horizon h.

    What is learned at sample t is the pair (bits of t - h, class of t), with the error
    measured against the weights of the last commit. No pair reaches across a reset.
    """

    def __init__(
        self, config: SDRClassifierConfig, reads: Sequence[str], size: int, classes: int,
        backend: Backend,
    ) -> None:  # fmt: skip
        self.config, self.reads, self.classes = config, tuple(reads), classes
        self.models: dict[int, SDRClassifierBackend] = {
            h: backend.SDRClassifier(config, size, classes) for h in config.horizons
        }
        self._reach = max(config.horizons)
        self._past_bits = Bits.empty(size)
        self._past_scores = {
            h: np.zeros((0, classes), np.float32) for h in config.horizons if h > 0
        }
        self._since_reset = 0

    def run(
        self, activity: Activity, targets: Targets, plan: Plan, learn: bool = True
    ) -> list[Scores]:
        """Predict each sample, then learn from `targets` (class, or -1 for none)."""
        bits = self._read(activity)
        age = ages(plan.reset, self._since_reset)
        joined = Bits.concatenate([self._past_bits, bits])
        scores = []
        for h, model in self.models.items():
            if h == 0:
                made = model.run(bits, targets, plan, learn)
                scores.append(Scores(0, made, np.ones(len(bits), np.bool_)))
                continue
            valid = age >= h
            before = _delayed(joined, len(bits), h)
            made = model.run(bits, np.where(valid, targets, -1), plan, learn, before)
            scores.append(Scores(h, self._delay_scores(h, made), valid))
        kept = min(self._reach, len(joined))
        self._past_bits = joined.slice(len(joined) - kept, len(joined))
        self._since_reset = int(age[-1]) + 1 if len(age) else self._since_reset
        return scores

    def compute(self, activity: Activity, reset: Flags) -> list[Scores]:
        """Return what is predicted for samples of their own, before any history; writes nothing."""
        bits, age = self._read(activity), ages(reset, 0)
        scores = []
        for h, model in self.models.items():
            made = model.compute(bits)
            none = np.zeros((min(h, len(made)), self.classes), np.float32)
            scores.append(Scores(h, np.concatenate([none, made])[: len(made)], age >= h))
        return scores

    def state(self) -> State:
        """Return weights, pending gradients and what is remembered for the horizons."""
        named: State = {
            "past_indices": self._past_bits.indices.copy(),
            "past_offsets": self._past_bits.offsets.copy(),
            "since_reset": np.array([self._since_reset], np.int64),
        }
        for h, model in self.models.items():
            named |= {f"h{h}.{name}": value for name, value in model.state().items()}
        for h, past in self._past_scores.items():
            named[f"h{h}.past_scores"] = past.copy()
        return named

    def load(self, state: State) -> None:
        """Take over what `state()` returned; ValueError on other names or shapes."""
        free = {"past_indices", "past_offsets", *(f"h{h}.past_scores" for h in self._past_scores)}
        taken = checked(state, self.state(), frozenset(free))
        self._past_bits = Bits(self._past_bits.size, taken["past_indices"], taken["past_offsets"])
        self._since_reset = int(taken["since_reset"][0])
        for h, model in self.models.items():
            model.load({name: taken[f"h{h}.{name}"] for name in model.state()})
        for h in self._past_scores:
            self._past_scores[h] = taken[f"h{h}.past_scores"]

    def _read(self, activity: Activity) -> Bits:
        parts = [activity[name] for name in self.reads]
        return parts[0] if len(parts) == 1 else Bits.beside(parts)

    def _delay_scores(self, h: int, made: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        joined = np.concatenate([self._past_scores[h], made])
        self._past_scores[h] = joined[-h:].copy()
        missing = len(made) + h - len(joined)
        if missing > 0:
            joined = np.concatenate([np.zeros((missing, self.classes), np.float32), joined])
        return joined[: len(made)]


def ages(reset: Flags, before: int) -> npt.NDArray[np.int64]:
    """Return how many samples of its sequence precede each sample, shape (T,).

    `before`: how many samples of the open sequence were seen earlier.
    """
    place = np.arange(len(reset), dtype=np.int64)
    start = np.maximum.accumulate(np.where(reset != 0, place, -before))
    return place - start


def _delayed(joined: Bits, samples: int, h: int) -> Bits:
    """Return the bits of h samples before each of the last `samples`; empty where unknown."""
    stop = max(len(joined) - h, 0)
    start = max(stop - samples, 0)
    known = joined.slice(start, stop)
    missing = samples - (stop - start)
    if missing == 0:
        return known
    silent = Bits(joined.size, np.zeros(0, np.int32), np.zeros(missing + 1, np.int64))
    return Bits.concatenate([silent, known])
