"""What the kernels must reproduce: the reference, byte for byte, in any order of threads.

Run as a program on the libraries of one build, `python -m tests.helpers.kernels.cases FOLDER
CASE...` with FOLDER holding one library for each .cu file, it ends with status 1 at the first
difference.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from htmrun.backends import State, reference
from htmrun.backends.bits import Bits
from htmrun.backends.cuda.classifier.sdr_classifier import SDRClassifierGroup
from htmrun.backends.cuda.pooler.group import SpatialPoolerGroup
from htmrun.backends.parameters import SDRModelParameters, SpatialPoolerParameters
from htmrun.backends.plan import Plan
from tests.helpers.kernels import tm_cases
from tests.helpers.kernels.host import HostModules
from tests.helpers.kernels.tm_cases import Remembering, expected

POISONS = (0xA5C3E187, 0x00000000, 0xFFFFFFFF, 0x7FC00001, 0x00000001)


def same_state(got: State, want: State, where: str) -> None:
    """Raise AssertionError unless both states are equal, dtypes and bytes."""
    assert sorted(got) == sorted(want), where
    for name in want:
        assert got[name].dtype == want[name].dtype, f"{where}: {name} is {got[name].dtype}"
        assert got[name].shape == want[name].shape, f"{where}: {name} is {got[name].shape}"
        assert got[name].tobytes() == want[name].tobytes(), f"{where}: {name} differs"


def same_bits(got: Bits, want: Bits, where: str) -> None:
    """Raise AssertionError unless both hold the same samples."""
    assert got.size == want.size, where
    np.testing.assert_array_equal(got.offsets, want.offsets, where)
    np.testing.assert_array_equal(got.indices, want.indices, where)
    assert (got.offsets.dtype, got.indices.dtype) == (np.int64, np.int32), where


def random_plan(rng: np.random.Generator, samples: int, every: float) -> Plan:
    """Return a plan that commits and boosts now and then, not always together."""
    commit = (rng.random(samples) < 1 / every).astype(np.uint8)
    boost = np.where(rng.random(samples) < 0.7, commit, rng.random(samples) < 0.1)
    return Plan(np.zeros(samples, np.uint8), commit, boost.astype(np.uint8))


def random_bits(rng: np.random.Generator, samples: int, size: int, share: float) -> Bits:
    """Return samples of about `share` on-bits, one of them without any, one full."""
    dense = rng.random((samples, size)) < share
    dense[samples // 3] = False
    dense[samples // 2] = True
    return Bits.from_dense(dense)


@dataclass(frozen=True)
class Pooled:
    """What models of a group are given at once, and what the reference makes of it."""

    name: str
    samples: list[Bits]
    plans: list[Plan]
    winners: list[Bits]
    states: list[State]


@dataclass(frozen=True)
class PoolingExpected:
    """How the models of a group begin, run, and look at the samples of their last part."""

    begin: list[State]
    parts: list[Pooled]
    computed: list[Bits]
    overlaps: list[np.ndarray]


@dataclass(frozen=True)
class Pooling:
    """One spatial pooler to compare: parameters and shape, stream, and how kernels run."""

    parameters: dict[str, Any]
    input_shape: tuple[int, ...]
    samples: int = 12
    every: tuple[float, ...] = (1.0, 3.0)  # mean window of each model of the group
    share: float = 0.3
    group: dict[str, Any] = field(default_factory=dict)
    threads: tuple[int, int] = (64, 64)
    seed: int = 0

    @property
    def seeds(self) -> list[int]:
        """The seeds of the models."""
        return [11 + m for m in range(len(self.every))]

    def work_out(self) -> PoolingExpected:
        """Return what the reference says."""
        rng, size = np.random.default_rng(self.seed), int(np.prod(self.input_shape))
        p = SpatialPoolerParameters(**self.parameters)
        models = [reference.SpatialPooler(p, self.input_shape, s) for s in self.seeds]
        begin, parts = [m.state() for m in models], []
        for name in ("first run", "second run"):
            samples = [random_bits(rng, self.samples, size, self.share) for _ in models]
            plans = [random_plan(rng, self.samples, n) for n in self.every]
            if name == "second run":
                plans[0].commit[-1] = 1  # the longest window of all ends with a commit
            won = [m.run(x, plan) for m, x, plan in zip(models, samples, plans, strict=True)]
            parts.append(Pooled(name, samples, plans, won, [m.state() for m in models]))
        computed = [m.compute(x) for m, x in zip(models, samples, strict=True)]
        overlaps = [m.overlaps(x) for m, x in zip(models, samples, strict=True)]
        return PoolingExpected(begin, parts, computed, overlaps)

    def check(self, modules: HostModules) -> None:
        """Raise AssertionError at the first difference from the reference."""
        want: PoolingExpected = expected(self)
        p = SpatialPoolerParameters(**self.parameters)
        device = modules.device(*self.threads)
        options = {"steps": "phase"} | self.group
        group = SpatialPoolerGroup(p, self.input_shape, self.seeds, device, **options)
        self._same_states(group, want.begin, "start")
        for part in want.parts:
            got = group.run(part.samples, part.plans)
            for m, winners in enumerate(part.winners):
                same_bits(got[m], winners, f"{part.name}, model {m}")
            self._same_states(group, part.states, part.name)
        computed, overlaps = group.compute(part.samples), group.overlaps(part.samples)
        for m, winners in enumerate(want.computed):
            same_bits(computed[m], winners, f"compute, model {m}")
            np.testing.assert_array_equal(overlaps[m], want.overlaps[m])
        self._same_states(group, part.states, "after inference")

    def _same_states(self, group: Any, wanted: Sequence[State], where: str) -> None:
        for m, state in enumerate(wanted):
            same_state(group.state(m), state, f"{where}, model {m}")


@dataclass(frozen=True)
class Classified:
    """What classifiers are given at once, and what the reference makes of it."""

    name: str
    bits: list[Bits]
    targets: list[np.ndarray]
    plans: list[Plan]
    learned: list[Bits] | None
    probabilities: list[np.ndarray]
    states: list[State]
    computed: list[np.ndarray]


@dataclass(frozen=True)
class Classifying:
    """One SDR classifier to compare."""

    size: int
    classes: int
    samples: int = 14
    every: tuple[float, ...] = (1.0, 4.0)
    separate: bool = False  # learn from other bits than are predicted from
    threads: int = 64
    rate: float = 0.7
    decay: int | None = None
    seed: int = 0

    def work_out(self) -> list[Classified]:
        """Return what the reference says, part by part."""
        rng, parts = np.random.default_rng(self.seed), []
        p = SDRModelParameters(learning_rate=self.rate, decay_samples=self.decay)
        models = [reference.SDRClassifier(p, self.size, self.classes) for _ in self.every]
        for name in ("first run", "second run"):
            bits = [random_bits(rng, self.samples, self.size, 0.2) for _ in models]
            source = [random_bits(rng, self.samples, self.size, 0.2) for _ in models]
            plans = [random_plan(rng, self.samples, n) for n in self.every]
            targets = [rng.integers(-1, self.classes, self.samples) for _ in models]
            said = [
                model.run(bits[m], targets[m], plans[m],
                          learn_bits=source[m] if self.separate else None)
                for m, model in enumerate(models)
            ]  # fmt: skip
            states = [m.state() for m in models]
            computed = [m.compute(x) for m, x in zip(models, bits, strict=True)]
            learned = source if self.separate else None
            parts.append(Classified(name, bits, targets, plans, learned, said, states, computed))
        return parts

    def check(self, modules: HostModules) -> None:
        """Raise AssertionError at the first difference from the reference."""
        p = SDRModelParameters(learning_rate=self.rate, decay_samples=self.decay)
        device = modules.device(self.threads)
        group = SDRClassifierGroup(p, self.size, self.classes, len(self.every), device)
        for part in expected(self):
            got = group.run(part.bits, part.targets, part.plans, learn_samples=part.learned)
            for m, want in enumerate(part.probabilities):
                assert got[m].tobytes() == want.tobytes(), f"{part.name}: model {m} says otherwise"
                same_state(group.state(m), part.states[m], f"{part.name}, model {m}")
        for m, want in enumerate(part.computed):
            assert group.compute(part.bits)[m].tobytes() == want.tobytes()


FULL = {
    "density": 0.1,
    "boost_strength": 8.0,
    "duty_period": 40,
    "weak_bump": 0.02,
    "weak_fraction": 0.6,
}
LOCAL = {**FULL, "inhibition": "local", "potential_fraction": 0.7}

CASES: dict[str, Pooling | Classifying | Remembering] = {
    "global": Pooling({**FULL, "columns": 150}, (83,), samples=8),
    "global, sparse overlap": Pooling(
        {**FULL, "columns": 1060}, (70,), group={"overlap": "sparse"}, samples=4, every=(2.0,)
    ),
    "global, dense overlap": Pooling(
        {**FULL, "columns": 70}, (1100,), samples=20, every=(1000.0, 7.0),
        group={"overlap": "dense"}, threads=(32, 96),
    ),
    "many on-bits": Pooling(
        {"columns": 40, "winners": 3, "initial_connected": 1.0, "potential_fraction": 1.0}, (700,),
        samples=4, every=(2.0,), share=0.9,
        group={"overlap": "sparse"}, threads=(32, 32),
    ),
    "sliced overlap": Pooling(
        {**FULL, "columns": 1060, "stimulus_threshold": 5}, (70,), group={"overlap": "sliced"},
        samples=4, every=(2.0,), threads=(32, 96),
    ),
    "sliced overlap, several lists": Pooling(
        {**FULL, "columns": 70}, (1300,), samples=3, every=(2.0,), share=0.9,
        group={"overlap": "sliced"}, threads=(32, 96),
    ),
    "sliced overlap, all planes": Pooling(
        {"columns": 40, "winners": 3, "initial_connected": 0.9, "potential_fraction": 1.0},
        (40000,), samples=2, every=(2.0,), share=0.98, group={"overlap": "sliced"},
    ),
    "without boost": Pooling(
        {"columns": 140, "winners": 7, "weak_bump": 0.1}, (60,), samples=8, share=0.1
    ),
    "high threshold": Pooling(
        {**FULL, "columns": 90, "stimulus_threshold": 12, "winners": 30, "infer_boost": False},
        (64,),
    ),
    "steps beyond the clip": Pooling(
        {"columns": 64, "increment": 0.9, "decrement": 0.6, "winners": 20, "connected": 0.5,
         "initial_spread": 1.0, "potential_fraction": 1.0}, (33,), every=(4.0, 15.0), samples=30,
    ),
    "long window": Pooling(
        {"columns": 33, "winners": 9, "duty_period": 1000, "boost_strength": 1.0}, (34,),
        samples=140, every=(1000.0,), threads=(32, 32),
    ),
    "sliced overlap, few of all": Pooling(
        {"columns": 33, "winners": 4}, (31,), samples=3, every=(3.0, 2.0),
        group={"overlap": "sliced"}, threads=(32, 32),
    ),
    "bits turned, few of all": Pooling(
        {"columns": 40, "winners": 4}, (130,), samples=4, every=(3.0, 2.0),
        group={"by_input": "turned", "overlap": "sparse"}, threads=(32, 32),
    ),
    "bits turned": Pooling(
        {**FULL, "columns": 580}, (700,), samples=5, every=(2.0,), threads=(64, 96),
        group={"by_input": "turned", "overlap": "sparse"},
    ),
    "bits turned, words in fours": Pooling(
        {**FULL, "columns": 100}, (630,), samples=8, every=(3.0, 1.0), threads=(32, 1024),
        group={"by_input": "turned", "overlap": "sparse"},
    ),
    "wins around a byte": Pooling(
        {"columns": 30, "winners": 12, "duty_period": 1000, "increment": 0.003, "decrement": 0.001,
         "initial_spread": 1.0}, (70,), samples=420, every=(1000.0,), share=0.6,
    ),
    "pool by radius, wrapping": Pooling(
        {**FULL, "columns": 40, "column_shape": (8, 5), "potential_radius": 2}, (10, 12)
    ),
    "pool by radius, cut": Pooling(
        {**FULL, "columns": 40, "column_shape": (40,), "potential_radius": 3, "wrap": False},
        (6, 16),
    ),
    "local, wrapping": Pooling(
        {**LOCAL, "columns": 84, "column_shape": (12, 7), "inhibition_radius": 2}, (50,)
    ),
    "local, cut": Pooling(
        {**LOCAL, "columns": 84, "column_shape": (12, 7), "inhibition_radius": 2, "wrap": False},
        (50,),
    ),
    "local, three dimensions": Pooling(
        {**LOCAL, "columns": 60, "column_shape": (3, 4, 5), "inhibition_radius": 1,
         "potential_radius": 2, "density": 0.25}, (4, 4, 5),
    ),
    "local boost, global inhibition": Pooling(
        {**FULL, "columns": 84, "column_shape": (12, 7), "boost_scope": "local",
         "boost_radius": 2, "boost_bits": 8}, (50,), every=(1.0, 3.0),
    ),
    "global boost, local inhibition": Pooling(
        {**LOCAL, "columns": 84, "column_shape": (12, 7), "inhibition_radius": 2,
         "boost_scope": "global"}, (50,),
    ),
    "local boost of columns that always win": Pooling(
        {"columns": 12, "column_shape": (3, 4), "winners": 11, "duty_period": 2,
         "boost_strength": 4.0, "boost_scope": "local", "boost_radius": 2, "boost_bits": 4}, (30,),
        every=(1.0,), samples=40,
    ),
    "local boost, wider than inhibition": Pooling(
        {**LOCAL, "columns": 40, "column_shape": (40,), "inhibition_radius": 3,
         "boost_radius": 30, "boost_bits": 16}, (30,),
    ),
    "pushed away from the inflection": Pooling(
        {**FULL, "columns": 70, "push": 0.011, "inflection": 0.11}, (83,), every=(1.0, 4.0, 9.0),
    ),
    "pushed, bits turned": Pooling(
        {**FULL, "columns": 140, "push": 0.3, "inflection": 0.11, "weak_bump": 0.0}, (83,),
        every=(2.0, 1.0), group={"by_input": "turned"},
    ),
    "local, whole grid": Pooling(
        {**LOCAL, "columns": 30, "column_shape": (30,), "inhibition_radius": 15}, (40,)
    ),
}  # fmt: skip
for way in ("tiled", "bits", "bytes"):
    # More than a tile of samples, of columns and of words, none a multiple of anything.
    CASES[f"{way} overlap"] = Pooling(
        {**FULL, "columns": 70, "stimulus_threshold": 5, "duty_period": 500}, (1070,), samples=66,
        every=(40.0,), group={"overlap": way}, threads=(32, 32),
    )  # fmt: skip
    CASES[f"{way} overlap, few of all"] = Pooling(
        {"columns": 33, "winners": 4}, (31,), samples=5, every=(3.0, 2.0), group={"overlap": way}
    )
CASES |= {
    "two launches a sample": Pooling(
        {**FULL, "weak_bump": 0.0, "columns": 150, "stimulus_threshold": 6}, (83,),
        group={"steps": "online"}, every=(1.0, 1e9, 1.0), threads=(64, 96),
    ),
    "two launches a sample, without boost": Pooling(
        {"columns": 70, "winners": 7}, (40,), group={"steps": "online"}, share=0.1,
        every=(1.0, 1.0),
    ),
    "two launches a sample, wide": Pooling(
        {"columns": 1100, "winners": 40, "boost_strength": 1.0, "increment": 0.4,
         "decrement": 0.3}, (1300,), group={"steps": "online"},
        samples=6, every=(1.0,), threads=(96, 96), share=0.4,
    ),
    "keys in memory": Pooling(
        {**FULL, "columns": 1152}, (40,), samples=3, every=(2.0,), threads=(64, 64),
        group={"overlap": "sparse"},
    ),
    "keys in memory, one warp": Pooling(
        {"columns": 520, "winners": 5}, (20,), samples=3, every=(1.0, 1.0), threads=(32, 32),
        group={"steps": "online"},
    ),
    "keys in memory, equal ones": Pooling(
        {"columns": 700, "winners": 30, "initial_connected": 0.9, "potential_fraction": 0.2},
        (40,), samples=3, every=(2.0,), threads=(64, 32),
    ),
    "keys in memory, few that can win": Pooling(
        {"columns": 600, "winners": 400, "potential_fraction": 0.2}, (40,), samples=3,
        every=(2.0,), threads=(64, 32), share=0.03,
    ),
    "keys in memory, two launches a sample": Pooling(
        {**FULL, "weak_bump": 0.0, "columns": 1152}, (40,), samples=4, every=(1.0,),
        threads=(64, 64), group={"steps": "online"},
    ),
    "radix selection": Pooling(
        {**FULL, "density": 0.25, "columns": 1152}, (40,), samples=3, threads=(64, 64),
        every=(1.0, 3.0), group={"overlap": "sparse"},
    ),
    "radix selection, two launches a sample": Pooling(
        {"columns": 1152, "winners": 300, "initial_connected": 1.0, "potential_fraction": 0.5},
        (40,), samples=3, threads=(64, 64), share=0.1, every=(1.0,), group={"steps": "online"},
    ),
    "sixteen keys a thread": Pooling(
        {**FULL, "columns": 1500, "winners": 12}, (40,), samples=3, every=(2.0,), threads=(64, 96)
    ),
    "window longer than a list": Pooling(
        {"columns": 12, "winners": 4, "duty_period": 4000, "increment": 0.0002,
         "decrement": 0.02}, (70,), samples=1100, every=(1e9,), share=0.95,
    ),
    "sixteen keys, one warp": Pooling(
        {"columns": 140, "winners": 5}, (30,), samples=4, every=(2.0,), threads=(32, 32)
    ),
    "two launches, sixteen keys, one warp": Pooling(
        {"columns": 140, "winners": 5}, (30,), samples=4, every=(1.0,), threads=(32, 32),
        group={"steps": "online"},
    ),
    "radix selection, one warp": Pooling(
        {"columns": 520, "winners": 50, "initial_connected": 1.0, "potential_fraction": 0.5},
        (40,), samples=3, every=(2.0,), threads=(32, 32), share=0.1,
    ),
    "equal keys": Pooling(
        {"columns": 150, "winners": 11, "initial_connected": 1.0, "potential_fraction": 1.0,
         "increment": 0.0001, "decrement": 0.0001}, (40,), samples=6,
    ),
    "steps of one unit": Pooling(
        {"columns": 64, "winners": 9, "initial_spread": 0.0001, "initial_connected": 0.3,
         "increment": 0.0001, "decrement": 0.0001, "weak_bump": 0.0001, "weak_fraction": 0.95,
         "stimulus_threshold": 6, "duty_period": 30}, (90,),
    ),
}  # fmt: skip
ONLINE = {name: case for name, case in CASES.items() if case.group.get("steps") == "online"}
ONLINE |= {
    "two launches a sample, equal keys": Pooling(
        {"columns": 150, "winners": 11, "initial_connected": 1.0, "potential_fraction": 1.0,
         "increment": 0.0001, "decrement": 0.0001}, (40,), samples=6, every=(1.0, 1.0),
    ),
    "two launches a sample, many tied": Pooling(
        {"columns": 300, "winners": 60}, (60,), samples=6, every=(1.0, 1.0), threads=(64, 32)
    ),
    "two launches a sample, scores below the bins": Pooling(
        {"columns": 130, "winners": 9, "boost_strength": 100.0, "duty_period": 8},
        (40,), samples=20, every=(1.0, 1.0), share=0.1,
    ),
    "two launches a sample, overlaps beyond the bins": Pooling(
        {"columns": 40, "winners": 3, "initial_connected": 0.9, "potential_fraction": 1.0},
        (33000,), samples=3, every=(1.0,), share=0.98,
    ),
    "two launches a sample, all win": Pooling(
        {"columns": 33, "winners": 33}, (31,), samples=5, every=(1.0, 1.0), threads=(32, 32)
    ),
}  # fmt: skip
for name, case in ONLINE.items():
    for way in ("alone", "listed", "ahead"):
        kind = name if way == "alone" else f"{name}, {way}"
        CASES[kind] = replace(case, group={"steps": "online", "online": way})
COMPACT = {"pools": "compact"}
CASES |= {
    # Of pools of two fifths of the inputs and more an input takes one byte, of others two.
    "compact pools": Pooling({**FULL, "columns": 150}, (83,), samples=8, group=COMPACT),
    "compact pools, few": Pooling(
        {**FULL, "columns": 70, "potential_fraction": 0.1}, (700,), samples=8, every=(1.0, 3.0),
        group={**COMPACT, "overlap": "sparse"},
    ),
    "compact pools, wide": Pooling(
        {**FULL, "columns": 40, "potential_fraction": 0.9}, (2300,), samples=10, every=(4.0,),
        group=COMPACT, threads=(32, 96),
    ),
    "compact pools, few, wide": Pooling(
        {**FULL, "columns": 40, "potential_fraction": 0.35}, (3500,), samples=10, every=(4.0,),
        group=COMPACT, threads=(32, 96),
    ),
    "compact pools, all inputs": Pooling(
        {"columns": 64, "increment": 0.9, "decrement": 0.6, "winners": 20, "connected": 0.5,
         "initial_spread": 1.0, "potential_fraction": 1.0}, (64,), every=(4.0, 15.0), samples=30,
        group=COMPACT,
    ),
    "compact pools, one synapse": Pooling(
        {"columns": 40, "winners": 9, "potential_fraction": 0.02}, (65,), group=COMPACT,
    ),
    "compact pools by radius": Pooling(
        {**FULL, "columns": 40, "column_shape": (8, 5), "potential_radius": 2, "wrap": False},
        (10, 12), group=COMPACT,
    ),
    "compact pools, wins around a byte": Pooling(
        {"columns": 30, "winners": 12, "duty_period": 1000, "increment": 0.003, "decrement": 0.001,
         "initial_spread": 1.0}, (70,), samples=420, every=(1000.0,), share=0.6, group=COMPACT,
    ),
    "compact pools, window longer than a list": Pooling(
        {"columns": 12, "winners": 4, "duty_period": 4000, "increment": 0.0002,
         "decrement": 0.02, "potential_fraction": 0.3}, (70,), samples=1100, every=(1e9,),
        share=0.95, group=COMPACT,
    ),
    "compact pools, long window, bits turned": Pooling(
        {"columns": 33, "winners": 9, "duty_period": 1000, "boost_strength": 1.0}, (134,),
        samples=300, every=(1000.0,), threads=(32, 32), group={**COMPACT, "by_input": "turned"},
    ),
    "compact pools, pushed": Pooling(
        {**FULL, "columns": 70, "push": 0.011, "inflection": 0.11}, (83,), every=(1.0, 4.0, 9.0),
        group=COMPACT,
    ),
    "compact pools, pushed, bits turned": Pooling(
        {**FULL, "columns": 140, "push": 0.3, "inflection": 0.11, "weak_bump": 0.0,
         "potential_fraction": 0.3}, (83,), every=(2.0, 1.0),
        group={**COMPACT, "by_input": "turned"},
    ),
    "compact pools, two launches a sample": Pooling(
        {**FULL, "weak_bump": 0.0, "columns": 150, "stimulus_threshold": 6}, (183,),
        group={**COMPACT, "steps": "online"}, every=(1.0, 1e9, 1.0), threads=(64, 96),
    ),
    "compact pools, two launches a sample, listed": Pooling(
        {**FULL, "weak_bump": 0.0, "columns": 150, "stimulus_threshold": 6}, (183,),
        group={**COMPACT, "steps": "online", "online": "listed"}, every=(1.0, 1.0),
    ),
    "compact pools, more inputs than are written down": Pooling(
        {**FULL, "columns": 10, "weak_bump": 0.0, "potential_fraction": 0.41}, (16400,),
        group=COMPACT, every=(2.0,), samples=6,
    ),
    "compact pools, few of more inputs than are written down": Pooling(
        {**FULL, "columns": 10, "weak_bump": 0.0, "potential_fraction": 0.01}, (16400,),
        group=COMPACT, every=(2.0,), samples=6,
    ),
    "compact pools, as many inputs as are written down": Pooling(
        {**FULL, "columns": 10, "weak_bump": 0.0, "potential_fraction": 0.02}, (16384,),
        group=COMPACT, every=(2.0,), samples=6,
    ),
    "compact pools, many inputs, two launches a sample": Pooling(
        {"columns": 10, "winners": 3, "increment": 0.2, "decrement": 0.1}, (16400,),
        group={**COMPACT, "steps": "online"}, every=(1.0,), samples=5,
    ),
    "compact pools, few of many inputs, two launches a sample": Pooling(
        {"columns": 10, "winners": 3, "increment": 0.2, "decrement": 0.1,
         "potential_fraction": 0.01}, (16400,),
        group={**COMPACT, "steps": "online"}, every=(1.0,), samples=5,
    ),
    "compact pools, few, two launches a sample": Pooling(
        {"columns": 70, "winners": 7, "potential_fraction": 0.2}, (400,),
        group={**COMPACT, "steps": "online"}, share=0.1, every=(1.0, 1.0),
    ),
    "compact pools, wide, two launches a sample": Pooling(
        {"columns": 110, "winners": 40, "boost_strength": 1.0, "increment": 0.4,
         "decrement": 0.3}, (4300,), group={**COMPACT, "steps": "online"}, samples=6, every=(1.0,),
        threads=(96, 96), share=0.4,
    ),
    "compact pools, steps of one unit": Pooling(
        {"columns": 64, "winners": 9, "initial_spread": 0.0001, "initial_connected": 0.3,
         "increment": 0.0001, "decrement": 0.0001, "weak_bump": 0.0001, "weak_fraction": 0.95,
         "stimulus_threshold": 6, "duty_period": 30}, (90,), group=COMPACT,
    ),
    "compact pools, local": Pooling(
        {**LOCAL, "columns": 84, "column_shape": (12, 7), "inhibition_radius": 2}, (50,),
        group=COMPACT,
    ),
}  # fmt: skip
for memory in ("global", "shared"):
    for shape, wrap in (((9, 34), True), ((9, 34), False), ((2, 33), True), ((1, 2), True)):
        kind = (
            f"3 x 3 through {memory} memory, {shape[0]} x {shape[1]}, {'wrap' if wrap else 'cut'}"
        )
        CASES[kind] = Pooling(
            {**LOCAL, "columns": shape[0] * shape[1], "column_shape": shape,
             "inhibition_radius": 1, "wrap": wrap, "density": 0.25}, (20,),
            samples=3, every=(2.0, 3.0), group={"local_kernels": memory},
        )  # fmt: skip
    for bits in (8, 16):
        CASES[f"3 x 3 boost through {memory} memory, {bits} bits"] = Pooling(
            {**FULL, "columns": 306, "column_shape": (9, 34), "boost_scope": "local",
             "boost_radius": 1, "boost_bits": bits, "wrap": bits == 8}, (20,),
            samples=4, every=(1.0, 3.0), group={"local_kernels": memory},
        )  # fmt: skip
CASES |= {
    "classifier": Classifying(90, 5),
    "classifier, many classes": Classifying(40, 150, samples=8, every=(3.0,), threads=96),
    "classifier, learning from the past": Classifying(
        70, 33, separate=True, every=(2.0, 1000.0), decay=9
    ),
    "classifier, steep": Classifying(40, 3, rate=60.0),
    **tm_cases.CASES,
}
FILES = ("sp_start.cu", "spatial_pooler.cu", "sp_learn.cu", "sp_online.cu", "sp_online_listed.cu",
         "sp_overlap_sliced.cu", "sp_overlap_tiled.cu", "sp_overlap_tensor.cu", "sp_topology.cu",
         "local_inhibition.cu", "sdr_classifier.cu", "temporal_memory.cu", "rows.cu")  # fmt: skip

SMALL = (
    "high threshold", "many on-bits", "steps beyond the clip", "pool by radius, cut",
    "local, whole grid", "local, three dimensions", "3 x 3 through global memory, 2 x 33, wrap",
    "3 x 3 through shared memory, 2 x 33, wrap", "classifier, learning from the past",
    "memory, fragile segments", "memory, arrays that run short", "memory, full cells",
    "memory, many cells a column", "tiled overlap, few of all",
    "bits overlap, few of all", "bytes overlap, few of all",
    "two launches a sample, without boost", "two launches, sixteen keys, one warp",
    "two launches a sample, without boost, ahead", "keys in memory, one warp, ahead",
    "sliced overlap, few of all", "bits turned, few of all", "pushed away from the inflection",
    "radix selection, one warp", "sixteen keys, one warp", "keys in memory, one warp",
    "compact pools, one synapse", "compact pools by radius", "compact pools, pushed",
    "compact pools, few, two launches a sample", "compact pools, steps of one unit",
)  # fmt: skip
"""Small cases that reach every kernel: for what makes everything slow."""


def check(case: str, library_of: Callable[[str], Path], orders: Sequence[int]) -> None:
    """Check one case under each order of threads, with other garbage in shared memory each time."""
    modules = HostModules(library_of)
    for order in orders:
        modules.order, modules.poison = order, POISONS[order % len(POISONS)]
        CASES[case].check(modules)


def main(folder: str, orders: str, *names: str) -> None:
    """Check the named cases (all, if none is named) on the libraries in `folder`."""
    for case in names or CASES:
        check(case, lambda file: Path(folder) / f"{Path(file).stem}.so",
              [int(o) for o in orders.split(",")])  # fmt: skip


if __name__ == "__main__":
    main(*sys.argv[1:])
