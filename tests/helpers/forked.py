"""Processes of their own that need not import everything anew, which takes seconds in each."""

from __future__ import annotations

import multiprocessing
import os
from multiprocessing.context import BaseContext

HEAVY = ("mlflow.store.tracking.sqlalchemy_store", "optuna.storages", "hydra", "torch", "numba")


def context() -> BaseContext:
    """Return a context whose processes fork from one that has only imported, and has no threads."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    made = multiprocessing.get_context("forkserver")
    made.set_forkserver_preload([*HEAVY])
    return made
