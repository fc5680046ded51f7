"""What a sweep leaves behind: the best configuration, a table of the trials, plots."""

from __future__ import annotations

import csv
import warnings
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from htmrun._imports import matplotlib, optuna
from htmrun.components.sources import Source
from htmrun.config.validation import plain
from htmrun.sweep.conductor import direction_words
from htmrun.sweep.study import ATTEMPT, ERROR, FIGURES, SharedStudy
from htmrun.tracking.settings import to_yaml

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial


def best(shared: SharedStudy) -> list[FrozenTrial]:
    """Return the best trial; with several objectives those that no other beats in all of them.

    Of equals the first that was begun is taken.
    """
    trials = shared.complete()
    signs = [1 if d == "minimize" else -1 for d in shared.objectives.values()]
    costs = {t.number: [s * v for s, v in zip(signs, t.values, strict=True)] for t in trials}
    if len(signs) == 1:
        return sorted(trials, key=lambda t: costs[t.number])[:1]
    kept: list[FrozenTrial] = []
    for trial in trials:
        own = costs[trial.number]
        beaten = any(
            all(a <= b for a, b in zip(other, own, strict=True)) and other != own
            for other in costs.values()
        )
        if not beaten and all(costs[t.number] != own for t in kept):
            kept.append(trial)
    return kept


def write(
    shared: SharedStudy, source: Source, folder: Path, notice: Callable[[str], None]
) -> tuple[list[Path], list[Path]]:
    """Write everything into `folder`; return the configurations, and all files."""
    folder.mkdir(parents=True, exist_ok=True)
    found = best(shared)
    several = len(shared.objectives) > 1
    for old in folder.glob("best*.yaml"):
        old.unlink()
    configurations = []
    for trial in found:
        path = folder / (f"best-{trial.number:04d}.yaml" if several else "best.yaml")
        path.write_text(_configuration(shared, source, trial), encoding="utf-8")
        configurations.append(path)
    table = folder / "trials.csv"
    _write_table(shared, table)
    return configurations, [*configurations, table, *_plots(shared, folder, notice)]


def _configuration(shared: SharedStudy, source: Source, trial: FrozenTrial) -> str:
    """Return a configuration for `htmrun train`: the experiment with the trial's settings."""
    values = plain(shared.sweep.final(trial.params))
    del values["tracking"]  # Where its runs go is for whoever runs it to say.
    figures = ", ".join(
        f"{name} {value:.6g}" for name, value in zip(shared.objectives, trial.values, strict=True)
    )
    lines = [
        f"# Trial {trial.number} of the sweep {shared.sweep.name}: {figures} on validation,",
        f"# mean of {len(shared.sweep.settings.seeds)} seeds, arm {shared.sweep.arm}, chosen among "
        f"{len(shared.complete())} by {direction_words(shared.objectives)}.",
        "# Run it: htmrun train THIS_FILE",
    ]
    if source.task == "forecast":
        # What was chosen on is no test of it.
        values["data"]["score_from"] = max(values["data"]["score_from"], source.samples or 0)
        lines.append(f"# Scored is what comes after the {source.samples} samples it was chosen on.")
    return "\n".join(lines) + "\n" + to_yaml(values)


def _write_table(shared: SharedStudy, path: Path) -> None:
    names = [*shared.sweep.space]
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["trial", "state", *shared.objectives, *names, "seconds", "attempt",
                         "error"])  # fmt: skip
        for trial in shared.ended():
            values = (
                trial.values if trial.state.name == "COMPLETE" else [""] * len(shared.objectives)
            )
            duration = trial.duration.total_seconds() if trial.duration else ""
            writer.writerow(
                [
                    trial.number,
                    trial.state.name.lower(),
                    *values,
                    *(trial.params.get(name, "") for name in names),
                    duration,
                    trial.user_attrs.get(ATTEMPT, 1),
                    trial.user_attrs.get(ERROR, ""),
                ]
            )


def _plots(shared: SharedStudy, folder: Path, notice: Callable[[str], None]) -> list[Path]:
    matplotlib.use("Agg")
    complete = shared.complete()
    if len(complete) < 2:
        notice("no plots: they need two complete trials")
        return []
    made = []
    for name, draw in _drawings(shared).items():
        path = folder / f"{name}.png"
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # Optuna calls its plots experimental.
                _save(draw, path)
        except (RuntimeError, ValueError) as error:
            # E.g. equal values in all trials: there is no importance then.
            notice(f"no {name} plot: {str(error).splitlines()[0]}")
            continue
        made.append(path)
    return made


def _drawings(shared: SharedStudy) -> Mapping[str, Callable[[], Any]]:
    drawn, study = optuna.visualization.matplotlib, shared.study
    drawings: dict[str, Callable[[], Any]] = {}
    for place, name in enumerate(shared.objectives):
        single = len(shared.objectives) == 1
        target = None if single else partial(_value_at, place)
        ending = "" if single else f"_{name.replace('/', '_')}"
        common: dict[str, Any] = {"target": target, "target_name": name}
        drawings |= {
            f"importance{ending}": partial(drawn.plot_param_importances, study, **common),
            f"parallel{ending}": partial(drawn.plot_parallel_coordinate, study, **common),
            f"history{ending}": partial(drawn.plot_optimization_history, study, **common),
        }
    if len(shared.objectives) in (2, 3):
        names = [*shared.objectives]
        drawings["trades"] = partial(drawn.plot_pareto_front, study, target_names=names)
    return drawings


def _value_at(place: int, trial: FrozenTrial) -> float:
    return float(trial.values[place])


def _save(draw: Callable[[], Any], path: Path) -> None:
    plt = matplotlib.pyplot
    plt.close("all")
    draw()
    figure = plt.gcf()
    figure.set_size_inches(11, 6)
    figure.savefig(path, dpi=110, bbox_inches="tight")
    plt.close("all")


def importance(shared: SharedStudy) -> dict[str, float]:
    """Return the share of the objective's variance that each setting explains, largest first.

    fANOVA over the complete trials; empty where it cannot be had.
    """
    if len(shared.complete()) < 2 or len(shared.objectives) > 1:
        return {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return dict(optuna.importance.get_param_importances(shared.study))
        except (RuntimeError, ValueError):
            return {}


def figures_of(trial: FrozenTrial) -> Mapping[str, float]:
    """Return all mean figures of a complete trial."""
    return dict(trial.user_attrs.get(FIGURES, {}))
