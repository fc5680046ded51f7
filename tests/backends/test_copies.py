"""Copies of models are models of their own: what one learns, the other does not."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from htmrun.backends.bits import Bits
from htmrun.backends.cpu import SDRClassifier, SpatialPooler, TemporalMemory
from htmrun.backends.cpu.common.packed import Layout
from htmrun.backends.parameters import (
    SDRModelParameters,
    SpatialPoolerParameters,
    TemporalMemoryParameters,
)
from htmrun.backends.plan import Plan
from htmrun.backends.state import state_hash

BITS = Bits.from_dense(np.random.default_rng(0).random((40, 256)) < 0.1)
TARGETS = np.arange(40, dtype=np.int64) % 5


def pooler(threads: int = 1, **settings: Any) -> SpatialPooler:
    p = SpatialPoolerParameters(columns=128, density=0.1, boost_strength=2.0, **settings)
    return SpatialPooler(p, (256,), 7, threads)


def classifier() -> SDRClassifier:
    return SDRClassifier(SDRModelParameters.model_validate({}), 256, 5)


def memory() -> TemporalMemory:
    return TemporalMemory(TemporalMemoryParameters(cells_per_column=4), 256, 7)


def learn(model: Any, start: int, stop: int) -> None:
    part, plan = BITS.slice(start, stop), Plan.every(1, stop - start)
    more = (TARGETS[start:stop],) if isinstance(model, SDRClassifier) else ()
    model.run(part, *more, plan)


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
@pytest.mark.parametrize(
    "make",
    [pooler, lambda: pooler(2), lambda: pooler(potential_fraction=0.05), classifier, memory],
    ids=["pooler", "threads", "packed", "classifier", "memory"],
)
def test_a_copy_learns_by_itself(make: Callable[[], Any], copied: Callable[[Any], Any]) -> None:
    model, whole = make(), make()
    learn(model, 0, 20)
    learn(whole, 0, 20)
    before = state_hash(model.state())
    other = copied(model)
    assert state_hash(other.state()) == before
    learn(other, 20, 40)
    assert state_hash(model.state()) == before
    learn(whole, 20, 40)
    assert state_hash(other.state()) == state_hash(whole.state())
    del model
    again = copied(other)
    learn(again, 0, 20)
    learn(whole, 0, 20)
    assert state_hash(again.state()) == state_hash(whole.state())


def test_a_table_of_addresses_is_not_copied() -> None:
    packed = Layout((np.zeros(3), 1)).packed((np.zeros(3), 1))
    for copied in (copy.deepcopy, copy.copy, pickle.dumps):
        with pytest.raises(TypeError, match="cannot be copied"):
            copied(packed)


@pytest.mark.parametrize(
    ("bits", "targets", "plan"),
    [
        (Bits.from_rows(300, [[1]]), [0], 1),
        (Bits(256, np.array([256], np.int32), np.array([0, 1])), [0], 1),
        (BITS.slice(0, 1), [5], 1),
        (BITS.slice(0, 1), [-2], 1),
        (BITS.slice(0, 2), [1], 2),
        (BITS.slice(0, 2), [1, 1], 1),
    ],
)
def test_a_classifier_refuses_what_does_not_fit(bits: Bits, targets: list[int], plan: int) -> None:
    model = classifier()
    before = state_hash(model.state())
    with pytest.raises(ValueError, match=r"expected 256|targets"):
        model.run(bits, np.array(targets, np.int64), Plan.every(1, plan))
    assert state_hash(model.state()) == before
    if bits.size != 256 or bits.indices.max() >= 256:
        with pytest.raises(ValueError, match="expected 256"):
            model.compute(bits)


def test_bits_say_what_they_are() -> None:
    assert repr(BITS) == f"Bits(40 samples of 256 bits, {len(BITS.indices)} on)"
