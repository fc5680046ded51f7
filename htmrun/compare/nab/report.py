"""All that is said of a benchmark: detectors side by side, and file by file."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from htmrun.compare.comparison import Comparison
from htmrun.compare.interval import Interval, mean_interval
from htmrun.compare.nab import judging, layout
from htmrun.compare.nab.corpus import Corpus
from htmrun.compare.nab.judging import Scored
from htmrun.compare.nab.published import Published, published
from htmrun.compare.nab.session import Benchmark

_FOLDERS = ("results", "published")
"""Where the benchmark's folder may have other detectors' scores of all rows."""


@dataclass(frozen=True)
class Other:
    """A detector whose scores of rows were found; `absent`: files of which it has none."""

    scored: Scored
    absent: tuple[str, ...]


@dataclass(frozen=True)
class Report:
    """What is shown. arms: results by arm or control and seed; ensembles by arm."""

    corpus: Corpus
    threshold: float
    arms: Mapping[str, Mapping[int, Scored]] = field(default_factory=dict)
    controls: tuple[str, ...] = ()
    ensembles: Mapping[str, Scored] = field(default_factory=dict)
    others: Mapping[str, Other] = field(default_factory=dict)
    comparison: Comparison | None = None
    run_id: str = ""

    @property
    def published(self) -> tuple[Published, bool]:
        """Figures that others published, and whether they are of the same files."""
        return published(self.corpus.files)

    def interval(self, arm: str, metric: str) -> Interval:
        """Return an arm's mean over its seeds."""
        seeds = self.arms[arm]
        return mean_interval([seeds[seed].metrics[metric] for seed in sorted(seeds)])


def report_of(benchmark: Benchmark, others: Mapping[str, Other]) -> Report:
    """Return the report of a benchmark that is over."""
    corpus, level, arms = benchmark.corpus, benchmark.threshold, benchmark.arms()
    ensembles = {
        arm: judging.score(corpus, scores, level) for arm, scores in benchmark.ensembles().items()
    }
    controls = tuple(name for name in arms if name not in benchmark.experiment.arm)
    return Report(
        corpus, level, arms, controls, ensembles, others, benchmark.comparison(), benchmark.run_id
    )


def others_of(corpus: Corpus, threshold: float, folder: Path | None = None) -> dict[str, Other]:
    """Return other detectors' results from their files in `folder`, which must have some.

    None: from where the benchmark's folder may have them; {} without any. Raises UserError for
    files that cannot be read.
    """
    places = [folder] if folder is not None else [
        place for name in _FOLDERS if (place := corpus.folder / name).is_dir()
    ]  # fmt: skip
    found: dict[str, Other] = {}
    for place in places:
        if folder is None and not any(path.is_dir() for path in place.iterdir()):
            continue
        for name, files in layout.detectors(place, corpus).items():
            absent = tuple(file for file in corpus.files if file not in files)
            if not any(corpus.files[file].windows for file in files):
                continue
            scores = layout.read(files, corpus)
            found[name] = Other(judging.score(corpus, scores, threshold), absent)
    return dict(sorted(found.items(), key=lambda item: -item[1].scored.best["standard"].normalized))


def to_json(report: Report) -> dict[str, Any]:
    """Return the report as a dict of JSON types."""
    corpus = report.corpus
    arms = {
        arm: {
            "control": arm in report.controls,
            "metrics": {
                metric: _interval(report.interval(arm, metric))
                for metric in next(iter(seeds.values())).metrics
            },
            "files": {str(seed): _files(scored) for seed, scored in seeds.items()},
        }
        for arm, seeds in report.arms.items()
    }
    told: dict[str, Any] = {
        "run": report.run_id, "files": len(corpus.files), "rows": corpus.rows,
        "windows": corpus.windows, "absent": list(corpus.absent),
        "fixed_threshold": report.threshold, "arms": arms,
        "ensembles": {arm: _plain(scored) for arm, scored in report.ensembles.items()},
        "others": {
            name: {**_plain(other.scored), "absent": list(other.absent)}
            for name, other in report.others.items()
        },
        "answer": [] if report.comparison is None else list(report.comparison.answer),
    }  # fmt: skip
    figures, same = report.published
    return told | {"published": {**asdict(figures), "same_files": same}}


def _plain(scored: Scored) -> dict[str, Any]:
    metrics = {name: _finite(value) for name, value in scored.metrics.items()}
    return {"metrics": metrics, "files": _files(scored)}


def _files(scored: Scored) -> dict[str, Any]:
    return {name: asdict(found) for name, found in scored.files.items()}


def _interval(interval: Interval) -> dict[str, Any]:
    values = [_finite(value) for value in interval.values]
    return {"mean": _finite(interval.mean), "low": interval.low, "high": interval.high,
            "values": values}  # fmt: skip


def _finite(value: float) -> float | None:
    """Return None for infinity, a threshold that nothing reaches: JSON has no such number."""
    return value if math.isfinite(value) else None
