"""Work that htm.core's Python package can do, with sizes and densities alike.

The package of the name `htm` on the package index is another one; what is asked for is
`htm.bindings`. A call of htm.core handles one sample, and so its turns are loops over samples.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from importlib import import_module
from typing import Any

import numpy as np
import temporal_memory

from htmrun.backends import load_backend
from htmrun.backends.bits import Bits
from htmrun.backends.parameters import SDRModelParameters, SpatialPoolerParameters
from htmrun.backends.plan import Plan
from htmrun.claims.costs import patterns
from htmrun.components.encoders import build_encoder
from htmrun.components.encoders.rdse import RDSEParameters
from htmrun.components.encoders.scalar import ScalarEncoderParameters

NAME, SAME = "htm.core", False
POTENTIAL, DENSITY = 0.85, 0.02
Turn = Callable[[], int]
Start = Callable[[], tuple[Turn, Turn | None]]


def bindings(part: str) -> Any | None:
    """Return a module of htm.core's, None where it is not installed."""
    try:
        return import_module(f"htm.bindings.{part}")
    except ImportError:
        return None


def works(quick: bool) -> Iterator[tuple[str, int, Start]]:
    """Yield name, samples a call of ours, and what starts both."""
    for call in (100, 1):
        for learn in (True, False):
            what = "learning" if learn else "inference"
            start = partial(poolers, 1024, 2048, 0.05, learn, call)
            yield f"SP 1024 -> 2048, potential .85, 5 % on, {what}", call, start
    if not quick:
        start = partial(poolers, 784, 6241, 0.19, True, 100)
        yield "SP 784 -> 6241, potential .85, 19 % on, learning", 100, start
    for call in (100, 1):
        yield "TM 2048 x 32, 100 sequences x 10, first 1,000 steps", call, partial(early, call)
    learned = 2_000 if quick else 20_000
    for call in (100, 1):
        name = f"TM 2048 x 32, the same, after {learned:,} steps"
        yield name, call, partial(memories, learned, call)
    for call in (100, 1):
        yield "classifier, 2048 bits, 40 on, 10 classes, learning", call, partial(classifiers, call)
    for kind in ("rdse", "scalar"):
        for call in (1000, 1):
            yield f"{kind} encoder", call, partial(encoders, kind, call)


def sdrs(bits: Bits) -> list[Any] | None:
    """Return samples as htm.core's own."""
    sdr = bindings("sdr")
    if sdr is None:
        return None
    made = [sdr.SDR((bits.size,)) for _ in range(len(bits))]
    for t, sample in enumerate(made):
        sample.sparse = bits.row(t)
    return made


def parts(bits: Bits, call: int) -> list[Bits]:
    return [bits.slice(a, a + call) for a in range(0, len(bits), call)]


def poolers(
    inputs: int, columns: int, on: float, learn: bool, call: int
) -> tuple[Turn, Turn | None]:
    bits = patterns(0, 100, inputs, on)
    settings = {"columns": columns, "potential_fraction": POTENTIAL, "density": DENSITY}
    rules = SpatialPoolerParameters.model_validate(settings)
    pooler = load_backend("cpu").SpatialPooler(rules, (inputs,), 0)
    given, plan = parts(bits, call), Plan.every(1, call)

    def ours() -> int:
        for part in given:
            pooler.run(part, plan, learn)
        return len(bits)

    samples = sdrs(bits)
    if samples is None:
        return ours, None
    peer = bindings("algorithms").SpatialPooler(  # type: ignore[union-attr]
        inputDimensions=(inputs,), columnDimensions=(columns,), potentialPct=POTENTIAL,
        potentialRadius=inputs, globalInhibition=True, localAreaDensity=DENSITY,
        synPermActiveInc=rules.increment, synPermInactiveDec=rules.decrement,
        synPermConnected=rules.connected, boostStrength=0.0, seed=1,
    )  # fmt: skip
    out = bindings("sdr").SDR((columns,))  # type: ignore[union-attr]

    def theirs() -> int:
        for sample in samples:
            peer.compute(sample, learn, out)
        return len(samples)

    return ours, theirs


def stream(steps: int) -> Bits:
    case = temporal_memory.Case("peers", ())
    chunks = temporal_memory.stream(case)
    return Bits.concatenate([next(chunks) for _ in range(-(-steps // 500))])


def peer_memory() -> Any | None:
    """Return a temporal memory of htm.core's with the settings of ours."""
    algorithms = bindings("algorithms")
    if algorithms is None:
        return None
    p = temporal_memory.Case("peers", ()).parameters()
    return algorithms.TemporalMemory(
        columnDimensions=(temporal_memory.COLUMNS,), cellsPerColumn=p.cells_per_column,
        activationThreshold=p.activation_threshold, minThreshold=p.matching_threshold,
        initialPermanence=p.initial_permanence, connectedPermanence=p.connected,
        maxNewSynapseCount=p.new_synapses, permanenceIncrement=p.increment,
        permanenceDecrement=p.decrement, predictedSegmentDecrement=p.punishment,
        maxSegmentsPerCell=p.segments_per_cell, maxSynapsesPerSegment=p.segment_size, seed=1,
    )  # fmt: skip


def early(call: int) -> tuple[Turn, Turn | None]:
    """Return turns of 1,000 steps by fresh memories; making them is part of the turn."""
    bits = stream(1000)
    given, plan, samples = parts(bits, call), Plan.every(1, call), sdrs(bits)

    def ours() -> int:
        memory = temporal_memory.Case("peers", ()).memory()
        for part in given:
            memory.run(part, plan)
        return len(bits)

    def theirs() -> int:
        memory = peer_memory()
        for sample in samples or ():
            memory.compute(sample, True)  # type: ignore[union-attr]
        return len(bits)

    return ours, None if samples is None else theirs


def memories(learned: int, call: int) -> tuple[Turn, Turn | None]:
    """Return turns of 500 steps by memories that have learned for so many."""
    bits, memory, peer = stream(learned), temporal_memory.Case("peers", ()).memory(), peer_memory()
    memory.run(bits, Plan.every(1, len(bits)))
    last = bits.slice(0, 500)
    given, plan = parts(last, call), Plan.every(1, call)

    def ours() -> int:
        for part in given:
            memory.run(part, plan)
        return len(last)

    if peer is None:
        return ours, None
    for sample in sdrs(bits) or ():
        peer.compute(sample, True)
    samples = sdrs(last) or []

    def theirs() -> int:
        for sample in samples:
            peer.compute(sample, True)
        return len(samples)

    return ours, theirs


def classifiers(call: int) -> tuple[Turn, Turn | None]:
    bits = patterns(0, 1000, 2048, 40 / 2048)
    targets = np.arange(len(bits), dtype=np.int64) % 10
    parameters = SDRModelParameters.model_validate({})
    model = load_backend("cpu").SDRClassifier(parameters, bits.size, 10)
    given, plan = parts(bits, call), Plan.every(1, call)
    wanted = [targets[a : a + call] for a in range(0, len(bits), call)]

    def ours() -> int:
        for part, classes in zip(given, wanted, strict=True):
            model.run(part, classes, plan)
        return len(bits)

    samples = sdrs(bits)
    if samples is None:
        return ours, None
    peer = bindings("algorithms").Classifier(alpha=0.1)  # type: ignore[union-attr]

    def theirs() -> int:
        for sample, target in zip(samples, targets.tolist(), strict=True):
            peer.learn(sample, target)
        return len(samples)

    return ours, theirs


def encoders(kind: str, call: int) -> tuple[Turn, Turn | None]:
    values = np.random.default_rng(0).random(1000) * 100
    parameters = (
        RDSEParameters(resolution=0.88, size=1000)
        if kind == "rdse"
        else ScalarEncoderParameters(minimum=0, maximum=100, size=400)
    )
    encoder = build_encoder(parameters, {"value": ()}, 1)
    given = [{"value": values[a : a + call]} for a in range(0, len(values), call)]

    def ours() -> int:
        for fields in given:
            encoder.encode(fields)
        return len(values)

    found = bindings("encoders")
    if found is None:
        return ours, None
    if kind == "rdse":
        rules = found.RDSE_Parameters()
        rules.resolution, rules.size, rules.activeBits = 0.88, 1000, 21
        peer = found.RDSE(rules)
    else:
        rules = found.ScalarEncoderParameters()
        rules.minimum, rules.maximum, rules.size, rules.activeBits = 0, 100, 400, 21
        peer = found.ScalarEncoder(rules)
    listed = values.tolist()

    def theirs() -> int:
        for value in listed:
            peer.encode(value)
        return len(listed)

    return ours, theirs
