"""SDR classifier in plain NumPy: the rules of docs/math.md, one sample at a time."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from htmrun.backends import Change, State
from htmrun.backends.bits import Bits
from htmrun.backends.fixed_point import exp_f32
from htmrun.backends.parameters import SDRModelParameters
from htmrun.backends.plan import Plan
from htmrun.backends.state import checked

F32 = npt.NDArray[np.float32]


class SDRClassifier:
    """Softmax classifier from `size` bits to `classes` classes."""

    def __init__(self, parameters: SDRModelParameters, size: int, classes: int) -> None:
        self.parameters, self.size, self.classes = parameters, size, classes
        self._weights = np.zeros((size, classes), np.float32)
        self._gradient = np.zeros((size, classes), np.float32)
        self._learned = np.zeros(1, np.int64)

    def run(
        self,
        bits: Bits,
        targets: npt.NDArray[np.int64],
        plan: Plan,
        learn: bool = True,
        learn_bits: Bits | None = None,
    ) -> F32:
        """Predict each sample, then learn `targets` (-1: nothing) from `learn_bits`.

        `learn_bits` (default: `bits`) are the bits that the target is learned from; a
        forecast h samples ahead passes the bits of h samples ago. Returns probabilities
        (T, classes) from the weights before each sample's learning.
        """
        source = bits if learn_bits is None else learn_bits
        out = np.zeros((len(bits), self.classes), np.float32)
        for t in range(len(bits)):
            out[t] = self._predict(bits.row(t))
            if not (learn and self.parameters.learn):
                continue
            if targets[t] >= 0:
                error = -self._predict(source.row(t))
                error[targets[t]] += np.float32(1)
                self._gradient[source.row(t)] += error
                self._learned += 1
            if plan.commit[t]:
                self._weights += self.parameters.rate(self._learned) * self._gradient
                self._gradient[:] = 0
        return out

    def compute(self, bits: Bits) -> F32:
        """Return probabilities (T, classes); writes nothing."""
        return np.stack([self._predict(bits.row(t)) for t in range(len(bits))])

    def state(self) -> State:
        """Return weights and pending gradient, float32 (size, classes) each.

        With a rate that falls, `learned` too: int64 (1,), how many targets were learned.
        """
        found = {"weights": self._weights.copy(), "gradient": self._gradient.copy()}
        return found | ({"learned": self._learned.copy()} if self.parameters.decay_samples else {})

    def load(self, state: State) -> None:
        """Take over what `state()` returned; ValueError on other names or shapes."""
        taken = checked(state, self.state())
        self._weights, self._gradient = taken["weights"], taken["gradient"]
        self._learned = taken.get("learned", self._learned)

    def change(self, weights: Change, gradient: Change) -> None:
        """Put what functions make of all rows in their place; see `SDRClassifierBackend`."""
        self._weights, self._gradient = weights(self._weights), gradient(self._gradient)

    def _predict(self, on: npt.NDArray[np.int32]) -> F32:
        logits = np.zeros(self.classes, np.float32)
        for bit in on:
            logits += self._weights[bit]
        e = exp_f32(logits - logits.max())
        return e / np.cumsum(e, dtype=np.float32)[-1]
