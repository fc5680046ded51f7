"""SDR classifier on the CPU: whole chunks in one compiled loop.

Floor per sample with a on-bits and c classes: read a*c float32 weights to predict, read
and write them once more to learn. Only rows that a window touched are committed.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from htmrun.backends import State
from htmrun.backends.bits import Bits
from htmrun.backends.cpu.common.numeric import JIT, exp_f32
from htmrun.backends.parameters import SDRModelParameters
from htmrun.backends.plan import Plan
from htmrun.backends.state import checked

F32 = npt.NDArray[np.float32]


@njit(**JIT)
def _predict(weights: Any, on: Any, out: Any) -> None:
    classes = out.shape[0]
    for c in range(classes):
        out[c] = np.float32(0)
    for i in range(on.shape[0]):
        row = weights[on[i]]
        for c in range(classes):
            out[c] += row[c]
    top = out[0]
    for c in range(1, classes):
        top = max(top, out[c])
    for c in range(classes):
        out[c] = exp_f32(out[c] - top)
    total = np.float32(0)
    for c in range(classes):
        total += out[c]
    for c in range(classes):
        out[c] /= total


@njit(**JIT)
def _run(
    indices: Any, offsets: Any, source: Any, source_offsets: Any, same: Any, targets: Any,
    commit: Any, learn: Any, rate: Any, decay: Any, weights: Any, gradient: Any, touched: Any,
    is_touched: Any, n_touched: Any, learned: Any, out: Any,
) -> None:  # fmt: skip
    classes = weights.shape[1]
    error = np.empty(classes, np.float32)
    n = n_touched[0]
    for t in range(offsets.shape[0] - 1):
        on = indices[offsets[t] : offsets[t + 1]]
        _predict(weights, on, out[t])
        if not learn:
            continue
        if targets[t] >= 0:
            if same:
                error[:] = out[t]
            else:
                on = source[source_offsets[t] : source_offsets[t + 1]]
                _predict(weights, on, error)
            for c in range(classes):
                error[c] = -error[c]
            error[targets[t]] += np.float32(1)
            for i in range(on.shape[0]):
                b = on[i]
                if is_touched[b] == 0:
                    is_touched[b] = 1
                    touched[n] = b
                    n += 1
                row = gradient[b]
                for c in range(classes):
                    row[c] += error[c]
            learned[0] += 1
        if commit[t]:
            falling = 1.0 + learned[0] / decay if decay > 0 else 1.0
            step = np.float32(rate / falling)
            for i in range(n):
                b = touched[i]
                is_touched[b] = 0
                for c in range(classes):
                    weights[b, c] += step * gradient[b, c]
                    gradient[b, c] = np.float32(0)
            n = 0
    n_touched[0] = n


class SDRClassifier:
    """Softmax classifier from `size` bits to `classes` classes."""

    def __init__(self, parameters: SDRModelParameters, size: int, classes: int) -> None:
        self.parameters, self.size, self.classes = parameters, size, classes
        self._weights = np.zeros((size, classes), np.float32)
        self._gradient = np.zeros((size, classes), np.float32)
        self._touched = np.zeros(size, np.int32)
        self._is_touched = np.zeros(size, np.uint8)
        self._n_touched = np.zeros(1, np.int64)
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

        See the reference for the meaning. Returns probabilities (T, classes).
        """
        source = bits if learn_bits is None else learn_bits
        out = np.empty((len(bits), self.classes), np.float32)
        _run(
            bits.indices, bits.offsets, source.indices, source.offsets, learn_bits is None,
            np.ascontiguousarray(targets, np.int64), plan.commit,
            bool(learn and self.parameters.learn), float(self.parameters.learning_rate),
            float(self.parameters.decay_samples or 0), self._weights, self._gradient,
            self._touched, self._is_touched, self._n_touched, self._learned, out,
        )  # fmt: skip
        return out

    def compute(self, bits: Bits) -> F32:
        """Return probabilities (T, classes); writes nothing."""
        silent = np.zeros(len(bits), np.uint8)
        return self.run(bits, np.full(len(bits), -1), Plan(silent, silent, silent), learn=False)

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
        rows = np.flatnonzero((self._gradient != 0).any(1)).astype(np.int32)
        self._touched[: len(rows)] = rows
        self._is_touched[:] = 0
        self._is_touched[rows] = 1
        self._n_touched[0] = len(rows)
