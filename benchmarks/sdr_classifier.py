"""Speed of the SDR classifier: python benchmarks/sdr_classifier.py [--quick]."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import measuring
import numpy as np
from measuring import Table, number, share, times

from htmrun.backends import SDRClassifierBackend, load_backend
from htmrun.backends.bits import Bits
from htmrun.backends.parameters import SDRModelParameters
from htmrun.backends.plan import Plan

ABOUT = """
Random patterns, one of the classes each. *reference* is the NumPy backend on the same samples in
the same run. The floor is what memory alone would allow, at rates measured on an array as large as
the weights: the float32 weights of the on-bits are read to predict; for learning their gradients
are written, then both are read and written again. The exponentials are left out.
"""

HEADS = ["bits", "on", "classes", "what", "samples/s", "median", "reference/s", "ratio", "floor/s"]
HEADS += ["share of floor"]


@dataclass(frozen=True)
class Case:
    size: int
    on: int
    classes: int
    part: int

    def classifier(self, backend: str = "cpu") -> SDRClassifierBackend:
        make = load_backend(backend).SDRClassifier
        return make(SDRModelParameters(learning_rate=0.01), self.size, self.classes)

    def samples(self, count: int) -> Bits:
        random = np.random.default_rng(0)
        rows = [random.choice(self.size, self.on, replace=False) for _ in range(count)]
        return Bits.from_rows(self.size, [np.sort(r) for r in rows])


CASES = [Case(2048, 40, 10, 512), Case(65536, 1280, 100, 32)]


def measure(case: Case, seconds: float) -> Iterator[list[str]]:
    bits = case.samples(case.part)
    targets = np.random.default_rng(1).integers(case.classes, size=case.part)
    plan = Plan.every(1, case.part)
    ours, plain = case.classifier(), case.classifier("reference")
    used = 4.0 * case.on * case.classes
    size = 4 * case.size * case.classes
    reading, updating = used / measuring.read_rate(size), 2 * used / measuring.update_rate(size)
    yield row(
        case,
        "learn",
        measuring.windows(lambda b: ours.run(b, targets, plan), bits, case.part, seconds),
        measuring.plain_rate(lambda: plain.run(bits, targets, plan), case.part, seconds),
        1 / (reading + 3 * updating),
    )
    yield row(
        case,
        "infer",
        measuring.windows(ours.compute, bits, case.part, seconds),
        measuring.plain_rate(lambda: plain.compute(bits), case.part, seconds),
        1 / reading,
    )


def row(case: Case, what: str, rate: measuring.Rate, plain: float, floor: float) -> list[str]:
    return [
        *(f"{case.size}", f"{case.on}", f"{case.classes}", what),
        *(number(rate.best), number(rate.median), number(plain), times(rate.median, plain)),
        *(number(floor), share(rate.best, floor)),
    ]


def rows(quick: bool) -> Iterator[list[str]]:
    for case in CASES:
        yield from measure(case, 0.3 if quick else 1.0)


TABLES = [Table("SDR classifier", ABOUT, HEADS, 4, rows)]

if __name__ == "__main__":
    measuring.main(__doc__, TABLES)
