"""A grid to walk through, from anywhere to a goal."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from htmrun.backends import rng
from htmrun.backends.parameters import Fraction
from htmrun.components.environments import (
    Environment,
    EnvironmentParameters,
    Frames,
    Observation,
    World,
)
from htmrun.components.environments.drawing import GREY, INK, SIGNAL, cells, draw
from htmrun.components.registry import register
from htmrun.components.sources import Ranges

Cell = tuple[Annotated[int, Field(ge=0, lt=1000)], Annotated[int, Field(ge=0, lt=1000)]]
MOVES = ((0, -1), (1, 0), (0, 1), (-1, 0))


class GridWorldParameters(EnvironmentParameters):
    """A grid (Sutton, Barto 2018, chapter 3): walk to the goal in as few steps as possible."""

    kind: Literal["grid_world"] = "grid_world"
    steps: int = Field(8000, ge=1, le=1 << 32, description="Actions in a run: its samples.")
    episode_steps: int = Field(
        40, ge=1, le=1 << 20, description="Actions after which an episode is cut."
    )
    size: int = Field(5, ge=2, le=100, description="Cells of a side.")
    goal: Cell | None = Field(
        None, description="Column and row of the goal, from 0; null: another in each episode."
    )
    walls: tuple[Cell, ...] = Field((), description="Cells, column and row, that none can enter.")
    slip: Fraction = Field(0.0, description="How often a step goes another way than was chosen.")
    cost: float = Field(
        0.02, ge=0.0, le=1.0, description="What a step costs; arriving at the goal gives 1."
    )

    @model_validator(mode="after")
    def _inside(self) -> Self:
        for place, cell in (*((f"walls[{i}]", w) for i, w in enumerate(self.walls)),
                            *([("goal", self.goal)] if self.goal else [])):  # fmt: skip
            if max(cell) >= self.size:
                raise ValueError(f"{place}: found {list(cell)}, expected cells below {self.size}")
        if self.goal in self.walls:
            raise ValueError(f"goal: found {list(self.goal or ())}, a wall, expected a free cell")
        if self.size**2 - len(set(self.walls)) < 2:
            raise ValueError("walls: found no two free cells, expected some")
        return self


class Grid:
    """The grid of one seed, which is in nothing but where episodes begin."""

    def __init__(self, parameters: GridWorldParameters) -> None:
        self.parameters = p = parameters
        self._walls = set(p.walls)
        side = range(p.size)
        self._free = [(x, y) for y in side for x in side if (x, y) not in self._walls]
        self._key, self._step = np.uint64(0), 0
        self._place = self._goal = (0, 0)

    def reset(self, *, seed: int) -> tuple[Observation, dict[str, Any]]:
        """Begin anywhere but at the goal."""
        self._key, self._step = rng.key(seed, rng.Purpose.ENVIRONMENT), 0
        self._goal = self.parameters.goal or self._free[self._drawn(4, len(self._free))]
        starts = [cell for cell in self._free if cell != self._goal]
        self._place = starts[self._drawn(5, len(starts))]
        return self._seen(), {}

    def step(self, action: int) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Go up, right, down or left; at walls and edges it stays where it is."""
        p = self.parameters
        if p.slip and rng.uniform(self._word(6)) < p.slip:
            action = (action + 1 + self._drawn(7, 3)) % 4
        x, y = self._place[0] + MOVES[action][0], self._place[1] + MOVES[action][1]
        if 0 <= x < p.size and 0 <= y < p.size and (x, y) not in self._walls:
            self._place = (x, y)
        self._step += 1
        there = self._place == self._goal
        cut = self._step >= p.episode_steps and not there
        return self._seen(), float(there) - p.cost, there, cut, {}

    def _seen(self) -> Observation:
        return np.array([*self._place, *self._goal], np.float64)

    def _word(self, what: int) -> Any:
        return rng.hash2(self._key, np.uint64(what), np.uint64(self._step))

    def _drawn(self, what: int, count: int) -> int:
        return int(rng.below(self._word(what), count))


@register("source", GridWorldParameters)
class GridWorld(Environment):
    """It sees where it is and where the goal is."""

    name = "grid world"
    names = ("x", "y", "goal_x", "goal_y")
    state = goals = ("x", "y")
    class_names = ("up", "right", "down", "left")

    @property
    def ranges(self) -> Ranges:
        """Lowest and highest value of each name."""
        return dict.fromkeys(self.names, (0.0, self.parameters.size - 1.0))

    def make(self, seed: int) -> World:
        """Return the grid."""
        return Grid(self.parameters)

    def wanted(self, observation: Observation) -> Observation:
        """Return where the goal is."""
        return observation[2:]

    def frame(self, observation: Observation) -> Frames:
        """Draw the cells, walls black, the goal as a dot, the agent as a square."""
        p = self.parameters
        grid = cells(p.size, p.size)
        x, y, goal_x, goal_y = observation.astype(int)
        free = [("rectangle", place, GREY) for row in grid for place in row]
        walls = [("rectangle", grid[b][a], INK) for a, b in p.walls]
        there = [("ellipse", grid[goal_y][goal_x], INK), ("rectangle", grid[y][x], SIGNAL)]
        return draw([*free, *walls, *(there if (x, y) != (goal_x, goal_y) else there[::-1])])
