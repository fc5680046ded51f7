"""Which experiment runs are meant: by id, experiment, tag, or as the latest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from htmrun.errors import UserError, nearest
from htmrun.tracking.store import FIRST_STEP, RUN_TAG, all_experiments, all_runs

LATEST = "latest"

Jobs = Sequence[Any]


def choose(client: Any, wanted: Sequence[str]) -> dict[str, Jobs]:
    """Return MLflow's runs of each experiment run meant by `wanted`, by its id, in that order.

    A word is the beginning or the last four characters of an id, an experiment's name (its newest
    run), `latest`, or KEY=VALUE, a tag of all runs that are meant. Nothing means the latest. Raises
    UserError where a word means nothing, or more than one run without being a tag.
    """
    known = known_runs(client)
    if not known:
        raise UserError(f"no runs yet in this store; {FIRST_STEP}")
    chosen: dict[str, Jobs] = {}
    for word in wanted or (LATEST,):
        for name in _meant(word, known):
            chosen[name] = known[name]
    return chosen


def known_runs(client: Any, query: str = "") -> dict[str, list[Any]]:
    """Return every experiment run's MLflow runs by its id, newest first."""
    both = f"tags.`{RUN_TAG}` LIKE '%'" + (f" AND {query}" if query else "")
    grouped: dict[str, list[Any]] = {}
    for run in all_runs(client, list(all_experiments(client)), both):
        grouped.setdefault(run.data.tags[RUN_TAG], []).append(run)
    return grouped


def _meant(word: str, known: Mapping[str, Jobs]) -> list[str]:
    names = list(known)
    if word in known:
        return [word]
    if word == LATEST:
        return names[:1]
    key, equals, value = word.partition("=")
    if equals:
        return _tagged(key, value, known)
    experiments = {name: known[name][0].data.tags.get("htmrun.experiment", "") for name in names}
    newest = next((name for name in names if experiments[name] == word), None)
    if newest is not None:
        return [newest]
    found = [n for n in names if n.startswith(word) or (len(word) >= 4 and n.endswith(word))]
    if len(found) == 1:
        return found
    if found:
        some = ", ".join(found[:4]) + (", ..." if len(found) > 4 else "")
        raise UserError(f"run: '{word}' begins {len(found)} experiment runs, expected one: {some}")
    hint = nearest(word, [*names, *dict.fromkeys(experiments.values()), LATEST])
    raise UserError(
        f"run: no experiment run begins with '{word}', and no experiment is called so"
        f"{hint or f'; the newest run is {names[0]}'}"
    )


def _tagged(key: str, value: str, known: Mapping[str, Jobs]) -> list[str]:
    """Return the runs of which a job has the tag `key` (or `htmrun.key`) with `value`."""
    keys = (key, f"htmrun.{key}")
    found = [
        name
        for name, jobs in known.items()
        if any(job.data.tags.get(k) == value for job in jobs for k in keys)
    ]
    if found:
        return found[::-1]  # As they were made: the oldest is the first.
    tags = dict.fromkeys(tag for jobs in known.values() for job in jobs for tag in job.data.tags)
    if not any(k in tags for k in keys):
        names = [*tags, *(tag.removeprefix("htmrun.") for tag in tags)]
        raise UserError(f"run: no run has a tag '{key}'{nearest(key, names)}")
    values = dict.fromkeys(
        job.data.tags[k] for jobs in known.values() for job in jobs for k in keys
        if k in job.data.tags
    )  # fmt: skip
    raise UserError(f"run: no run has the tag {key} = '{value}'{nearest(value, list(values))}")
