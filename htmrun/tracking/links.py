"""Links into MLflow's interface that open on the right page, showing every run."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote, urlencode

from htmrun._imports import mlflow
from htmrun.tracking.store import RUN_TAG

_ATTEMPTS = 20
_GROUPED = {"mode": "param", "groupByData": "arm"}


def view_name(run: str) -> str:
    """Return the name under which MLflow keeps the view of one experiment run."""
    return f"htmrun-{run}"


def group_of(arm: str) -> str:
    """Return what MLflow calls the group of an arm's runs."""
    return f"{_GROUPED['mode']}.{_GROUPED['groupByData']}.{arm}"


def save_view(
    client: Any, experiment: str, run: str, curve: str | None = None, arms: Sequence[str] = ()
) -> None:
    """Keep, with the experiment, the view that `charts` links to; raises what MLflow raises.

    Runs are grouped by arm, the groups of `arms` folded: charts show each arm's mean over its seeds
    with a band. The metric `curve` gets a wide chart at the top. A view of its own is needed
    because MLflow otherwise draws the first ten runs only, which with five seeds leaves out the
    third arm.
    """
    state: dict[str, Any] = {
        "searchFilter": f"tags.`{RUN_TAG}` = '{run}'",
        "orderByKey": "attributes.start_time",
        "orderByAsc": True,
        "startTime": "ALL",
        "lifecycleFilter": "Active",
        "datasetsFilter": [],
        "modelVersionFilter": "All Runs",
        "runsHiddenMode": "SHOW_ALL",
        "hideEmptyCharts": True,
        "groupBy": {"aggregateFunction": "average", "groupByKeys": [_GROUPED]},
        "useGroupedValuesInCharts": True,
        "groupsExpanded": {group_of(arm): False for arm in arms},
    }
    if curve is not None:
        state |= _chart_on_top(curve)
    _set_tag(client, experiment, f"mlflow.sharedViewState.{view_name(run)}", json.dumps(state))


def note_experiment(client: Any, experiment: str, text: str) -> None:
    """Set the description (Markdown) of an experiment; raises what MLflow raises."""
    _set_tag(client, experiment, "mlflow.note.content", text)


def _set_tag(client: Any, experiment: str, name: str, value: str) -> None:
    """Tag an experiment, again if another run did so meanwhile.

    MLflow writes all tags of the experiment that it knows of: one that another process has just
    added makes it fail.
    """
    for _ in range(_ATTEMPTS):
        try:
            client.set_experiment_tag(experiment, name, value)
            return
        except mlflow.exceptions.MlflowException as error:
            if "UNIQUE" not in str(error).upper():
                raise
            time.sleep(0.1)
    client.set_experiment_tag(experiment, name, value)


def _chart_on_top(curve: str) -> dict[str, Any]:
    section = {
        "uuid": "htmrun-arms",
        "name": "arms compared",
        "display": True,
        "isReordered": True,
        "deleted": False,
        "isGenerated": False,
        "columns": 1,
        "cardHeight": 430,
    }
    chart = {
        "uuid": "htmrun-curve",
        "type": "LINE",
        "metricSectionId": section["uuid"],
        "deleted": False,
        "isGenerated": False,
        "metricKey": curve,
        "selectedMetricKeys": [curve],
        "xAxisKey": "step",
        "xAxisScaleType": "linear",
        "scaleType": "linear",
        "lineSmoothness": 0,
        "useGlobalXaxisKey": True,
        "useGlobalLineSmoothing": True,
        "displayPoints": False,
        "displayName": curve,
    }
    return {
        "compareRunSections": [section],
        "compareRunCharts": [chart],
        "isAccordionReordered": True,
    }


def charts(base: str, experiment: str, run: str) -> str:
    """Return the link to the charts of one experiment run; `experiment` is MLflow's id.

    Without `workflowType` MLflow opens its generative-AI page, which is empty here.
    """
    query = {
        "workflowType": "machine_learning",
        "compareRunsMode": "CHART",
        "viewStateShareKey": view_name(run),
    }
    return f"{_public(base)}/#/experiments/{experiment}/runs?{urlencode(query)}"


def metric(base: str, experiment: str, runs: Sequence[str], name: str) -> str:
    """Return the link to one metric's curves of several runs; `runs` are MLflow ids."""
    query = {
        "runs": _list(runs),
        "metric": json.dumps(name),
        "experiments": _list([experiment]),
        "plot_metric_keys": _list([name]),
        "x_axis": "step",
        "workflowType": "machine_learning",
    }
    return f"{_public(base)}/#/metric?{urlencode(query, quote_via=quote)}"


def compare_runs(base: str, experiment: str, runs: Sequence[str]) -> str:
    """Return the link to MLflow's comparison page of several runs; `runs` are MLflow ids."""
    query = {
        "runs": _list(runs),
        "experiments": _list([experiment]),
        "workflowType": "machine_learning",
    }
    return f"{_public(base)}/#/compare-runs?{urlencode(query, quote_via=quote)}"


def _public(base: str) -> str:
    """Return `base` without user and password: links end up in terminals and reports."""
    return re.sub(r"//[^/@]*@", "//", base)


def _list(items: Sequence[str]) -> str:
    return json.dumps(list(items), separators=(",", ":"))
