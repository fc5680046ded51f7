"""Links into MLflow's interface that open on the right page."""

from __future__ import annotations

import json
from collections.abc import Sequence
from urllib.parse import quote, urlencode

from htmrun.tracking.store import RUN_TAG


def charts(base: str, experiment: str, run: str) -> str:
    """Return the link to the charts of one experiment run; `experiment` is MLflow's id.

    Without `workflowType` MLflow opens its generative-AI page, which is empty here.
    """
    query = {
        "workflowType": "machine_learning",
        "compareRunsMode": "CHART",
        "searchFilter": f"tags.`{RUN_TAG}` = '{run}'",
    }
    return f"{base}/#/experiments/{experiment}/runs?{urlencode(query, quote_via=quote)}"


def metric(base: str, experiment: str, runs: Sequence[str], name: str) -> str:
    """Return the link to one metric's curves of several runs; `runs` are MLflow ids."""
    query = {
        "runs": json.dumps(list(runs)),
        "metric": json.dumps(name),
        "experiments": json.dumps([experiment]),
    }
    return f"{base}/#/metric?{urlencode(query, quote_via=quote)}"


def compare_runs(base: str, experiment: str, runs: Sequence[str]) -> str:
    """Return the link to MLflow's comparison page of several runs; `runs` are MLflow ids."""
    query = {"runs": json.dumps(list(runs)), "experiments": json.dumps([experiment])}
    return f"{base}/#/compare-runs?{urlencode(query, quote_via=quote)}"
