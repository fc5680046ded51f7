"""SDR classifier on the CPU: whole chunks in one compiled loop.

Floor per sample with a on-bits and c classes: read a*c float32 weights to predict, read
and write them once more to learn. Only rows that a window touched are committed.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from htmrun.backends import Change, State
from htmrun.backends.bits import Bits
from htmrun.backends.cpu.classifier.rows import add_to_rows, sum_rows
from htmrun.backends.cpu.common.checks import ALONE, inside
from htmrun.backends.cpu.common.numeric import exp_f32
from htmrun.backends.cpu.common.packed import Layout, Packed
from htmrun.backends.parameters import SDRModelParameters
from htmrun.backends.plan import Plan
from htmrun.backends.state import checked

F32 = npt.NDArray[np.float32]
FLOAT32, INT64 = np.dtype(np.float32), np.dtype(np.int64)


class Model(NamedTuple):
    """What stands between two calls, handed to them as a table."""

    weights: F32  # (bits, classes)
    gradient: F32  # (bits, classes) what the open window learned
    touched: npt.NDArray[np.int32]  # (bits,) the rows of `gradient` that are not zero, at first
    is_touched: npt.NDArray[np.uint8]  # (bits,)
    n_touched: npt.NDArray[np.int64]  # (1,) how many rows these are
    learned: npt.NDArray[np.int64]  # (1,) targets so far
    error: F32  # (classes,) scratch
    rate: float
    decay: float  # learned targets that halve the rate; 0: it does not fall


def _example() -> Model:
    row, table = np.zeros(1, np.float32), np.zeros((1, 1), np.float32)
    touched, count = np.zeros(1, np.int32), np.zeros(1, np.int64)
    return Model(table, table, touched, np.zeros(1, np.uint8), count, count, row, 0.0, 0.0)


_LAYOUT = Layout(_example())
_model = _LAYOUT.unpack


@njit(**ALONE)
def _predict(weights: Any, on: Any, out: Any) -> None:
    classes = out.shape[0]
    sum_rows(weights, on, out)
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


@njit(**ALONE)
def _step(m: Model) -> np.float32:
    """Return the factor of gradients after as many targets as were learned."""
    falling = 1.0 + m.learned[0] / m.decay if m.decay > 0 else 1.0
    return np.float32(m.rate / falling)


@njit(**ALONE)
def _infer(indices: Any, offsets: Any, out: Any, words: Any) -> bool:
    """Predict; False, and nothing done, where a bit lies outside."""
    weights = _model(words).weights
    if not inside(indices, weights.shape[0]):
        return False
    for t in range(offsets.shape[0] - 1):
        _predict(weights, indices[offsets[t] : offsets[t + 1]], out[t])
    return True


@njit(**ALONE)
def _learn(
    indices: Any, offsets: Any, source: Any, source_offsets: Any, same: Any, targets: Any,
    commit: Any, out: Any, words: Any,
) -> bool:  # fmt: skip
    """Predict and learn; False, and nothing done, where a bit or a target lies outside."""
    m = _model(words)
    size, classes = m.weights.shape
    if not (inside(indices, size) and (same or inside(source, size))):
        return False
    if not inside(targets, classes, -1):
        return False
    error, n = m.error, m.n_touched[0]
    for t in range(offsets.shape[0] - 1):
        on = indices[offsets[t] : offsets[t + 1]]
        _predict(m.weights, on, out[t])
        if targets[t] >= 0:
            said = out[t]
            if not same:
                on = source[source_offsets[t] : source_offsets[t + 1]]
                _predict(m.weights, on, error)
                said = error
            for c in range(classes):
                error[c] = -said[c]
            error[targets[t]] += np.float32(1)
            m.learned[0] += 1
            if commit[t] and n == 0:  # It is alone in its window: no need to take down a gradient.
                step = _step(m)
                for c in range(classes):
                    error[c] *= step
                add_to_rows(m.weights, on, error)
                continue
            for i in range(on.shape[0]):
                b = on[i]
                if m.is_touched[b] == 0:
                    m.is_touched[b] = 1
                    m.touched[n] = b
                    n += 1
            add_to_rows(m.gradient, on, error)
        if commit[t]:
            step = _step(m)
            for i in range(n):
                b = m.touched[i]
                m.is_touched[b] = 0
                for c in range(classes):
                    m.weights[b, c] += step * m.gradient[b, c]
                    m.gradient[b, c] = np.float32(0)
            n = 0
    m.n_touched[0] = n
    return True


@njit(**ALONE)
def _touch(gradient: Any, touched: Any, is_touched: Any) -> int:
    """List the rows of a gradient that are not zero; return how many there are."""
    n = 0
    for b in range(gradient.shape[0]):
        some = False
        for c in range(gradient.shape[1]):
            some |= gradient[b, c] != 0
        is_touched[b] = some
        if some:
            touched[n] = b
            n += 1
    return n


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
        self._held = self._hold()

    def __getstate__(self) -> dict[str, Any]:
        """Return what a copy is made of: arrays, not where they lie."""
        return {name: value for name, value in vars(self).items() if name != "_held"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._held = self._hold()

    def run(
        self,
        bits: Bits,
        targets: npt.NDArray[np.int64],
        plan: Plan,
        learn: bool = True,
        learn_bits: Bits | None = None,
    ) -> F32:
        """Predict each sample, then learn `targets` (-1: nothing) from `learn_bits`.

        See the reference for the meaning. Returns probabilities (T, classes). Raises ValueError
        for other sizes, lengths or targets.
        """
        if not (learn and self.parameters.learn):
            return self.compute(bits)
        same = learn_bits is None
        source = bits if learn_bits is None else learn_bits
        offsets, ends, commit = bits.offsets, source.offsets, plan.commit
        samples = len(offsets) - 1
        if not samples == len(ends) - 1 == len(targets) == len(commit):
            raise ValueError(f"{len(targets)} targets and a plan of {len(plan)} for {samples}")
        if samples != 1 or getattr(targets, "dtype", None) is not INT64:
            targets = np.ascontiguousarray(targets, np.int64)
        out = np.empty((samples, self.classes), FLOAT32)
        held = self._held
        done = bits.size == source.size == self.size and _learn(
            bits.indices, offsets, source.indices, ends, same, targets, commit, out, held.table
        )
        if not done:
            self._refuse(bits, source, f"or targets outside of -1 to {self.classes - 1}")
        return out

    def compute(self, bits: Bits) -> F32:
        """Return probabilities (T, classes); writes nothing."""
        offsets = bits.offsets
        out = np.empty((len(offsets) - 1, self.classes), FLOAT32)
        held = self._held
        if bits.size != self.size or not _infer(bits.indices, offsets, out, held.table):
            self._refuse(bits, bits, "or bits outside")
        return out

    def _refuse(self, bits: Bits, source: Bits, more: str) -> None:
        found = sorted({bits.size, source.size})
        raise ValueError(f"samples of {found} bits, expected {self.size}; {more}")

    def _hold(self) -> Packed:
        """Return what the compiled calls work on; anew wherever an array is another one."""
        p = self.parameters
        model = Model(
            self._weights, self._gradient, self._touched, self._is_touched, self._n_touched,
            self._learned, np.zeros(self.classes, np.float32), float(p.learning_rate),
            float(p.decay_samples or 0),
        )  # fmt: skip
        return _LAYOUT.packed(model)

    def state(self) -> State:
        """Return weights and pending gradient, float32 (size, classes) each.

        With a rate that falls, `learned` too: int64 (1,), how many targets were learned.
        """
        return {name: array.copy() for name, array in self._arrays().items()}

    def _arrays(self) -> State:
        found = {"weights": self._weights, "gradient": self._gradient}
        return found | ({"learned": self._learned} if self.parameters.decay_samples else {})

    def load(self, state: State) -> None:
        """Take over what `state()` returned; ValueError on other names or shapes."""
        taken = checked(state, self._arrays())
        self._weights, self._gradient = taken["weights"], taken["gradient"]
        self._learned = taken.get("learned", self._learned)
        self._n_touched[0] = _touch(self._gradient, self._touched, self._is_touched)
        self._held = self._hold()

    def change(self, weights: Change, gradient: Change) -> None:
        """Put what functions make of rows in their place; see `SDRClassifierBackend`.

        Most bits of a stream never were on: rows of zeros are passed over.
        """
        rows, flags = np.empty(self.size, np.int32), np.empty(self.size, np.uint8)
        known = rows[: _touch(self._weights, rows, flags)]
        self._weights[known] = weights(self._weights[known])
        learned = self._touched[: self._n_touched.item()]
        self._gradient[learned] = gradient(self._gradient[learned])
