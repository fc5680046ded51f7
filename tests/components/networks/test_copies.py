"""What copies are worth: beside networks whose readout has no weights for the ones left out."""

from __future__ import annotations

import numpy as np
import pytest

from htmrun.components.networks import copies
from htmrun.training.schedule import Schedule
from tests.components.networks.test_regimes import images, network, train

COLUMNS, COPIES = 25, 3
LAYERS = {
    "sp": {
        "kind": "sp", "columns": COLUMNS, "copies": COPIES, "density": 0.1, "duty_period": 100,
        "on_above": [-0.2, 0.6],
    },
}  # fmt: skip


def test_parts_of_a_case_worked_out_by_hand() -> None:
    found = copies.Parts(0.9, 0.1, np.array([0.9, 0.7]), np.array([0.3, 0.8]))
    np.testing.assert_allclose(found.worth, [0.0, 0.2])
    assert found.redundancy == pytest.approx(1 - 0.2 / 0.8)
    assert copies.Parts(0.1, 0.1, np.array([0.1, 0.1]), np.zeros(2)).redundancy is None
    # What only works together: each is worth all of it.
    both = copies.Parts(1.0, 0.0, np.zeros(2), np.zeros(2))
    assert both.redundancy == -1


def test_a_copy_left_out_is_one_whose_columns_the_readout_does_not_hear() -> None:
    model, (pixels, labels) = network(LAYERS, optimizer={"learning_rate": 0.1}), images(300)
    train(model, Schedule(10), data=(pixels, labels))
    found = copies.parts(model, pixels, labels)["sp"]
    whole = model.state()

    def accuracy(deaf: list[int]) -> float:
        weight = whole["readout.weight"].copy()
        for copy in deaf:
            weight[:, COLUMNS * copy : COLUMNS * (copy + 1)] = 0
        model.load(whole | {"readout.weight": weight})
        return float((model.compute(pixels).argmax(1) == labels).mean())

    assert found.whole == accuracy([])
    assert found.none == accuracy([0, 1, 2])
    assert found.without.tolist() == [accuracy([i]) for i in range(COPIES)]
    assert found.alone.tolist() == [accuracy([1, 2]), accuracy([0, 2]), accuracy([0, 1])]
    assert found.whole > found.alone[0] > found.none


def test_copies_of_patches_and_with_layers_behind_them_are_left_out_too() -> None:
    layers = {
        "sp": {"kind": "sp", "columns": 10, "copies": 2, "density": 0.2, "patch": 4, "stride": 2,
               "duty_period": 1000},
        "hidden": {"kind": "linear", "units": 12},
        "act": {"kind": "relu"},
    }  # fmt: skip
    model, (pixels, labels) = network(layers), images(100)
    train(model, Schedule(10), data=(pixels, labels))
    found = copies.parts(model, pixels, labels)["sp"]
    whole = model.state()
    weight = whole["hidden.weight"].copy().reshape(12, 20, -1)
    weight[:, 10:] = 0
    model.load(whole | {"hidden.weight": weight.reshape(12, -1)})
    assert found.without[1] == (model.compute(pixels).argmax(1) == labels).mean()
    assert found.without[1] == found.alone[0]
    assert (
        copies.parts(network({**LAYERS, "sp": {**LAYERS["sp"], "copies": 1}}), pixels, labels) == {}
    )
