"""A page for each shipped experiment, from its file in conf/experiment."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from htmrun.components.controls import ControlParameters
from htmrun.config.catalogue import Entry, experiments
from htmrun.config.compose import load
from htmrun.config.explain import sections
from htmrun.config.schema import Experiment, GrowingWindow
from site_pages.tables import code, fields_table, table, words

FOLDER = "experiments"
DOCS = Path(__file__).parents[2]
# An experiment that says nothing of its own without a file.
OWN_FILE = {"csv": "data.path=my.csv"}
_TITLE = re.compile(r"^# (.+)$", re.M)


@dataclass(frozen=True)
class Described:
    """An experiment's file and what it says when it is composed."""

    entry: Entry
    experiment: Experiment

    @property
    def command(self) -> str:
        """The command that runs it."""
        own = OWN_FILE.get(self.entry.name)
        return " ".join(["htmrun train", f"experiment={self.entry.name}", *([own] if own else [])])


def found() -> list[Described]:
    """Return the shipped experiments, by name."""
    names = experiments(None)
    return [Described(e, load([f"experiment={e.name}"], look=False).experiment) for e in names]


@cache
def pages() -> dict[str, tuple[str, str]]:
    """Return title and Markdown of each page by its place on the site."""
    every = found()
    made = {f"{FOLDER}/index.md": ("All experiments", _index(every))}
    for one in every:
        made[f"{FOLDER}/{one.entry.name}.md"] = (one.entry.name, _page(one))
    return made


def _index(every: list[Described]) -> str:
    rows = [
        (
            f"[{d.entry.name}]({d.entry.name}.md)",
            words(d.entry.summary),
            ", ".join(d.experiment.arm),
        )
        for d in every
    ]
    return (
        "# All experiments\n\n```sh\nhtmrun train  # lists them, and says how to start\n```\n\n"
        "What came out of them stands in [the shipped experiments](../results/experiments.md); how "
        "one is written in [experiments in YAML](../guides/experiments.md).\n\n"
        + table(("experiment", "what it shows", "arms"), rows)
    )


def _page(one: Described) -> str:
    name, experiment = one.entry.name, one.experiment
    arms = _arms(one)
    apart = any(row[-1] for row in arms)
    head = ("arm", "learning is committed", "boost factors", "apart from that")
    few = "" if len(experiment.seeds) > 5 else " (from six on they are tested, ten decide)"
    parts = [
        f"# {name}\n",
        f"```sh\n{one.command}\n{one.command} --dry-run  # what would run; runs nothing\n"
        f"htmrun show {name}  # every field with what it allows\n```\n",
        words(one.entry.summary) + "\n",
        "- Pipeline: " + " → ".join(map(code, experiment.pipeline)),
        f"- Data: {code(_kind(experiment.data))}",
        f"- Seeds: {len(experiment.seeds)}{few}; passes over the data: {experiment.epochs}\n",
        "## Arms\n",
        table(head if apart else head[:-1], (row if apart else row[:-1] for row in arms)),
    ]
    if controls := _controls(one):
        parts += ["## Controls\n", table(("control", "what it is"), controls)]
    if told := _told(name):
        parts += ["## Read on\n", "\n".join(f"- [{t}](../{p})" for p, t in told) + "\n"]
    text = one.entry.path.read_text(encoding="utf-8")
    parts += ["## The file\n", f'```yaml title="conf/experiment/{name}.yaml"\n{text}```\n']
    parts += ["## What it sets\n", _settings(experiment)]
    return "\n".join(parts)


def _kind(data: object) -> str:
    name = getattr(data, "name", None)
    return str(name if name is not None else getattr(data, "kind", ""))


def _arms(one: Described) -> list[tuple[str, ...]]:
    return [(code(name), *_dials(arm)) for name, arm in one.experiment.arm.items()]


def _dials(arm: object) -> tuple[str, str, str]:
    window, boost = getattr(arm, "learn_every"), getattr(arm, "boost_at")  # noqa: B009
    if isinstance(window, GrowingWindow):
        learns = f"in windows that grow from {window.start} to {window.limit} samples"
    else:
        learns = "after each sample" if window == 1 else f"every {window} samples"
    when = {"commit": "at each commit", "epoch": "between epochs", "never": "never"}
    return learns, when[boost], _apart(arm)


def _apart(arm: object) -> str:
    said = {
        "does not learn: ": getattr(arm, "freeze", ()),
        "left out: ": getattr(arm, "bypass", ()),
        "pipeline: ": getattr(arm, "pipeline", None) or (),
    }
    return "; ".join(head + ", ".join(map(code, names)) for head, names in said.items() if names)


def _controls(one: Described) -> list[tuple[str, str]]:
    rows = []
    for name, control in one.experiment.control.items():
        if isinstance(control, ControlParameters):
            about = (type(control).__doc__ or "").strip().split("\n\n")[0]
            rows.append((code(name), words(" ".join(about.split()))))
        else:
            rows.append((code(name), f"an arm, {_dials(control)[0]}; {_apart(control)}"))
    return rows


def _told(name: str) -> list[tuple[str, str]]:
    """Return place and title of the pages that speak of the experiment, results first."""
    use = re.compile(rf"experiment={name}(?![\w-])")
    found = []
    for page in sorted(DOCS.rglob("*.md"), key=lambda p: (p.parent.name != "results", p.name)):
        text = page.read_text(encoding="utf-8")
        title = _TITLE.search(text)
        if use.search(text) and title:
            found.append((page.relative_to(DOCS).as_posix(), title[1]))
    return found


def _settings(experiment: Experiment) -> str:
    rows = []
    for section in sections(experiment):
        for row in section.rows:
            if row.changed and row.path not in ("name", "description"):
                meaning = words(row.description)
                rows.append((f"<code>{row.path}</code>", code(row.value), meaning))
    return (
        "Fields that are not at their default ([all fields](../fields/index.md)).\n\n"
        + fields_table(("field", "value", "meaning"), rows)
    )
