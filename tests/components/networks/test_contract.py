"""Every kind of layer has the shape that it declares, and leaves inference without a trace."""

from __future__ import annotations

import torch
from pydantic import TypeAdapter
from torch import Tensor

from htmrun.backends.parameters import Parameters
from htmrun.components.networks.parameters import Layer
from htmrun.testing import LayerChecks

IMAGES = ((4, 6, 5),)


def of(**settings: object) -> Parameters:
    return TypeAdapter(Layer).validate_python(settings)


class TestConv(LayerChecks):
    parameters = of(kind="conv", channels=3, kernel=3, stride=2, padding=1, weight_density=0.5)
    shapes = IMAGES


class TestLinear(LayerChecks):
    parameters = of(kind="linear", units=7, weight_density=0.4)


class TestBatchNorm(LayerChecks):
    parameters = of(kind="norm")


class TestGroupNorm(LayerChecks):
    parameters = of(kind="norm", over="group", groups=2)


class TestMaxPool(LayerChecks):
    parameters = of(kind="pool", size=2)
    shapes = IMAGES

    def expected(self, values: Tensor) -> Tensor:
        return torch.stack(
            [torch.stack([values[..., 2 * y : 2 * y + 2, 2 * x : 2 * x + 2].amax((-1, -2))
                          for x in range(2)], -1) for y in range(3)], -2)  # fmt: skip


class TestReLU(LayerChecks):
    parameters = of(kind="relu")

    def expected(self, values: Tensor) -> Tensor:
        return (values + values.abs()) / 2


class TestKWinner(LayerChecks):
    parameters = of(kind="kwinner", density=0.25)


class TestKWinnerWithMoreAtInference(LayerChecks):
    parameters = of(kind="kwinner", density=0.2, inference_factor=1.5)


class TestBinary(LayerChecks):
    parameters = of(kind="binary", inflection=0.4)
    differentiable = False

    def expected(self, values: Tensor) -> Tensor:
        return (values - 0.4 >= 0).float()


class TestDropout(LayerChecks):
    parameters = of(kind="dropout", rate=0.3)

    def expected(self, values: Tensor) -> Tensor:
        return values


class TestFlatten(LayerChecks):
    parameters = of(kind="flatten")


class TestSP(LayerChecks):
    parameters = of(kind="sp", columns=20, winners=4)
    shapes = ((30,),)
    differentiable = False
