"""The CUDA twins of the random words and of fixed-point arithmetic return the same bits."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest

from htmrun.backends import fixed_point, rng
from htmrun.backends.cuda.footprint import BINS
from htmrun.backends.cuda.pooler.online import LISTED_KEYS
from htmrun.paths import KERNELS
from tests.helpers.kernels import host

N = 5000


@pytest.fixture(scope="module")
def launch(build_folder):
    """Call launch(kernel, *arguments) with a thread for each of N values."""
    modules = host.HostModules(lambda file: host.build(file, build_folder))

    def go(name, *arguments):
        modules.find("numbers.cu", name)((math.ceil(N / 128),), (128,), (*arguments, np.int32(N)))

    return go


def test_random_words(launch):
    values = np.random.default_rng(0).integers(0, 2**64, (2, N), dtype=np.uint64)
    values[:, :2] = [[0, 2**64 - 1], [2**64 - 1, 0]]
    key, out = rng.key(7, rng.Purpose.SP_POOL), np.zeros(N, np.uint64)
    launch("words", values[0], values[1], key, out)
    np.testing.assert_array_equal(out, rng.hash2(key, values[0], values[1]))


def test_exp2(launch):
    draw = np.random.default_rng(1)
    exponents = draw.integers(-130 << 24, 130 << 24, N)
    exponents[:6] = [0, -1, 1, (1 << 24) - 1, -(2**62), 2**62]
    out = np.zeros(N, np.float32)
    launch("exp2s", exponents, out)
    assert out.tobytes() == fixed_point.exp2(exponents).tobytes()


def test_exp(launch):
    x = -np.random.default_rng(2).exponential(20, N).astype(np.float32)
    x[:4] = [0, -0.0, -1e30, -1e-30]
    out = np.zeros(N, np.float32)
    launch("exps", x, out)
    assert out.tobytes() == fixed_point.exp_f32(x).tobytes()
    np.testing.assert_allclose(out[4:], np.exp(x[4:].astype(float)), rtol=1e-6, atol=1e-30)


@pytest.mark.parametrize(("samples", "period"), [(1, 1000), (37, 64), (64, 64), (1, 1)])
def test_duty_cycles(launch, samples, period):
    draw = np.random.default_rng(3)
    duty = draw.integers(0, fixed_point.DUTY_ONE, N).astype(np.uint32)
    count = draw.integers(0, samples + 1, N).astype(np.uint32)
    out = np.zeros(N, np.uint32)
    launch(
        "duties", duty, count, np.uint32(samples), np.uint64(fixed_point.duty_reciprocal(period)),
        np.uint32(fixed_point.DUTY_ONE // period), out,
    )  # fmt: skip
    want = fixed_point.advance_duty(duty, count.astype(np.int64), samples, period)
    np.testing.assert_array_equal(out, want)


@pytest.mark.parametrize("strength", [0.0, 1.5, 100.0])
def test_boost_factors(launch, strength):
    duty = np.random.default_rng(4).integers(0, fixed_point.DUTY_ONE, N).astype(np.uint32)
    target, out = fixed_point.DUTY_ONE // 50, np.zeros(N, np.float32)
    gain = np.int64(fixed_point.boost_gain(strength))
    launch("boosts", duty, np.int64(target), gain, out)
    assert out.tobytes() == fixed_point.boost_factors(duty, target, strength).tobytes()


@pytest.mark.parametrize("boosted", [False, True])
def test_bins_follow_the_order_of_keys(boosted, launch):
    draw = np.random.default_rng(6)
    if boosted:
        scores = np.exp(draw.normal(0, 12, N)).astype(np.float32)
        scores[:7] = [0, 1e-45, 0.25, 0.2499, 16383, 16384, 3e38]
        keys = np.sort(scores).view(np.uint32) + np.uint32(1)
    else:
        keys = np.sort(np.unique(np.exp(draw.uniform(0, 20, N)).astype(np.uint32))[:N])
        keys = np.concatenate([np.arange(1, N - len(keys) + 1), keys]).astype(np.uint32)
        keys.sort()
        scores = keys.astype(np.float32)
    out = np.full(N, -1, np.int32)
    launch("bins", keys, np.int32(boosted), out)
    places = np.clip(np.sort(scores).astype(np.float64), 0.25, None)
    octave = np.floor(np.log2(places))
    within = np.floor((places / 2.0**octave - 1) * 64)
    assert (np.diff(out) >= 0).all()
    np.testing.assert_array_equal(out, np.clip((octave + 2) * 64 + within, 0, BINS - 1))


@pytest.mark.parametrize("threads", [32, 96, 512, 1024])
def test_the_bound_is_where_the_last_of_the_best_lies(threads, build_folder):
    kernel = host.HostModules(lambda file: host.build(file, build_folder)).find(
        "numbers.cu", "bounds"
    )
    draw = np.random.default_rng(threads)
    for some in (0.0, 0.003, 0.1, 1.0):
        counts = (draw.integers(0, 40, BINS) * (draw.random(BINS) < some)).astype(np.uint32)
        counts[[0, -1]] = draw.integers(0, 3, 2)
        down = np.repeat(np.arange(BINS)[::-1], counts[::-1])
        for need in {1, 2, 17, max(1, len(down) - 1), max(1, len(down)), len(down) + 1}:
            out = np.zeros((threads, 3), np.int32)
            kernel((1,), (threads,), (counts, np.uint32(need), out))
            want = -1, len(down), 0
            if need < len(down):
                want = down[need - 1], (down > down[need - 1]).sum(), counts[down[need - 1]]
            assert (out == want).all(), (some, need)


def test_the_constants_are_those_of_python():
    bins = re.search(r"BINS = (\d+);", (KERNELS / "histogram.cuh").read_text())
    keys = re.search(r"LISTED_KEYS = (\d+);", (KERNELS / "sp_online_listed.cu").read_text())
    assert bins is not None
    assert keys is not None
    assert (int(bins[1]), int(keys[1])) == (BINS, LISTED_KEYS)
    text = (KERNELS / "fixed_point.cuh").read_text()
    scale = re.search(r"EXP_SCALE = ([\w.+]+);", text)
    assert scale is not None
    assert float.fromhex(scale[1]) == math.log2(math.e) * 2.0**24
    assert [int(c) for c in re.findall(r"r = (\d{6,})", text)] == list(
        reversed(fixed_point.EXP2_POLY)
    )
