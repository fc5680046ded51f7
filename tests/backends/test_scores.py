"""Boost factors, decaying duty cycles, the k highest scores: beside NumPy's, number by number."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from numba import njit

from htmrun.backends import fixed_point
from htmrun.backends.cpu.pooler import factors, places, start
from htmrun.backends.cpu.pooler.layout import SLACK
from htmrun.backends.cpu.pooler.scores import best_scores

PLAIN: dict[str, Any] = {"boundscheck": False, "error_model": "numpy", "_nrt": False}
COLUMNS = 300


@njit(**PLAIN)
def _usual(duty, target, gain, out):
    for at in range(0, len(duty), 16):
        factors.exp2_of_usual(duty, at, target, gain, out)


@njit(**PLAIN)
def _any(duty, target, gain, out):
    for at in range(0, len(duty), 16):
        factors.exp2_lanes(duty, at, target, gain, out)


@njit(**PLAIN)
def _decayed(duty, decay):
    for at in range(0, len(duty), 16):
        factors.decay_lanes(duty, at, decay)


@njit(**PLAIN)
def _best(used, k, on, stimulus, columns, m):
    best_scores(used, k, on, stimulus, columns, m)


def _duties() -> np.ndarray:
    edges = [0, 1, 2, (1 << 22) - 1, 1 << 22, (1 << 30) - 1, 1 << 30, (1 << 31) - 1]
    random = np.random.default_rng(0).integers(0, 1 << 31, 4096 - len(edges))
    return np.concatenate([edges, random]).astype(np.uint32)


@pytest.mark.parametrize("target", [0, 53687091, 1 << 30])
@pytest.mark.parametrize("gain", [1, 189093, 3_000_001, factors.USUAL_GAIN])
def test_factors_are_those_of_the_integer_exponential(gain: int, target: int) -> None:
    duty = _duties()
    wanted = fixed_point.exp2((gain * (target - duty.astype(np.int64))) >> 22)
    for function in (_usual, _any):
        out = np.zeros(len(duty), np.float32)
        function(duty, np.int32(target), np.int32(gain), out)
        np.testing.assert_array_equal(out.view(np.uint32), wanted.view(np.uint32))


def test_gains_above_the_usual_ones_end_at_the_bounds() -> None:
    duty, gain = _duties(), fixed_point.boost_gain(100.0)
    assert gain > factors.USUAL_GAIN
    wanted = fixed_point.exp2((gain * (5 - duty.astype(np.int64))) >> 22)
    out = np.zeros(len(duty), np.float32)
    _any(duty, np.int32(5), np.int32(gain), out)
    np.testing.assert_array_equal(out, wanted)
    assert (wanted == np.float32(2.0**-100)).any()


@pytest.mark.parametrize("period", [2, 1000, 1 << 20])
def test_duty_cycles_decay_like_the_plain_ones(period: int) -> None:
    duty = _duties()
    wanted = fixed_point.advance_duty(duty, np.zeros(len(duty), np.int64), 1, period)
    _decayed(duty, np.uint64((1 << 32) // period))
    np.testing.assert_array_equal(duty, wanted)


def _ranked(overlap: np.ndarray, boost: np.ndarray, stimulus: int, k: int) -> np.ndarray:
    score = overlap.astype(np.float32) * boost
    order = np.argsort(-score, kind="stable")
    return np.sort(order[overlap[order] >= stimulus][:k])


def _memory(overlap: np.ndarray, boost: np.ndarray) -> Any:
    m = start.empty_memory(COLUMNS, 64, 1)
    bits = (overlap[None] >> np.arange(32)[:, None]) & 1
    rows = np.zeros((32, 64 * m.planes.shape[1]), np.uint8)
    rows[:, :COLUMNS] = bits
    m.planes[:32] = np.packbits(rows, axis=1, bitorder="little").view(np.uint64)
    m.boost[:COLUMNS] = boost
    return m


FACTORS = {
    "equal": lambda random: np.ones(COLUMNS),
    "two kinds": lambda random: random.choice([0.5, 2.0], COLUMNS),
    "close": lambda random: 1 + random.random(COLUMNS) * 1e-6,
    "any": lambda random: np.exp(random.normal(0, 1, COLUMNS)),
    "tiny and huge": lambda random: 2.0 ** random.integers(-100, 101, COLUMNS),
    "all tiny": lambda random: np.full(COLUMNS, 2.0**-100),
}


@pytest.mark.parametrize("kind", FACTORS)
@pytest.mark.parametrize("hint", [0.0, 1e-30, 0.1, 1.0, 1e25])
@pytest.mark.parametrize("most", [1, 12, 255, 256, 70_000])
def test_the_highest_scores_win_wherever_they_are_expected(
    kind: str, hint: float, most: int
) -> None:
    random = np.random.default_rng(most)
    for stimulus in (1, max(most // 2, 1)):
        overlap = random.integers(0, most + 1, COLUMNS)
        boost = FACTORS[kind](random).astype(np.float32)
        m, used = _memory(overlap, boost), max(int(most).bit_length(), 4)
        for k in (1, 30, 150, COLUMNS):
            m.hint[0] = hint
            _best(used, k, most, stimulus, COLUMNS, m)
            bits = np.unpackbits(m.selected.view(np.uint8), bitorder="little")
            wanted = _ranked(overlap, boost, stimulus, k)
            np.testing.assert_array_equal(np.flatnonzero(bits), wanted, str((stimulus, k)))


def test_samples_without_on_inputs_have_no_winners() -> None:
    m = _memory(np.zeros(COLUMNS, np.int64), np.ones(COLUMNS, np.float32))
    for _ in range(2):
        _best(4, 10, 0, 1, COLUMNS, m)
        assert not m.selected.any()


@pytest.mark.parametrize("how", ["plain", "chosen"])
def test_words_are_written_as_lists_of_places(how: str) -> None:
    write = places.write_word_plain if how == "plain" else places.write_word
    fast = njit(lambda word, first, out, at: write(word, first, out, at))
    random = np.random.default_rng(0)
    words = [0, 1, 1 << 63, 2**64 - 1, (1 << 16) - 1, (1 << 17) - 1, (1 << 32) - 1, 2**33 - 1]
    for word in [*words, *random.integers(0, 2**63, 50).tolist()]:
        out = np.full(3 + 64 + SLACK, -1, np.int32)
        fast(np.uint64(word), np.int32(640), out, 3)
        wanted = [640 + b for b in range(64) if word >> b & 1]
        assert out[3 : 3 + len(wanted)].tolist() == wanted
        assert (out[:3] == -1).all()
        assert (out[3 + max(len(wanted), 1) + SLACK :] == -1).all()


@pytest.mark.skipif("HTMRUN_PLAIN" in os.environ, reason="it is the one that is started below")
def test_processors_without_these_instructions_find_the_same() -> None:
    plain = {"NUMBA_CPU_NAME": "x86-64", "NUMBA_CPU_FEATURES": "", "HTMRUN_PLAIN": "1"}
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", __file__]
    subprocess.run(command, env={**os.environ, **plain}, check=True)
