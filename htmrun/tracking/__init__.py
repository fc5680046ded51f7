"""Runs in MLflow: written, found, listed, read back, repeated, resumed and exported.

One flat MLflow run for each arm and seed. Learning curves are collected and written in
batches about once a second; what cannot be delivered goes to an outbox, and the run goes on.
"""

from __future__ import annotations

from htmrun.tracking.outbox import resend
from htmrun.tracking.tracker import Tracker

__all__ = ["Tracker", "resend"]
