"""Compiles the .cu files with the host's C++ compiler and launches them on NumPy arrays."""

from __future__ import annotations

import ctypes
import hashlib
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np

from htmrun.backends.cuda.device import Device
from htmrun.paths import KERNELS
from tests.helpers.kernels.on_card import Arrays, must_be_on_card

HERE = Path(__file__).parent
HEADER, FRAGMENTS = "cuda_host.h", "fragments.cuh"
FLAGS = (
    "-std=c++17", "-O2", "-fPIC", "-shared", "-ffp-contract=off", "-fno-gnu-unique",
    "-Wall", "-Wextra", "-Werror", "-Wno-unknown-pragmas", "-Wno-unused-function",
)  # fmt: skip
SANITIZE = (
    "-O1", "-g1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all",
    "-fno-omit-frame-pointer",
)  # fmt: skip
_KERNEL = re.compile(r'extern "C" __global__ void\s+(?:__launch_bounds__\([\d, ]+\)\s+)?(\w+)\(')


def compiler() -> str | None:
    """Return the C++ compiler, or None."""
    return os.environ.get("CXX") or shutil.which("g++") or shutil.which("clang++")


def kernel_names(source: str) -> list[str]:
    """Return the kernels that a .cu file defines."""
    return _KERNEL.findall(source)


def build(
    file: str, into: Path, flags: Sequence[str] = (), edited: dict[str, str] | None = None
) -> Path:
    """Return the shared library of one .cu file, from `into` if it has been built before.

    `edited` maps names of files in kernels/ to other text for them (mutants).
    """
    sources = {p.name: p for d in (KERNELS, HERE) for p in sorted(d.glob("*.cu*"))}
    texts = {name: p.read_text() for name, p in sources.items() if name != FRAGMENTS}
    texts |= edited or {}
    exports = "\n".join(f"CUDA_HOST_KERNEL({name})" for name in kernel_names(texts[file]))
    wrapper = f'#include "{HEADER}"\n#include "{file}"\n{exports}\n'
    header = _header(into, flags)
    folder = _folder(into, flags, str(header), wrapper, sorted(texts.items()))
    library = folder / f"{Path(file).stem}.so"
    if library.exists():
        return library
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in {**texts, "wrapper.cpp": wrapper}.items():
        (folder / name).write_text(text)
    _compile(library, [*flags, f"-I{header}", "-I.", "wrapper.cpp"])
    return library


def _header(into: Path, flags: Sequence[str]) -> Path:
    """Return a folder that holds the header of every library, read by the compiler beforehand."""
    texts = {name: (HERE / name).read_text() for name in (HEADER, FRAGMENTS)}
    folder = _folder(into, flags, texts)
    made = folder / f"{HEADER}.gch"
    if not made.exists():
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            (folder / name).write_text(text)
        _compile(made, [*flags, "-x", "c++-header", HEADER])
    return folder


def _folder(into: Path, flags: Sequence[str], *content: object) -> Path:
    text = repr((compiler(), FLAGS, *flags, *content))
    return into / hashlib.sha256(text.encode()).hexdigest()[:16]


def _compile(made: Path, arguments: Sequence[str]) -> None:
    # Under a name of its own first: another process may be building the same.
    part = made.with_name(f"{made.name}.{os.getpid()}")
    command = [compiler() or "", *FLAGS, *arguments, "-o", part.name]
    done = subprocess.run(command, cwd=made.parent, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{made.name} does not compile:\n{done.stderr}")
    part.replace(made)


class HostKernel:
    """One kernel of a library, called like a CuPy RawKernel, strict about every argument."""

    def __init__(self, library: ctypes.CDLL, name: str) -> None:
        self.name = name
        self._launch = getattr(library, f"host_launch_{name}")
        self._launch.restype = ctypes.c_char_p
        signature = getattr(library, f"host_signature_{name}")
        signature.restype = ctypes.c_char_p
        self._signature = signature().decode().split()

    def __call__(self, grid: tuple[int, ...], block: tuple[int, ...], arguments: Any) -> None:
        if len(arguments) != len(self._signature):
            raise TypeError(f"{self.name}: {len(arguments)} arguments for {self._signature}")
        for k, (given, wanted) in enumerate(zip(arguments, self._signature, strict=True)):
            self._check(k, given, wanted)
        cells = [self._cell(a) for a in arguments]
        pointers = (ctypes.c_void_p * len(cells))(*[ctypes.addressof(c) for c in cells])
        sizes = [(ctypes.c_uint * 3)(*(*n, 1, 1)[:3]) for n in (grid, block)]
        problem = self._launch(*sizes, pointers)
        if problem:
            raise RuntimeError(f"{self.name}: {problem.decode()}")

    def _check(self, k: int, given: Any, wanted: str) -> None:
        described = f"{given.dtype.kind}{given.dtype.itemsize}"
        if isinstance(given, np.ndarray):
            if not given.flags.c_contiguous:
                raise TypeError(f"{self.name}: argument {k} is not contiguous")
            described = wanted[0] + described if wanted[0] in "*+" else "array"
        if described != wanted:
            raise TypeError(f"{self.name}: argument {k} is {described}, expected {wanted}")

    @staticmethod
    def _cell(argument: Any) -> Any:
        if isinstance(argument, np.ndarray):
            return ctypes.c_void_p(argument.ctypes.data)
        return np.ctypeslib.as_ctypes_type(argument.dtype)(argument.item())


class HostModules:
    """The libraries of all .cu files, built when first used.

    `order` is the order of threads and blocks (see `arrange` in cuda_host.h: 0 to 3 are fixed,
    from 4 on shuffled), `poison` what shared memory holds at first, `capability` the card that the
    host stands for.
    """

    def __init__(self, library_of: Callable[[str], Path]) -> None:
        self._library_of = library_of
        self._libraries: dict[str, ctypes.CDLL] = {}
        self.order, self.poison = 0, 0xA5C3E187
        self.capability = (8, 0)
        # Jobs in step are threads; a library has one set of fibers and one shared memory.
        self._one_at_a_time = Lock()

    def find(self, file: str, name: str) -> Callable[..., None]:
        """Return a kernel that runs under this object's order and poison."""
        if file not in self._libraries:
            self._libraries[file] = ctypes.CDLL(str(self._library_of(file)))
        library = self._libraries[file]
        kernel = HostKernel(library, name)

        def launch(grid: tuple[int, ...], block: tuple[int, ...], arguments: Any) -> None:
            with self._one_at_a_time:
                library.host_set_order(self.order, self.poison)
                kernel(grid, block, arguments)

        return launch

    def device(self, threads: int = 64, select_threads: int = 128) -> Device:
        """Return a device of NumPy arrays; `empty` gives garbage, as a card does."""
        arrays = Arrays()

        def find(file: str, name: str) -> Callable[..., None]:
            kernel = self.find(file, name)

            def launch(grid: tuple[int, ...], block: tuple[int, ...], arguments: Any) -> None:
                must_be_on_card(name, arguments)
                kernel(grid, block, arguments)

            return launch

        made = Device(arrays, find, arrays.to_host, threads, select_threads)
        made.capture = lambda run: _noted(made, run)
        made.capability = self.capability
        return made


def _noted(device: Device, run: Callable[[], None]) -> Callable[[], None]:
    """Note down the launches of `run` without doing them, as the capture of a stream does."""
    noted: list[tuple[Callable[..., None], tuple[Any, ...]]] = []
    find, known = device.find, dict(device._found)

    def noting(file: str, name: str) -> Callable[..., None]:
        kernel = find(file, name)
        return lambda *call: noted.append((kernel, call))

    device.find = noting
    device._found.clear()
    try:
        run()
    finally:
        device.find = find
        device._found.clear()
        device._found.update(known)

    def again() -> None:
        for kernel, call in noted:
            kernel(*call)

    return again
