"""An actor and a critic that read bits: the readout of the reward-modulated pooler.

Sources: Barto, Sutton, Anderson 1983 (the pole, with a box in place of each bit); Sutton, Barto
2018, section 13.5. Rules: docs/math.md, "Agents".
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from pydantic import Field

from htmrun.backends import State
from htmrun.backends.fixed_point import exp_f32
from htmrun.backends.parameters import Fraction, Parameters
from htmrun.backends.state import checked

On = npt.NDArray[np.int32]
Floats = npt.NDArray[np.float64]


class ActorCriticParameters(Parameters):
    """How bits become actions, and which of them are to thank for a reward."""

    actor_rate: float = Field(
        0.05, ge=0.0, le=100.0, description="Step of the actor, shared by the bits that are on."
    )
    critic_rate: float = Field(
        0.1, ge=0.0, le=100.0, description="Step of the critic, shared by the bits that are on."
    )
    discount: Fraction = Field(0.98, description="What a reward is worth a step later.")
    trace: Fraction = Field(
        0.9, description="Share of its eligibility that a bit keeps from one step to the next."
    )


class ActorCritic:
    """Softmax over the sums of weights of on-bits, and a value that is such a sum.

    error = r + discount * V(s') - V(s) under frozen weights; both learn error * eligibility, added
    up within a window.
    """

    def __init__(self, parameters: ActorCriticParameters, size: int, actions: int) -> None:
        self.parameters, self.size, self.actions = parameters, size, actions
        # Row 0 is the critic, the others are the actor's, one for each action.
        self.weights = np.zeros((1 + actions, size))
        self._pending = np.zeros_like(self.weights)
        self._trace = np.zeros_like(self.weights)

    def begin(self) -> None:
        """Forget what was done in the episode before."""
        self._trace[:] = 0.0

    def policy(self, on: On) -> Floats:
        """Return the chance of each action, float64 (actions,)."""
        sums = self.weights[1:, on].sum(1)
        # The exponential that is the same on every machine.
        chances = exp_f32((sums - sums.max()).astype(np.float32)).astype(np.float64)
        return chances / chances.sum()

    def value(self, on: On) -> float:
        """Return what is expected from here on, discounted."""
        return float(self.weights[0, on].sum())

    def error(self, on: On, reward: float, after: On | None) -> float:
        """Return how much better it went than expected; after: None where the episode is over."""
        ahead = 0.0 if after is None else self.parameters.discount * self.value(after)
        return reward + ahead - self.value(on)

    def learn(self, on: On, action: int, error: float) -> None:
        """Make what led here eligible, and let it learn `error` with the next commit."""
        p, trace = self.parameters, self._trace
        trace *= p.discount * p.trace
        trace[0, on] = 1.0  # Replacing traces: Singh, Sutton 1996.
        trace[1:, on] -= self.policy(on)[:, None]
        trace[1 + action, on] += 1.0
        share = error / max(len(on), 1)
        self._pending[0] += p.critic_rate * share * trace[0]
        self._pending[1:] += p.actor_rate * share * trace[1:]

    def commit(self) -> None:
        """Apply what the window has learned."""
        self.weights += self._pending
        self._pending[:] = 0.0

    def state(self) -> State:
        """Return weights, float64 (1 + actions, size), and what waits for the commit."""
        return {"weights": self.weights.copy(), "pending_weights": self._pending.copy()}

    def load(self, state: State) -> None:
        """Take over what `state()` returned; ValueError on other names or shapes."""
        taken = checked(state, self.state())
        self.weights, self._pending = taken["weights"], taken["pending_weights"]
