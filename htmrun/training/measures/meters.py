"""What is measured of predictions and of activity; meters add up chunks, then report."""

from __future__ import annotations

import math
from typing import Protocol

import numpy as np
import numpy.typing as npt

from htmrun.backends.bits import Bits
from htmrun.components.classifiers.scores import Estimate, Scores
from htmrun.training.measures.measure import Metrics, Saved

CALIBRATION_BINS = 15
FAR = 1000.0
"""Standard deviations from 0 from which the size of values says nothing of how they vary."""
LEAST_PROBABILITY = 1e-12
"""Floor under a probability in a negative log-likelihood, which is in nats."""


class Meter(Protocol):
    """Adds up chunks of predictions."""

    def add(self, scores: Scores, target: np.ndarray, scored: npt.NDArray[np.bool_]) -> None: ...
    def metrics(self) -> Metrics: ...
    def notes(self) -> tuple[str, ...]: ...
    def losses(self) -> npt.NDArray[np.float32] | None: ...
    def state(self) -> Saved: ...
    def load(self, saved: Saved) -> None: ...


class _Losses:
    """One loss for every sample, NaN where nothing was scored; nothing where they are not kept."""

    def __init__(self, keep: bool) -> None:
        self._keep = keep
        self._chunks: list[npt.NDArray[np.float32]] = []

    def add(self, scored: npt.NDArray[np.bool_], values: np.ndarray) -> None:
        """Add a chunk: which samples counted, and the losses of those."""
        if not self._keep:
            return
        chunk = np.full(len(scored), np.nan, np.float32)
        chunk[scored] = values
        self._chunks.append(chunk)

    def all(self) -> npt.NDArray[np.float32] | None:
        """Return them in the order of the samples; None where they are not kept."""
        return np.concatenate([np.zeros(0, np.float32), *self._chunks]) if self._keep else None

    def load(self, losses: npt.NDArray[np.float32] | None) -> None:
        """Go on from what `all` returned."""
        self._chunks = [] if losses is None else [losses]


class ClassificationMeter:
    """Accuracy, macro-F1, negative log-likelihood and expected calibration error.

    Calibration error: mean over 15 equal bins of confidence, weighted by their samples, of
    |accuracy - confidence| (Guo et al. 2017, "On Calibration of Modern Neural Networks").
    """

    def __init__(self, classes: int, keep_losses: bool = False) -> None:
        self._losses = _Losses(keep_losses)
        self._confusion = np.zeros((classes, classes), np.int64)
        self._nll = 0.0
        self._bins = np.zeros((3, CALIBRATION_BINS))

    def add(self, scores: Scores, target: np.ndarray, scored: npt.NDArray[np.bool_]) -> None:
        """Add the samples where a prediction was made and counts."""
        use = scores.valid & scored
        probability, target = scores.probability[use], np.asarray(target)[use]
        if not len(target):
            self._losses.add(use, np.zeros(0))
            return
        guess = probability.argmax(1)
        # Nothing predicted at all is not a guess of class 0: it counts as wrong.
        top = probability.max(1)
        wrong_class = (target + 1) % len(self._confusion)
        guess = np.where(top <= 0, wrong_class, guess)
        self._losses.add(use, guess != target)
        np.add.at(self._confusion, (target, guess), 1)
        own = probability[np.arange(len(target)), target].astype(np.float64)
        self._nll = _added(self._nll, -np.log(np.maximum(own, LEAST_PROBABILITY)))
        confidence = top.astype(np.float64)
        place = np.minimum((confidence * CALIBRATION_BINS).astype(np.int64), CALIBRATION_BINS - 1)
        self._bins[0] += np.bincount(place, minlength=CALIBRATION_BINS)
        # One by one, so that it does not show where chunks are cut; counts are exact anyway.
        np.add.at(self._bins[1], place, confidence)
        self._bins[2] += np.bincount(place[guess == target], minlength=CALIBRATION_BINS)

    def notes(self) -> tuple[str, ...]:
        """Return nothing."""
        return ()

    def losses(self) -> npt.NDArray[np.float32] | None:
        """Return 1 for a wrong and 0 for a right guess, NaN where none counts; None: not kept."""
        return self._losses.all()

    def state(self) -> Saved:
        """Return what was added so far."""
        return {"confusion": self._confusion, "nll": self._nll, "bins": self._bins,
                "losses": self._losses.all()}  # fmt: skip

    def load(self, saved: Saved) -> None:
        """Go on from what `state` returned."""
        self._confusion, self._nll = saved["confusion"], saved["nll"]
        self._bins = saved["bins"]
        self._losses.load(saved["losses"])

    @property
    def samples(self) -> int:
        """How many predictions were added."""
        return int(self._confusion.sum())

    def metrics(self) -> Metrics:
        """Return the metrics by name; empty if nothing was added."""
        n = self.samples
        if n == 0:
            return {}
        hits = np.diag(self._confusion)
        total = self._confusion.sum(0) + self._confusion.sum(1)
        f1 = 2 * hits[total > 0] / total[total > 0]
        gap = np.abs(self._bins[2] - self._bins[1]).sum() / n
        return {
            "accuracy": float(hits.sum() / n),
            "macro_f1": float(f1.mean()),
            "nll": self._nll / n,
            "calibration_error": float(gap),
        }


class ForecastMeter:
    """Errors of point forecasts: RMSE, MAE, MAPE, NRMSE; and NLL of the bucket that came.

    MAPE is sum|error| / sum|y|, NRMSE is RMSE over the standard deviation of y (Cui, Ahmad,
    Hawkins 2016, "Continuous Online Sequence Learning"). The deviation is that of the distances
    from the first value, so a large number that all values share leaves it as it is.
    """

    def __init__(self) -> None:
        self._sums = np.zeros(7)
        self._first: float | None = None
        self._nll: float | None = None

    def add_values(
        self, predicted: np.ndarray, actual: np.ndarray, base: float | np.ndarray = 0.0
    ) -> npt.NDArray[np.float64]:
        """Add forecasts and what came, both (T,) in units of the value; NaN pairs are left out.

        base: what `predicted` counts from. Returns the errors that were added.
        """
        use = ~(np.isnan(predicted) | np.isnan(actual))
        y = actual[use].astype(np.float64)
        error = (predicted - (actual - base))[use].astype(np.float64)
        if self._first is None and len(y):
            self._first = float(y[0])
        off = y - (self._first or 0.0)
        columns = [np.ones(len(y)), np.abs(error), error**2, np.abs(y), off, off**2, y < 0]
        self._sums = np.array([_added(*pair) for pair in zip(self._sums, columns, strict=True)])
        return error

    def add_distribution(self, own: npt.NDArray[np.float32]) -> None:
        """Add the probabilities that had been given to the buckets that came."""
        floored = np.maximum(own.astype(np.float64), LEAST_PROBABILITY)
        self._nll = _added(self._nll or 0.0, -np.log(floored))

    def metrics(self) -> Metrics:
        """Return the metrics by name; empty if nothing was added."""
        n, absolute, squared, size = self._sums[:4]
        if n == 0:
            return {}
        rmse, spread = math.sqrt(squared / n), self._spread()
        out = {"rmse": rmse, "mae": absolute / n, "scored": n}
        if size > 0:
            out["mape"] = absolute / size
        if spread > 0:
            out["nrmse"] = rmse / spread
        if self._nll is not None:
            out["nll"] = self._nll / n
        return {name: float(value) for name, value in out.items()}

    def notes(self) -> tuple[str, ...]:
        """Return what keeps MAPE from meaning what it seems to; empty where nothing does."""
        n, size, below = self._sums[0], self._sums[3], self._sums[6]
        spread = self._spread()
        if not spread or not size:
            return ()
        if below:
            found = f"{below / n:.0%} of the scored values are below 0"
        elif size / n < spread:
            found = "they lie around 0"
        elif size / n > FAR * spread:
            found = "they lie so far from 0 that every error looks small"
        else:
            return ()
        return (
            f"mape divides by the size of the values, and {found}; believe nrmse, which divides by "
            "their spread",
        )

    def _spread(self) -> float:
        """Return the standard deviation of what came."""
        n, total, square = self._sums[0], self._sums[4], self._sums[5]
        return math.sqrt(max(square / n - (total / n) ** 2, 0.0)) if n else 0.0

    def state(self) -> Saved:
        """Return what was added so far."""
        return {"sums": self._sums, "first": self._first, "nll": self._nll}

    def load(self, saved: Saved) -> None:
        """Go on from what `state` returned."""
        self._sums, self._first, self._nll = saved["sums"], saved["first"], saved["nll"]


class BucketForecastMeter:
    """A `ForecastMeter` fed with distributions over buckets."""

    def __init__(self, estimate: Estimate, keep_losses: bool = False) -> None:
        self._estimate = estimate
        self._losses = _Losses(keep_losses)
        self._meter = ForecastMeter()

    def add(self, scores: Scores, target: np.ndarray, scored: npt.NDArray[np.bool_]) -> None:
        """Add the samples where a prediction was made, counts, and the value is known."""
        actual = np.asarray(target, np.float64)
        use = scores.valid & scored & ~np.isnan(actual)
        if not use.any():
            self._losses.add(use, np.zeros(0))
            return
        said, actual = scores.take(use), actual[use]
        error = self._meter.add_values(said.above(self._estimate), actual, said.lowest)
        self._losses.add(use, error**2)
        own = said.probability[np.arange(len(actual)), said.index(actual)]
        self._meter.add_distribution(own)

    def metrics(self) -> Metrics:
        """Return the metrics by name; empty if nothing was added."""
        return self._meter.metrics()

    def notes(self) -> tuple[str, ...]:
        """Return what to know beside them."""
        return self._meter.notes()

    def losses(self) -> npt.NDArray[np.float32] | None:
        """Return squared errors, NaN where none counts; None where they are not kept."""
        return self._losses.all()

    def state(self) -> Saved:
        """Return what was added so far."""
        return {**self._meter.state(), "losses": self._losses.all()}

    def load(self, saved: Saved) -> None:
        """Go on from what `state` returned."""
        self._meter.load(saved)
        self._losses.load(saved["losses"])


class ActivityMeter:
    """How the columns of a spatial pooler are used.

    Entropy: mean over columns of the binary entropy of the activation probability, in bits
    (Cui, Ahmad, Hawkins 2017).
    """

    def __init__(self, columns: int) -> None:
        self._counts = np.zeros(columns, np.int64)
        self._samples = 0

    def add(self, bits: Bits) -> None:
        """Add the winners of a chunk."""
        self._counts += np.bincount(bits.indices, minlength=len(self._counts))
        self._samples += len(bits)

    def curves(self) -> Metrics:
        """Return those metrics that have a curve: entropy, and share of columns never active."""
        if self._samples == 0:
            return {}
        p = self.frequency
        inside = p[(p > 0) & (p < 1)]
        entropy = -(inside * np.log2(inside) + (1 - inside) * np.log2(1 - inside)).sum()
        return {"entropy": float(entropy / len(p)), "dead_columns": float((p == 0).mean())}

    def metrics(self) -> Metrics:
        """Return sparsity, entropy, share of columns never active, and activity quantiles."""
        if self._samples == 0:
            return {}
        p = self.frequency
        low, middle, high = np.quantile(p, (0.05, 0.5, 0.95))
        return {
            "sparsity": float(p.mean()),
            **self.curves(),
            "activity_p05": float(low),
            "activity_p50": float(middle),
            "activity_p95": float(high),
        }

    def state(self) -> Saved:
        """Return what was added so far."""
        return {"counts": self._counts, "samples": self._samples}

    def load(self, saved: Saved) -> None:
        """Go on from what `state` returned."""
        self._counts, self._samples = saved["counts"], saved["samples"]

    @property
    def frequency(self) -> npt.NDArray[np.float64]:
        """The activation frequency of each column."""
        return self._counts / max(self._samples, 1)


class CellMeter:
    """How well a temporal memory knows its input.

    predicted: share of the active columns that had been predicted (1 - anomaly score);
    bursting: share of the active columns that burst; specificity: share of the predicted
    columns that came.
    """

    def __init__(self) -> None:
        self._sums = np.zeros(4)

    def add(
        self, hits: np.ndarray, bursting: np.ndarray, active: np.ndarray, predicted: int
    ) -> None:
        """Add a chunk: columns hit, bursting and active per sample; predicted ones in all."""
        self._sums += [hits.sum(), bursting.sum(), active.sum(), predicted]

    def metrics(self) -> Metrics:
        """Return the metrics by name; empty if no column was active."""
        hits, bursting, active, predicted = self._sums
        if active == 0:
            return {}
        out = {"predicted": hits / active, "bursting": bursting / active}
        if predicted > 0:
            out["specificity"] = hits / predicted
        return {name: float(value) for name, value in out.items()}

    def state(self) -> Saved:
        """Return what was added so far."""
        return {"sums": self._sums}

    def load(self, saved: Saved) -> None:
        """Go on from what `state` returned."""
        self._sums = saved["sums"]


def raw_scores(hits: np.ndarray, active: np.ndarray) -> npt.NDArray[np.float64]:
    """Return each sample's anomaly score, float64 0 to 1.

    The share of its active columns that nobody predicted; 0 where none was active. hits: those
    that were predicted, active: all of them, both (T,).
    """
    return 1 - hits / np.maximum(active, 1) - (active == 0)


def _added(total: float, values: npt.NDArray[np.float64]) -> float:
    """Return `total` plus `values`, one after the other.

    NumPy's sum adds in pairs, and where chunks are cut would show in the last digits.
    """
    return float(np.cumsum(np.concatenate([[total], values]))[-1])
