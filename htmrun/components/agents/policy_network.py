"""A small network of torch that learns what the readout of bits learns, by gradients.

Source: Sutton, Barto 2018, section 13.5 (actor-critic with eligibility traces). Rules:
docs/math.md, "Agents".
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

import numpy as np
from pydantic import Field

from htmrun._imports import torch
from htmrun.backends import State, rng
from htmrun.backends.parameters import Fraction, Parameters
from htmrun.backends.state import checked
from htmrun.components.agents import Agent, Policy, Step
from htmrun.components.classifiers import Site, Targets
from htmrun.components.environments import Observation
from htmrun.components.layout import Layout
from htmrun.components.registry import register


class PolicyNetworkParameters(Parameters):
    """A network with one hidden layer: an actor and a critic, learned by gradients."""

    kind: Literal["policy_network"] = "policy_network"
    units: int = Field(64, ge=1, le=1 << 16, description="Hidden units.")
    method: Literal["sgd", "adam"] = Field(
        "adam", description="How a commit turns the window's mean gradient into a step."
    )
    rate: float = Field(0.003, gt=0.0, le=100.0, description="Length of a step.")
    discount: Fraction = Field(0.98, description="What a reward is worth a step later.")
    trace: Fraction = Field(
        0.9, description="Share of its eligibility that a weight keeps from one step to the next."
    )


@register("readout", PolicyNetworkParameters)
class PolicyNetwork(Agent):
    """tanh units on the observation, cut to -1..1 by its ranges; a softmax and a value on them.

    Every weight has a trace of the gradient of log policy + value; a window's step is along the
    mean of error * trace.
    """

    size_field = "units"

    def __init__(self, parameters: PolicyNetworkParameters, site: Site) -> None:
        super().__init__(parameters, site)
        p, source = parameters, self.environment
        low, high = np.array([source.ranges[name] for name in source.names]).T
        self._middle, self._half = (low + high) / 2, (high - low) / 2
        fields = len(source.names)
        shapes = [(p.units, fields), (p.units,), (self.actions + 1, p.units), (self.actions + 1,)]
        torch.set_num_threads(1)
        drawn = _first_weights(site.seed, p.units, fields)
        self._weights = [
            (drawn if place == 0 else torch.zeros(shape)).requires_grad_()
            for place, shape in enumerate(shapes)
        ]
        kind = torch.optim.Adam if p.method == "adam" else torch.optim.SGD
        self._optimizer: Any = kind(self._weights, lr=p.rate)
        self._trace = [torch.zeros(shape) for shape in shapes]
        self._pending = [torch.zeros(shape) for shape in shapes]
        self._steps = 0
        for weight in self._weights:
            weight.grad = torch.zeros_like(weight)
        self._optimizer.step()  # Along nothing, so that it has all its state from the beginning.
        for kept in self._optimizer.state.values():
            if "step" in kept:
                kept["step"].zero_()

    @classmethod
    def lacking(cls) -> str | None:
        """Say nothing: it runs on the processor alone."""
        return None

    @classmethod
    def state_bytes(
        cls, parameters: PolicyNetworkParameters, front: Layout, targets: Targets
    ) -> int:
        """Count weights, and three numbers kept beside each."""
        fields = front.shape[0] if front.shape else 1
        return 16 * parameters.units * (fields + targets.classes + 3)

    def begin(self) -> None:
        """Forget what was done in the episode before."""
        for trace in self._trace:
            trace.zero_()

    def policy(self, observation: Observation) -> Policy:
        """Return the softmax of the output."""
        with torch.no_grad():
            chances: Policy = torch.softmax(self._forward(observation)[:-1].double(), 0).numpy()
        return chances

    def hear(self, step: Step) -> None:
        """Learn from the critic's error."""
        if not self.learn:
            return
        p = self.parameters
        made = self._forward(step.before)
        with torch.no_grad():
            ahead = 0.0 if step.over else p.discount * float(self._forward(step.after)[-1])
        error = step.reward + ahead - float(made[-1].detach())
        aim = torch.log_softmax(made[:-1], 0)[step.action] + made[-1]
        for trace, pending, found in zip(
            self._trace, self._pending, torch.autograd.grad(aim, self._weights), strict=True
        ):
            trace.mul_(p.discount * p.trace).add_(found)
            pending.add_(trace, alpha=error)
        self._steps += 1
        if step.commit:
            self._commit()

    def _commit(self) -> None:
        for weight, pending in zip(self._weights, self._pending, strict=True):
            weight.grad = pending / -self._steps
            pending.zero_()
        self._optimizer.step()
        self._steps = 0

    def _forward(self, observation: Observation) -> Any:
        """Return the actor's sums and, last, the value, float32 (actions + 1,)."""
        seen = np.clip((observation - self._middle) / self._half, -1.0, 1.0).astype(np.float32)
        first, bias, second, last = self._weights
        return second @ torch.tanh(first @ torch.from_numpy(seen) + bias) + last

    def learned(self) -> State:
        """Return weights, what the optimizer remembers, and what waits for the commit."""
        found = {"pending_steps": np.array([self._steps], np.int64)}
        for place, (weight, pending) in enumerate(zip(self._weights, self._pending, strict=True)):
            found[f"weight_{place}"] = weight.detach().numpy().copy()
            found[f"pending_{place}"] = pending.numpy().copy()
            for name, value in self._remembered(place):
                found[f"{name}_{place}"] = value.numpy().copy()
        return found

    def take(self, learned: State) -> None:
        """Take over what `learned()` returned; ValueError on other names or shapes."""
        taken = checked(learned, self.learned())
        self._steps = int(taken["pending_steps"][0])
        with torch.no_grad():
            for place, weight in enumerate(self._weights):
                weight.copy_(torch.from_numpy(taken[f"weight_{place}"]))
                self._pending[place].copy_(torch.from_numpy(taken[f"pending_{place}"]))
                for name, value in self._remembered(place):
                    value.copy_(torch.from_numpy(taken[f"{name}_{place}"]))

    def _remembered(self, place: int) -> Iterator[tuple[str, Any]]:
        """Yield the optimizer's numbers of a weight by name."""
        for name, value in sorted(self._optimizer.state.get(self._weights[place], {}).items()):
            if value is not None:
                yield name, value


def _first_weights(seed: int, units: int, fields: int) -> Any:
    """Return float32 (units, fields), uniform within sqrt(3 / fields), as layers of networks."""
    rows = np.arange(units, dtype=np.uint64)[:, None]
    words = rng.hash2(rng.key(seed, rng.Purpose.NETWORK), rows, np.arange(fields, dtype=np.uint64))
    drawn = (rng.uniform(words) * 2 - 1) * (3 / fields) ** 0.5
    return torch.from_numpy(drawn.astype(np.float32))
