"""Image experiments from configuration to figures, and what the configuration refuses."""

from __future__ import annotations

from pathlib import Path

import pytest

from htmrun.cli import main
from htmrun.components.networks.parameters import NetworkParameters
from htmrun.components.sources import open_source
from htmrun.config.compose import load
from htmrun.errors import UserError
from htmrun.execution.jobs import Builder
from htmrun.training.records import Finished, Job
from tests.golden.cases import write_data
from tests.helpers.experiments import results, train

SMALL = ("seeds=[0]", "epochs=1", "noise_images=20", "curve_points=2", "tracking=none", "workers=1")
FEW = "data.test_fraction=0.85"
"""Leaves some 200 training images."""


@pytest.mark.parametrize("name", ["sparse_digits", "reward_digits", "credit_digits"])
def test_a_small_experiment_of_each_kind_runs(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    summary, _ = train(capsys, f"experiment={name}", *SMALL, FEW)
    assert summary["status"] == "finished"
    for figures in summary["arms"].values():
        assert 0.05 < figures["accuracy"]["mean"] < 1
        assert 0 < figures["noise_score"]["mean"] <= 11 * 20
        assert figures["validation/accuracy"]["values"]
    hashes = [arm["state_hash"]["values"][0] for arm in summary["arms"].values()]
    assert len(set(hashes)) == len(hashes)


def test_the_mnist_experiments_run_on_files_of_their_format(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import numpy as np

    from tests.components.sources.test_images import idx_bytes

    random = np.random.default_rng(0)
    for part, n in (("train", 120), ("t10k", 30)):
        labels = (np.arange(n) % 3).astype(np.uint8)
        images = random.integers(0, 100, (n, 28, 28)).astype(np.uint8)
        images[labels == 1, 5:15, 5:15] += 150
        images[labels == 2, 15:25, 15:25] += 150
        (tmp_path / f"{part}-images-idx3-ubyte").write_bytes(idx_bytes(images))
        (tmp_path / f"{part}-labels-idx1-ubyte").write_bytes(idx_bytes(labels))
    for name in ("sp_mnist", "sparse_mnist"):
        small = (*SMALL, f"data.path={tmp_path}", "evaluate_every=null")
        more = () if name == "sp_mnist" else ("data.validation_fraction=0.2",)
        summary, _ = train(capsys, f"experiment={name}", *small, *more)
        assert summary["status"] == "finished"
        for arm in summary["arms"].values():
            assert arm["accuracy"]["mean"] >= 0.3


def test_the_mnist_twins_differ_in_sparseness_alone() -> None:
    given = load(["experiment=sparse_mnist", "data.path=."]).experiment.stages
    twins = [given[name] for name in ("sparse", "dense")]
    plain = []
    for twin in twins:
        assert isinstance(twin, NetworkParameters)
        fields = twin.model_dump()
        for layer in fields["layers"].values():
            if layer["kind"] in ("kwinner", "relu"):
                layer.clear()
            layer.pop("weight_density", None)
        plain.append(fields)
    assert plain[0] == plain[1]
    assert twins[0] != twins[1]


def test_running_twice_gives_the_same_and_workers_change_nothing(
    capsys: pytest.CaptureFixture[str],
) -> None:
    given = ("experiment=sparse_digits", *SMALL[:-1], FEW, "arms=[sparse,dense]")
    first, second = (
        train(capsys, *given, f"workers={n}")[0] for n in (1, 2)
    )  # fmt: skip
    assert results(first) == results(second)


def test_the_reported_epoch_is_the_best_on_validation() -> None:
    given = ("experiment=sparse_digits", FEW, "arms=[dense]", "epochs=3", "noise_images=0")
    experiment = load([*given]).experiment
    builder = Builder(experiment, open_source(experiment.data))
    *points, finished = builder.work(Job("dense", 0))(lambda: False)
    assert isinstance(finished, Finished)
    key = "validation/accuracy"
    seen = [p.metrics[key] for p in points if key in getattr(p, "metrics", {})]
    assert len(seen) == 2, "the last epoch is measured at the end"
    assert finished.metrics[key] >= max(seen)
    assert finished.metrics["reported_sample"] % builder.samples() == 0


def test_validation_images_are_neither_learned_nor_tested() -> None:
    source = open_source(load(["experiment=sparse_digits"]).experiment.data)
    whole = open_source(load(["experiment=digits", "data.split_seed=0"]).experiment.data)
    kept = source.validation(10_000)
    assert kept is not None
    (validation,) = kept
    (train_set,) = source.train(0, 0, 10_000)
    (everything,) = whole.train(0, 0, 10_000)
    images = [{i.tobytes() for i in c.fields["image"]} for c in (validation, train_set, everything)]
    assert images[0] | images[1] == images[2]
    assert len(validation) + len(train_set) == len(everything)
    assert whole.validation(10) is None
    tests = [next(s.test(10_000)).fields["image"].tobytes() for s in (source, whole)]
    assert tests[0] == tests[1]


WRONG = [
    ("sparse.layers.conv1.chanels=3",
     "sparse.layers.conv1.chanels: unknown field, found 3; did you mean 'channels'?"),
    ("sparse.layers.act1.density=0",
     "sparse.layers.act1.density: found 0, expected a number > 0, <= 1"),
    ("sparse.layers.conv1.kind=convolution",
     "sparse.layers.conv1.kind: found 'convolution', expected one of binary, conv, dropout, "
     "flatten, kwinner, linear, norm, pool, relu, sp"),
    ("sparse.layers.conv2.kernel=9",
     "sparse.layers.conv2.kernel: 9 is larger than the input of 4 x 4, expected at most 6"),
    ("sparse.layers.extra={kind: pool}",
     "sparse.layers.extra.kind: the input is a vector of 128 values, expected an image "
     "(channels x height x width)"),
    ("arm.sparse.learn_every=2000",
     "arm.sparse.learn_every: 2000 is above sparse.layers.act1.duty_period = 1000, expected at "
     "most that"),
    ("arm.sparse.freeze=[sparse.conv3]",
     "arm.sparse.freeze[0]: found 'sparse.conv3', expected one of sparse, sparse.conv1, "
     "sparse.pool1, sparse.act1, sparse.conv2, sparse.pool2, sparse.act2, sparse.hidden, "
     "sparse.act3, sparse.drop; did you mean 'sparse.conv2'?"),
    ("arm.sparse.pipeline=[spars]",
     "arm.sparse.pipeline[0]: found 'spars', which has no section, expected one of "),
    ("sparse.optimizer.method=adagrad",
     "sparse.optimizer.method: found 'adagrad', expected one of sgd, momentum, rmsprop, adam"),
]  # fmt: skip


@pytest.mark.parametrize(("override", "line"), WRONG, ids=[override for override, _ in WRONG])
def test_one_line_says_what_is_wrong(override: str, line: str) -> None:
    with pytest.raises(UserError) as caught:
        load(["experiment=sparse_digits", override])
    assert any(found.startswith(line) for found in str(caught.value).splitlines()), caught.value


def test_a_step_that_is_too_long_is_said_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    wild = ("sparse.optimizer.learning_rate=100", "arms=[sparse_online]")
    assert main(["train", "experiment=sparse_digits", *SMALL, FEW, *wild]) == 2
    said = capsys.readouterr().err
    assert "sparse.optimizer.learning_rate: 100.0 made outputs infinite after" in said
    assert "Traceback" not in said


def test_cifar_is_learned_by_pipelines_and_networks_side_by_side(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # Classes are stripes, at a height and of a colour of their own.
    path = write_data(tmp_path)["cifar"]
    small = (
        "sp.columns=256", "sp.column_shape=[4,8,8,1]", "cnn.layers.conv1.channels=4",
        "cnn.layers.conv2.channels=8", "cnn.layers.hidden.units=32", "cnn.layers.drop=null",
        "arms=[online,cnn,cnn_online]", f"data.path={path}", "tracking=none", "workers=1",
    )  # fmt: skip
    summary, _ = train(capsys, "experiment=cifar10", *small, "epochs=5")
    figures = {name: arm["accuracy"]["mean"] for name, arm in summary["arms"].items()}
    assert figures["online"] == 1, figures
    assert figures["cnn_online"] >= 0.8, figures
    assert figures["cnn"] >= 0.3, figures
