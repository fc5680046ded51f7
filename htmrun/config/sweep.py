"""A sweep's settings: from `sweep=NAME`, `sweep.FIELD=VALUE` and `FIELD=choice(...)`."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError

from htmrun.backends.parameters import Parameters
from htmrun.config.catalogue import choices, is_group
from htmrun.config.compose import compose, compose_group, is_file
from htmrun.config.fields import allowed
from htmrun.config.messages import unknown
from htmrun.config.overrides import key_of
from htmrun.config.schema import WITHOUT_EFFECT, Experiment, Name, Seed
from htmrun.config.space import Space, is_dimension, parse
from htmrun.config.validation import plain, validate
from htmrun.errors import UserError, mismatch, must_be_one_of, nearest, show

Direction = Literal["maximize", "minimize"]
Sampler = Literal["tpe", "random", "grid", "cmaes", "gp", "qmc", "nsga2"]
# What makes trials comparable: the same data, seeds and machine for all.
_FIXED = ("data", "name", "sweep", *WITHOUT_EFFECT)


class SweepParameters(Parameters):
    """A search over an experiment's settings; choosing is done on validation, never on test."""

    name: Name | None = Field(
        None, description="Name of the study, by which it is continued; null: EXPERIMENT-SWEEP."
    )
    storage: str | None = Field(
        None,
        min_length=1,
        description="Where the study is kept: a database such as postgresql://..., or a file; "
        "null: a journal file beside the runs.",
    )
    trials: int = Field(30, ge=1, le=1_000_000, description="Trials in all, earlier ones included.")
    workers: int | None = Field(
        None, ge=1, le=4096,
        description="Trials that run side by side; null: one per core, or as many as a card has "
        "room for where settings do not depend on earlier trials.",
    )  # fmt: skip
    arm: str | None = Field(
        None, description="The arm whose settings are searched; null: the experiment's first."
    )
    seeds: Annotated[tuple[Seed, ...], Field(min_length=1)] = Field(
        (0, 1, 2), description="A trial runs once with each of these; its figures are the means."
    )
    objectives: dict[str, Direction] = Field(
        default_factory=dict,
        description="Figures with their directions, e.g. {accuracy: maximize}; {}: the task's own.",
    )
    sampler: Sampler = Field("tpe", description="How the next settings are chosen.")
    seed: Seed = Field(0, description="Of the sampler.")
    grid_points: int = Field(
        5, ge=2, le=1000, description="grid: places that are tried in each interval."
    )
    pruner: Literal["median", "halving", "none"] | None = Field(
        None,
        description="Ends trials early that look bad; null: median, or none with several "
        "objectives.",
    )
    prune_after: int = Field(
        5, ge=1, le=10_000, description="Trials that run to their end before any is cut short."
    )
    start_with_default: bool = Field(
        True, description="The first trial has the experiment's own settings, if the space does."
    )
    retries: int = Field(
        2, ge=0, le=100, description="How often a trial is run again when its worker dies."
    )
    cpus: float = Field(1.0, gt=0.0, le=1024.0, description="Cores of a trial on a cluster.")
    gpus: float = Field(
        0.0, ge=0.0, le=64.0, description="Share of a GPU, or GPUs, of a trial on a cluster."
    )
    wait_s: float = Field(
        120.0, ge=0.0, le=1e6, description="Seconds to wait for nodes that have room for a trial."
    )
    space: dict[str, str] = Field(
        default_factory=dict,
        description="What is searched, e.g. sp.boost_strength: interval(0, 3); also as an "
        "argument, sp.boost_strength=interval(0,3).",
    )


@dataclass(frozen=True)
class Sweep:
    """A validated sweep: its settings, its space, and the experiment that it varies."""

    name: str
    settings: SweepParameters
    space: Space
    base: Experiment
    """The experiment as given."""
    overrides: tuple[str, ...]
    """What of the command line belongs to the experiment."""
    config_dir: Path | None
    raw: Mapping[str, Any]

    @property
    def arm(self) -> str:
        """The arm whose settings are searched."""
        return self.settings.arm or next(iter(self.base.arm))

    def final(self, point: Mapping[str, Any]) -> Experiment:
        """Return the experiment with the settings of `point`, a label for each dimension."""
        return validate(self._at(point))

    def trial(self, point: Mapping[str, Any]) -> Experiment:
        """Return what a trial runs: one arm, the sweep's seeds, results on validation."""
        raw = self._at(point)
        raw["arms"], raw["seeds"] = [self.arm], list(self.settings.seeds)
        raw["workers"], raw["threads"], raw["tracking"] = 1, 1, {"enabled": False}
        raw["data"] = {**raw["data"], "held_out": "validation"}
        return validate(raw)

    def default(self) -> dict[str, Any] | None:
        """Return the point of the experiment's own settings, None if it is not in the space."""
        values = plain(self.base)
        found = {}
        for path, dimension in self.space.items():
            try:
                found[path] = dimension.label_of(_get(values, path))
            except (KeyError, ValueError):
                return None
        return found

    def _at(self, point: Mapping[str, Any]) -> dict[str, Any]:
        values = {path: self.space[path].value_of(label) for path, label in point.items()}
        return _placed(self.raw, values, self.overrides, self.config_dir)


def load_sweep(arguments: list[str], config_dir: Path | None = None) -> Sweep:
    """Compose and validate a sweep; UserError has one line for each thing that is wrong."""
    choice, own, spaces, overrides = _sorted_out(arguments, config_dir)
    raw_sweep = compose_group("sweep", choice, own, config_dir)
    raw = compose(overrides, config_dir)
    base = validate(raw)
    settings = _validated(raw_sweep)
    fixed = {key_of(text) for text in overrides if not is_file(text)}
    written = {path: text for path, text in settings.space.items() if path not in fixed} | spaces
    errors, space = _parsed(written)
    if not errors:
        errors = _refused(space, raw, overrides, config_dir)
    errors += _unfit(settings, base, written) + _of_jobs(overrides)
    if errors:
        raise UserError("\n".join(errors))
    name = settings.name or f"{base.name}-{choice}"
    settings = settings.model_copy(update={"space": written, "name": name})
    return Sweep(name, settings, space, base, tuple(overrides), config_dir, raw)


def _sorted_out(
    arguments: list[str], config_dir: Path | None
) -> tuple[str, list[str], dict[str, str], list[str]]:
    """Return the sweep's choice, its own settings, dimensions, and what is the experiment's."""
    choice, own, rest = "default", [], []
    spaces: dict[str, str] = {}
    for text in arguments:
        key, equals, value = text.partition("=")
        if equals and key == "sweep":
            choice = value
        elif key.lstrip("+~").startswith("sweep."):
            own.append(text)
        elif equals and is_dimension(value):
            path = key.lstrip("+")
            if path in spaces:
                raise UserError(
                    f"{path}: found two searches, {spaces[path]} and {value}, expected one"
                )
            spaces[path] = value
        else:
            rest.append(text)
    must_be_one_of("sweep", choice, choices("sweep", config_dir))
    for text in rest:
        if (path := key_of(text)) in spaces:
            raise UserError(f"{path}: found {text} and {path}={spaces[path]}, expected one of them")
    return choice, own, spaces, rest


def _validated(raw: Mapping[str, Any]) -> SweepParameters:
    """Return the settings; UserError has one line for each error."""
    space = raw.get("space")
    if isinstance(space, Mapping):
        # A dimension that is set to null is taken away; other values are refused as dimensions.
        kept = {path: v for path, v in space.items() if v is not None}
        written = {path: v if isinstance(v, str) else json.dumps(v) for path, v in kept.items()}
        raw = {**raw, "space": written}
    try:
        return SweepParameters.model_validate_json(json.dumps(raw), strict=True)
    except ValidationError as error:
        raise UserError("\n".join(_lines(error))) from None


def _lines(error: ValidationError) -> list[str]:
    found = []
    for detail in error.errors(include_url=False):
        keys = [str(key) for key in detail["loc"]]
        path = ".".join(["sweep", *keys])
        info = SweepParameters.model_fields.get(keys[0])
        if detail["type"] == "extra_forbidden" or info is None:
            line = unknown(path, detail["input"], list(SweepParameters.model_fields))
        elif detail["type"] == "literal_error" and keys[0] == "objectives":
            near = nearest(str(detail["input"]), ("maximize", "minimize"))
            line = f"{path}: found {show(detail['input'])}, expected maximize or minimize{near}"
        else:
            words = allowed(info).replace(" | ", ", ")
            near = nearest(str(detail["input"]), words.split(", "))
            line = f"{path}: found {show(detail['input'])}, expected {words}{near}"
            line = line.replace("sections by name", "a section of entries NAME: VALUE")
        found.append(line)
    return list(dict.fromkeys(found))


def _parsed(written: Mapping[str, str]) -> tuple[list[str], Space]:
    errors, space = [], {}
    for path, text in written.items():
        try:
            space[path] = parse(path, text)
        except UserError as error:
            errors.append(str(error))
    return errors, space


def _refused(
    space: Space, raw: Mapping[str, Any], overrides: list[str], config_dir: Path | None
) -> list[str]:
    """Return a line for each dimension that is no setting, or allows values that are none.

    What depends on several of them is found out by the trials.
    """
    errors = []
    for path, dimension in space.items():
        root = path.split(".", 1)[0].split("[", 1)[0]
        if root in _FIXED:
            errors.append(
                f"{path}: found in the space, expected a setting of a stage, an arm or a control; "
                f"'{root}' is the same for all trials"
            )
            continue
        for value in dimension.probes():
            try:
                validate(_placed(raw, {path: value}, overrides, config_dir))
            except UserError as error:
                own = [line for line in str(error).splitlines() if line.startswith(path)]
                errors += [f"{line} (in the sweep's space)" for line in own]
                if own:
                    break
    return errors


def _of_jobs(overrides: list[str]) -> list[str]:
    """Return a line for each setting of jobs on a cluster: trials have their own."""
    return [
        f"{key}: found in a sweep, expected sweep.{key.partition('.')[2] or 'cpus'}"
        for key in map(key_of, overrides)
        if key.partition(".")[0] == "cluster"
    ]


def _unfit(settings: SweepParameters, base: Experiment, written: Mapping[str, str]) -> list[str]:
    errors = []
    if not written:
        errors.append(
            "sweep.space: found nothing to search, expected e.g. 'sp.boost_strength=interval(0,3)' "
            "or sweep=NAME"
        )
    if settings.arm is not None and settings.arm not in base.arm:
        errors.append(mismatch("sweep.arm", settings.arm, base.arm))
    several = len(settings.objectives) > 1
    if several and settings.pruner in ("median", "halving"):
        errors.append(
            f"sweep.pruner: found '{settings.pruner}' with {len(settings.objectives)} objectives, "
            "expected none"
        )
    if several and settings.sampler == "cmaes":
        errors.append(
            f"sweep.sampler: found 'cmaes' with {len(settings.objectives)} objectives, expected "
            "tpe, nsga2, gp, qmc, random or grid"
        )
    for place, seed in enumerate(settings.seeds):
        if seed in settings.seeds[:place]:
            errors.append(f"sweep.seeds: found {seed} twice, expected each seed once")
    return errors


def _placed(
    raw: Mapping[str, Any], values: Mapping[str, Any], overrides: tuple[str, ...] | list[str],
    config_dir: Path | None,
) -> dict[str, Any]:  # fmt: skip
    """Return `raw` with `values` at their dotted paths; choices in groups are composed anew."""
    groups = [path for path in values if is_group(path, config_dir)]
    if groups:
        chosen = [f"{path}={values[path]}" for path in groups]
        # Before the settings, which stay on top of a choice.
        result = compose([*chosen, *overrides], config_dir)
    else:
        result = copy.deepcopy(dict(raw))
    for path, value in values.items():
        if path not in groups:
            _set(result, path, value)
    return result


def _set(section: dict[str, Any], path: str, value: Any) -> None:
    *front, last = path.split(".")
    for key in front:
        inner = section.get(key)
        if not isinstance(inner, dict):
            inner = section[key] = {}
        section = inner
    section[last] = value


def _get(section: Any, path: str) -> Any:
    for key in path.split("."):
        if not isinstance(section, Mapping):
            raise KeyError(path)
        section = section[key]
    return section
