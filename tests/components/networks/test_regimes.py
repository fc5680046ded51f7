"""The promises of the regimes hold for networks too (2, 3, 5, 7, 8 and what a window means)."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest
import torch

from htmrun.backends import load_backend
from htmrun.backends.state import state_hash
from htmrun.components.networks.network import Network
from htmrun.components.networks.parameters import NetworkParameters
from htmrun.training.schedule import Cursor, Growth, Schedule

SAMPLES, CLASSES, SIDE = 60, 4, 8
CNN: dict[str, Any] = {
    "conv": {"kind": "conv", "channels": 6, "kernel": 3, "weight_density": 0.5},
    "pool": {"kind": "pool"},
    "win": {"kind": "kwinner", "density": 0.3, "boost_strength": 2.0, "duty_period": 100},
    "hidden": {"kind": "linear", "units": 12, "weight_density": 0.5},
    "top": {"kind": "kwinner", "density": 0.25, "boost_strength": 2.0, "duty_period": 100},
}
NORMED = {**CNN, "norm": {"kind": "norm", "over": "batch"}, "drop": {"kind": "dropout"}}
SP: dict[str, Any] = {
    "sp": {
        "kind": "sp", "columns": 50, "density": 0.1, "boost_strength": 2.0, "duty_period": 100,
        "on_above": [-0.2, 0.6],
    },
}  # fmt: skip
HYBRID = {
    **{name: CNN[name] for name in ("conv", "pool")},
    "act": {"kind": "relu"},
    "sp": {
        "kind": "sp", "columns": 40, "density": 0.1, "boost_strength": 2.0, "duty_period": 100,
        "output": "weights", "gradient": "kwinner", "copies": 2,
    },
}  # fmt: skip
REWARD = {"sp": {**SP["sp"], "reward": {"levels": "scalar", "on_wrong": "weaken"}}}
PATCHES = {
    "sp": {
        "kind": "sp", "columns": 20, "density": 0.1, "patch": 4, "stride": 2, "learn_patches": 3,
        "duty_period": 300, "boost_strength": 2.0, "potential_fraction": 0.8,
    },
}  # fmt: skip
ALL = {"cnn": CNN, "normed": NORMED, "sp": SP, "hybrid": HYBRID, "reward": REWARD, "patch": PATCHES}
LAYERS = pytest.mark.parametrize("layers", ALL.values(), ids=ALL)


def images(samples: int = SAMPLES, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    patterns = random.integers(0, 256, (CLASSES, SIDE, SIDE))
    labels = random.integers(0, CLASSES, samples)
    noisy = patterns[labels] + random.integers(-60, 60, (samples, SIDE, SIDE))
    return np.clip(noisy, 0, 255).astype(np.uint8), labels.astype(np.int64)


def network(layers: dict[str, Any], seed: int = 1, **fields: Any) -> Network:
    rules = {"optimizer": {"learning_rate": 0.02}, "mean": 0.5, **fields}
    parameters = NetworkParameters.model_validate({"layers": layers, **rules})
    return Network(
        parameters, (SIDE, SIDE), CLASSES, seed, load_backend("cpu"), samples=SAMPLES, per_epoch=20
    )


def train(
    model: Network, schedule: Schedule, *, epoch: int | None = None, cuts: tuple[int, ...] = (),
    data: tuple[np.ndarray, np.ndarray] | None = None, start: int = 0, cursor: Cursor | None = None,
) -> tuple[np.ndarray, Cursor]:  # fmt: skip
    pixels, labels = data or images()
    cursor, made = cursor or Cursor(), []
    places = [0, *cuts, len(labels)]
    for a, b in zip(places, places[1:], strict=False):  # noqa: RUF007
        none, ends = np.zeros(b - a, np.uint8), np.zeros(b - a, np.uint8)
        if epoch is not None:
            ends[(start + a + 1 + np.arange(b - a)) % epoch == 0] = 1
        plan, cursor = schedule.plan(cursor, none, ends)
        made.append(model.run(pixels[a:b], labels[a:b], plan)[0])
    return np.concatenate(made), cursor


@LAYERS
def test_an_epoch_of_one_sample_makes_epoch_boost_equal_online(layers: dict[str, Any]) -> None:
    """Promise 2, first half."""
    first, second = network(layers), network(layers)
    train(first, Schedule(1, "commit"))
    train(second, Schedule(1, "epoch"), epoch=1)
    assert state_hash(first.state()) == state_hash(second.state())


@LAYERS
def test_boosting_between_epochs_is_another_regime_unless_there_is_no_boost(
    layers: dict[str, Any],
) -> None:
    """Promise 2, second half."""
    flat = {
        name: {**layer, "boost_strength": 0.0} if "boost_strength" in layer else layer
        for name, layer in layers.items()
    }
    hashes = {}
    for key, given in (("boost", layers), ("flat", flat)):
        for at in ("commit", "epoch"):
            model = network(given)
            train(model, Schedule(4, at), epoch=20)
            hashes[key, at] = state_hash(model.state())
    assert hashes["flat", "commit"] == hashes["flat", "epoch"]
    assert hashes["boost", "commit"] != hashes["boost", "epoch"]


@LAYERS
def test_until_the_first_commit_predictions_do_not_depend_on_the_window(
    layers: dict[str, Any],
) -> None:
    """Promise 3."""
    made = {n: train(network(layers), Schedule(n))[0] for n in (2, 12, 60, 100)}
    for n in (2, 12, 60):
        np.testing.assert_allclose(made[n][:n], made[100][:n], atol=1e-6)
    assert not np.allclose(made[2], made[100], atol=1e-3)


@LAYERS
@pytest.mark.parametrize("every", [5, Growth(2, 1.7, 30)])
def test_where_chunks_are_cut_or_a_run_is_resumed_shows_nowhere(
    layers: dict[str, Any], every: int | Growth
) -> None:
    """Promise 5, optimizer and pending window included."""
    adam = {"optimizer": {"method": "adam", "decay": 0.999}}
    whole = network(layers, **adam)
    want, _ = train(whole, Schedule(every), epoch=25)
    cut = network(layers, **adam)
    train(cut, Schedule(every), epoch=25, cuts=(1, 7, 23, 40))
    assert state_hash(cut.state()) == state_hash(whole.state())
    pixels, labels = images()
    for stop in (1, 40):
        first, second = network(layers, **adam), network(layers, **adam)
        head, cursor = train(first, Schedule(every), epoch=25, data=(pixels[:stop], labels[:stop]))
        second.load(first.state())
        assert state_hash(second.state()) == state_hash(first.state())
        tail, _ = train(
            second, Schedule(every), epoch=25, data=(pixels[stop:], labels[stop:]), start=stop,
            cursor=cursor,
        )  # fmt: skip
        assert state_hash(second.state()) == state_hash(whole.state())
        np.testing.assert_allclose(np.concatenate([head, tail]), want, atol=1e-6)


@LAYERS
def test_inference_leaves_the_hash_unchanged_and_seeds_decide(layers: dict[str, Any]) -> None:
    """Promise 7."""
    hashes = []
    for seed in (1, 1, 2):
        model = network(layers, seed)
        train(model, Schedule(7))
        before = state_hash(model.state())
        first = model.compute(images(30, 5)[0])
        assert state_hash(model.state()) == before
        assert model.compute(images(30, 5)[0]).tobytes() == first.tobytes()
        hashes.append(before)
    assert hashes[0] == hashes[1] != hashes[2]


def test_networks_that_run_side_by_side_give_what_each_gives_alone() -> None:
    """Promise 8."""
    alone, together = ([network(v) for v in ALL.values()] for _ in range(2))
    for model in alone:
        train(model, Schedule(6))
    threads = [threading.Thread(target=train, args=(m, Schedule(6))) for m in together]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for first, second in zip(alone, together, strict=True):
        assert state_hash(first.state()) == state_hash(second.state())


def test_a_window_is_one_step_on_the_mean_gradient() -> None:
    """Against plain torch: gradients of single samples under frozen weights, then one step."""
    model = network({"hidden": CNN["hidden"], "act": {"kind": "relu"}},
                    optimizer={"method": "sgd", "learning_rate": 0.3})  # fmt: skip
    pixels, labels = images(7)
    state = {n: torch.from_numpy(a.copy()) for n, a in model.state().items()}
    names = ("hidden.weight", "hidden.bias", "readout.weight", "readout.bias")
    plain = [state[n].clone().requires_grad_() for n in names]
    sums = [torch.zeros_like(p) for p in plain]
    for image, label in zip(pixels, labels, strict=True):
        x = (torch.from_numpy(image.astype(np.float32)) / 255 - 0.5) / 0.3081
        hidden = torch.relu(plain[0] @ x.flatten() + plain[1])
        loss = -torch.log_softmax(plain[2] @ hidden + plain[3], 0)[int(label)]
        for total, gradient in zip(sums, torch.autograd.grad(loss, plain), strict=True):
            total += gradient
    train(model, Schedule(7), data=(pixels, labels))
    exists = state["hidden.weight"] != 0
    for name, before, total in zip(names, plain, sums, strict=True):
        want = before.detach() - 0.3 * total / 7
        found = torch.from_numpy(model.state()[name])
        if name == "hidden.weight":
            assert (found[~exists] == 0).all()
            want, found = want[exists], found[exists]
        torch.testing.assert_close(found, want, rtol=1e-4, atol=1e-6)


def test_windows_longer_than_a_piece_are_the_same_window() -> None:
    from htmrun.components.networks import network as module

    pixels, labels = images(50)
    models = [network({**CNN, **SP}, optimizer={"method": "sgd"}) for _ in range(2)]
    train(models[0], Schedule(50), data=(pixels, labels))
    piece, module.PIECE = module.PIECE, 16
    try:
        train(models[1], Schedule(50), data=(pixels, labels))
    finally:
        module.PIECE = piece
    first, second = (m.state() for m in models)
    for name, value in first.items():
        np.testing.assert_allclose(second[name], value, rtol=1e-4, atol=1e-6, err_msg=name)


def test_a_frozen_layer_stays_and_a_network_that_does_not_learn_changes_nothing() -> None:
    parameters = NetworkParameters.model_validate({"layers": HYBRID, "mean": 0.5})
    model = Network(
        parameters, (SIDE, SIDE), CLASSES, 1, load_backend("cpu"), samples=60, per_epoch=60,
        frozen={"sp", "conv"},
    )  # fmt: skip
    before = model.state()
    train(model, Schedule(5))
    changed = {n for n, a in model.state().items() if n in before and (a != before[n]).any()}
    assert changed == {"readout.weight", "readout.bias", "counters"}
    still = network(HYBRID, learn=False)
    before_hash = state_hash(still.state())
    train(still, Schedule(5))
    assert state_hash(still.state()) == before_hash


def test_a_network_computes_in_full_float32_and_in_one_order() -> None:
    cudnn, matmul = torch.backends.cudnn, torch.backends.cuda.matmul
    before = cudnn.allow_tf32, matmul.allow_tf32, cudnn.deterministic, cudnn.benchmark
    try:
        cudnn.allow_tf32, matmul.allow_tf32 = True, True
        cudnn.deterministic, cudnn.benchmark = False, True
        network(CNN)
        assert (cudnn.allow_tf32, matmul.allow_tf32) == (False, False)
        assert (cudnn.deterministic, cudnn.benchmark) == (True, False)
    finally:
        cudnn.allow_tf32, matmul.allow_tf32, cudnn.deterministic, cudnn.benchmark = before
