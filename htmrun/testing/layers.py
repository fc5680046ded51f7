"""What every layer of a network keeps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from htmrun.backends import load_backend
from htmrun.components import registry
from htmrun.components.networks.layers import Layer, Place
from htmrun.testing.streams import assert_same


class LayerChecks:
    """Checks of a layer on the processor.

    parameters: of the layer. shapes: inputs that it fits, (channels, height, width) or (units,).
    differentiable: whether the gradient is that of the output, as numbers tell.
    """

    parameters: ClassVar[Any]
    shapes: ClassVar[Sequence[tuple[int, ...]]] = ((12,), (4, 6, 5))
    differentiable: ClassVar[bool] = True

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Run each check that takes a `shape` with all of them."""
        if "shape" in metafunc.fixturenames:
            metafunc.parametrize("shape", self.shapes, ids=str)

    @property
    def kind(self) -> type[Layer]:
        """What is known of the layer without torch."""
        found: type[Layer] = registry.component_of(self.parameters)
        return found

    def build(self, shape: tuple[int, ...], seed: int = 1) -> nn.Module:
        """Return a new module."""
        place = Place(seed, 3, load_backend("cpu"))
        module: nn.Module = self.kind.build(self.parameters, shape, place)
        return module.eval()

    def values(self, shape: tuple[int, ...], samples: int = 5) -> Tensor:
        """Return inputs, float32."""
        generator = np.random.default_rng(0)
        return torch.from_numpy(generator.normal(size=(samples, *shape)).astype(np.float32))

    def expected(self, values: Tensor) -> Tensor | None:
        """Return what comes out, worked out in another way; None where weights decide."""
        return None

    def test_shapes_are_as_declared(self, shape: tuple[int, ...]) -> None:
        out = self.kind.after(self.parameters, shape, "network.layers.it")
        for samples in (1, 5):
            assert self.build(shape)(self.values(shape, samples)).shape == (samples, *out)
        assert min(self.kind.costs(self.parameters, shape, out)) >= 0

    def test_values_are_as_worked_out(self, shape: tuple[int, ...]) -> None:
        values = self.values(shape)
        expected = self.expected(values)
        if expected is None:
            pytest.skip("its weights decide")
        torch.testing.assert_close(self.build(shape)(values), expected)

    def test_seed_and_place_decide(self, shape: tuple[int, ...]) -> None:
        """Whatever torch's own random numbers are."""
        found = []
        for seed in (0, 99):
            torch.manual_seed(seed)
            module = self.build(shape)
            said = {"said": module(self.values(shape)).detach().numpy()}
            found.append({**said, **arrays(module)})
        assert_same(found[0], found[1])

    def test_inference_changes_nothing_and_samples_stand_alone(
        self, shape: tuple[int, ...]
    ) -> None:
        module, values = self.build(shape), self.values(shape)
        before = arrays(module)
        whole = module(values)
        assert_same(arrays(module), before)
        torch.testing.assert_close(torch.cat([module(value[None]) for value in values]), whole)

    def test_a_steady_layer_learns_as_it_infers(self, shape: tuple[int, ...]) -> None:
        module, values = self.build(shape), self.values(shape)
        if not getattr(module, "steady", True):
            pytest.skip("it says that it is not steady")
        inferred = module(values)
        module.train()
        prepare: Any = getattr(module, "prepare", None)
        if prepare is not None:
            prepare(0, True, True)
        torch.testing.assert_close(module(values), inferred)

    def test_gradients_are_those_of_the_output(self, shape: tuple[int, ...]) -> None:
        if not self.differentiable:
            pytest.skip("its errors are not the derivative")
        module = self.build(shape).double()
        values = self.values(shape, 2).double().requires_grad_()
        assert torch.autograd.gradcheck(module, (values,))


def arrays(module: nn.Module) -> dict[str, np.ndarray]:
    """Return copies of all parameters and kept buffers."""
    return {name: tensor.detach().numpy().copy() for name, tensor in module.state_dict().items()}
