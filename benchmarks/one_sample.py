"""What a sample costs that comes by itself: python benchmarks/one_sample.py [--quick].

[PART ...] after it: some of COMPONENTS only. Another component is one more entry there.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import encoders
import measuring
import numpy as np
import sdr_classifier
import spatial_pooler
import temporal_memory
from measuring import Table
from numba import njit

from htmrun.backends.bits import Bits
from htmrun.backends.plan import Plan
from htmrun.components.encoders import Encoder, build_encoder
from htmrun.components.encoders.category import CategoryEncoderParameters
from htmrun.components.encoders.combined import FieldsEncoderParameters
from htmrun.components.encoders.coordinate import CoordinateEncoderParameters
from htmrun.components.encoders.date import DateEncoderParameters, SeasonParameters
from htmrun.components.encoders.geospatial import GeospatialEncoderParameters
from htmrun.components.encoders.image import ImageEncoderParameters
from htmrun.components.encoders.log import LogEncoderParameters
from htmrun.components.encoders.rdse import RDSEParameters
from htmrun.components.sources import open_source
from htmrun.config.compose import load
from htmrun.execution.jobs import Builder, jobs_of
from htmrun.execution.live import Live
from htmrun.execution.saved import Saved
from htmrun.training.records import Finished

ABOUT = """
Microseconds of processor time for a sample: in chunks of 1024, and where each comes in a call of
its own, as in a live stream or an agent's step. Both are measured by turns in one process, on one
core, over many windows of 1024 samples, of which the fastest counts. *floor*: an empty call of the
same shape, which takes as many arrays, does nothing with them, and makes arrays and objects as
large as the answer's; no change of what stands inside can bring a single call below it. The pooler
has 1024 inputs, 5 % of them on, and 2048 columns; the classifier 2048 bits, 40 on, 10 classes; the
temporal memory has learned the sequences of its table. Encoders have the settings that experiments
start from. *new place*: none was there before; `coordinate` and `geospatial` go on from place to
place and come back. *live row*: `experiment=stream`, text in, forecasts with their intervals and
the anomaly score out, learning from each row.
"""

HEADS = ["component", "us in chunks", "us one a call", "ratio", "floor us"]
COUNT = 1024
Call = Callable[[], object]


@dataclass(frozen=True)
class Component:
    """`chunk` handles COUNT samples at once, `single` as many one a call, each on its own model.

    empty: as many empty calls.
    """

    name: str
    chunk: Call
    single: Call
    empty: Call


def each(call: Callable[..., object], *columns: Sequence[Any]) -> Call:
    """Return what makes a call for each sample."""
    rows = list(zip(*columns, strict=True))

    def all_of_them() -> None:
        for row in rows:
            call(*row)

    return all_of_them


@njit(nogil=True, _nrt=False)
def _nothing(a: Any, b: Any, c: Any, d: Any) -> None:
    """Take as many arrays as a call with samples, room for an answer and a model does."""


def compiled(size: int, *, bits: bool) -> Call:
    """Return an empty call of a model whose answer has so many numbers, as bits or as a row."""
    a, b, words = np.zeros(40, np.int32), np.zeros(2, np.int64), np.zeros(64, np.int64)

    def call(sample: Bits) -> object:
        if bits:
            found, ends = np.empty(size, np.int32), np.empty(2, np.int64)
            _nothing(sample.indices, sample.offsets, found, words)
            return Bits(size, found, ends)
        row = np.empty((1, size), np.float32)
        _nothing(sample.indices, sample.offsets, row, words)
        return row

    return each(call, [Bits(40, a, b)] * COUNT)


def encoded(on: float) -> Call:
    """Return an empty call of an encoder with so many on-bits."""
    row, ends = np.zeros(round(on), np.int32), np.zeros(2, np.int64)
    return each(lambda fields: Bits(len(row), row.copy(), ends.copy()), [{}] * COUNT)


def pooler() -> Iterator[Component]:
    case = spatial_pooler.Case(1024, 2048, 0.05)
    bits = Bits.concatenate([case.samples()] * (COUNT // case.part))
    samples = [bits.slice(t, t + 1) for t in range(COUNT)]
    whole, one, model, other = Plan.every(1, COUNT), Plan.every(1, 1), case.pooler(), case.pooler()
    winners = int(model.compute(bits.slice(0, 1)).counts()[0])
    empty = compiled(winners, bits=True)
    yield Component(
        "pooler, learning", lambda: model.run(bits, whole),
        each(lambda sample: other.run(sample, one), samples), empty,
    )  # fmt: skip
    yield Component(
        "pooler, inference", lambda: model.compute(bits), each(model.compute, samples), empty
    )


def classifier() -> Iterator[Component]:
    case = sdr_classifier.CASES[0]
    bits, targets = case.samples(COUNT), np.random.default_rng(1).integers(10, size=COUNT)
    samples = [bits.slice(t, t + 1) for t in range(COUNT)]
    labels = [targets[t : t + 1] for t in range(COUNT)]
    model, other, whole, one = case.classifier(), case.classifier(), *plans()
    empty = compiled(case.classes, bits=False)
    yield Component(
        "classifier, learning", lambda: model.run(bits, targets, whole),
        each(lambda sample, label: other.run(sample, label, one), samples, labels), empty,
    )  # fmt: skip
    yield Component(
        "classifier, inference", lambda: model.compute(bits), each(model.compute, samples), empty
    )


def plans() -> tuple[Plan, Plan]:
    return Plan.every(1, COUNT), Plan.every(1, 1)


def memory() -> Iterator[Component]:
    case = temporal_memory.Case("learned", ())
    parts = temporal_memory.stream(case, 1000)
    model, other, (whole, one) = case.memory(), case.memory(), plans()
    for _ in range(30):
        part = next(parts)
        for each_model in (model, other):
            each_model.run(part, Plan.every(1, len(part)))
    stream = Bits.concatenate([next(parts), next(parts)]).slice(0, COUNT)
    samples = [stream.slice(t, t + 1) for t in range(COUNT)]
    yield Component(
        "temporal memory, learned", lambda: model.run(stream, whole),
        each(lambda sample: other.run(sample, one), samples), compiled(40, bits=True),
    )  # fmt: skip


def all_encoders() -> Iterator[Component]:
    """Every kind of encoder."""
    random = np.random.default_rng(0)
    walk = np.cumsum(random.normal(0, 0.3, COUNT))
    dates = np.datetime64("2014-01-01") + np.arange(COUNT).astype("timedelta64[h]")
    columns = {
        "value": random.random(COUNT) * 100, "timestamp": dates.astype("datetime64[us]"),
        "symbol": random.integers(0, 20, COUNT).astype(np.float64), "x": walk, "y": walk[::-1],
        "longitude": walk / 1000, "latitude": walk[::-1] / 1000,
        "image": random.integers(0, 256, (COUNT, 28, 28)).astype(np.uint8),
    }  # fmt: skip
    fields = {
        "value": RDSEParameters(resolution=0.88),
        "timestamp": DateEncoderParameters(season=SeasonParameters()),
    }
    made = [
        *((f"{name} encoder", encoder, column) for name, encoder, column in encoders.encoders()),
        ("log encoder", LogEncoderParameters(minimum=0.01, maximum=100), None),
        ("category encoder", CategoryEncoderParameters(categories=20), None),
        ("random category encoder", CategoryEncoderParameters(categories=20, mode="random"), None),
        ("coordinate encoder", CoordinateEncoderParameters(), None),
        ("geospatial encoder", GeospatialEncoderParameters(), None),
        ("image encoder", ImageEncoderParameters(), None),
        ("value and date encoder", FieldsEncoderParameters(fields=fields), None),
    ]
    shapes = {name: column.shape[1:] for name, column in columns.items()}
    for name, given, column in made:
        encoder = given if isinstance(given, Encoder) else build_encoder(given, shapes, 1)
        read = {n: columns[n] if column is None else column for n in encoder.fields}
        yield encoder_row(name, encoder, read)
    far = {n: random.random(COUNT) * 1e9 for n in ("x", "y")}
    fresh = [build_encoder(CoordinateEncoderParameters(), shapes, seed) for seed in range(2000)]
    row = encoder_row("coordinate encoder, new place", fresh[0], far)
    parts, left = singles(far), iter(fresh[1:])
    yield Component(row.name, row.chunk, lambda: each(next(left).encode, parts)(), row.empty)


def singles(fields: dict[str, np.ndarray]) -> list[dict[str, np.ndarray]]:
    return [{name: values[t : t + 1] for name, values in fields.items()} for t in range(COUNT)]


def encoder_row(name: str, encoder: Encoder, fields: dict[str, np.ndarray]) -> Component:
    on = float(encoder.encode(fields).counts().mean())
    single = each(encoder.encode, singles(fields))
    return Component(name, lambda: encoder.encode(fields), single, encoded(on))


def live_row() -> Iterator[Component]:
    experiment = load(["experiment=stream"]).experiment
    builder = Builder(experiment, open_source(experiment.data))
    job = next(job for job in jobs_of(experiment) if job.arm == "online")
    fresh = builder.pipeline(experiment.arm["online"], job.seed).state()
    saved = Saved.of(builder, "none", Finished(job, {"commits": 0.0}, "", 0.0, {}, fresh))
    values = np.concatenate([chunk.target for chunk in builder.source.train(0, 0, COUNT)])
    months = (f"{1950 + month // 12}-{month % 12 + 1:02d}" for month in range(90_000))
    values = np.tile(values, 90_000 // len(values) + 1)
    rows = [
        {"temperature": repr(value), "month": month}
        for month, value in zip(months, values.tolist(), strict=False)
    ]
    model, other = Live(saved), Live(saved)
    places = [0, 0]

    def part(which: int) -> list[dict[str, str]]:
        places[which] += COUNT
        return rows[places[which] - COUNT : places[which]]

    def single() -> None:
        for row in part(1):
            other.take([row])

    nothing = each(lambda given: [dict.fromkeys(model.names)], rows[:COUNT])
    for _ in range(2):
        model.take(part(0))
        single()
    yield Component("live row", lambda: model.take(part(0)), single, nothing)


COMPONENTS = {
    "pooler": pooler, "classifier": classifier, "memory": memory, "encoders": all_encoders,
    "live": live_row,
}  # fmt: skip


def measure(component: Component, seconds: float) -> tuple[float, float, float]:
    """Return microseconds a sample: in chunks, one a call, and of an empty call."""
    calls = (component.chunk, component.single, component.empty)
    best, end = [np.inf] * 3, time.process_time() + seconds
    for call in calls:
        call()
    rounds = 0
    while rounds < 5 or time.process_time() < end:
        for i, call in enumerate(calls):
            spent, done, begin = 0.0, 0, time.process_time()
            while spent < measuring.SHORTEST_S:
                call()
                done += COUNT
                spent = time.process_time() - begin
            best[i] = min(best[i], spent / done)
        rounds += 1
    return best[0] * 1e6, best[1] * 1e6, best[2] * 1e6


def rows(quick: bool, wanted: Sequence[str] = tuple(COMPONENTS)) -> Iterator[list[str]]:
    for part in wanted:
        for component in COMPONENTS[part]():
            chunk, single, empty = measure(component, 0.3 if quick else 3.0)
            ratio = f"{single / chunk:.1f}"
            yield [component.name, f"{chunk:.3f}", f"{single:.2f}", ratio, f"{empty:.2f}"]


TABLES = [Table("One sample a call", ABOUT, HEADS, 1, rows)]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="shorter")
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(COMPONENTS))
    options = parser.parse_args()
    if unknown := set(options.parts) - set(COMPONENTS):
        parser.error(f"found {', '.join(sorted(unknown))}, expected among {', '.join(COMPONENTS)}")
    measuring.stay_on_one_core()
    (table,) = TABLES
    wanted = options.parts or tuple(COMPONENTS)
    found = replace(table, rows=lambda quick: rows(quick, wanted))
    print("\n" + measuring.markdown(table, measuring.measure(found, options.quick)))


if __name__ == "__main__":
    main()
