"""A whole experiment as one frozen, typed object; field descriptions are what `htmrun show` prints.

In YAML the stages of the pipeline stand at the root (`sp.columns=4096`); `validate` collects
them into `Experiment.stages` before this schema sees them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import Discriminator, Field, Tag, field_validator, model_validator

from htmrun.backends import devices
from htmrun.backends.parameters import NO_EFFECT, Parameters
from htmrun.components.controls import ControlParameters
from htmrun.components.likelihood import AnomalyParameters
from htmrun.components.registry import Section
from htmrun.components.sources import SourceParameters
from htmrun.config.store_uri import checked

Name = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_-]*$", max_length=128)]
EpochPeriod = Literal["pass", "minute", "hour", "day", "week", "year"]
Seed = Annotated[int, Field(ge=0, lt=1 << 63)]
Window = Annotated[int, Field(ge=1, le=1 << 24)]
StageParameters = Annotated[Parameters, Section(("encoder", "stage", "readout"))]


class GrowingWindow(Parameters):
    """Windows that grow: each is `factor` times as long as the one before, up to `limit`."""

    start: Window = Field(1, description="Samples in the first window.")
    factor: float = Field(
        2.0, gt=1.0, le=1000.0, description="Each window is this many times as long as the last."
    )
    limit: Window = Field(1000, description="No window holds more samples than this.")

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.start > self.limit:
            raise ValueError(
                f"start: {self.start} is above limit = {self.limit}, expected at most that"
            )
        return self


def _window_form(value: object) -> str:
    if isinstance(value, str):
        return "=episode"
    return "=growing" if isinstance(value, Mapping | GrowingWindow) else "=fixed"


def _epoch_form(value: object) -> str:
    return "=period" if isinstance(value, str) else "=samples"


class Arm(Parameters):
    """One regime: two dials, and optionally stages that do not learn or are left out."""

    learn_every: Annotated[
        Annotated[Window, Tag("=fixed")]
        | Annotated[GrowingWindow, Tag("=growing")]
        | Annotated[Literal["episode"], Tag("=episode")],
        Discriminator(_window_form),
    ] = Field(
        1,
        description="Samples in a window; {start, factor, limit}: windows that grow; episode: an "
        "agent's.",
    )
    boost_at: Literal["commit", "epoch", "never"] = Field(
        "commit", description="When boost factors and minimum duty cycles are recomputed."
    )
    freeze: tuple[str, ...] = Field((), description="Stages that do not learn in this arm.")
    bypass: tuple[str, ...] = Field((), description="Stages left out of the pipeline in this arm.")
    pipeline: tuple[Name, ...] | None = Field(
        None, min_length=1, description="Stages of this arm; null: those of the experiment."
    )

    def longest_window(self, episode: int) -> int:
        """Return the most samples that a window of this arm can hold; episode: of an episode."""
        window = self.learn_every
        if isinstance(window, str):
            return episode
        return window.limit if isinstance(window, GrowingWindow) else window


def _control_form(value: object) -> str:
    if isinstance(value, Mapping):
        return "=baseline" if "baseline" in value else "=arm"
    return "=baseline" if isinstance(value, ControlParameters) else "=arm"


Control = Annotated[
    Annotated[Arm, Tag("=arm")]
    | Annotated[ControlParameters, Section(("control",), ControlParameters), Tag("=baseline")],
    Discriminator(_control_form),
]


class Tracking(Parameters):
    """Where MLflow keeps the runs."""

    enabled: bool = Field(True, description="false: nothing is recorded, results are only printed.")
    uri: str | None = Field(
        None, description="MLflow tracking URI; null: an SQLite database in `dir`."
    )
    experiment: Name | None = Field(
        None, description="Name of the MLflow experiment; null: the experiment's name."
    )
    dir: str = Field("runs", min_length=1, description="Folder for the database and artifacts.")
    models_mb: float = Field(
        500.0,
        ge=0.0,
        le=1e9,
        description="MB that the models of a run's jobs may take together, for htmrun predict; 0: "
        "none is kept.",
    )
    forecasts_mb: float = Field(
        500.0,
        ge=0.0,
        le=1e9,
        description="MB that the forecasts of a run's jobs may take together, row by row, for "
        "htmrun series; 0: none are kept.",
    )

    @field_validator("uri")
    @classmethod
    def _check_uri(cls, uri: str | None) -> str | None:
        if uri is not None:
            checked(uri)
        return uri


class ClusterParameters(Parameters):
    """What a job takes on a cluster, where `--on ray://HOST` runs arms and seeds."""

    cpus: float = Field(1.0, gt=0.0, le=1024.0, description="Cores of a job.")
    gpus: float = Field(0.0, ge=0.0, le=64.0, description="Share of a GPU, or GPUs, of a job.")
    retries: int = Field(
        2, ge=0, le=100, description="How often a job is run again when its worker dies."
    )
    wait_s: float = Field(
        120.0, ge=0.0, le=1e6, description="Seconds to wait for nodes that have room for a job."
    )


class Experiment(Parameters):
    """Everything one `htmrun train` does."""

    name: Name = Field(..., description="Name of the experiment; its runs are found under it.")
    description: str = Field(
        "", description="What the experiment shows, in a sentence.", json_schema_extra=NO_EFFECT
    )
    pipeline: tuple[Name, ...] = Field(
        ...,
        min_length=1,
        description="Stages in order, each a section of its own: encoder first, classifier or "
        "network last; or one network; or a temporal memory last, which scores anomalies.",
    )
    data: Annotated[SourceParameters, Section(("source",))] = Field(
        ..., description="Where the samples come from."
    )
    stages: dict[Name, StageParameters] = Field(
        ..., description="Parameters of each stage; in YAML these sections stand at the root."
    )
    arm: dict[Name, Arm] = Field(..., description="The regimes that are compared, by name.")
    control: dict[Name, Control] = Field(
        default_factory=dict, description="Arms and baselines that give the figures meaning."
    )
    arms: tuple[str, ...] | None = Field(
        None,
        min_length=1,
        description="Names of the arms and controls to run; null: all.",
        json_schema_extra=NO_EFFECT,
    )
    seeds: tuple[Seed, ...] = Field(
        (0,),
        min_length=1,
        description="Each arm runs once with each of these. Six are tested, ten decide.",
        json_schema_extra=NO_EFFECT,
    )
    epochs: int = Field(1, ge=1, le=1 << 20, description="Passes over the training samples.")
    epoch_length: (
        Annotated[
            Annotated[Window, Tag("=samples")] | Annotated[EpochPeriod, Tag("=period")],
            Discriminator(_epoch_form),
        ]
        | None
    ) = Field(
        None,
        description="Samples that make an epoch on a stream, or a period of its dates, or pass; in "
        "every arm a window ends there. null: a pass; but of a stream, in arms that boost at "
        "epochs, the longest period that goes ten times into it, without dates 1000 samples or a "
        "tenth.",
    )
    evaluate_every: int | None = Field(
        None,
        ge=1,
        description="Training samples between held-out evaluations; null: after each epoch.",
    )
    curve_points: int = Field(
        100, ge=1, le=100_000, description="Points in each learning curve, at most."
    )
    target: float | None = Field(
        None,
        description="Value of the main curve that counts as learned: an accuracy to reach, an RMSE "
        "to come down to; null: none.",
    )
    noise_images: int | None = Field(
        0,
        ge=0,
        description="Held-out images on which pixel noise is tried at the end; 0: none, null: all.",
    )
    anomaly: AnomalyParameters = Field(
        AnomalyParameters.model_validate({}),
        description="How raw anomaly scores of a stream become a likelihood and alerts.",
    )
    device: str = Field(
        "cpu",
        examples=list(devices.NAMES),
        description="cpu: compiled; reference: plain NumPy; cuda, cuda:1: a card; auto: a card if "
        "one is there, else cpu. Results are equal.",
        json_schema_extra=NO_EFFECT,
    )
    checkpoint_every: float | None = Field(
        1.0,
        gt=0.0,
        le=1e6,
        description="Minutes after which a job keeps how far it is, for `htmrun resume`; null: "
        "never.",
        json_schema_extra=NO_EFFECT,
    )
    workers: int | None = Field(
        None,
        ge=1,
        le=4096,
        description="Arms and seeds that run side by side; null: one per core, on a card as many "
        "as fit.",
        json_schema_extra=NO_EFFECT,
    )
    threads: int | None = Field(
        None,
        ge=1,
        le=1024,
        description="Threads of each job on the processor, for long windows of a spatial pooler; "
        "null: the cores that jobs side by side leave over. Results are equal.",
        json_schema_extra=NO_EFFECT,
    )
    cluster: ClusterParameters = Field(
        ClusterParameters.model_validate({}),
        description="What a job takes on a cluster.",
        json_schema_extra=NO_EFFECT,
    )
    tracking: Tracking = Field(
        Tracking.model_validate({}),
        description="Where results are recorded.",
        json_schema_extra=NO_EFFECT,
    )

    @field_validator("device")
    @classmethod
    def _check_device(cls, name: str) -> str:
        return devices.checked(name)

    @property
    def selected(self) -> tuple[str, ...]:
        """Names of the arms and controls that run, arms first."""
        names = (*self.arm, *self.control)
        return names if self.arms is None else tuple(n for n in names if n in self.arms)

    def regime(self, name: str) -> Arm | ControlParameters:
        """Return the arm or control called `name`; KeyError if there is none."""
        return self.arm[name] if name in self.arm else self.control[name]

    def longest_window(self, arm: Arm) -> int:
        """Return the most samples that a window of `arm` can hold."""
        return arm.longest_window(getattr(self.data, "episode_steps", 1))

    def pipeline_of(self, regime: Arm | ControlParameters) -> tuple[str, ...]:
        """Return the stages of an arm: its own, or the experiment's."""
        own = regime.pipeline if isinstance(regime, Arm) else None
        return own or self.pipeline


def root_fields() -> dict[str, Any]:
    """Return the fields that stand at the root of the YAML (all but the stages)."""
    return {name: info for name, info in Experiment.model_fields.items() if name != "stages"}


WITHOUT_EFFECT = tuple(
    name for name, info in Experiment.model_fields.items() if info.json_schema_extra == NO_EFFECT
)
"""Fields of an experiment that have no effect on results."""
