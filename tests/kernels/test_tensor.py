"""Products on tensor cores: what the host makes of them, what compilers do, and when they serve."""

from __future__ import annotations

import re
import struct

import numpy as np
import pytest

from htmrun.backends import reference
from htmrun.backends.cuda.pooler import overlap_kernels
from htmrun.backends.cuda.pooler.group import SpatialPoolerGroup
from htmrun.backends.cuda.pooler.overlap_kernels import chosen, possible, product
from htmrun.backends.cuda.rows import Rows
from htmrun.backends.parameters import SpatialPoolerParameters
from tests.helpers.kernels import cases, host
from tests.kernels.test_nvrtc import compile_kernels, needs_nvrtc, options

BITS, BYTES = 0x23D, 0x237  # low 12 bits of an instruction: BMMA and IMMA, from sm_75 on
FILE = "sp_overlap_tensor.cu"


@pytest.fixture(scope="module")
def modules(build_folder):
    return host.HostModules(lambda file: host.build(file, build_folder))


@pytest.mark.parametrize("order", [0, 1, 4])
@pytest.mark.parametrize("kernel", ["common_bits", "products"])
def test_a_piece_is_the_product_of_its_matrices(kernel, order, modules):
    modules.order, draw = order, np.random.default_rng(order)
    a = draw.integers(0, 2**32, (16, 8), np.uint32)
    b = draw.integers(0, 2**32, (8, 8), np.uint32)
    before = draw.integers(-9, 9, (16, 8), np.int32)
    got = before.copy()
    modules.find("tensor.cu", kernel)((1,), (32,), (a, b, got))
    left, right = (m.view(np.uint8).reshape(len(m), -1) for m in (a, b))
    if kernel == "common_bits":
        left, right = np.unpackbits(left, axis=1), np.unpackbits(right, axis=1)
    np.testing.assert_array_equal(got, before + left.astype(np.int32) @ right.T.astype(np.int32))


@pytest.mark.parametrize("way", ["bits", "bytes"])
def test_a_window_lies_anywhere_in_a_chunk(way, modules):
    """Rows that precede a launch belong to other samples; every size is ragged."""
    draw, modules.order = np.random.default_rng(3), 4
    p = SpatialPoolerParameters(columns=65, density=0.1, potential_fraction=0.9)
    plain = [reference.SpatialPooler(p, (257,), seed) for seed in range(2)]
    group = SpatialPoolerGroup(p, (257,), range(2), modules.device(), overlap=way)
    samples = [cases.random_bits(draw, 65, 257, 0.5) for _ in plain]
    for start, stop in ((0, 65), (13, 14), (17, 49)):
        rows = Rows.upload(group._kernels.device, samples)
        group._kernels.overlap(rows, start, stop, False, way)
        for m, overlaps in enumerate(group._kernels.last_overlaps(stop - start)):
            want = plain[m].overlaps(samples[m].slice(start, stop))
            np.testing.assert_array_equal(overlaps, want)


def instructions(binary: bytes, kernel: str) -> list[int]:
    """Return the low 12 bits of every instruction of a kernel in a cubin (ELF, 64 bits)."""
    (at,) = struct.unpack_from("<Q", binary, 40)
    size, count, names = struct.unpack_from("<HHH", binary, 58)
    sections = [struct.unpack_from("<IIQQQQ", binary, at + k * size) for k in range(count)]
    strings = sections[names][4]
    for name, _, _, _, offset, length in sections:
        title = binary[strings + name :].partition(b"\0")[0]
        if title == f".text.{kernel}".encode():
            words = struct.unpack_from(f"<{length // 8}Q", binary, offset)[::2]
            return [word & 0xFFF for word in words]
    raise AssertionError(f"no {kernel}")


@needs_nvrtc
@pytest.mark.parametrize(
    ("architecture", "kernel", "opcode", "count"),
    [
        # A warp has 2 x 4 pieces: so many instructions a step.
        ("sm_75", "sp_overlap_bytes", BYTES, 4 * 8),
        *((a, "sp_overlap_bits", BITS, 8) for a in ("sm_80", "sm_86", "sm_90")),
        *((a, "sp_overlap_bytes", BYTES, 8) for a in ("sm_80", "sm_86", "sm_90")),
        # No product of bits: a subroutine of eight products of bytes.
        ("sm_100", "sp_overlap_bits", BYTES, 8),
    ],
)  # fmt: skip
def test_binaries_have_the_instruction(architecture, kernel, opcode, count):
    status, log, binary = compile_kernels(FILE, options(architecture))
    if status != 0 and "invalid value for --gpu-architecture" in log:
        pytest.skip(f"this NVRTC does not know {architecture}")
    assert (status, log) == (0, "")
    found = instructions(binary, kernel)
    # Loops may be unrolled, and are: whole steps.
    assert found.count(opcode) >= count
    assert found.count(opcode) % count == 0
    assert found.count(BITS) == (found.count(opcode) if opcode == BITS else 0)


@needs_nvrtc
def test_what_a_card_lacks_is_not_compiled_for_it():
    for number, bits, as_bytes in ((70, False, False), (75, False, True), (80, True, True)):
        _, _, ptx = compile_kernels(FILE, options(f"compute_{number}"))
        assert (b"sp_overlap_bits" in ptx) == (b".b1.b1.s32.and.popc" in ptx) == bits
        assert (b"sp_overlap_bytes" in ptx) == bool(re.search(rb"mma\.\S+\.u8\.u8", ptx))
        assert (b"sp_overlap_bytes" in ptx) == as_bytes
        capability = divmod(number, 10)
        assert ("bits" in possible(capability)) == bits
        assert ("bytes" in possible(capability)) == as_bytes


def test_the_product_follows_the_card():
    by_card = {(7, 0): "tiled", (7, 5): "bytes", (8, 0): "bits", (8, 9): "bits", (9, 0): "bits",
               (10, 0): "bytes", (12, 0): "bytes"}  # fmt: skip
    assert {card: product(card, 512) for card in by_card} == by_card
    assert {product(card, 25) for card in by_card} == {"tiled"}


@pytest.mark.parametrize(
    ("on", "samples", "columns", "words", "models", "fastest"),
    [
        (150, 8, 2048, 25, 1, "dense"),
        (150, 64, 2048, 25, 1, "sparse"),
        (150, 256, 2048, 25, 1, "tiled"),
        (150, 256, 2048, 25, 16, "sliced"),
        (328, 1, 16384, 512, 1, "sparse"),
        (328, 16, 16384, 512, 1, "sparse"),
        (328, 64, 16384, 512, 1, "sliced"),
        (328, 256, 16384, 512, 1, "sliced"),
        (3277, 64, 16384, 512, 1, "bits"),
        (51, 1, 2048, 32, 1, "dense"),
        (51, 1, 2048, 32, 8, "sparse"),
        (51, 1, 2048, 32, 128, "sparse"),
    ],
)
def test_the_fastest_way_that_was_measured_is_chosen(on, samples, columns, words, models, fastest):
    """All were timed on an H200 (`docs/results/gpu.md`)."""
    assert chosen((9, 0), on, samples, columns, words, models) == fastest


def test_a_window_takes_the_card_s_product(modules, monkeypatch):
    # 70 columns, 65 words of inputs and 40 samples are little work: let only products count.
    monkeypatch.setitem(overlap_kernels._MEASURED, "sparse", overlap_kernels._Cost(1e9, 1.0))
    monkeypatch.setitem(overlap_kernels._MEASURED, "dense", overlap_kernels._Cost(1e9, 1.0))
    p = SpatialPoolerParameters(columns=70, density=0.1)
    bits = cases.random_bits(np.random.default_rng(0), 40, 2070, 0.5)
    want, launched = reference.SpatialPooler(p, (2070,), 1).compute(bits), []
    for modules.capability, kernel in (
        ((7, 0), "sp_overlap_tiled"), ((9, 0), "sp_overlap_bits"), ((12, 0), "sp_overlap_bytes"),
    ):  # fmt: skip
        device = modules.device()
        launch = device.launch
        monkeypatch.setattr(device, "launch", lambda *a, go=launch: (launched.append(a[1]), go(*a)))
        got = SpatialPoolerGroup(p, (2070,), [1], device).compute([bits])[0]
        cases.same_bits(got, want, kernel)
        assert kernel in launched
        launched.clear()


def test_a_way_that_the_card_lacks_is_refused(modules):
    modules.capability = (7, 5)
    p = SpatialPoolerParameters(columns=40, density=0.1)
    with pytest.raises(ValueError, match=r"'bits' on a card .* \(7, 5\), expected .*, bytes$"):
        SpatialPoolerGroup(p, (9,), [1], modules.device(), overlap="bits")
