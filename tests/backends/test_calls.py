"""What a call is checked for, what windows a plan makes, and arrays that are replaced."""

from __future__ import annotations

import numpy as np
import pytest

from htmrun.backends.bits import Bits
from htmrun.backends.cpu import SpatialPooler
from htmrun.backends.cpu.common.checks import inside
from htmrun.backends.cpu.pooler import kernel
from htmrun.backends.cpu.pooler.standing import survey
from htmrun.backends.parameters import SpatialPoolerParameters
from htmrun.backends.plan import Plan
from htmrun.backends.reference import SpatialPooler as Reference


@pytest.mark.parametrize(
    ("indices", "within"), [([], True), ([0, 4], True), ([5], False), ([-1, 2], False)]
)
def test_indices_inside(indices: list[int], within: bool) -> None:
    assert inside(np.array(indices, np.int32), 5) == within


@pytest.mark.parametrize("pending", [0, 3])
@pytest.mark.parametrize(
    ("commit", "boost"), [("", ""), ("0", "1"), ("1", "1"), ("0010100", "0100001"), ("000", "000")]
)
def test_what_windows_a_plan_makes(commit: str, boost: str, pending: int) -> None:
    ends = [t + 1 for t, c in enumerate(commit) if c == "1"]
    turns = [t + 1 for t in range(len(commit)) if "1" in (commit[t], boost[t])]
    windows = np.diff([-pending, *ends]).tolist()
    stretches = np.diff([0, *turns, len(commit)]).tolist()
    found = survey(np.array([*commit], np.uint8), np.array([*boost], np.uint8), pending)
    last = ends[-1] if ends else -pending
    expected = ends[-1] if ends else 0, max(windows, default=0), len(commit) - last, max(stretches)
    assert found == expected


def test_arrays_that_are_replaced_are_not_read_any_more() -> None:
    """A state with larger pools needs other arrays; windows of any length another scratch."""
    rows = np.random.default_rng(0).random((120, 700)) < 0.1
    bits, plans = Bits.from_dense(rows), [Plan.every(n, 120) for n in (1, 40, 7, 120, 1)]
    narrow = SpatialPoolerParameters(columns=64, winners=4, potential_fraction=0.05)
    wide = narrow.model_copy(update={"potential_fraction": 0.9})
    one, other = SpatialPooler(narrow, (700,), 1), SpatialPooler(wide, (700,), 1)
    one.run(bits, plans[0])
    one.load(other.state())
    for plan in plans:
        a, b = one.run(bits, plan), other.run(bits, plan)
        np.testing.assert_array_equal(a.indices, b.indices)
        for t in range(len(bits)):
            seen = one.compute(bits.slice(t, t + 1))
            np.testing.assert_array_equal(seen.indices, other.compute(bits).row(t))
    for name, array in one.state().items():
        np.testing.assert_array_equal(array, other.state()[name])


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("wrong", [50, -1])
def test_inference_from_inputs_that_are_not_there_is_refused(threads: int, wrong: int) -> None:
    pooler = SpatialPooler(SpatialPoolerParameters(columns=64), (50,), 1, threads)
    good = Bits.from_rows(50, [[3, 4], [5]])
    found = pooler.compute(good).indices
    for rows in ([[wrong]], [[3, 4], [wrong]]):
        with pytest.raises(ValueError, match=r"on-bits outside 0\.\.49"):
            pooler.compute(Bits.from_rows(50, rows))
    with pytest.raises(ValueError, match="50"):
        pooler.compute(Bits.from_rows(51, [[3]]))
    np.testing.assert_array_equal(pooler.compute(good).indices, found)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("threshold", [1, 12, 60])
@pytest.mark.parametrize("kinds", [(np.int32, np.int64), (np.int64, np.int32)])
def test_samples_one_a_call_win_what_they_do_in_a_chunk(
    threads: int, threshold: int, kinds: tuple[type, type]
) -> None:
    """From no winners to all of them; numbers of other types are taken too."""
    parameters = SpatialPoolerParameters(columns=130, winners=33, stimulus_threshold=threshold)
    pooler = SpatialPooler(parameters, (50,), 1, threads)
    reference = Reference(parameters, (50,), 1)
    random = np.random.default_rng(0)
    dense = random.random((40, 50)) < random.permutation(np.linspace(0, 1, 40))[:, None]
    bits = Bits.from_dense(dense)
    for model in (pooler, reference):
        model.run(bits, Plan.every(3, 40))
    expected = reference.compute(bits)
    pooler.compute(bits)
    counts, compiled = set(), len(kernel.infer_chunk.signatures)
    for t in range(40):
        row = bits.slice(t, t + 1)
        row = Bits(50, row.indices.astype(kinds[0]), row.offsets.astype(kinds[1]))
        found = pooler.compute(row)
        assert found.indices.tolist() == expected.row(t).tolist()
        assert found.offsets.tolist() == [0, len(expected.row(t))]
        assert (found.indices.dtype, found.offsets.dtype) == (np.int32, np.int64)
        counts.add(len(found.indices))
    assert len(kernel.infer_chunk.signatures) == compiled, "nothing is compiled for other types"
    if threshold == 12:
        assert {0, 33} < counts, "some samples have few winners, for which little room is kept"
