"""The benchmark as `htmrun nab` runs and shows it."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from htmrun.cli.terminal import nab_tables
from htmrun.cli.terminal.live import LiveView
from htmrun.cli.terminal.terminal import console_for
from htmrun.compare.nab import layout
from htmrun.compare.nab.corpus import read_corpus
from htmrun.compare.nab.recording import recorded
from htmrun.compare.nab.report import Report, others_of, report_of, to_json
from htmrun.compare.nab.session import Benchmark, open_benchmark
from htmrun.components.sources.series import SeriesParameters
from htmrun.config.compose import Loaded
from htmrun.execution.signals import terminations_raised

FIXED = 0.5
"""The fixed threshold of results whose detector is not known."""


def run(
    folder: Path, loaded: Loaded, results: Path | None, *, quiet: bool, json_output: bool
) -> int:
    """Learn, judge and score every file; return 0.

    Raises UserError for what can be known before the first file, and for the first that fails.
    """
    experiment = loaded.experiment
    benchmark = open_benchmark(experiment, read_corpus(folder, experiment.data))
    others = others_of(benchmark.corpus, benchmark.threshold)
    view = LiveView(benchmark.jobs, metric="nab/standard", quiet=quiet, json=json_output)
    view.notice(nab_tables.heading(benchmark.corpus))
    benchmark.prepare()
    with ExitStack() as stack:
        stack.enter_context(terminations_raised())
        stack.enter_context(_interruption_told(benchmark))
        tracker = stack.enter_context(
            recorded(benchmark, loaded.resolved, loaded.overrides, view.notice)
        )
        stack.enter_context(view)
        for record in benchmark.records():
            view.handle(record)
            if tracker is not None:
                tracker.handle(record)
    report = report_of(benchmark, others)
    kept = _keep(benchmark, report)
    if results is not None:
        _write(results, benchmark)
    closing = _closing(benchmark, kept, results)
    if json_output:
        for line in closing:
            print(line, file=sys.stderr)
        print(json.dumps(to_json(report)), flush=True)
    else:
        console_for(sys.stdout).print(nab_tables.shown(report))
        for line in closing:
            view.notice(line)
    return 1 if tracker is not None and tracker.lost else 0


def score_only(folder: Path, found: Path, threshold: float | None, json_output: bool) -> int:
    """Score result files of any detectors; return 0. Raises UserError."""
    corpus = read_corpus(folder, SeriesParameters.model_validate({"sort": False}))
    level = FIXED if threshold is None else threshold
    report = Report(corpus, level, others=others_of(corpus, level, found))
    if json_output:
        print(json.dumps(to_json(report)), flush=True)
    else:
        print(nab_tables.heading(corpus))
        console_for(sys.stdout).print(nab_tables.shown(report))
    return 0


@contextmanager
def _interruption_told(benchmark: Benchmark) -> Iterator[None]:
    try:
        yield
    except (KeyboardInterrupt, SystemExit):
        done, jobs = len(benchmark.scored), len(benchmark.jobs)
        print(
            f"interrupted: {done} of {jobs} jobs finished; the same command starts afresh",
            file=sys.stderr,
        )
        raise


def _keep(benchmark: Benchmark, report: Report) -> Path | None:
    """Write all figures below the folder of the runs; return where, None if nothing is kept."""
    tracking = benchmark.experiment.tracking
    if not tracking.enabled:
        return None
    path = Path(tracking.dir) / "nab" / f"{benchmark.run_id}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(to_json(report), indent=1), encoding="utf-8")
    return path


def _write(out: Path, benchmark: Benchmark) -> None:
    corpus, several = benchmark.corpus, len(benchmark.experiment.seeds) > 1
    for job, raw in benchmark.raw.items():
        name = f"htmrun_{job.name}".replace("-", "_") if several else f"htmrun_{job.arm}"
        layout.write(out, name, corpus, benchmark.judged(raw))
    for arm, scores in benchmark.ensembles().items():
        layout.write(out, f"htmrun_{arm}_ensemble", corpus, scores)
    for name, (scores, _) in benchmark.controls().items():
        layout.write(out, f"htmrun_{name}", corpus, scores)


def _closing(benchmark: Benchmark, kept: Path | None, results: Path | None) -> Sequence[str]:
    lines = [f"run {benchmark.run_id}, {benchmark.seconds:.1f} s"]
    if kept is not None:
        lines.append(f"all figures: {kept}; arms and seeds in MLflow: htmrun compare")
    if results is not None:
        lines.append(f"scores of all rows: {results}; score them: --score-only {results}")
    return lines
