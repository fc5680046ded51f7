"""From YAML and overrides to a validated experiment.

Hydra composes the shipped `conf/` and the user's folder, which is searched first; the schema
then decides. Every error is a UserError whose lines each name one field and what is allowed.
"""

from __future__ import annotations

import contextlib
import traceback
from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from htmrun._imports import hydra, omegaconf
from htmrun.config import own_file, yaml_files
from htmrun.config.catalogue import experiments, folders, is_group
from htmrun.config.overrides import LISTS, check_choice, chosen, key_of, rewrite
from htmrun.config.own_file import OwnFile
from htmrun.config.validation import plain, unused, validate
from htmrun.errors import UserError, one_of, show
from htmrun.paths import CONF, conf_of_packages

if TYPE_CHECKING:
    from hydra.core.config_search_path import ConfigSearchPath

    from htmrun.config.schema import Experiment

_user_folder: ContextVar[Path | None] = ContextVar("user_folder", default=None)


@dataclass(frozen=True)
class Loaded:
    """A validated experiment, the same as a plain nested dict, and the overrides as given.

    own_file: what was seen of the file of an `experiment=csv`.
    """

    experiment: Experiment
    resolved: dict[str, Any]
    overrides: list[str]
    own_file: OwnFile | None = None


def load(overrides: list[str], config_dir: Path | None = None, *, look: bool = True) -> Loaded:
    """Compose and validate one experiment; UserError has one line for each thing that is wrong.

    look: false: no file of the user is looked at.
    """
    raw, seen = _composed(overrides, config_dir, look)
    experiment = validate(raw)
    idle = unused(raw)
    lines = [
        f"{key_of(text)}: has no effect, '{key_of(text).split('.')[0]}' is not in pipeline "
        f"[{', '.join(experiment.pipeline)}]"
        for text in overrides
        if key_of(text).split(".")[0] in idle and "." in key_of(text)
    ]
    if lines:
        raise UserError("\n".join(lines))
    return Loaded(experiment, plain(experiment), list(overrides), seen)


def is_file(text: str) -> bool:
    """Say whether an argument is a configuration file rather than an override."""
    return "=" not in text and text.endswith((".yaml", ".yml"))


def compose(overrides: list[str], config_dir: Path | None = None) -> dict[str, Any]:
    """Return the composed YAML as a plain dict, interpolations resolved, nothing validated.

    A file among the overrides is a whole configuration, or says on what experiment it builds; then
    no other is needed.
    """
    return _composed(overrides, config_dir, look=True)[0]


def _composed(
    overrides: list[str], config_dir: Path | None, look: bool
) -> tuple[dict[str, Any], OwnFile | None]:
    raw = _from_yaml(overrides, config_dir)
    if look and any(text.lstrip("+") == f"experiment={own_file.NAME}" for text in overrides):
        keys = {key_of(text): text for text in overrides if is_group(key_of(text), config_dir)}
        return raw, own_file.look(raw, overrides, {k: chosen(text) for k, text in keys.items()})
    return raw, None


def _from_yaml(overrides: list[str], config_dir: Path | None) -> dict[str, Any]:
    search = folders(config_dir)
    files = [text for text in overrides if is_file(text)]
    rewritten = rewrite([text for text in overrides if text not in files], config_dir)
    if files:
        with _one_line_errors(), _searched_first(search[0] if config_dir else None):
            return _compose(*_beside_a_file(rewritten, files, config_dir))
    if not any(key_of(text) == "experiment" for text in overrides) and not (
        config_dir is not None and (config_dir / "config.yaml").is_file()
    ):
        names = ", ".join(entry.name for entry in experiments(config_dir))
        raise UserError(f"experiment: none chosen, expected experiment=NAME with one of {names}")
    with _one_line_errors(), _searched_first(search[0] if config_dir else None):
        return _compose(rewritten)


def compose_group(
    group: str, choice: str, overrides: list[str], config_dir: Path | None
) -> dict[str, Any]:
    """Return one choice of a group by itself, with `GROUP.FIELD=VALUE` on top, not validated."""
    search = folders(config_dir)
    rewritten = rewrite(overrides, config_dir)
    hydra.core.config_store.ConfigStore.instance().store(
        name="htmrun_group", node={"defaults": [{group: choice}]}
    )
    with _one_line_errors(), _searched_first(search[0] if config_dir else None):
        section = _compose(rewritten, "htmrun_group").get(group)
    return section if isinstance(section, dict) else {}


def _beside_a_file(
    rewritten: list[str], files: list[str], config_dir: Path | None
) -> tuple[list[str], str]:
    """Return overrides for a configuration file, and the name under which Hydra finds it.

    UserError for a second file, an experiment beside it, or one that builds on nothing.
    """
    if len(files) > 1:
        raise UserError(f"override: found the files {', '.join(files)}, expected one")
    for text in rewritten:
        if key_of(text) == "experiment":
            raise UserError(
                f"experiment: found beside the file {files[0]}, which is one, expected one of them"
            )
    content = yaml_files.load(Path(files[0]), "a YAML file with a whole configuration")
    if "experiment" in content:
        plain_content = omegaconf.OmegaConf.to_container(content)
        _store(_built_on(cast(dict[str, Any], plain_content), files[0], config_dir))
        return rewritten, FILE
    if "pipeline" not in content:
        raise UserError(
            f"{files[0]}: found no section 'pipeline', expected a whole configuration, such as "
            "a sweep's best.yaml or a run's resolved.yaml, or an experiment that it builds on "
            "(experiment: stream)"
        )
    _store(content)
    # It has no defaults list.
    return [f"+{t}" if not t.startswith(("+", "~")) else t for t in rewritten], FILE


FILE = "htmrun_file"


def _store(content: dict[str, Any]) -> None:
    hydra.core.config_store.ConfigStore.instance().store(name=FILE, node=content)


def _built_on(content: Mapping[str, Any], file: str, config_dir: Path | None) -> dict[str, Any]:
    """Return what Hydra makes of a file that names its experiment; `sp: local` chooses in a group.

    So does a list `defaults`. UserError for a choice that there is not.
    """
    own = content.get("defaults", [])
    if not isinstance(own, list):
        raise UserError(f"{file}: defaults: found {show(own)}, expected a list")
    first: list[Any] = ["config"]
    rest: dict[str, Any] = {}
    for key, value in content.items():
        if key == "defaults":
            continue
        listed = isinstance(value, list) and key in LISTS
        if not is_group(key, config_dir) or not (isinstance(value, str) or listed):
            rest[key] = value
            continue
        try:
            check_choice(key, value, config_dir)
        except UserError as error:
            raise UserError(f"{file}: {error}") from None
        first.append({f"override {key}": value})
    every = [*first, *(entry for entry in own if entry != "_self_"), "_self_"]
    # Hydra wants what overrides others at the end.
    every.sort(key=lambda entry: isinstance(entry, dict) and "override" in next(iter(entry), ""))
    return {"defaults": every, **rest}


def _compose(overrides: list[str], name: str = "config") -> dict[str, Any]:
    with hydra.initialize_config_dir(version_base="1.3", config_dir=str(CONF), job_name="htmrun"):
        kept = [text for text in overrides if not text.startswith("~") or "." not in key_of(text)]
        before = hydra.compose(name, overrides=kept)
        for text in overrides:
            if text not in kept:
                _check_removable(before, key_of(text))
        composed = before if kept == overrides else hydra.compose(name, overrides=overrides)
    missing = sorted(omegaconf.OmegaConf.missing_keys(composed))
    if missing:
        raise UserError("\n".join(f"{key}: missing (???), expected a value" for key in missing))
    return cast(dict[str, Any], omegaconf.OmegaConf.to_container(composed, resolve=True))


def _check_removable(composed: omegaconf.DictConfig, key: str) -> None:
    parent, _, name = key.rpartition(".")
    section = omegaconf.OmegaConf.select(composed, parent)
    known = [str(key) for key in section] if isinstance(section, omegaconf.DictConfig) else []
    if name not in known:
        expected = f", {one_of(name, known)}" if known else ""
        raise UserError(f"{key}: found nothing to remove{expected}")


@contextlib.contextmanager
def _searched_first(folder: Path | None) -> Iterator[None]:
    """Let Hydra look into `folder` before any other, and into installed packages' after all."""
    # hydra.searchpath would put it last, where it loses against shipped files of the same name.
    plugin = hydra.plugins.search_path_plugin.SearchPathPlugin

    class UserFolderFirst(plugin):  # type: ignore[misc, valid-type]
        def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
            current = _user_folder.get()
            if current is not None:
                search_path.prepend(
                    provider="--config-dir", path=f"{yaml_files.SCHEME}://{current}"
                )
            for folder in conf_of_packages():
                search_path.append(provider=str(folder), path=f"file://{folder}")

    plugins = hydra.core.plugins.Plugins.instance()
    hydra._internal.sources_registry.SourcesRegistry.instance().register(
        yaml_files.guarded_source()
    )
    if not any(p.__name__ == "UserFolderFirst" for p in plugins.discover(plugin)):
        plugins.register(UserFolderFirst)
    token = _user_folder.set(folder)
    try:
        yield
    finally:
        _user_folder.reset(token)


@contextlib.contextmanager
def _one_line_errors() -> Iterator[None]:
    try:
        yield
    except hydra.errors.MissingConfigException as error:
        raise UserError(_missing_line(error)) from None
    except omegaconf.errors.OmegaConfBaseException as error:
        key = getattr(error, "full_key", None) or "configuration"
        raise UserError(f"{key}: {yaml_files.first_line(error)}") from None
    except (hydra.errors.HydraException, ValueError, TypeError, AttributeError) as error:
        raise UserError(f"configuration: {yaml_files.first_line(error)}") from None
    except RecursionError:
        raise UserError(
            "defaults: found entries or interpolations that lead back to themselves, expected an "
            "end"
        ) from None
    except AssertionError as error:
        # Hydra means to refuse such a list, and stumbles over its own message about it.
        if not any(
            f.name == "_update_overrides" for f in traceback.extract_tb(error.__traceback__)
        ):
            raise
        raise UserError(
            "defaults: found an entry below one that begins with 'override', expected those last"
        ) from None


def _missing_line(error: Any) -> str:
    missing = error.missing_cfg_file or ""
    group, _, name = str(missing).rpartition("/")
    options = list(error.options or [])
    expected = one_of(name, options) if options else "which does not exist"
    return f"{group or 'defaults'}: found '{name}', {expected}"
