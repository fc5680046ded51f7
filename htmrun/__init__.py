"""Compare online, mini-batch and epoch-boosted learning of HTM pipelines.

What this module offers is what may be relied on: it changes with a word in CHANGELOG.md, modules
below it may change without. docs/guides/library.md shows it at work. Each name is imported when
it is first used. `htmrun.testing` has the contract suites for kinds of one's own.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from htmrun.backends import State as State
    from htmrun.backends import load_backend as load_backend
    from htmrun.backends.bits import Bits as Bits
    from htmrun.backends.parameters import Parameters as Parameters
    from htmrun.backends.parameters import SpatialPoolerParameters as SpatialPoolerParameters
    from htmrun.backends.parameters import TemporalMemoryParameters as TemporalMemoryParameters
    from htmrun.backends.plan import Plan as Plan
    from htmrun.backends.state import state_hash as state_hash
    from htmrun.backends.torch_arrays import bits_from_torch as bits_from_torch
    from htmrun.backends.torch_arrays import bits_to_torch as bits_to_torch
    from htmrun.backends.torch_arrays import from_torch as from_torch
    from htmrun.backends.torch_arrays import to_torch as to_torch
    from htmrun.components.classifiers import Readout as Readout
    from htmrun.components.classifiers.sdr import (
        SDRClassifierParameters as SDRClassifierParameters,
    )
    from htmrun.components.encoders import Encoder as Encoder
    from htmrun.components.encoders import EncoderParameters as EncoderParameters
    from htmrun.components.pipeline import Pipeline as Pipeline
    from htmrun.components.registry import register as register
    from htmrun.components.sources import Chunk as Chunk
    from htmrun.components.sources import Source as Source
    from htmrun.components.sources import open_source as open_source
    from htmrun.components.stages import Stage as Stage
    from htmrun.config.compose import load as load
    from htmrun.errors import UserError as UserError
    from htmrun.execution.models import Model as Model
    from htmrun.experiment import Results as Results
    from htmrun.experiment import build_pipeline as build_pipeline
    from htmrun.experiment import compare_runs as compare_runs
    from htmrun.experiment import load_model as load_model
    from htmrun.experiment import run as run
    from htmrun.training.measures.measure import Measure as Measure
    from htmrun.training.schedule import Cursor as Cursor
    from htmrun.training.schedule import Growth as Growth
    from htmrun.training.schedule import Schedule as Schedule

__version__ = "0.1.0"

_PLACES = {
    "backends": ("State", "load_backend"),
    "backends.bits": ("Bits",),
    "backends.parameters": ("Parameters", "SpatialPoolerParameters", "TemporalMemoryParameters"),
    "backends.plan": ("Plan",),
    "backends.state": ("state_hash",),
    "backends.torch_arrays": ("bits_from_torch", "bits_to_torch", "from_torch", "to_torch"),
    "components.classifiers": ("Readout",),
    "components.classifiers.sdr": ("SDRClassifierParameters",),
    "components.encoders": ("Encoder", "EncoderParameters"),
    "components.pipeline": ("Pipeline",),
    "components.registry": ("register",),
    "components.sources": ("Chunk", "Source", "open_source"),
    "components.stages": ("Stage",),
    "config.compose": ("load",),
    "errors": ("UserError",),
    "execution.models": ("Model",),
    "experiment": ("Results", "build_pipeline", "compare_runs", "load_model", "run"),
    "training.measures.measure": ("Measure",),
    "training.schedule": ("Cursor", "Growth", "Schedule"),
}  # fmt: skip
_WHERE = {name: place for place, names in _PLACES.items() for name in names}

__all__ = ["__version__", *_WHERE]


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module 'htmrun' has no attribute '{name}'")
    return getattr(import_module(f"htmrun.{_WHERE[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
