"""One agent with one seed: it acts, hears what came of it, and records come out.

A sample is one action. Episodes are epochs: where windows or boosting are told to end with them,
the open window commits with its own count. The run ends with its last action, whatever episode it
is in; only whole episodes have a return.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from htmrun.backends.state import state_hash
from htmrun.components.agents import Agent, Step
from htmrun.components.environments import Environment, Observation, World
from htmrun.errors import StopRequestedError, UserError
from htmrun.training.checkpoints import Keeper, TrainerState
from htmrun.training.measures.measure import RATE, RECENT
from htmrun.training.measures.returns import Episodes, returns_of
from htmrun.training.records import Finished, Job, Progress, Record, Started
from htmrun.training.schedule import Cursor, Schedule, points

_ONE = np.zeros(1, np.uint8)
_MEASURE = "Returns"


@dataclass
class Player:
    """Lets an agent act under one schedule; `by_episode`: windows end with episodes too."""

    job: Job
    agent: Agent
    environment: Environment
    schedule: Schedule
    by_episode: bool
    curve_points: int
    stop: Callable[[], bool] = lambda: False
    keeper: Keeper | None = None
    sample: int = 0
    commits: int = 0
    episodes: Episodes = field(default_factory=Episodes)
    told: list[Progress] = field(default_factory=list)
    _cursor: Cursor = field(default_factory=Cursor)
    _seconds: float = 0.0

    def records(self) -> Iterator[Record]:
        """Act to the end; raises StopRequestedError when asked to stop, between two episodes."""
        begun, earlier = time.perf_counter(), 0.0
        if self.keeper is not None and (kept := self.keeper.read()) is not None:
            try:
                self.load(kept)
            except (ValueError, KeyError, TypeError) as error:
                raise UserError(
                    f"{self.keeper.path}: found a checkpoint that does not fit its job ({error}), "
                    "expected one of the same code; without the file it starts from its beginning"
                ) from error
            earlier = kept.seconds
        yield Started(self.job, self.environment.samples, self.sample)
        yield from self.told
        curve = points(self.environment.samples, self.curve_points)[1:]
        ahead = iter([point for point in curve if point > self.sample])
        due, world = next(ahead, None), self.environment.make(self.job.seed)
        since = self.episodes.ended_by(self.told[-1].sample if self.told else 0)
        try:
            while self.sample < self.environment.samples:
                self._episode(world)
                while due is not None and self.sample >= due:
                    due = next(ahead, None)
                    if due is None or self.sample < due:
                        yield from self._look(since)
                        since = len(self.episodes.returns)
                if self.stop():
                    raise StopRequestedError
                if self.keeper is not None and self.keeper.due():
                    self._keep(earlier + time.perf_counter() - begun)
        except (StopRequestedError, GeneratorExit):
            self._keep(earlier + time.perf_counter() - begun)
            raise
        yield self._finish(earlier + time.perf_counter() - begun)

    def _episode(self, world: World) -> None:
        """Act until the episode or the run ends."""
        begun, environment, agent = time.perf_counter(), self.environment, self.agent
        most = environment.samples
        number = len(self.episodes.returns)
        first, _ = world.reset(seed=environment.beginning(self.job.seed, number))
        now = _seen(first)
        agent.begin()
        seen, actions, total, ended = [now], [], 0.0, False
        while not ended and self.sample < most:
            action = agent.act(now)
            found, reward, over, cut, _ = world.step(action)
            after, ended = _seen(found), bool(over or cut)
            self.sample += 1
            commit, boost = self._flags(ended)
            agent.hear(Step(now, action, float(reward), after, bool(over), commit, boost))
            now = after
            seen.append(now)
            actions.append(action)
            total += float(reward)
        self._seconds += time.perf_counter() - begun
        if ended:
            self.episodes.add(total, self.sample, np.array(seen), np.array(actions, np.int64))

    def _flags(self, ended: bool) -> tuple[bool, bool]:
        """Return whether the window ends with this sample, and whether boosting follows."""
        last = self.sample == self.environment.samples or (ended and self.by_episode)
        plan, self._cursor = self.schedule.plan(self._cursor, _ONE, np.array([last], np.uint8))
        commit = bool(plan.commit[0])
        self.commits += commit
        return commit, bool(plan.boost[0])

    def _look(self, since: int) -> Iterator[Progress]:
        """Yield a point of the curves, where an episode has ended since the one before."""
        lately = self.episodes.returns[since:]
        if lately:
            found = {f"{RECENT}return": float(np.mean(lately))}
            episode = len(self.episodes.returns)
            self.told.append(Progress(self.job, self.sample, episode, found, self.rate))
            yield self.told[-1]

    @property
    def rate(self) -> float:
        """Actions per second so far."""
        return self.sample / self._seconds if self._seconds > 0 else 0.0

    def _finish(self, seconds: float) -> Finished:
        solved = self.environment.parameters.solved
        metrics, notes = returns_of(self.episodes, solved)
        metrics |= {
            RATE: self.rate, "samples": float(self.sample), "commits": float(self.commits),
        }  # fmt: skip
        series = self.episodes.series()
        for name in ("best", "worst"):
            frames = self._frames(getattr(self.episodes, name))
            if frames is not None:
                series[f"episode/{name}_frames"] = frames
        told = [{"sample": float(p.sample), **p.metrics} for p in self.told]
        names = dict.fromkeys(name for point in told for name in point)
        series |= {f"curve/{n}": np.array([p.get(n, np.nan) for p in told]) for n in names}
        return Finished(
            self.job, metrics, state_hash(self.agent.state()), seconds, series, notes=notes
        )

    def _frames(self, seen: np.ndarray | None) -> np.ndarray | None:
        """Return pictures of an episode, at most eight, evenly spread over it."""
        if seen is None:
            return None
        chosen = np.unique(np.linspace(0, len(seen) - 1, min(8, len(seen))).round().astype(int))
        return np.stack([self.environment.frame(seen[place]) for place in chosen])

    def state(self, seconds: float) -> TrainerState:
        """Return all that the rest of this job depends on, between two episodes."""
        return TrainerState(
            self.sample, self.commits, len(self.episodes.returns), 0, self._cursor, self._seconds,
            seconds, tuple(self.told), self.agent.state(), {_MEASURE: self.episodes.state()},
        )  # fmt: skip

    def load(self, kept: TrainerState) -> None:
        """Go on from what `state` returned of the same job."""
        self.agent.load(kept.pipeline)
        self.episodes.load(kept.measures[_MEASURE])
        self.sample, self.commits, self._cursor = kept.sample, kept.commits, kept.cursor
        self._seconds, self.told = kept.train_seconds, list(kept.told)

    def _keep(self, seconds: float) -> None:
        if self.keeper is not None and 0 < self.sample < self.environment.samples:
            self.keeper.write(self.state(seconds))


def _seen(found: Any) -> Observation:
    return np.asarray(found, np.float64)
