"""Shift of units and batch norm in short windows, beside NumPy, plain torch and cases by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from htmrun.cli import main
from htmrun.components.networks import shift
from htmrun.config.compose import load
from htmrun.training.schedule import Schedule
from tests.components.networks.test_regimes import CNN, SP, images, network, train


def test_shift_of_a_case_worked_out_by_hand() -> None:
    """Unit 0: values 0, 2, later 2, 4: 2 over the deviation of 0, 2, 2, 4. Unit 1 stays at 5."""
    before = {"rate": np.array([0.5, 1.0]), "mean": np.array([1.0, 5.0]),
              "variance": np.array([1.0, 0.0])}  # fmt: skip
    after = {"rate": np.array([1.0, 1.0]), "mean": np.array([3.0, 5.0]),
             "variance": np.array([1.0, 0.0])}  # fmt: skip
    assert shift.rate_shift(before, after) == 0.25
    assert shift.value_shift(before, after) == pytest.approx((2 / np.sqrt(2) + 0) / 2)
    # Two values that never meet: the mean of the two is one deviation away from each.
    after["mean"] = np.array([1e9, 5.0])
    assert shift.value_shift(before, after) == pytest.approx(1.0)


def test_moments_are_those_of_what_a_block_puts_out_and_reads() -> None:
    model, (pixels, labels) = network(CNN), images(50)
    both = []
    for _ in range(2):
        out = {name: values.numpy() for name, values in model.outputs(pixels).items()}
        both.append((shift.moments(model, pixels), out))
        train(model, Schedule(5), data=(pixels, labels))
    (first, out), (second, later) = both
    assert set(first) == {"win", "top"}
    np.testing.assert_allclose(first["win"]["rate"], (out["win"] != 0).mean((0, 2, 3)))
    np.testing.assert_allclose(first["win"]["mean"], out["pool"].mean((0, 2, 3)), atol=1e-6)
    np.testing.assert_allclose(first["top"]["variance"], out["hidden"].var(0), rtol=1e-5)
    joined = np.concatenate([out["hidden"], later["hidden"]])
    moved = np.abs(later["hidden"].mean(0) - out["hidden"].mean(0)) / joined.std(0)
    assert shift.value_shift(first["top"], second["top"]) == pytest.approx(moved.mean(), rel=1e-5)
    rates = [(o["top"] != 0).mean(0) for o in (out, later)]
    want = np.abs(rates[1] - rates[0]).mean()
    assert shift.rate_shift(first["top"], second["top"]) == pytest.approx(want)
    assert want > 0


def test_nothing_that_the_first_layer_reads_can_shift() -> None:
    model = network(SP)
    found = shift.moments(model, images(20)[0])["sp"]
    assert shift.value_shift(found, found) is None
    assert shift.rate_shift(found, found) == 0


@pytest.mark.parametrize("maps", [False, True], ids=["vector", "map of one place"])
def test_a_last_window_of_one_sample_is_normalised_by_the_running_statistics(maps: bool) -> None:
    """Against plain torch: a window of 4, then one of 1, which moves no statistics."""
    before = {"conv": {"kind": "conv", "channels": 5, "kernel": 8}} if maps else {}
    model = network({**before, "norm": {"kind": "norm"}} if maps else
                    {"hidden": {"kind": "linear", "units": 5}, "norm": {"kind": "norm"}},
                    optimizer={"method": "sgd", "learning_rate": 1e-9})  # fmt: skip
    pixels, labels = images(5)
    read = model.outputs(pixels)["conv" if maps else "hidden"].reshape(5, 5)
    plain = torch.nn.BatchNorm1d(5)
    plain(read[:4])
    train(model, Schedule(4), epoch=5, data=(pixels, labels))
    state = model.state()
    np.testing.assert_allclose(state["norm.running_mean"], plain.running_mean, atol=1e-6)
    np.testing.assert_allclose(state["norm.running_var"], plain.running_var, atol=1e-6)
    assert state["counters"].tolist() == [5, 2]


def test_batch_norm_of_single_samples_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    given = ["experiment=sparse_digits", "~sparse.layers.drop", "sparse.layers.drop={kind: norm}"]
    assert main(["train", *given, "arms=[sparse_online]", "--dry-run"]) == 2
    assert (
        "error: arm.sparse_online.learn_every: 1 is too few for sparse.layers.drop (batch norm of "
        "one value has no variance; over: layer or group needs no window), expected at least 2"
    ) in capsys.readouterr().err
    # Maps of one image have places to take a variance over; longer windows have samples.
    maps = ("~sparse.layers.hidden", "~sparse.layers.act3")
    for more in ("arm.sparse_online.learn_every=2",), maps:
        assert load([*given, *more]).experiment
