"""A network that learns under a plan: predict, keep the window, learn from it at the commit.

Until the commit nothing but the window changes. At the commit the whole window goes forward once
more through the frozen weights, however the stream was cut into chunks; gradients add up, one
optimizer step is made on their mean, and duty cycles advance by the window's winners. Spatial
poolers inside commit the same window by their own rule.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from htmrun.backends import Backend, State
from htmrun.backends.plan import Plan
from htmrun.backends.state import checked
from htmrun.components.networks.chain import Chain
from htmrun.components.networks.credit import Credit, Outcome
from htmrun.components.networks.optimizer import REMEMBERED, advance, make_optimizer
from htmrun.components.networks.parameters import NetworkParameters
from htmrun.components.networks.shapes import image_shape
from htmrun.components.networks.weights import Conv, Linear, Weighted
from htmrun.errors import UserError

Images = npt.NDArray[np.uint8]
Targets = npt.NDArray[np.int64]
Probabilities = npt.NDArray[np.float32]

SAME_WHILE_LEARNING = frozenset({
    Chain, Conv, Linear, nn.ModuleList, nn.Sequential, nn.Flatten, nn.ReLU, nn.MaxPool2d,
    nn.AvgPool2d, nn.GroupNorm, nn.Identity,
})  # fmt: skip
"""Modules that compute the same while learning as at inference, so nobody needs to tell them."""
PIECE = 256
"""Samples that go through at once; longer windows add up gradients piece by piece."""


class Network:
    """A chain of layers with its optimizer, its open window and its counters.

    shape: of an image, (H, W) or (H, W, C). samples: training samples of the whole run, for the
    schedule of the learning rate; per_epoch: of an epoch, for the decay of boost strengths.
    white: pixel value that counts as 1 unless the parameters say so. None: in the place of images
    it is given bits, zeros and ones of shape (units,) or (channels, height, width).
    given: the shape of what the first layer reads, channels first.
    """

    def __init__(
        self, parameters: NetworkParameters, shape: tuple[int, ...], classes: int, seed: int,
        backend: Backend, *, samples: int, per_epoch: int, frozen: Collection[str] = (),
        bypassed: Collection[str] = (), white: float | None = 255.0, device: str = "cpu",
        path: str = "network",
    ) -> None:  # fmt: skip
        """Raises `UserError` where layers do not fit, the path of the layer first."""
        _repeatable()
        self.parameters, self.shape, self.classes = parameters, shape, classes
        self.device, self._path = torch.device(device), path
        self._again = partial(
            Network, shape=shape, classes=classes, seed=seed, backend=backend, samples=samples,
            per_epoch=per_epoch, frozen=frozen, bypassed=bypassed, white=white, device=device,
            path=path,
        )  # fmt: skip
        self._white = parameters.white or white or 1.0
        self._pending = "pending.bits" if white is None else "pending.images"
        self._samples, self._per_epoch = max(1, samples), max(1, per_epoch)
        self.given = shape if white is None else image_shape(shape)
        self.chain = Chain(
            parameters, self.given, classes, seed, backend, frozen=frozen, bypassed=bypassed,
            path=path,
        ).to(self.device)  # fmt: skip
        self.credit = Credit(parameters.credit, self.chain, seed)
        self._learning = [p for p in self.chain.parameters() if p.requires_grad]
        masked = (m for m in self.chain.modules() if isinstance(m, Weighted))
        self._masked = [m for m in masked if m.mask is not None]
        self.optimizer = make_optimizer(parameters.optimizer, self._learning)
        self._steady = self.chain.steady
        modules = list(self.chain.modules())
        self._switched = [m for m in modules if type(m) not in SAME_WHILE_LEARNING]
        # Batch norm needs the window whole.
        self._whole = any(isinstance(m, nn.BatchNorm1d | nn.BatchNorm2d) for m in modules)
        self._rewarded = [p for p in self.chain.poolers.values() if p.reward is not None]
        self._competitions = list(self.chain.competitions.values())
        self._shades = None if white is None else self._of_white(np.arange(256)).numpy()
        self._images = np.zeros((0, *shape), np.uint8)
        self._targets = np.zeros(0, np.int64)
        self._learned, self._commits = 0, 0
        self.chain.eval()

    def run(
        self, images: Images, targets: npt.NDArray[np.int64], plan: Plan, learn: bool = True,
        learn_images: Images | None = None,
    ) -> tuple[Probabilities, npt.NDArray[np.bool_]]:  # fmt: skip
        """Predict each sample, then learn and commit as `plan` says.

        images: uint8 (T, *shape); targets: int64 (T,), -1 for a sample that is not learned.
        learn_images: what is learned with each target, None: the images themselves. Returns
        probabilities float32 (T, classes), each from the weights before its window was learned,
        and which of them were made (with `prequential` false none may be).
        """
        if not (learn and self.parameters.learn):
            return self.compute(images), np.ones(len(images), np.bool_)
        made = np.zeros((len(images), self.classes), np.float32)
        valid = np.zeros(len(images), np.bool_)
        seen, known = images if learn_images is None else learn_images, targets >= 0
        all_known, start = bool(known.all()), 0
        for end in [*(np.flatnonzero(plan.commit) + 1).tolist(), len(images)]:
            if end == start:
                continue
            part = slice(start, end)
            commits = bool(plan.commit[end - 1])
            # The pass that learns also predicts, where it does the same and sees it all at once.
            at_once = commits and self._steady and not len(self._targets)
            at_once = at_once and learn_images is None
            at_once = at_once and (all_known or bool(known[part].all()))
            if not at_once and self.parameters.prequential:
                made[part], valid[part] = self.compute(images[part]), True
            if at_once:
                self._images, self._targets = seen[part], targets[part]
            else:
                self._images = np.concatenate([self._images, seen[part][known[part]]])
                self._targets = np.concatenate([self._targets, targets[part][known[part]]])
            # A window without any target changes nothing.
            if commits and len(self._targets):
                probability = self._commit(bool(plan.boost[end - 1]))
                if at_once:
                    made[part], valid[part] = probability, True
            start = end
        return made, valid

    def compute(self, images: Images) -> Probabilities:
        """Return probabilities float32 (T, classes) from frozen state; writes nothing."""
        with torch.no_grad():
            parts = [
                self.chain(self.normalised(images[i : i + PIECE])).softmax(1).cpu().numpy()
                for i in range(0, len(images), PIECE)
            ]
        made = np.concatenate([np.zeros((0, self.classes), np.float32), *parts])
        self._must_be_finite(made)
        return made

    def outputs(self, images: npt.NDArray[Any]) -> dict[str, Tensor]:
        """Return what each layer puts out for `images`, and `readout`; writes nothing."""
        found: dict[str, Tensor] = {}
        with torch.no_grad():
            values = self.normalised(images)
            for name, layer in self.chain.layers.items():
                values = layer(values)
                found[name] = values
            found["readout"] = self.chain.readout(values.flatten(1))
        return found

    def normalised(self, images: npt.NDArray[Any]) -> Tensor:
        """Return float32 (T, C, H, W): pixels as shares of white, less the mean, over std.

        Bits stay zeros and ones, (T, *shape).
        """
        if self._shades is None:
            given = torch.from_numpy(np.ascontiguousarray(images))
            return given.to(self.device, torch.float32)
        if images.dtype == np.uint8:
            # A look at 256 numbers in the place of four operations on every pixel.
            shades = torch.from_numpy(self._shades[images])
        else:
            shades = self._of_white(images)
        values = shades.to(self.device)
        return values[:, None] if values.dim() == 3 else values.permute(0, 3, 1, 2)

    def state(self) -> State:
        """Return every array that a later result depends on."""
        named = {n: t.detach().cpu().numpy().copy() for n, t in self.chain.arrays().items()}
        for name, pooler in self.chain.poolers.items():
            named |= {f"{name}.{n}": a for n, a in pooler.model_state().items()}
        for i, parameter in enumerate(self._learning):
            for n, value in self.optimizer.state.get(parameter, {}).items():
                if value is not None:
                    named[f"optimizer.{i}.{n}"] = torch.as_tensor(value).cpu().numpy().copy()
        named[self._pending] = self._images.copy()
        named["pending.targets"] = self._targets.copy()
        named["counters"] = np.array([self._learned, self._commits], np.int64)
        return named

    def load(self, state: State) -> None:
        """Take over what `state()` returned; ValueError on other names or shapes."""
        remembered = {n: a for n, a in state.items() if n.startswith("optimizer.")}
        own = {n: a for n, a in self.state().items() if not n.startswith("optimizer.")}
        free = {self._pending, "pending.targets"}
        free |= {n for n in own if ".pending_" in n}
        rest = {n: a for n, a in state.items() if n not in remembered}
        taken = checked(rest, own, frozenset(free))
        self._load_optimizer(remembered)
        with torch.no_grad():
            for name, tensor in self.chain.arrays().items():
                tensor.copy_(torch.from_numpy(taken[name]))
        for name, pooler in self.chain.poolers.items():
            models = set(pooler.model_state())
            pooler.load_model_state({n: taken[f"{name}.{n}"] for n in models})
        self._images, self._targets = taken[self._pending], taken["pending.targets"]
        self._learned, self._commits = (int(n) for n in taken["counters"])

    def twin(self, parameters: NetworkParameters) -> Network:
        """Return a network of its own with these weights and poolers, but other rules of credit."""
        twin = self._again(parameters)
        own = self.chain.arrays()
        with torch.no_grad():
            for name, tensor in twin.chain.arrays().items():
                if name in own:
                    tensor.copy_(own[name])
        for name, pooler in twin.chain.poolers.items():
            pooler.load_model_state(self.chain.poolers[name].model_state())
        return twin

    def rename(self, become: Callable[[Targets], Targets]) -> None:
        """Let the classes of the open window become others."""
        self._targets = become(self._targets)

    def learning_rate(self) -> float:
        """Return the learning rate of the next commit."""
        o, done = self.parameters.optimizer, self._learned / self._samples
        rate = o.learning_rate
        if o.schedule == "linear":
            rate *= max(0.0, 1 - done)
        elif o.schedule == "cosine":
            rate *= 0.5 * (1 + math.cos(math.pi * min(1.0, done)))
        elif o.schedule == "step":
            rate *= o.factor ** (self._learned // self._per_epoch)
        if o.warm_up > 0:
            risen = (self._learned + len(self._targets)) / self._samples
            rate *= min(1.0, risen / o.warm_up)
        if o.window is not None:
            rate *= len(self._targets) / o.window
        return rate

    def _of_white(self, pixels: npt.NDArray[Any]) -> Tensor:
        """Return pixels as shares of white, less the mean, over std; float32, like `pixels`."""
        p, values = self.parameters, torch.from_numpy(np.ascontiguousarray(pixels))
        return (values.to(torch.float32) / self._white - p.mean) / p.std

    def _commit(self, boost: bool) -> Probabilities:
        """Learn from the window; return what the pass predicted, float32 (n, classes)."""
        n, chain = len(self._targets), self.chain
        step = n if self._whole else PIECE
        for parameter in self._learning:
            parameter.grad = None
        for module in self._switched:
            module.train()
        outcomes: list[Outcome] = []
        for a in range(0, n, step):
            b = min(a + step, n)
            chain.prepare(self._learned + a, b == n, boost)
            values = self.normalised(self._images[a:b])
            targets = torch.from_numpy(self._targets[a:b]).to(self.device)
            outcomes.append(self.credit.add_gradients(values, targets, n))
        for module in self._switched:
            module.eval()
        logits = np.concatenate([o.logits.cpu().numpy() for o in outcomes])
        self._must_be_finite(logits)
        if self._rewarded:
            self._reward(logits, torch.cat([o.error for o in outcomes]))
        if self._learning:
            for layer in self._masked:
                layer.mask_gradient()
            advance(self.optimizer, self.learning_rate())
        self._learned += n
        self._commits += 1
        for competition in self._competitions:
            competition.commit(n)
            if boost:
                competition.update_boost((self._learned - 1) // self._per_epoch)
        self._images, self._targets = self._images[:0], self._targets[:0]
        return np.concatenate([o.probability.cpu().numpy() for o in outcomes])

    def _must_be_finite(self, outputs: npt.NDArray[np.float32]) -> None:
        if np.isfinite(outputs).all():
            return
        raise UserError(
            f"{self._path}.optimizer.learning_rate: {self.parameters.optimizer.learning_rate} "
            f"made outputs infinite after {self._learned} samples, expected a smaller one (or "
            "smaller inputs: white, mean, std)"
        )

    def _reward(self, logits: npt.NDArray[np.float32], error: Tensor) -> None:
        right = logits.argmax(1) == self._targets
        for pooler in self._rewarded:
            pooler.commit_reward(right, error.cpu().numpy().astype(np.float64))

    def _load_optimizer(self, state: State) -> None:
        found: dict[int, dict[str, Tensor]] = {}
        for name, array in state.items():
            _, place, own = name.split(".")
            if int(place) >= len(self._learning):
                raise ValueError(f"state has {name!r}, expected fewer of an optimizer's arrays")
            shape = tuple(self._learning[int(place)].shape)
            if array.dtype != np.float32 or array.shape not in (shape, ()):
                raise ValueError(
                    f"state {name!r} is {array.dtype}{array.shape}, expected float32{shape}"
                )
            found.setdefault(int(place), {})[own] = torch.from_numpy(np.array(array))
        whole = REMEMBERED[self.parameters.optimizer.method]
        for number, kept in found.items():
            if set(kept) != whole:
                raise ValueError(
                    f"state holds {sorted(kept)} of optimizer.{number}, expected {sorted(whole)}"
                )
        groups = self.optimizer.state_dict()["param_groups"]
        self.optimizer.load_state_dict({"state": found, "param_groups": groups})


def _repeatable() -> None:
    """Let torch compute the same whenever it is asked: full float32, sums in one order."""
    # One thread: sums of several would depend on how many there are.
    torch.set_num_threads(1)
    # A card would round convolutions to 10 bits, and choose algorithms that add as they come.
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.deterministic = True
    torch.backends.cudnn.benchmark = False
