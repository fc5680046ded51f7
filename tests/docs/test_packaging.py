"""What stands at the top of the repository for others: citation, container."""

from __future__ import annotations

import fnmatch
import json
import re
import shlex
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import jsonschema
import pytest
import yaml

import htmrun
from tests.helpers.pages import ROOT

CITATION = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
# Citation File Format 1.2.0, by its authors, CC-BY-4.0:
# https://github.com/citation-file-format/citation-file-format
SCHEMA = json.loads((Path(__file__).parent / "citation-file-format-1.2.0.json").read_text())


def test_the_citation_is_valid_and_of_this_version() -> None:
    jsonschema.Draft7Validator(SCHEMA).validate(CITATION)
    assert CITATION["version"] == htmrun.__version__
    assert CITATION["license"] in (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    for wrong in ({"doi": "here"}, {"authors": []}, {"licence": "Apache-2.0"}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.Draft7Validator(SCHEMA).validate({**CITATION, **wrong})


def instructions() -> list[tuple[str, str]]:
    """Return the Dockerfile's instructions, continued lines joined."""
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return [(line.split()[0], " ".join(line.split()[1:])) for line in lines]


def copied() -> list[str]:
    """Return the files and folders that the Dockerfile copies."""
    words = [rest.split() for name, rest in instructions() if name == "COPY"]
    return [word for line in words for word in line[:-1] if not word.startswith("--")]


def recipe(target: str) -> list[str]:
    text = (ROOT / "Makefile").read_text(encoding="utf-8").replace("$(BIN)/", "")
    found = re.search(rf"^{target}:.*\n((?:\t.+\n)*)", text, re.M)
    assert found is not None, f"no target {target}"
    return [line.strip() for line in found[1].splitlines()]


def test_the_container_is_set_up_and_runs_as_the_makefile_says() -> None:
    told = instructions()
    runs = [rest for name, rest in told if name == "RUN"]
    assert runs[1] == "make install"
    recipe("install")
    entry = [json.loads(rest) for name, rest in told if name == "ENTRYPOINT"]
    commands = [json.loads(rest) for name, rest in told if name == "CMD"]
    # The last stage is what is built without --target.
    assert shlex.join([*entry[0], *commands[-1]]) == recipe("demo")[0]
    [extra] = re.findall(r"'\.\[(\w+)\]'", runs[2])
    devices = (ROOT / "docs" / "guides" / "devices.md").read_text(encoding="utf-8")
    assert f"pip install '.[{extra}]'" in devices
    stages = [rest.rpartition(" ")[2] for name, rest in told if name == "FROM"]
    guide = (ROOT / "docs" / "guides" / "container.md").read_text(encoding="utf-8")
    assert stages == ["base", "cuda", "cpu"]
    assert set(re.findall(r"--target (\w+)", guide)) == {"cuda"}


def test_what_the_container_copies_is_there_and_enough_for_the_package(tmp_path: Path) -> None:
    allowed = (ROOT / ".dockerignore").read_text(encoding="utf-8").split()
    assert {f"!{name}" for name in copied()} <= set(allowed)
    folder = tmp_path / "context"
    folder.mkdir()
    for name in copied():
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, folder)
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    [wheel] = (folder / "dist").glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    for pattern in ("htmrun/cli/__init__.py", "htmrun/conf/experiment/digits.yaml",
                    "htmrun/kernels/*.cu", "*/licenses/LICENSE"):  # fmt: skip
        assert fnmatch.filter(names, pattern), pattern


@pytest.mark.skipif(shutil.which("hadolint") is None, reason="no hadolint on this machine")
def test_the_dockerfile_has_nothing_that_hadolint_complains_of() -> None:
    command = ["hadolint", "--no-color", str(ROOT / "Dockerfile")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.stdout == ""
