"""Every .cu file compiles with NVRTC for real cards, without a warning and without a GPU."""

from __future__ import annotations

import ctypes
import re
from importlib.util import find_spec
from pathlib import Path

import pytest

from htmrun.backends.cuda.device import compile_options
from htmrun.paths import KERNELS
from tests.helpers.kernels.host import kernel_names

FILES = sorted(p.name for p in KERNELS.glob("*.cu"))


def library() -> ctypes.CDLL | None:
    """Return NVRTC from one of its pip packages, or None."""
    for package in ("nvidia.cuda_nvrtc", "nvidia.cu13"):
        try:
            spec = find_spec(package)
        except ModuleNotFoundError:
            continue
        for folder in spec.submodule_search_locations or [] if spec else []:
            for path in sorted(Path(folder).glob("lib/libnvrtc.so.*")):
                return ctypes.CDLL(str(path))
    return None


NVRTC = library()
needs_nvrtc = pytest.mark.skipif(
    NVRTC is None, reason="libnvrtc is absent: pip install nvidia-cuda-nvrtc-cu12"
)


def compile_kernels(file: str, options: list[str]) -> tuple[int, str, bytes]:
    """Return NVRTC's status, its log, and the binary or PTX."""
    assert NVRTC is not None
    program = ctypes.c_void_p()
    source = (KERNELS / file).read_bytes()
    created = NVRTC.nvrtcCreateProgram(ctypes.byref(program), source, file.encode(), 0, None, None)
    assert created == 0
    given = (ctypes.c_char_p * len(options))(*[o.encode() for o in options])
    status = NVRTC.nvrtcCompileProgram(program, len(options), given)
    log = read(program, "ProgramLog").rstrip(b"\0").decode()
    kind = "CUBIN" if any("=sm_" in o for o in options) else "PTX"
    result = read(program, kind) if status == 0 else b""
    NVRTC.nvrtcDestroyProgram(ctypes.byref(program))
    return status, log, result


def read(program: ctypes.c_void_p, what: str) -> bytes:
    """Return one of NVRTC's results of a program."""
    size = ctypes.c_size_t()
    assert getattr(NVRTC, f"nvrtcGet{what}Size")(program, ctypes.byref(size)) == 0
    room = ctypes.create_string_buffer(size.value)
    assert getattr(NVRTC, f"nvrtcGet{what}")(program, room) == 0
    return room.raw


def options(architecture: str) -> list[str]:
    """Return the options of the launch code, and the architecture."""
    return [*compile_options(), f"--gpu-architecture={architecture}"]


@needs_nvrtc
@pytest.mark.parametrize("architecture", ["sm_80", "sm_90"])
@pytest.mark.parametrize("file", FILES)
def test_compiles_for_cards(file, architecture):
    status, log, binary = compile_kernels(file, options(architecture))
    assert (status, log) == (0, "")
    assert binary[:4] == b"\x7fELF"
    for name in kernel_names((KERNELS / file).read_text()):
        assert name.encode() in binary


@needs_nvrtc
@pytest.mark.parametrize("file", FILES)
def test_no_kernel_spills_registers(file):
    _, log, _ = compile_kernels(file, [*options("sm_90"), "--ptxas-options=-v"])
    kernels = kernel_names((KERNELS / file).read_text())
    assert log.count("0 bytes spill stores, 0 bytes spill loads") == len(kernels)


@needs_nvrtc
@pytest.mark.parametrize("file", FILES)
def test_uses_nothing_newer_than_the_oldest_card_named(file):
    oldest = "compute_70"
    status, log, ptx = compile_kernels(file, options(oldest))
    if status != 0 and "invalid value for --gpu-architecture" in log:
        pytest.skip(f"this NVRTC no longer knows {oldest}")
    # Deprecation of the architecture is NVRTC's to announce; anything else is ours.
    ours = [line for line in log.splitlines() if line and "deprecated" not in line.lower()]
    assert (status, ours) == (0, [])
    assert ptx


@needs_nvrtc
@pytest.mark.parametrize("file", FILES)
def test_no_float_operation_is_fused_or_approximate_and_no_float_is_atomic(file):
    _, _, ptx = compile_kernels(file, options("compute_80"))
    text = ptx.decode()
    assert not re.search(r"\bfma\.|\.approx|\.ftz", text)
    assert not re.search(r"\b(atom|red)\.[\w.]*\.f(16|32|64)", text)


@needs_nvrtc
@pytest.mark.parametrize(("architecture", "there"), [("compute_90", True), ("compute_80", False)])
def test_permanences_are_fetched_ahead_on_cards_that_can(architecture, there):
    _, _, ptx = compile_kernels("sp_online_listed.cu", options(architecture))
    assert (b"cp.async.bulk.prefetch.L2.global" in ptx) == there


def test_every_kernel_is_found():
    texts = [(KERNELS / file).read_text() for file in FILES]
    assert sum(text.count("__global__") for text in texts) == sum(
        len(kernel_names(text)) for text in texts
    )
    assert len(FILES) >= 5
