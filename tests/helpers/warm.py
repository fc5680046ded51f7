"""Imported by the server that processes are forked from: all that commands would import first.

A few commands are run that are refused, since much is imported and compiled only when it is used.
"""

import contextlib
import io
import logging
import tempfile
from pathlib import Path

import mlflow
import pandas  # noqa: F401
import PIL.Image

import htmrun.cli.running
import htmrun.execution.dry_run  # noqa: F401
from htmrun.cli import main

PIL.Image.init()
logging.getLogger("mlflow").setLevel(logging.ERROR)
mlflow.MlflowClient  # noqa: B018
REFUSED = (
    "train experiment=stream data.path=a.csv",
    "train experiment=mnist data.path=.",
    "train experiment=mnist data=npz data.path=a.csv",
    "train experiment=digits target=x",
    "sweep experiment=digits sp.columns=choice(1,1)",
    "runs --since x",
)
with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
    Path("a.csv").write_text("when,load\n2026-01-01,1\n2026-01-02,x\n")
    with contextlib.redirect_stderr(io.StringIO()):
        for command in REFUSED:
            assert main(command.split()) == 2
