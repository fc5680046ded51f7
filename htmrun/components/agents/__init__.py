"""Agents: what stands alone in the pipeline of an environment, and learns from what it does.

One file per kind. The loop of `training.play` asks an agent for an action, and tells it what came
of it. Inside a window nothing that decides is changed; a commit applies what was learned.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import numpy as np
import numpy.typing as npt
from pydantic import Field

from htmrun.backends import State, rng
from htmrun.backends.bits import Bits
from htmrun.backends.parameters import Parameters
from htmrun.backends.plan import Flags, Plan
from htmrun.components.classifiers import Classes, Readout, Site, Targets
from htmrun.components.classifiers.scores import Activity, Scores
from htmrun.components.encoders import Encoder, PartParameters, build_encoder
from htmrun.components.encoders.blocks import BlockParameters
from htmrun.components.encoders.combined import FieldsEncoderParameters
from htmrun.components.encoders.scalar import ScalarEncoderParameters
from htmrun.components.environments import FIELD, Environment, Observation, fields_of
from htmrun.components.layout import Layout
from htmrun.components.registry import Section, kinds
from htmrun.components.sources import Source, Task
from htmrun.errors import UserError, mismatch

Policy = npt.NDArray[np.float64]


class UsualEncoder(BlockParameters):
    """The scalar encoder of fields that have no encoder of their own."""

    size: int = Field(100, ge=1, le=1 << 24, description="Number of bits.")
    active: int = Field(
        31, ge=1, le=1 << 24, description="On-bits of a value, one contiguous block."
    )


class EncodingParameters(Parameters):
    """What agents have that see bits."""

    usual: UsualEncoder = Field(
        UsualEncoder.model_validate({}),
        description="Fields without an encoder of their own get a scalar encoder like this.",
    )
    encoders: dict[str, Annotated[PartParameters, Section(("encoder",), PartParameters)]] = Field(
        default_factory=dict, description="Encoders by the field of the observation they read."
    )


@dataclass(frozen=True)
class Step:
    """One action and what came of it.

    over: the episode ended there, for good. commit, boost: what follows, as in a `Plan`.
    """

    before: Observation
    action: int
    reward: float
    after: Observation
    over: bool
    commit: bool
    boost: bool

    @property
    def plan(self) -> Plan:
        """The flags of this one sample."""
        flags = (np.array([flag], np.uint8) for flag in (False, self.commit, self.boost))
        return Plan(*flags)


class Agent(Readout):
    """Acts by `policy`, a chance for each action, and learns from steps."""

    field: ClassVar[str | None] = FIELD
    devices: ClassVar[tuple[str, ...]] = ("cpu", "reference")
    joins_lots: ClassVar[bool] = False

    def __init__(self, parameters: Any, site: Site) -> None:
        assert isinstance(site.source, Environment)
        self.parameters, self.name, self.environment = parameters, site.name, site.source
        self.learn = site.name not in site.frozen
        self.actions = site.source.classes
        self.targets = self.targets_of(site.name, parameters, site.source)
        self.acted = 0
        self._key = rng.key(site.seed, rng.Purpose.ACTION)

    @abstractmethod
    def policy(self, observation: Observation) -> Policy:
        """Return how likely each action is to be taken, float64 (actions,); writes nothing."""

    def begin(self) -> None:
        """Begin an episode: nothing reaches into it from the one before."""

    @abstractmethod
    def hear(self, step: Step) -> None:
        """Take in a step, and apply what the window has learned where it ends."""

    def act(self, observation: Observation) -> int:
        """Return an action drawn from the policy, by the counter of actions so far."""
        chance = float(rng.uniform(rng.hash2(self._key, np.uint64(0), np.uint64(self.acted))))
        self.acted += 1
        below = np.cumsum(self.policy(observation))
        return int(min(np.searchsorted(below, chance * below[-1], "right"), self.actions - 1))

    @classmethod
    def horizons(cls, parameters: Any) -> tuple[int, ...]:
        """The action that is due now."""
        return (0,)

    @classmethod
    def targets_of(cls, name: str, parameters: Any, source: Source) -> Targets:
        """Return that it chooses among the actions."""
        return Targets(source.classes, (0,))

    @classmethod
    def unfit(cls, name: str, parameters: Any, task: Task, kind: str) -> Iterator[str]:
        """Say where there is nothing to act in."""
        if task != "control":
            known = [k for k, v in kinds("source").items() if v.component.task == "control"]
            yield (
                f"{name}.kind: found '{parameters.kind}' with data.kind '{kind}', expected an "
                f"environment: {', '.join(known)}"
            )

    @classmethod
    def build(cls, parameters: Any, site: Site) -> Agent:
        """Return an agent that knows nothing yet."""
        return cls(parameters, site)

    @classmethod
    def state_bytes(cls, parameters: Any, front: Layout, targets: Targets) -> int:
        """Estimate the bytes of its state."""
        return 8

    def run(self, activity: Activity, targets: Classes, plan: Plan) -> list[Scores]:
        """Raise TypeError: it learns from what it does, not from a chunk of samples."""
        raise TypeError(f"{self.name}: an agent learns by acting, not from chunks")

    def compute(self, activity: Activity, reset: Flags) -> list[Scores]:
        """Return the policy of each observation (T, names) alone; writes nothing."""
        rows = [self.policy(observation) for observation in activity[FIELD]]
        made = np.array(rows, np.float32).reshape(-1, self.actions)
        return [Scores(0, made, np.ones(len(made), np.bool_))]

    def state(self) -> State:
        """Return every array that a later result depends on, between two episodes."""
        return {"acted": np.array([self.acted], np.int64), **self.learned()}

    def learned(self) -> State:
        """Return what it has learned, and what waits for the commit."""
        return {}

    def load(self, state: State) -> None:
        """Take over what `state()` returned, between two episodes."""
        self.acted = int(state["acted"][0])
        self.take({name: array for name, array in state.items() if name != "acted"})

    def take(self, learned: State) -> None:
        """Take over what `learned()` returned; ValueError on other names or shapes."""
        if learned:
            raise ValueError(f"state holds {sorted(learned)}, expected nothing")


class Coder:
    """Bits of some of the names of an observation, one encoder beside the other."""

    def __init__(self, parameters: EncodingParameters, site: Site, names: tuple[str, ...]) -> None:
        source = site.source
        assert isinstance(source, Environment)
        self._all, self.names = source.names, names
        for name in parameters.encoders:
            if name not in source.names:
                raise UserError(mismatch(f"{site.name}.encoders", name, source.names))
        usual = ScalarEncoderParameters.model_validate(parameters.usual.model_dump())
        parts = {name: parameters.encoders.get(name, usual) for name in names}
        self.encoder: Encoder = build_encoder(
            FieldsEncoderParameters.model_validate({"fields": parts}),
            source.shapes, site.seed, source.ranges, f"{site.name}.encoders",
        )  # fmt: skip
        self.size = self.encoder.size

    def code(self, observation: Observation) -> Bits:
        """Encode one observation."""
        return self.encoder.encode(fields_of(self._all, observation, self.names))

    def code_of(self, values: Observation) -> Bits:
        """Encode values of `names` alone, in their order."""
        return self.encoder.encode({n: values[[i]] for i, n in enumerate(self.names)})


def exploring(greedy: int, actions: int, explore: float) -> Policy:
    """Return the policy that mostly takes `greedy`, and with chance `explore` any action."""
    policy = np.full(actions, explore / actions)
    policy[greedy] += 1.0 - explore
    return policy
