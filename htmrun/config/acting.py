"""Checks of experiments in which an agent acts in an environment, and of those without."""

from __future__ import annotations

from collections.abc import Iterator

from htmrun.components import registry
from htmrun.config.schema import Arm, Experiment


def acting(experiment: Experiment) -> Iterator[str]:
    """Say what does not go with an environment, whose samples come of what an agent does."""
    kind = registry.of(experiment.data)
    if kind.component.task != "control":
        yield from _without_episodes(experiment, kind.name)
        return
    if experiment.epochs > 1:
        yield (
            f"epochs: found {experiment.epochs} with data.kind '{kind.name}', expected 1 "
            "(data.steps says how long it acts)"
        )
    for name in ("epoch_length", "evaluate_every", "target"):
        value = getattr(experiment, name)
        if value is not None:
            yield (
                f"{name}: found {value} with data.kind '{kind.name}', expected null (episodes end "
                "by themselves, and data.solved is what counts)"
            )


def _without_episodes(experiment: Experiment, kind: str) -> Iterator[str]:
    for group, regimes in (("arm", experiment.arm), ("control", experiment.control)):
        for name, arm in regimes.items():
            if isinstance(arm, Arm) and arm.learn_every == "episode":
                yield (
                    f"{group}.{name}.learn_every: found 'episode' with data.kind '{kind}', which "
                    "has no episodes, expected a number of samples"
                )
