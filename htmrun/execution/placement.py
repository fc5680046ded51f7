"""Where an experiment runs: which device, and how many of its models at once.

Decided once, before any data is read; what `device: auto` chose is recorded. Nothing falls
back: a card that is asked for and is not there is an error.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from htmrun.backends.cuda import cards
from htmrun.backends.cuda.cards import Card
from htmrun.backends.devices import cuda_index
from htmrun.components import registry
from htmrun.components.memory import size
from htmrun.components.registry import component_of
from htmrun.config.schema import Arm, Experiment
from htmrun.errors import UserError
from htmrun.execution.processes import cores, workers_for
from htmrun.execution.ray_connection import LOCAL
from htmrun.training.records import Job

MARGIN = 0.9
"""Share of a card's free memory that is planned with: allocations are rounded up."""


@dataclass(frozen=True)
class Place:
    """The device that a run uses: `cpu`, `reference` or `cuda:N`.

    `reason` says why, where `auto` has chosen; `card` is None on the processor.
    """

    device: str
    reason: str = ""
    card: Card | None = None

    @property
    def tags(self) -> dict[str, str]:
        """What is recorded of it."""
        named = {"htmrun.device": self.device}
        named |= {"htmrun.device_name": self.card.name} if self.card else {}
        return named | ({"htmrun.device_reason": self.reason} if self.reason else {})

    @property
    def line(self) -> str | None:
        """What the terminal says of it; None where there is nothing to say."""
        where = self.device if self.card is None else f"{self.device} ({self.card.name})"
        return f"device: auto chose {where}: {self.reason}" if self.reason else None


def resolve_place(experiment: Experiment, on: str) -> Place:
    """Return the device of the jobs, here or on the cluster that `on` names; raises UserError."""
    return place(experiment) if on == LOCAL else place_on_cluster(experiment)


def place(experiment: Experiment) -> Place:
    """Return where `experiment` runs; raise `UserError` if that is not possible here."""
    index = cuda_index(experiment.device)
    if experiment.device == "auto":
        return _automatic(experiment)
    if index is None:
        return Place(experiment.device)
    unable = _without_kernels(experiment)
    if unable:
        raise UserError(_no_kernels(experiment.device, unable))
    found = cards.card(index)
    return Place(found.device, card=found)


def place_on_cluster(experiment: Experiment) -> Place:
    """Return the device of the jobs on a cluster; raise `UserError` if they cannot run on it.

    Ray gives a job its share of a card, so which one is not ours to say.
    """
    name, gpus = experiment.device, experiment.cluster.gpus
    index, unable = cuda_index(name), _without_kernels(experiment)
    if name == "auto":
        if not gpus:
            return Place("cpu", "a job has no share of a GPU (cluster.gpus = 0)")
        if unable:
            return Place("cpu", f"{unable} has no kernels for a card yet")
        return Place("cuda:0", f"a job has a share of a GPU (cluster.gpus = {gpus:g})")
    if index is None:
        return Place(name)
    if unable:
        raise UserError(_no_kernels(name, unable))
    if index or not gpus:
        raise UserError(
            f"device: found '{name}' with cluster.gpus = {gpus:g} on a cluster, expected "
            "device=cuda and a share of a GPU, e.g. cluster.gpus=0.5"
        )
    return Place("cuda:0")


def _no_kernels(device: str, unable: str) -> str:
    return (
        f"device: found '{device}' with {unable}, which has no kernels for a card yet, expected "
        "device=cpu"
    )


def threads_of(experiment: Experiment, jobs: int, *, far: bool = False) -> int:
    """Return the threads of each of `jobs` jobs: as set, or the cores that others leave over.

    `far`: on a cluster, where a job has cores of its own. Threads are of use on the compiled
    processor backend only; everywhere else it is one.
    """
    if experiment.device != "cpu":
        return 1
    own = int(experiment.cluster.cpus) if far else cores() // workers_for(jobs, experiment.workers)
    return experiment.threads or max(1, own)


def _automatic(experiment: Experiment) -> Place:
    lack = cards.lacking()
    if lack is not None:
        return Place("cpu", f"a card would need {lack}")
    unable = _without_kernels(experiment)
    if unable:
        return Place("cpu", f"{unable} has no kernels for a card yet")
    for name in dict.fromkeys(p[-1] for _, p in _pipelines(experiment)):
        lack = component_of(experiment.stages[name]).lacking()
        if lack is not None:
            return Place("cpu", lack)
    found = cards.card(0)
    return Place(found.device, "a card is there", found)


def _pipelines(experiment: Experiment) -> Iterator[tuple[Arm, tuple[str, ...]]]:
    """Yield the arms and controls that run stages, each with its pipeline."""
    for arm in experiment.selected:
        regime = experiment.regime(arm)
        if isinstance(regime, Arm):
            yield regime, experiment.pipeline_of(regime)


def _without_kernels(experiment: Experiment) -> str | None:
    """Return the first stage of any arm that a card cannot run, with its kind."""
    for regime, pipeline in _pipelines(experiment):
        # Encoders stay on the host.
        for name in pipeline[1:] or pipeline:
            stage = experiment.stages[name]
            if name not in regime.bypass and "cuda" not in component_of(stage).devices:
                return f"{name} ({registry.of(stage).name})"
    return None


def lots(
    experiment: Experiment, where: Place, jobs: Sequence[Job], needs: Mapping[str, int]
) -> list[list[Job]]:
    """Cut jobs into lots that run at once on a card; `needs`: bytes of one model of each arm.

    Jobs keep their order, so that the arms of a seed stay together. Raises `UserError` if one
    job alone does not fit, or fewer than `workers` do.
    """
    assert where.card is not None
    room = int(where.card.free * MARGIN)
    largest = max((needs[job.arm] for job in jobs), default=0)
    fitting = room // max(largest, 1)
    free = f"{size(room)} of {size(where.card.total)} are free on {where.device}"
    if fitting < 1:
        raise UserError(
            f"device: one model needs {size(largest)} and {free}, expected device=cpu or smaller "
            "stages"
        )
    wanted = experiment.workers
    if wanted is not None and min(wanted, len(jobs)) > fitting:
        raise UserError(
            f"workers: {min(wanted, len(jobs))} models at once need "
            f"{size(largest * min(wanted, len(jobs)))} and {free}, expected workers={fitting} or "
            "fewer"
        )
    count = max(1, min(wanted or len(jobs), fitting))
    return [list(jobs[i : i + count]) for i in range(0, len(jobs), count)]
