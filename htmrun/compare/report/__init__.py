"""One self-contained page that says what was compared, what came out, and shows every plot."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from htmrun._imports import jinja2, vl_convert
from htmrun.compare.comparison import Comparison, MetricComparison, arm_means
from htmrun.compare.numbers import probability
from htmrun.compare.overranks import OverRanks
from htmrun.compare.report import facts, series_page
from htmrun.compare.report.blocks import Chart, legend_columns
from htmrun.compare.report.charts import charts
from htmrun.compare.report.packing import script
from htmrun.compare.report.ranked import critical_difference
from htmrun.compare.report.style import config
from htmrun.compare.report.vega import vega_bundle
from htmrun.compare.selection import select
from htmrun.compare.sentences import rest
from htmrun.compare.statistics import SIGNIFICANT
from htmrun.compare.tables import Words, means, rank_tables, tables
from htmrun.errors import UserError
from htmrun.tracking.arrays import Series
from htmrun.tracking.forecasts import Tables
from htmrun.tracking.read_runs import ExperimentRun
from htmrun.training.measures.registry import meanings

PAGE = "report.html"
PLOTS = "plots"
ARTIFACT = "report"
_PNG_WIDTH = 460


def write_report(
    folder: Path, comparison: Comparison, run: ExperimentRun, series: Series,
    tables: Tables | None = None,
) -> Path:  # fmt: skip
    """Write report.html and plots/*.png into `folder`, creating it; return the page's path.

    With `tables`, what was said of each row, also series.html, in which one can look at all of it.

    Raises UserError if the folder cannot be written to.
    """
    made = charts(run, comparison, series, tables)
    others = {series_page.PAGE: series_page.render_series(run, tables, series)} if tables else {}
    return _write(folder, render(comparison, run, made, others), made, others)


def write_ranks(folder: Path, found: OverRanks, runs: Sequence[ExperimentRun]) -> Path:
    """Write the same of a ranking over data sets; raises UserError as `write_report` does."""
    made = [critical_difference(found.ranking)]
    return _write(folder, render_ranks(found, runs, made), made, {})


def _write(folder: Path, page: str, made: Sequence[Chart], others: Mapping[str, str]) -> Path:
    try:
        (folder / PLOTS).mkdir(parents=True, exist_ok=True)
        for chart in made:
            (folder / PLOTS / f"{chart.name}.png").write_bytes(png(chart))
        path = folder / PAGE
        for name, text in {**others, PAGE: page}.items():
            (folder / name).write_text(text, encoding="utf-8")
    except OSError as error:
        raise UserError(f"--report: cannot write to {folder}: {error.strerror}") from None
    return path


def log_report(client: Any, run: ExperimentRun, folder: Path, pages: Sequence[str]) -> str:
    """Store the pages in `folder` with the first job of each experiment run; return their names.

    The other jobs do not get a copy: the pages belong to all of them and are found at the first.
    """
    first: dict[str, Any] = {}
    for seeds in run.jobs.values():
        for job in seeds.values():
            tags = job.data.tags
            known = first.get(tags["htmrun.run"])
            if known is None or int(tags.get("htmrun.index", 0)) < int(
                known.data.tags.get("htmrun.index", 0)
            ):
                first[tags["htmrun.run"]] = job
    for job in first.values():
        for page in pages:
            client.log_artifact(job.info.run_id, str(folder / page), ARTIFACT)
    return ", ".join(f"{job.info.run_name} ({job.info.run_id})" for job in first.values())


def png(chart: Chart) -> bytes:
    """Return the chart as PNG on white paper."""
    spec = dict(chart.spec)
    width = _PNG_WIDTH * 2 if spec.get("usermeta", {}).get("wide") else _PNG_WIDTH
    if spec.get("width") == "container":
        spec["width"] = width
    if "vconcat" in spec:
        spec["vconcat"] = [one | {"width": width} for one in spec["vconcat"]]
    spec["title"] = chart.title
    look = config(dark=False)
    look["legend"]["columns"] = legend_columns(spec, width)
    drawn: bytes = vl_convert.vegalite_to_png(spec, scale=2, config=look)
    return drawn


def render(
    comparison: Comparison, run: ExperimentRun, made: Sequence[Chart], others: Iterable[str] = ()
) -> str:
    """Return the page; others: names of the pages beside it."""
    names = select(run.metrics, run.task, everything=True)
    # Their means are all that is shown: differences of every figure are not tested.
    every = replace(
        comparison,
        metrics=tuple(MetricComparison(name, arm_means(run, name), ()) for name in names),
    )
    return _page(
        made,
        others=list(others),
        intro="",
        title=f"{comparison.experiment}: {', '.join(comparison.arms)}",
        facts=facts.facts(run),
        said=facts.notes(run),
        arms=facts.arms_table(run),
        shared=facts.shared(run),
        meanings=meanings([m.metric for m in comparison.metrics]),
        commands=facts.commands(run),
        jobs=facts.jobs_table(run),
        answers=comparison.answer,
        groups=rest(comparison),
        tables=tables(comparison),
        everything=means(every),
        notes=comparison.notes,
        warnings=comparison.warnings,
    )


def render_ranks(found: OverRanks, runs: Sequence[ExperimentRun], made: Sequence[Chart]) -> str:
    """Return the page of a ranking over data sets."""
    ordered = sorted(zip(found.ranking.ranks, found.ranking.arms, strict=True))
    told = "tell" if found.ranking.p < SIGNIFICANT else "do not tell"
    names = " ".join(run.run for run in runs)
    return _page(
        made,
        others=[],
        intro="Every run is one data set. In each the arms are ranked by the mean of its main "
        "figure over the seeds.",
        title=f"{', '.join(arm for _, arm in ordered)} over {len(found.sets)} data sets",
        facts=[(one.experiment, f"{one.run}, ranked by {one.metric}") for one in found.sets],
        said=list(dict.fromkeys(line for run in runs for line in facts.notes(run))),
        arms=Words("", (), ()),
        shared=[],
        commands=[f"htmrun compare {names} --rank --report report"],
        jobs=Words("", (), ()),
        answers=[
            f"Mean ranks, 1 is best: {', '.join(f'{arm} {rank:.2f}' for rank, arm in ordered)}.",
            f"{len(found.sets)} data sets {told} the arms apart by Friedman's test "
            f"(p: {probability(found.ranking.p)}).",
        ],
        groups=[],
        meanings=[],
        tables=rank_tables(found),
        everything=Words("", (), ()),
        notes=found.notes,
        warnings=(),
    )


def _page(made: Sequence[Chart], **parts: Any) -> str:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("htmrun.compare.report", ""),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    both = {"light": config(dark=False) | {"background": "transparent"}, "dark": config(dark=True)}
    return environment.get_template("page.html.jinja").render(
        charts=made,
        specs=script({c.name: c.spec for c in made}),
        configs=script(both),
        bundle=vega_bundle(),
        **parts,
    )
