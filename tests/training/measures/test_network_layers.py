"""Figures of layers, credit rules and the noise score, worked out independently."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from htmrun.components.networks import inspection
from htmrun.components.sources import Chunk
from htmrun.training.measures.network_layers import activity_metrics
from htmrun.training.measures.pixel_noise import noise_score, pixel_order, with_noise
from tests.components.networks.test_regimes import CLASSES, CNN, HYBRID, SP, images, network


def test_activity_figures_of_a_case_worked_out_by_hand() -> None:
    by_class = np.array([[1.0, 0.5, 0.0, 0.2], [0.0, 0.5, 0.0, 0.4]])
    found = activity_metrics(by_class, np.array([10, 10]))
    p = np.array([0.5, 0.5, 0.0, 0.3])
    assert found["sparsity"] == pytest.approx(p.mean())
    entropy = (1 + 1 + 0 - 0.3 * np.log2(0.3) - 0.7 * np.log2(0.7)) / 4
    assert found["entropy"] == pytest.approx(entropy)
    assert found["dead_units"] == 0.25
    assert found["selectivity"] == pytest.approx((1 + 0 + 0.2 / 0.6) / 3)


def test_activity_counts_non_zero_outputs_by_class() -> None:
    model = network(CNN)
    pixels, labels = images(300)
    found = inspection.activity(model, pixels, labels)["top"]
    for label in range(CLASSES):
        out = model.outputs(pixels[labels == label])["top"].numpy()
        np.testing.assert_allclose(found[label], (out != 0).mean(0))


def test_where_all_values_pass_active_is_who_wins() -> None:
    kinds = {"hidden": {"kind": "linear", "units": 20}}
    kinds["top"] = {"kind": "kwinner", "density": 0.25, "winner_time": "learning"}
    model = network(kinds)
    pixels, labels = images(200)
    out = model.outputs(pixels)["top"].numpy()
    assert (out != 0).all()
    found = inspection.activity(model, pixels, labels)["top"]
    won = np.zeros_like(out)
    np.put_along_axis(won, np.argsort(-out, 1, kind="stable")[:, :5], 1, 1)
    for label in range(CLASSES):
        np.testing.assert_allclose(found[label], won[labels == label].mean(0))


def test_backprop_agrees_with_itself_and_other_rules_do_not() -> None:
    pixels, labels = images(40)
    for method in ("backprop", "feedback_alignment", "direct_feedback", "local"):
        model = network(CNN, credit={"method": method})
        cosine = inspection.gradient_cosines(model, pixels, labels)
        # What lies right under the readout differs only where no error comes through it.
        assert set(cosine) == {"conv", "hidden"}
        if method == "backprop":
            assert cosine == pytest.approx({"conv": 1.0, "hidden": 1.0}, abs=1e-5)
        else:
            assert abs(cosine["conv"]) < 0.9


def test_cosines_of_a_pooler_leave_the_network_as_it_is() -> None:
    from htmrun.backends.state import state_hash

    pixels, labels = images(40)
    for layers in (SP, HYBRID):
        model = network(layers)
        before = state_hash(model.state())
        found = inspection.gradient_cosines(model, pixels, labels)
        assert -1 <= found["sp"] <= 1
        assert found["sp"] != 0
        assert state_hash(model.state()) == before


def test_probes_learn_and_teach_nothing() -> None:
    from htmrun.training.schedule import Schedule
    from tests.components.networks.test_regimes import train

    pixels, labels = images(400)
    with_probes, without = network(CNN, probes=True), network(CNN)
    for model in (with_probes, without):
        train(model, Schedule(10), data=(pixels, labels))
    found = inspection.probe_accuracy(with_probes, *images(200, 1))
    assert set(found) == {"win", "top"}
    first, second = with_probes.state(), without.state()
    for name in ("conv.weight", "hidden.weight", "readout.weight"):
        np.testing.assert_array_equal(first[name], second[name])
    assert inspection.probe_accuracy(without, pixels, labels) == {}


class Bright:
    """Guesses how many pixels have the noise value, and keeps what it was shown."""

    def __init__(self) -> None:
        self.shown: list[np.ndarray] = []

    def compute(self, chunk: Chunk) -> Any:
        pixels = chunk.fields["image"]
        self.shown.append(pixels)
        probability = np.zeros((len(pixels), 2), np.float32)
        few = np.isclose(pixels, 0.7469 * 255).sum((1, 2)) <= 30
        probability[np.arange(len(pixels)), few.astype(int)] = 1
        return SimpleNamespace(scores=[SimpleNamespace(probability=probability)])


def test_the_noise_score_counts_images_right_over_eleven_levels() -> None:
    """int(100 * level) pixels of 10 x 10 are hit: at most 30 at the levels 0 to .3."""
    black = np.zeros((7, 10, 10), np.uint8)
    flags = np.ones(7, np.uint8)
    whole = Chunk({"image": black}, np.ones(7, np.int64), flags, flags)
    source = SimpleNamespace(test=whole.pieces, white=255.0)
    model = Bright()
    figures, series, *_ = noise_score(model, source, 0, None)  # type: ignore[arg-type]
    assert figures == {"noise_score": 7 * 7.0, "noise_score_area": pytest.approx(7 / 11)}
    np.testing.assert_allclose(series["noise_score_curve"], [1] * 7 + [0] * 4)
    counts = [int((np.isclose(shown, 190.4595)).sum((1, 2))[0]) for shown in model.shown]
    assert counts == [0, 5, 10, 15, 20, 25, 30, 35, 40, 45, 50]
    assert noise_score(model, source, 0, 3)[0]["noise_score"] == 21  # type: ignore[arg-type]


def test_noise_hits_other_pixels_in_every_image_and_leaves_the_rest() -> None:
    pixels = np.random.default_rng(0).integers(0, 200, (20, 28, 28)).astype(np.uint8)
    order = pixel_order(20, 784, seed=1)
    noisy = with_noise(pixels, order, 0.35, 255.0)
    hit = noisy != pixels
    assert (hit.reshape(20, -1).sum(1) >= 270).all()
    assert len({row.tobytes() for row in hit.reshape(20, -1)}) == 20
    np.testing.assert_array_equal(noisy[~hit], pixels[~hit])
    np.testing.assert_array_equal(pixel_order(5, 784, seed=1, first=10), order[10:15])
    assert not np.array_equal(pixel_order(20, 784, seed=2), order)
    colours = np.zeros((2, 4, 4, 3), np.uint8)
    assert (with_noise(colours, pixel_order(2, 16, 0), 0.5, 255.0) > 0).sum() == 2 * 8 * 3
