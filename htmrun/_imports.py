"""Packages that take long to import, each imported when something in it is first used.

`from htmrun._imports import optuna` at the top of a module costs nothing, so that the command line
answers at once and a worker imports only what its jobs need. A class that derives from one of
theirs, or a compiled function, needs the package itself; CuPy, pynvml and Ray are extras, imported
where it is asked whether they are there.
"""

from __future__ import annotations

from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

from htmrun.errors import UserError

if TYPE_CHECKING:
    import gymnasium
    import hydra.core.config_search_path
    import hydra.core.config_store
    import hydra.core.override_parser.overrides_parser
    import hydra.core.plugins
    import hydra.errors
    import hydra.plugins.search_path_plugin
    import jinja2
    import matplotlib.backends.backend_agg
    import matplotlib.pyplot
    import mlflow.server.constants
    import mlflow.server.fastapi_app
    import mlflow.system_metrics.metrics.cpu_monitor
    import mlflow.system_metrics.metrics.gpu_monitor
    import omegaconf
    import optuna.storages.journal
    import pandas
    import PIL.ImageDraw
    import pyarrow.parquet
    import scipy
    import sklearn
    import sqlalchemy
    import statsmodels
    import torch
    import vl_convert

__all__ = [
    "PIL", "gymnasium", "hydra", "jinja2", "matplotlib", "mlflow", "omegaconf", "optuna", "pandas",
    "pyarrow", "scipy", "sklearn", "sqlalchemy", "statsmodels", "torch", "vl_convert",
]  # fmt: skip


class _Deferred(ModuleType):
    """A package, or a module of it, that is imported for the first name asked of it."""

    def __getattr__(self, name: str) -> Any:
        module = _imported(self.__name__)
        try:
            found = getattr(module, name)
        except AttributeError:
            found = import_module(f"{self.__name__}.{name}")
        inside = isinstance(found, ModuleType) and found.__name__ == f"{self.__name__}.{name}"
        return _Deferred(found.__name__) if inside else found


def _imported(name: str) -> ModuleType:
    """Import a package; raises UserError where something about its surroundings stops it."""
    try:
        return import_module(name)
    except (ImportError, UserError):
        raise
    except Exception as error:
        raise UserError(
            f"{name}: cannot be imported ({' '.join(str(error).split())[:200]}), expected an "
            "environment whose variables and folders it can use"
        ) from error


if not TYPE_CHECKING:

    def __getattr__(name: str) -> ModuleType:
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return _Deferred(name)
