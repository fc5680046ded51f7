"""From a typed experiment whose pipeline is one network to that network."""

from __future__ import annotations

from typing import TYPE_CHECKING

from htmrun.backends import Backend
from htmrun.components.networks import shapes
from htmrun.components.networks.pipeline import NetworkPipeline
from htmrun.components.sources import Source
from htmrun.config.network_checks import network_of
from htmrun.errors import UserError
from htmrun.training.measures.pixel_noise import white_of

if TYPE_CHECKING:
    from htmrun.components.networks.sp_layer import SPLayer
    from htmrun.config.schema import Arm, Experiment

__all__ = ["network_of", "pipeline", "state_bytes"]

REMEMBERED = {"sgd": 0, "momentum": 1, "rmsprop": 1, "adam": 2}
"""Numbers that an optimizer keeps for each weight."""


def pipeline(
    experiment: Experiment, source: Source, backend: Backend, arm: Arm, seed: int, samples: int
) -> NetworkPipeline:
    """Return the network of one arm with one seed; `samples`: training samples of an epoch.

    Raises UserError where layers do not fit the images, or a window not the duty cycles.
    """
    from htmrun.components.networks.network import Network

    parameters, name = network_of(experiment), experiment.pipeline[0]
    assert parameters is not None
    prefix = f"{name}."
    network = Network(
        parameters, source.shapes["image"], source.classes, seed, backend,
        samples=samples * experiment.epochs, per_epoch=experiment.epoch_length or samples,
        frozen={n.removeprefix(prefix) for n in arm.freeze if n.startswith(prefix)},
        bypassed={n.removeprefix(prefix) for n in arm.bypass}, white=white_of(source),
        device=torch_device(experiment.device), path=name,
    )  # fmt: skip
    for layer_name, layer in network.chain.poolers.items():
        _check_window(arm, f"{name}.layers.{layer_name}", layer)
    return NetworkPipeline(name, network, learns=name not in arm.freeze)


def torch_device(device: str) -> str:
    """Return what torch calls an experiment's device; raises UserError where torch lacks it."""
    if not device.startswith("cuda"):
        return "cpu"
    import torch

    if not torch.cuda.is_available():
        raise UserError(
            f"device: found '{device}', but this build of torch sees no card; expected cpu, or a "
            "build of torch for CUDA"
        )
    return device


def state_bytes(experiment: Experiment, source: Source, arm: Arm) -> int:
    """Estimate the bytes of weights and of what the optimizer remembers of each."""
    network = network_of(experiment)
    assert network is not None
    shape = source.shapes["image"]
    channels = (1, *shape) if len(shape) == 2 else (shape[2], *shape[:2])
    prefix = f"{experiment.pipeline[0]}."
    bypassed = [name.removeprefix(prefix) for name in arm.bypass]
    weights = shapes.costs(network, channels, source.classes, bypassed)[0]
    return weights * (1 + REMEMBERED[network.optimizer.method])


def _check_window(arm: Arm, path: str, layer: SPLayer) -> None:
    window = arm.longest_window * layer.window_of_sample
    if layer.learns and window > layer.rules.duty_period:
        raise UserError(
            f"{path}: {window} patches in a window of {arm.longest_window} samples are more than "
            f"duty_period = {layer.rules.duty_period}, expected at most that"
        )
