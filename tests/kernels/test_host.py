"""The unmodified kernels, run on the host, equal the reference byte for byte."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from htmrun.backends import cuda, receptive_fields, reference
from htmrun.backends.bits import Bits
from htmrun.backends.cuda import device as cuda_device
from htmrun.backends.cuda.pooler.group import SpatialPoolerGroup
from htmrun.backends.parameters import SDRModelParameters, SpatialPoolerParameters
from htmrun.backends.plan import Plan
from htmrun.backends.state import state_hash
from htmrun.errors import UserError
from tests.helpers.kernels import cases, host

ORDERS = (0, 2, 3, 4)
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def library_of(build_folder):
    return lambda file: host.build(file, build_folder)


@pytest.mark.parametrize("case", cases.CASES)
def test_equals_the_reference_in_every_order(case, library_of):
    cases.check(case, library_of, ORDERS)


@pytest.mark.parametrize("seed", range(4))
def test_random_poolers(seed, library_of):
    draw = np.random.default_rng(seed)
    shape = tuple(int(n) for n in draw.integers(2, 9, draw.integers(1, 4)))
    near = bool(draw.integers(2))
    parameters = {
        "columns": int(np.prod(shape)), "column_shape": shape, "density": draw.uniform(0.05, 0.5),
        "wrap": bool(draw.integers(2)), "stimulus_threshold": int(draw.integers(1, 5)),
        "connected": draw.uniform(0.05, 0.6), "increment": draw.uniform(0, 0.2),
        "decrement": draw.uniform(0, 0.1), "initial_connected": draw.uniform(),
        "boost_strength": float(draw.choice([0, 3, 100])), "duty_period": 30,
        "weak_bump": float(draw.choice([0, 0.1])), "weak_fraction": draw.uniform(),
        "potential_radius": int(draw.integers(1, 4)) if near else None,
        "potential_fraction": 0.8, "infer_boost": bool(draw.integers(2)),
    }  # fmt: skip
    if draw.integers(2):
        parameters |= {"inhibition": "local", "inhibition_radius": int(draw.integers(1, 6))}
    inputs = tuple(int(n) for n in draw.integers(3, 8, len(shape)))
    pooling = cases.Pooling(
        parameters, inputs, every=(1.0, float(draw.integers(2, 9))), seed=seed,
        threads=(int(draw.choice([32, 64, 128])), int(draw.choice([32, 256]))),
    )  # fmt: skip
    modules = host.HostModules(library_of)
    for modules.order in ORDERS:
        modules.poison = cases.POISONS[modules.order]
        pooling.check(modules)


@pytest.mark.parametrize("columns", [1, 2, 31, 32, 33, 63, 64, 65, 127, 128, 129, 257, 521])
@pytest.mark.parametrize("way", ["listed", "deferred", "ahead"])
def test_online_learning_of_awkward_sizes(columns, way, library_of):
    draw = np.random.default_rng(columns)
    parameters = {
        "columns": columns, "winners": int(draw.integers(1, (columns + 1) // 2 + 1)),
        "stimulus_threshold": int(draw.integers(1, 4)), "increment": draw.uniform(0, 0.2),
        "decrement": draw.uniform(0, 0.1), "boost_strength": float(draw.choice([0, 5])),
        "duty_period": 20,
    }  # fmt: skip
    pooling = cases.Pooling(
        parameters, (int(draw.choice([1, 31, 32, 33, 97])),), samples=7, every=(1.0, 1e9, 1.0),
        share=draw.uniform(0.1, 0.6), group={"steps": "online", "online": way}, seed=columns,
        threads=(int(draw.choice([32, 64, 128])), int(draw.choice([32, 64, 256]))),
    )  # fmt: skip
    modules = host.HostModules(library_of)
    for modules.order in ORDERS:
        modules.poison = cases.POISONS[modules.order]
        pooling.check(modules)


def stream(samples: int = 24) -> tuple[Bits, Plan]:
    draw = np.random.default_rng(9)
    return cases.random_bits(draw, samples, 40, 0.2), cases.random_plan(draw, samples, 3)


POOLER = SpatialPoolerParameters(columns=50, boost_strength=4.0, weak_bump=0.05, duty_period=50)


@pytest.mark.parametrize("wrap", [True, False])
def test_the_inhibition_radius_follows_each_model(wrap, library_of, monkeypatch):
    monkeypatch.setattr(receptive_fields, "PERIOD", 4)
    parameters = {
        **cases.LOCAL, "columns": 192, "column_shape": (16, 12), "inhibition_radius": "connected",
        "potential_radius": 3, "wrap": wrap, "increment": 0.1, "decrement": 0.3,
        "initial_connected": 0.3, "weak_bump": 0.0,
    }  # fmt: skip
    pooling = cases.Pooling(parameters, (9, 7), every=(1.0, 3.0, 9.0), samples=14, share=0.1)
    states = [s for part in pooling.work_out().parts for s in part.states]
    assert len({int(s["inhibition_radius"][0]) for s in states}) > 1
    pooling.check(host.HostModules(library_of))


def test_the_pooler_stops_and_goes_on_on_another_backend(library_of):
    bits, plan = stream()
    device = host.HostModules(library_of).device()
    whole = reference.SpatialPooler(POOLER, (40,), 3)
    whole.run(bits, plan)
    first = cuda.SpatialPooler(POOLER, (40,), 3, device)
    first.run(bits.slice(0, 10), plan.slice(0, 10))
    middle = reference.SpatialPooler(POOLER, (40,), 99)
    middle.load(first.state())
    middle.run(bits.slice(10, 17), plan.slice(10, 17))
    last = cuda.SpatialPooler(POOLER, (40,), 98, device)
    last.load(middle.state())
    last.run(bits.slice(17, 24), plan.slice(17, 24))
    assert state_hash(last.state()) == state_hash(whole.state())


def test_how_a_stream_is_cut_cannot_be_seen(library_of, monkeypatch):
    from htmrun.backends.cuda.classifier import sdr_classifier
    from htmrun.backends.cuda.pooler import group as sp_group

    bits, plan = stream()
    device = host.HostModules(library_of).device()
    targets = np.arange(24) % 5 - 1
    hashes = set()
    for chunk, segment in ((4096, 64), (5, 3), (1, 1)):
        monkeypatch.setattr(sp_group, "CHUNK", chunk)
        monkeypatch.setattr(sp_group, "SEGMENT", segment)
        monkeypatch.setattr(sdr_classifier, "CHUNK", chunk)
        pooler = cuda.SpatialPooler(POOLER, (40,), 3, device)
        classifier = cuda.SDRClassifier(SDRModelParameters(), 50, 4, device)
        classifier.run(pooler.run(bits, plan), targets, plan)
        hashes.add((state_hash(pooler.state()), state_hash(classifier.state())))
    assert len(hashes) == 1


def test_a_model_in_a_group_ends_as_it_would_alone(library_of):
    device = host.HostModules(library_of).device()
    draw = np.random.default_rng(5)
    samples = [cases.random_bits(draw, 15, 40, 0.2) for _ in range(5)]
    plans = [cases.random_plan(draw, 15, n) for n in (1, 2, 4, 8, 100)]
    group = SpatialPoolerGroup(POOLER, (40,), range(5), device)
    together = group.run(samples, plans)
    for m in range(5):
        alone = cuda.SpatialPooler(POOLER, (40,), m, device)
        cases.same_bits(together[m], alone.run(samples[m], plans[m]), f"model {m}")
        cases.same_state(group.state(m), alone.state(), f"model {m}")


@pytest.mark.parametrize("every", [1, 3])
def test_a_captured_chunk_goes_on_as_its_launches_would(every, library_of, monkeypatch):
    from htmrun.backends.cuda import replay

    captures = []
    modules = host.HostModules(library_of)
    device = modules.device()
    capture = device.capture
    device.capture = lambda run: captures.append(1) or capture(run)
    draw, seeds = np.random.default_rng(every), [1, 2]
    group = SpatialPoolerGroup(POOLER, (40,), seeds, device, steps="phase")
    wanted = [reference.SpatialPooler(POOLER, (40,), s) for s in seeds]
    # Chunks of one form with more and fewer bits, another form between them, twice a full house.
    for k, (samples, share) in enumerate([(24, 0.2), (24, 0.05), (27, 0.1), (24, 0.3), (24, 0.9),
                                          (27, 0.3), (24, 0.1)]):  # fmt: skip
        bits = [cases.random_bits(draw, samples, 40, share) for _ in seeds]
        plans = [Plan.every(every, samples)] * 2
        won = group.run(bits, plans)
        for m, model in enumerate(wanted):
            cases.same_bits(won[m], model.run(bits[m], plans[m]), f"chunk {k}, model {m}")
            cases.same_state(group.state(m), model.state(), f"chunk {k}, model {m}")
    # Each form when it comes again, and the first twice more where its on-bits find no room.
    assert len(captures) == 4
    assert len(group._replays._by_form) == 2
    monkeypatch.setattr(replay, "FORMS", 1)
    group.run([cases.random_bits(draw, 30, 40, 0.1) for _ in seeds], [Plan.every(every, 30)] * 2)
    assert len(group._replays._by_form) == 1


def test_nothing_learns_when_told_not_to(library_of):
    bits, plan = stream()
    device = host.HostModules(library_of).device()
    pooler = cuda.SpatialPooler(POOLER, (40,), 3, device)
    classifier = cuda.SDRClassifier(SDRModelParameters(), 40, 4, device)
    before = state_hash(pooler.state()), state_hash(classifier.state())
    cases.same_bits(pooler.run(bits, plan, learn=False), pooler.compute(bits), "inference")
    classifier.run(bits, np.zeros(24, np.int64), plan, learn=False)
    assert (state_hash(pooler.state()), state_hash(classifier.state())) == before
    assert len(pooler.run(Bits.empty(40), Plan.every(1, 0))) == 0


def test_wrong_input_changes_nothing(library_of):
    bits, plan = stream()
    pooler = cuda.SpatialPooler(POOLER, (40,), 3, host.HostModules(library_of).device())
    before = state_hash(pooler.state())
    with pytest.raises(ValueError, match="expected 40"):
        pooler.run(Bits.empty(41), Plan.every(1, 0))
    with pytest.raises(ValueError, match="larger than duty_period"):
        pooler.run(Bits.concatenate([bits] * 3), Plan.every(1000, 72))
    with pytest.raises(ValueError, match="a plan for 24 samples"):
        pooler.run(bits.slice(0, 5), plan)
    assert state_hash(pooler.state()) == before


def test_without_a_card_there_is_one_clear_line():
    try:
        import cupy
    except ImportError:
        pass
    else:
        if cupy.cuda.is_available():
            pytest.skip("there is a card")
    cuda_device.cuda_device.cache_clear()
    with pytest.raises(UserError, match=r"^device: found 'cuda' without .*, expected .*$"):
        cuda.SpatialPooler(POOLER, (40,), 3)


@pytest.fixture
def sanitized(build_folder, tmp_path):
    """Run Python code in a process with the sanitizers, on sanitized libraries in `FOLDER`."""
    runtime = subprocess.run(
        [host.compiler() or "", "-print-file-name=libasan.so"], capture_output=True, text=True
    ).stdout.strip()
    if not Path(runtime).is_absolute():
        pytest.skip("the compiler has no libasan.so: no address sanitizer here")
    environment = {**os.environ, "LD_PRELOAD": runtime, "PYTHONMALLOC": "malloc",
                   "ASAN_OPTIONS": "detect_leaks=0"}  # fmt: skip

    def run(files, *command, edited=None):
        for file in files:
            built = host.build(file, build_folder, host.SANITIZE, edited)
            (tmp_path / built.name).symlink_to(built)
        return subprocess.run(
            [sys.executable, *command], cwd=ROOT, env=environment, capture_output=True, text=True
        )

    return run


def test_address_and_undefined_behaviour_sanitizers_find_nothing(sanitized, tmp_path):
    done = sanitized(
        cases.FILES, "-m", "tests.helpers.kernels.cases", str(tmp_path), "2,4", *cases.SMALL
    )
    assert done.returncode == 0, done.stderr[-4000:]


def test_the_sanitizers_would_find_an_overrun(sanitized, tmp_path):
    code = f"""
import pathlib, numpy as np
from tests.helpers.kernels.host import HostModules
kernel = HostModules(lambda file: pathlib.Path({str(tmp_path)!r}) / "runner.so").find
kernel("runner.cu", "overrun")((1,), (32,), (np.zeros(5000, np.uint32), np.int32(5000)))
"""
    done = sanitized(["runner.cu"], "-c", code)
    assert done.returncode != 0
    assert "heap-buffer-overflow" in done.stderr


@pytest.mark.parametrize(
    ("before", "after"),
    [("first + row < rows", "rows > 0"), ("c >= columns", "c >= columns + 1")],
)
def test_the_sanitizers_would_find_a_tile_that_is_not_masked(before, after, sanitized, tmp_path):
    text = (host.KERNELS / "overlap_tile.cuh").read_text()
    assert before in text
    edited = {"overlap_tile.cuh": text.replace(before, after)}
    others = [file for file in cases.FILES if file != "sp_overlap_tensor.cu"]
    sanitized(others, "-c", "")
    done = sanitized(
        ["sp_overlap_tensor.cu"], "-m", "tests.helpers.kernels.cases", str(tmp_path), "0",
        "bytes overlap, few of all", edited=edited,
    )  # fmt: skip
    assert done.returncode != 0
    assert "heap-buffer-overflow" in done.stderr
