"""Where compiled kernels are kept during a session of tests; what is skipped, and why."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.kernels import host


@pytest.fixture(scope="session")
def build_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for compiled kernels, shared by the workers of one session."""
    if sys.platform != "linux":
        pytest.skip("the host runner keeps shared memory in a section of its own: ELF only")
    if host.compiler() is None:
        pytest.skip("no C++ compiler found: the kernels cannot run on the host")
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if base.name.startswith("popen-") else base) / "kernels"
    folder.mkdir(exist_ok=True)
    return folder
