"""The SDR classifier on a CUDA device, with the contract of `htmrun.backends`."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from typing import Any

import numpy as np
import numpy.typing as npt

from htmrun.backends import Change, State
from htmrun.backends.bits import Bits
from htmrun.backends.cuda.chunk_schedule import Schedule
from htmrun.backends.cuda.device import Device, cuda_device
from htmrun.backends.cuda.rows import Rows
from htmrun.backends.parameters import SDRModelParameters
from htmrun.backends.plan import Plan
from htmrun.backends.state import change_by_state, checked

F32 = npt.NDArray[np.float32]
i32 = np.int32

CHUNK = 4096
"""Samples uploaded at a time."""


class SDRClassifierGroup:
    """`models` softmax classifiers from `size` bits to `classes` classes, in the same launches."""

    def __init__(
        self,
        parameters: SDRModelParameters,
        size: int,
        classes: int,
        models: int,
        device: Device | None = None,
    ) -> None:
        self.parameters, self.size, self.classes, self.models = parameters, size, classes, models
        self._device = device or cuda_device()
        self._weights = self._device.xp.zeros((models, size, classes), np.float32)
        self._gradient = self._device.xp.zeros((models, size, classes), np.float32)
        self._learned = np.zeros(models, np.int64)

    def run(
        self,
        samples: Sequence[Bits],
        targets: Sequence[npt.NDArray[np.int64]],
        plans: Sequence[Plan],
        learn: bool = True,
        learn_samples: Sequence[Bits] | None = None,
    ) -> list[F32]:
        """Predict, learn and commit as `SDRClassifier.run` does, for each model its own."""
        length = self._check(samples)
        learn = learn and self.parameters.learn
        sources = samples if learn_samples is None else learn_samples
        if learn and self._check(sources) != length:
            raise ValueError(f"{len(sources[0])} samples to learn from, expected {length}")
        out = np.empty((self.models, length, self.classes), np.float32)
        for a in range(0, length, CHUNK):
            b = min(a + CHUNK, length)
            rows = Rows.upload(self._device, [x.slice(a, b) for x in samples])
            if not learn:
                probabilities = self._predict_all(rows)
            else:
                source = rows
                if learn_samples is not None:
                    source = Rows.upload(self._device, [x.slice(a, b) for x in sources])
                wanted = np.stack([np.asarray(t[a:b], np.int32) for t in targets])
                schedule = Schedule.upload(
                    self._device, [p.slice(a, b) for p in plans], [0] * self.models, 0
                )
                probabilities = self._learn(rows, source, wanted, schedule)
            out[:, a:b] = self._device.to_host(probabilities)
        return list(out)

    def compute(self, samples: Sequence[Bits]) -> list[F32]:
        """Return probabilities (T, classes) for each model; writes nothing."""
        silent = np.zeros(len(samples[0]), np.uint8)
        none = [np.full(len(silent), -1)] * self.models
        plans = [Plan(silent, silent, silent)] * self.models
        return self.run(samples, none, plans, learn=False)

    def part(self, first: int, last: int) -> SDRClassifierGroup:
        """Return models first..last as a group over the same memory."""
        part = copy(self)
        part.models = last - first
        part._weights, part._gradient = self._weights[first:last], self._gradient[first:last]
        part._learned = self._learned[first:last]
        return part

    def state(self, model: int) -> State:
        """Return one model's weights and pending gradient, float32 (size, classes) each.

        With a rate that falls, `learned` too: int64 (1,), how many targets were learned.
        """
        host = self._device.to_host
        found = {
            "weights": host(self._weights[model]).copy(),
            "gradient": host(self._gradient[model]).copy(),
        }
        if self.parameters.decay_samples:
            found["learned"] = self._learned[model : model + 1].copy()
        return found

    def load(self, model: int, state: State) -> None:
        """Take over what `state(model)` returned; ValueError on other names or shapes."""
        taken = checked(state, self.state(model))
        self._weights[model] = self._device.xp.asarray(taken["weights"])
        self._gradient[model] = self._device.xp.asarray(taken["gradient"])
        self._learned[model] = taken.get("learned", [0])[0]

    def _learn(
        self, rows: Rows, source: Rows, targets: npt.NDArray[np.int32], schedule: Schedule
    ) -> Any:
        target = self._device.xp.asarray(targets)
        rates = self._device.xp.asarray(self._rates(targets))
        probability = self._room(rows)
        wrong = probability if source is rows else self._room(source)
        for start, stop in schedule.segments(rows.rows):
            self._predict(rows, probability, start, stop)
            if source is not rows:
                self._predict(source, wrong, start, stop)
            self._per_weight(
                "sdr_accumulate", self._gradient, source.x_mrw, wrong, target, i32(start),
                i32(stop - start), i32(rows.rows), i32(self.size), i32(self.classes),
                i32(source.words),
            )  # fmt: skip
            if schedule.commits[stop - 1]:
                self._per_weight(
                    "sdr_commit", self._weights, self._gradient, schedule.window, i32(stop - 1),
                    i32(self.size), i32(self.classes), rates,
                )  # fmt: skip
        return probability

    def _rates(self, targets: npt.NDArray[np.int32]) -> F32:
        """Return each model's rate after each sample, (T, models); counts the targets."""
        learned = self._learned[:, None] + np.cumsum(targets >= 0, axis=1)
        self._learned[:] = learned[:, -1]
        return np.ascontiguousarray(self.parameters.rate(learned).T)

    def _predict_all(self, rows: Rows) -> Any:
        probability = self._room(rows)
        self._predict(rows, probability, 0, rows.rows)
        return probability

    def _predict(self, rows: Rows, probability: Any, start: int, stop: int) -> None:
        self._device.launch(
            "sdr_classifier.cu", "sdr_predict", (stop - start, self.models),
            (min(self._device.threads, -(-self.classes // 32) * 32),), self._weights, rows.on_j,
            rows.offset_mr, probability, i32(start), i32(rows.rows), i32(self.size),
            i32(self.classes),
        )  # fmt: skip

    def _per_weight(self, name: str, *arguments: Any) -> None:
        threads = self._device.threads
        blocks = -(-self.size * self.classes // threads)
        self._device.launch(
            "sdr_classifier.cu", name, (blocks, self.models), (threads,), *arguments
        )

    def _room(self, rows: Rows) -> Any:
        return self._device.xp.empty((self.models, rows.rows, self.classes), np.float32)

    def _check(self, samples: Sequence[Bits]) -> int:
        lengths = {len(b) for b in samples}
        if len(samples) != self.models or len(lengths) != 1:
            raise ValueError(
                f"{len(samples)} inputs of {sorted(lengths)} samples, expected {self.models} of "
                "equal length"
            )
        if any(b.size != self.size for b in samples):
            raise ValueError(f"samples of {samples[0].size} bits, expected {self.size}")
        return lengths.pop()


class SDRClassifier:
    """Softmax classifier from `size` bits to `classes` classes: a group of one model."""

    def __init__(
        self,
        parameters: SDRModelParameters,
        size: int,
        classes: int,
        device: Device | None = None,
    ) -> None:
        self.parameters, self.size, self.classes = parameters, size, classes
        self._group = SDRClassifierGroup(parameters, size, classes, 1, device)

    def run(
        self,
        bits: Bits,
        targets: npt.NDArray[np.int64],
        plan: Plan,
        learn: bool = True,
        learn_bits: Bits | None = None,
    ) -> F32:
        """Predict each sample, then learn `targets` (-1: nothing) from `learn_bits`.

        See the reference for the meaning. Returns probabilities float32 (T, classes).
        """
        source = None if learn_bits is None else [learn_bits]
        return self._group.run([bits], [targets], [plan], learn, source)[0]

    def compute(self, bits: Bits) -> F32:
        """Return probabilities float32 (T, classes); writes nothing."""
        return self._group.compute([bits])[0]

    def state(self) -> State:
        """Return weights and pending gradient, float32 (size, classes) each."""
        return self._group.state(0)

    def load(self, state: State) -> None:
        """Take over what `state()` returned; ValueError on other names or shapes."""
        self._group.load(0, state)

    def change(self, weights: Change, gradient: Change) -> None:
        """Put what functions make of all rows in their place; see `SDRClassifierBackend`."""
        change_by_state(self, weights, gradient)
