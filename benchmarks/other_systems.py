"""Speed in the protocols of other systems: python benchmarks/other_systems.py [--quick]."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import encoders
import measuring
import numpy as np
import sdr_classifier
import temporal_memory
from measuring import Table, number
from spatial_pooler import BOOST, Case

from htmrun.backends.bits import Bits
from htmrun.backends.cpu import SpatialPooler, TemporalMemory
from htmrun.backends.parameters import SpatialPoolerParameters, TemporalMemoryParameters
from htmrun.backends.plan import Plan

ABOUT = """
Steps per second, best short window of ours. The other systems were measured on a 2-core AMD EPYC
machine, in steps per second of processor time, one thread: another machine, so only orders of
magnitude mean anything. Sizes, densities and windows of 1 are theirs; everything else is what our
experiments start from.
"""

HEADS = ["work", "what", "other system", "its figure", "ours"]


@dataclass(frozen=True)
class Pooler:
    """A spatial pooler of another system's sizes, and what that system does of it in a second."""

    case: Case
    system: str
    figures: dict[str, str] = field(default_factory=dict)

    @property
    def label(self) -> str:
        c = self.case
        potential = c.settings.get("potential_fraction", 0.5)
        return f"SP {c.inputs} -> {c.columns}, potential {potential}, {100 * c.density:.0f} % on"


def pooler_cases(quick: bool) -> list[Pooler]:
    wide = {"potential_fraction": 0.85, "winners": 40}
    rows = [
        Pooler(
            Case(1024, 2048, 0.05, settings=wide),
            "htm.core",
            {"learn": "1,560 to 1,880", "infer": "14,100 to 17,500"},
        ),
        Pooler(
            Case(1024, 2048, 0.02),
            "htm.core",
            {"learn": "3,200", "learn + boost": "2,900", "infer": "21,000"},
        ),
        Pooler(
            Case(1024, 2048, 0.1, settings={"potential_fraction": 0.75}),
            "Etaler (CPU)",
            {"learn": "200 to 360", "infer": "290 to 360"},
        ),
        Pooler(Case(4096, 4096, 0.02), "htm.core", {"learn": "139"}),
    ]
    if not quick:
        large = Case(16384, 16384, 0.02, settings={"potential_fraction": 0.1})
        rows += [Pooler(large, "htm.core", {"learn": "60"})]
    return rows


def speed(case: Case, what: str, seconds: float) -> float:
    """Return the best rate of `what`: learn, learn + boost or infer."""
    length = case.part
    if what == "learn + boost":
        case = Case(case.inputs, case.columns, case.density, settings={**case.settings, **BOOST})
    pooler, bits = case.pooler(), case.samples()
    plan = Plan.every(1, length)
    if what != "infer":
        return measuring.windows(lambda b: pooler.run(b, plan), bits, length, seconds).best
    pooler.run(bits, Plan.every(1, len(bits)))
    return measuring.windows(pooler.compute, bits, length, seconds).best


def pooler_rows(quick: bool) -> Iterator[list[str]]:
    seconds = 0.3 if quick else 1.0
    for row in pooler_cases(quick):
        for what, theirs in row.figures.items():
            ours = speed(row.case, what, seconds)
            yield [row.label, what, row.system, theirs, number(ours)]
    if not quick:
        large = pooler_cases(quick)[-1]
        built = 1 / measuring.plain_rate(large.case.pooler, 1, 0.0)
        yield [large.label, "build, seconds", "htm.core", "117 to 133", f"{built:.2f}"]


def memory_rows(quick: bool) -> Iterator[list[str]]:
    """The temporal memory's own table, row by row, beside what others do."""
    label, beside = "TM 2048 x 32, 100 sequences x 10", "htm.core"
    noise = "10 % noise, learned"
    names = {
        "first 1,000": (label, "first 1,000 steps", "3,000"),
        "learned": (label, "learned", "5,700 to 7,700"),
        "learned, inference": (label, "inference", "6,800 to 9,100"),
        "10 % noise": (label, noise, "1,635 to 1,993"),
        "never repeating": ("TM 2048 x 32, never repeating", "learn", "2,590, then 380 to 440"),
    }
    # The temporal memory's own table has what comes after more steps.
    wanted = [c for c in temporal_memory.cases(quick=True) if c.name in names]
    for case in wanted:
        for cells in temporal_memory.measure(case):
            if cells[0] in names:
                work, what, theirs = names[cells[0]]
                yield [work, f"{what}, after {cells[1]} steps", beside, theirs, cells[2]]
    yield from pair_rows(quick)


def pair_rows(quick: bool) -> Iterator[list[str]]:
    """Spatial pooler and temporal memory in a row."""
    pooler = SpatialPooler(SpatialPoolerParameters(columns=2048), (1000,), 1)
    memory = TemporalMemory(TemporalMemoryParameters(), 2048, 1)
    bits = Bits.from_dense(np.random.default_rng(0).random((1000, 1000)) < 0.02)
    plan = Plan.every(1, 100)

    def both(part: Bits) -> None:
        memory.run(pooler.run(part, plan), plan)

    for _ in range(3):
        for start in range(0, 1000, 100):
            both(bits.slice(start, start + 100))
    ours = measuring.windows(both, bits, 100, 0.3 if quick else 1.0).best
    yield ["SP 1000 -> 2048, TM x 32", "learn", "bitHTM (NumPy)", "200 to 330", number(ours)]


def small_rows(quick: bool) -> Iterator[list[str]]:
    seconds = 0.3 if quick else 1.0
    figures = ("617,000 to 843,000", "3,450")
    for case, theirs in zip(sdr_classifier.CASES, figures, strict=True):
        bits, classifier = case.samples(case.part), case.classifier()
        targets = np.random.default_rng(1).integers(case.classes, size=case.part)
        plan = Plan.every(1, case.part)

        def step(part: Bits, run=classifier.run, t=targets, p=plan) -> None:
            run(part, t, p)

        ours = measuring.windows(step, bits, case.part, seconds).best
        label = f"SDR classifier, {case.size} bits, {case.on} on, {case.classes} classes"
        yield [label, "learn", "htm.core", theirs, number(ours)]
    for (name, encoder, column), theirs in zip(
        encoders.encoders(), ("1,100,000", "2,100,000", "250,000"), strict=True
    ):
        rate, _, _ = encoders.measure(encoder, column, seconds)
        yield [f"{name} encoder", "encode", "htm.core", theirs, number(rate.best)]


def rows(quick: bool) -> Iterator[list[str]]:
    yield from pooler_rows(quick)
    yield from memory_rows(quick)
    yield from small_rows(quick)


TABLES = [Table("Same protocol as other systems", ABOUT, HEADS, 3, rows)]

if __name__ == "__main__":
    measuring.main(__doc__, TABLES)
