"""Arms and seeds in the same launches on a card: each gets what it gets alone (promise 8).

The card is the host runner of `tests/kernels`: the same kernels, launched on NumPy arrays.
"""

from __future__ import annotations

import struct
import weakref

import numpy as np
import pytest

from htmrun.backends.cuda import device
from htmrun.backends.cuda.classifier.sdr_classifier import SDRClassifierGroup
from tests.helpers import host_card
from tests.helpers.experiments import results, train

SMALL = (
    "experiment=mnist", "sp.columns=40", "sp.weak_bump=0.05", "sp.potential_fraction=0.6",
    "epochs=2", "seeds=[3,5]", "curve_points=3", "evaluate_every=20", "tracking=none",
    "arm.minibatch.learn_every=17",
)  # fmt: skip


@pytest.fixture
def modules(build_folder, monkeypatch):
    return host_card.put_in(monkeypatch, build_folder)


@pytest.fixture
def images(tmp_path):
    """A folder with a few handwritten digits as IDX files, named as an override."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    pixels, labels = digits.images.astype(np.uint8) * 16, digits.target.astype(np.uint8)
    for part, rows in (("train", slice(0, 48)), ("t10k", slice(48, 70))):
        chosen = pixels[rows]
        head = struct.pack(">4B3I", 0, 0, 8, 3, *chosen.shape)
        (tmp_path / f"{part}-images-idx3-ubyte").write_bytes(head + chosen.tobytes())
        head = struct.pack(">4BI", 0, 0, 8, 1, len(labels[rows]))
        (tmp_path / f"{part}-labels-idx1-ubyte").write_bytes(head + labels[rows].tobytes())
    return f"data.path={tmp_path}"


def figures(summary):
    """All but times; latencies are not measured where models share launches."""
    return {
        arm: {n: v for n, v in named.items() if not n.startswith("latency/")}
        for arm, named in results(summary).items()
    }


def test_a_whole_experiment_gives_what_the_processor_gives(capsys, modules, images):
    launched = []
    made = device.cuda_device()
    find = made.find

    def counting(file, name):
        kernel = find(file, name)

        def launch(grid, block, arguments):
            launched.append((name, grid[1]))
            kernel(grid, block, arguments)

        return launch

    made.find = counting
    plain, _ = train(capsys, *SMALL, images, "workers=1")
    together, said = train(capsys, *SMALL, images, "device=cuda")
    assert figures(together) == figures(plain)
    hashes = [h for named in figures(plain).values() for h in named["state_hash"]]
    assert len(set(hashes)) == len(hashes) == 10, "or equality would say little"
    assert "on cuda:0 (host runner): 10 models, all at once" in said
    learning = [models for name, models in launched if name == "sp_adapt"]
    assert max(learning) == 6, "three arms learn, with two seeds each"
    assert np.mean(learning) > 4, "and stay in step"


def test_memories_share_launches_too(capsys, modules):
    chosen = (
        "experiment=sequences", "data.steps=90", "seeds=[0,1]", "arms=[online,minibatch_50,no_tm]",
        "data.sequences=2", "data.noise_symbols=20", "encoder.size=64", "encoder.active=6",
        "tm.cells_per_column=4", "tm.activation_threshold=4", "tm.matching_threshold=2",
        "tm.new_synapses=6", "tm.initial_permanence=0.5", "curve_points=4", "tracking=none",
    )  # fmt: skip
    plain, _ = train(capsys, *chosen, "workers=1")
    together, said = train(capsys, *chosen, "device=cuda")
    assert "6 models, all at once" in said
    assert figures(together) == figures(plain)
    assert any("segments" in name for name in figures(plain)["online"]), "or nothing was learned"


def test_lots_of_fewer_models_give_the_same(capsys, modules, images, monkeypatch):
    chosen = (*SMALL, images, "arms=[online,no_sp]", "device=cuda:0")
    whole, _ = train(capsys, *chosen)
    begun, alive, init = [], [], SDRClassifierGroup.__init__

    def noted(group, *arguments, **named):
        alive.append(sum(of() is not None for of in begun))
        begun.append(weakref.ref(group))
        init(group, *arguments, **named)

    monkeypatch.setattr(SDRClassifierGroup, "__init__", noted)
    lots, said = train(capsys, *chosen, "workers=3")
    assert "4 models, 3 at once" in said
    assert figures(lots) == figures(whole)
    # Before them were those with which a run begins, to have everything compiled.
    assert alive[-3:] == [0, 1, 0], "a lot, of two sizes, has gone when the next one begins"


def test_a_model_that_fails_leaves_the_others_alone(capsys, modules, images, monkeypatch):
    run = SDRClassifierGroup.run
    alone, _ = train(capsys, *SMALL, images, "device=cuda", "arms=[online]")

    def failing(group, *arguments, **named):
        if group.size != 40 and group.models > 1:
            raise MemoryError("no room for that")
        return run(group, *arguments, **named)

    monkeypatch.setattr(SDRClassifierGroup, "run", failing)
    summary, said = train(capsys, *SMALL, images, "device=cuda", "arms=[online,no_sp]", status=1)
    assert "no_sp" in said
    assert "MemoryError: no room for that" in said
    assert figures(summary)["online"] == figures(alone)["online"]
