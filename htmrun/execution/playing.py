"""From an arm to its schedule, and to an agent's loop under it."""

from __future__ import annotations

from pathlib import Path

from htmrun.components.agents import Agent
from htmrun.components.environments import Environment
from htmrun.components.registry import component_of
from htmrun.components.sources import Source
from htmrun.config.schema import Arm, Experiment, GrowingWindow
from htmrun.training.play import Player
from htmrun.training.records import Job
from htmrun.training.schedule import Growth, Schedule

LONGEST = 1 << 62


def schedule_of(arm: Arm) -> Schedule:
    """Return the schedule of an arm's two dials."""
    every = arm.learn_every
    if isinstance(every, str):  # An episode ends it, like an epoch; nothing else does.
        return Schedule(LONGEST, arm.boost_at)
    if isinstance(every, GrowingWindow):
        return Schedule(Growth(every.start, every.factor, every.limit), arm.boost_at)
    return Schedule(every, arm.boost_at)


def ends_with_episodes(experiment: Experiment, arm: Arm) -> bool:
    """Return whether the windows of an agent's arm end with its episodes."""
    acts = component_of(experiment.data).task == "control"
    return acts and (arm.learn_every == "episode" or arm.boost_at == "epoch")


def player_of(experiment: Experiment, job: Job, arm: Arm, source: Source, agent: Agent) -> Player:
    """Return what lets an agent act as the schedule of `arm` says."""
    assert isinstance(source, Environment)
    by_episode = ends_with_episodes(experiment, arm)
    return Player(job, agent, source, schedule_of(arm), by_episode, experiment.curve_points)


def play_briefly(
    experiment: Experiment, arm: Arm, source: Source, agent: Agent, steps: int
) -> None:
    """Let an agent that is thrown away act for some steps."""
    short = source.parameters.model_copy(update={"steps": steps})
    there = type(source)(short, Path.cwd())
    for _ in player_of(experiment, Job("", 0), arm, there, agent).records():
        pass
