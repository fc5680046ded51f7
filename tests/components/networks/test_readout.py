"""A network behind an encoder, a pooler, a memory: against plain torch on the same bits."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional

from htmrun.backends import load_backend
from htmrun.backends.bits import Bits
from htmrun.backends.plan import Plan
from htmrun.backends.state import state_hash
from htmrun.cli import main
from htmrun.components.classifiers import Targets
from htmrun.components.networks.network import Network
from htmrun.components.networks.parameters import NetworkParameters
from htmrun.components.networks.readout import NetworkReadout
from htmrun.components.pipeline import Outcome, Pipeline
from htmrun.components.sources import Chunk, open_source
from htmrun.config.compose import load
from htmrun.config.schema import Arm
from htmrun.errors import UserError
from htmrun.execution.jobs import Builder
from htmrun.execution.playing import schedule_of
from htmrun.testing import ReadoutChecks
from htmrun.training.schedule import Cursor
from tests.helpers.experiments import results, stream, train, write_series

DIGITS = (
    "experiment=digits", "pipeline=[encoder,sp,network]", "control=[]", "seeds=[1]", "epochs=1",
    "sp.columns=64", "network.optimizer={method: sgd, learning_rate: 0.1}",
    "data.test_fraction=0.9",
)  # fmt: skip
SEQUENCES = (
    "experiment=sequences", "pipeline=[encoder,sp,tm,network]", "control=[]", "seeds=[1]",
    "data.steps=300", "data.sequences=4", "data.noise_symbols=100", "encoder.size=128",
    "encoder.active=8", "sp.columns=64", "sp.density=0.1", "tm.cells_per_column=4",
    "tm.activation_threshold=3", "tm.matching_threshold=2", "tm.new_synapses=6",
    "network.horizons=[1]", "network.optimizer={method: sgd, learning_rate: 0.1}",
)  # fmt: skip
HIDDEN = (
    "network.layers={hidden: {kind: linear, units: 12}, win: {kind: kwinner, density: 0.3, "
    "duty_period: 1000}, inner: {kind: sp, columns: 60, density: 0.2, gradient: kwinner}}"
)
HERE = ("tracking=none", "workers=1", "curve_points=3")


def builder(*overrides: str) -> Builder:
    experiment = load([*overrides]).experiment
    return Builder(experiment, open_source(experiment.data))


def samples_of(given: Builder) -> Chunk:
    return next(given.source.train(1, 0, 10_000))


def run(
    pipeline: Pipeline,
    chunk: Chunk,
    arm: Arm,
    cuts: tuple[int, ...] = (),
    cursor: Cursor | None = None,
) -> tuple[list[Outcome], list[Plan], Cursor]:
    """Run a chunk in pieces."""
    cursor, outcomes, plans = cursor or Cursor(), [], []
    places = [0, *cuts, len(chunk)]
    for start, stop in zip(places, places[1:], strict=False):  # noqa: RUF007
        piece = chunk.slice(start, stop)
        plan, cursor = schedule_of(arm).plan(cursor, piece.reset, np.zeros(len(piece), np.uint8))
        outcomes.append(pipeline.run(piece, plan))
        plans.append(plan)
    return outcomes, plans, cursor


def softmax_by_hand(
    first: dict[str, np.ndarray], pairs: list[tuple[np.ndarray, int] | None], commits: np.ndarray
) -> tuple[torch.Tensor, torch.Tensor]:
    """Weights and bias after plain steps on the mean loss of each window."""
    weight = torch.tensor(first["network/readout.weight"], requires_grad=True)
    bias = torch.tensor(first["network/readout.bias"], requires_grad=True)
    window: list[tuple[np.ndarray, int]] = []
    for pair, commit in zip(pairs, commits, strict=True):
        window += [] if pair is None else [pair]
        if commit and window:
            inputs = torch.tensor(np.stack([x for x, _ in window]), dtype=torch.float32)
            targets = torch.tensor([y for _, y in window])
            functional.cross_entropy(functional.linear(inputs, weight, bias), targets).backward()
            with torch.no_grad():
                for p in (weight, bias):
                    assert p.grad is not None
                    p -= 0.1 * p.grad
                    p.grad = None
            window = []
    return weight.detach(), bias.detach()


@pytest.mark.parametrize("window", [1, 16])
def test_without_layers_it_is_softmax_regression_on_a_learning_poolers_bits(window: int) -> None:
    given = builder(*DIGITS)
    arm = Arm(learn_every=window)
    pipeline, chunk = given.pipeline(arm, 1), samples_of(given)
    first = pipeline.state()
    (outcome,), (plan,), _ = run(pipeline, chunk, arm)
    dense = outcome.activity["sp"].dense()
    assert 0 < dense.sum() < dense.size
    pairs = [(dense[t], int(chunk.target[t])) for t in range(len(chunk))]
    weight, bias = softmax_by_hand(first, [*pairs], plan.commit)
    state = pipeline.state()
    np.testing.assert_allclose(state["network/readout.weight"], weight, atol=1e-5)
    np.testing.assert_allclose(state["network/readout.bias"], bias, atol=1e-5)
    assert np.abs(state["network/readout.weight"] - first["network/readout.weight"]).max() > 0.01


@pytest.mark.parametrize("window", [1, 10])
def test_ahead_it_learns_pairs_that_were_shifted_by_hand(window: int) -> None:
    given = builder(*SEQUENCES)
    arm = Arm(learn_every=window)
    pipeline, chunk = given.pipeline(arm, 1), samples_of(given)
    chunk.reset[::40] = 1
    first = pipeline.state()
    (outcome,), (plan,), _ = run(pipeline, chunk, arm)
    dense = outcome.activity["tm"].dense()
    known = [t > 0 and not chunk.reset[t] for t in range(len(chunk))]
    pairs = [(dense[t - 1], int(chunk.target[t])) if known[t] else None for t in range(len(chunk))]
    weight, _ = softmax_by_hand(first, pairs, plan.commit)
    np.testing.assert_allclose(pipeline.state()["network/readout.weight"], weight, atol=1e-5)
    (scores,) = outcome.scores
    assert (scores.horizon, scores.valid.tolist()) == (1, known)
    # The second prediction comes from the first sample's bits and the first weights.
    logits = dense[0] @ first["network/readout.weight"].T + first["network/readout.bias"]
    np.testing.assert_allclose(
        scores.probability[1], np.exp(logits) / np.exp(logits).sum(), atol=1e-5
    )


def test_behind_a_frozen_pooler_it_is_a_network_on_bits_that_were_made_before() -> None:
    given = builder(*DIGITS, HIDDEN)
    arm = Arm(learn_every=8, freeze=("sp",))
    pipeline, chunk = given.pipeline(arm, 1), samples_of(given)
    bits = pipeline.compute(chunk).activity["sp"]
    (outcome,), (plan,), _ = run(pipeline, chunk, arm)
    parameters = given.experiment.stages["network"]
    assert isinstance(parameters, NetworkParameters)
    alone = Network(
        parameters, (64,), 10, 1, load_backend("cpu"), samples=given.samples(),
        per_epoch=given.samples(), white=None,
    )  # fmt: skip
    made, _ = alone.run(bits.dense(), chunk.target, plan)
    assert made.tobytes() == outcome.scores[0].probability.tobytes()
    own = {n.removeprefix("network/"): a for n, a in pipeline.state().items() if "network/" in n}
    assert state_hash(own) == state_hash(alone.state())


@pytest.mark.parametrize("overrides", [(*DIGITS, HIDDEN), (*SEQUENCES, HIDDEN)], ids=["sp", "tm"])
@pytest.mark.parametrize("stop", [1, 57])
def test_cutting_and_going_on_in_the_middle_of_a_window_changes_nothing(
    overrides: tuple[str, ...], stop: int
) -> None:
    given, arm = builder(*overrides), Arm(learn_every=12)
    chunk = samples_of(given).slice(0, 150)
    whole, first, second = (given.pipeline(arm, 1) for _ in range(3))
    run(whole, chunk, arm)
    *_, cursor = run(first, chunk.slice(0, stop), arm)
    second.load(first.state())
    run(second, chunk.slice(stop, 150), arm, cuts=(5, 20), cursor=cursor)
    assert second.state_hash() == whole.state_hash()
    assert whole.state_hash() != first.state_hash()


def test_what_is_frozen_stays_and_what_is_bypassed_is_not_there() -> None:
    given = builder(*DIGITS, HIDDEN)
    chunk = samples_of(given)

    def changed(**arm: Any) -> set[str]:
        regime = Arm(learn_every=8, **arm)
        pipeline = given.pipeline(regime, 1)
        before = pipeline.state()
        run(pipeline, chunk, regime)
        after = pipeline.state()
        kept = {n for n in before if n in after and before[n].tobytes() == after[n].tobytes()}
        return {n for n in after if n not in kept}

    assert {"sp/permanences", "network/hidden.weight", "network/readout.weight"} <= changed()
    assert changed(freeze=("sp", "network")) == set()
    one = changed(freeze=("network.hidden",))
    assert "network/readout.weight" in one
    assert "network/hidden.weight" not in one
    without = given.pipeline(Arm(bypass=("sp", "network.win")), 1)
    assert [stage.name for stage in without.stages] == []
    names = {n.partition(".")[0] for n in without.state()}
    assert "network/win" not in names
    # It reads the encoder's bits then: three levels of 8 x 8 pixels.
    assert without.state()["network/hidden.weight"].shape == (12, 192)


def test_a_grid_of_columns_is_an_image_of_one_channel() -> None:
    conv = "network.layers={conv: {kind: conv, channels: 3, kernel: 3}, pool: {kind: pool}}"
    given = builder(*DIGITS, "sp.column_shape=[8,8]", conv)
    pipeline, chunk = given.pipeline(Arm(), 1), samples_of(given)
    state = pipeline.state()
    assert state["network/conv.weight"].shape == (3, 1, 3, 3)
    outcome = pipeline.compute(chunk)
    image = torch.tensor(outcome.activity["sp"].dense().reshape(-1, 1, 8, 8), dtype=torch.float32)
    maps = functional.conv2d(image, torch.tensor(state["network/conv.weight"]))
    flat = functional.max_pool2d(maps, 2).flatten(1)
    logits = flat @ torch.tensor(state["network/readout.weight"]).T
    np.testing.assert_allclose(outcome.scores[0].probability, logits.softmax(1), atol=1e-5)


def test_several_outputs_are_read_side_by_side() -> None:
    given = builder(*SEQUENCES, "network.reads=[tm.winners,sp]")
    pipeline, chunk = given.pipeline(Arm(), 1), samples_of(given)
    outcome = pipeline.compute(chunk)
    both = Bits.beside([outcome.activity["tm.winners"], outcome.activity["sp"]]).dense()
    readout: Any = pipeline.readout
    assert readout.read(outcome.activity).tolist() == both.tolist()
    assert pipeline.state()["network/readout.weight"].shape[1] == 64 * 4 + 64


@pytest.mark.parametrize("stages", ["sp", "sp,tm"])
def test_such_experiments_run_from_the_command_line(
    stages: str, capsys: pytest.CaptureFixture[str]
) -> None:
    layers = "network.layers={hidden: {kind: linear, units: 32}, top: {kind: relu}}"
    given = (*DIGITS, *HERE, layers, f"pipeline=[encoder,{stages},network]", "epochs=3",
             "data.test_fraction=0.5", "arms=[online]")  # fmt: skip
    given += ("tm.cells_per_column=2",) if "tm" in stages else ()
    first, second = (train(capsys, *given)[0] for _ in range(2))
    assert results(first) == results(second)
    figures = first["arms"]["online"]
    assert figures["accuracy"]["mean"] > 0.6
    # Of stages and of layers, as of each alone.
    assert {"sp/boost_p50", "sp/selectivity", "noise_accuracy_area"} <= set(figures)
    assert {"network.top/selectivity", "network.top/dead_units"} <= set(figures)
    assert ("tm/segments" in figures) == ("tm" in stages)


def test_a_memory_lets_it_predict_what_follows(capsys: pytest.CaptureFixture[str]) -> None:
    given = [text for text in SEQUENCES if not text.startswith("sp.")]
    given += [*HERE, "data.steps=2000", "arms=[online]", "pipeline=[encoder,tm,network]"]
    figures = train(capsys, *given, "tm.initial_permanence=0.5")[0]["arms"]["online"]
    assert figures["accuracy"]["mean"] > 0.5


def test_values_are_forecast_in_buckets(tmp_path: Any, capsys: pytest.CaptureFixture[str]) -> None:
    path = write_series(tmp_path / "wave.csv", [5 * np.sin(t / 3) for t in range(600)])
    given = [*stream(path), "pipeline=[encoder,sp,network]", "network.horizons=[2]", *HERE]
    given = [text for text in given if not text.startswith(("classifier.", "tm."))]
    adam = "network.optimizer={method: adam, learning_rate: 0.02}"
    summary, _ = train(capsys, *given, "network.buckets=12", "seeds=[0]", adam)
    arms = summary["arms"]
    # The wave's own deviation, an error that needs no network, is 5 / sqrt(2).
    assert arms["online"]["rmse_2"]["mean"] < 3


WRONG = [
    ("network.layers={conv: {kind: conv, channels: 3}}",
     "network.layers.conv.kind: the input is a vector of 64 values, expected an image (channels x "
     "height x width)"),
    ("network.horizons=[1]",
     "network.horizons: found [1] with data.kind 'digits', expected [0] (images have no order)"),
    ("network.horizons=[0,1]",
     "network.horizons: found [0, 1], expected one (an sdr classifier predicts at several)"),
    ("network.reads=[tm]", "network.reads[0]: found 'tm', expected one of encoder, sp"),
    ("arm.online.freeze=[network.hiden]",
     "arm.online.freeze[0]: found 'network.hiden', expected one of encoder, sp, network"),
    ("arm.online.bypass=[network]",
     "arm.online.bypass: found 'network', expected stages between encoder and classifier"),
    ("pipeline=[encoder,network,sp]",
     "pipeline: found 'network' (network), expected a classifier only at the end"),
    ("arm.minibatch.learn_every=1001",
     "arm.minibatch.learn_every: 1001 is above sp.duty_period = 1000, expected at most that"),
]  # fmt: skip


@pytest.mark.parametrize(("override", "line"), WRONG, ids=[override for override, _ in WRONG])
def test_one_line_says_what_is_wrong(override: str, line: str) -> None:
    with pytest.raises(UserError) as caught:
        load([*DIGITS, override])
    assert any(found.startswith(line) for found in str(caught.value).splitlines()), caught.value


def test_layers_are_named_in_what_can_be_bypassed(capsys: pytest.CaptureFixture[str]) -> None:
    wrong = "arm.online.bypass=[network.hiden]"
    assert main(["train", *DIGITS, HIDDEN, wrong, *HERE]) == 2
    said = capsys.readouterr().err
    assert (
        "expected one of encoder, sp, network, network.hidden, network.win, network.inner" in said
    )
    assert "did you mean 'network.hidden'?" in said


def rounded(said: dict[str, Any]) -> dict[str, Any]:
    """Last digits depend on how many samples a network sees at once; what it learns does not."""
    return {n: a if a.dtype == np.bool_ else a.round(3) for n, a in said.items()}


class TestNetwork(ReadoutChecks):
    inputs = (("x", 40), ("y", 20))
    seeded = True

    def run(self, model: Any, stream: Any, learn: bool = True) -> Any:
        return rounded(super().run(model, stream, learn))

    def compute(self, model: Any, stream: Any) -> Any:
        return rounded(super().compute(model, stream))

    def make(self, case: int, seed: int = 1) -> NetworkReadout:
        horizons = [(0,), (1,), (3,)][case]
        parameters = NetworkParameters.model_validate(
            {
                "horizons": horizons,
                "layers": {"hidden": {"kind": "linear", "units": 8}, "act": {"kind": "relu"}},
                "optimizer": {"learning_rate": 0.3, "method": "sgd"},
            }
        )
        network = Network(
            parameters, (60,), self.classes, seed, load_backend("cpu"), samples=100,
            per_epoch=100, white=None,
        )  # fmt: skip
        return NetworkReadout("network", network, Targets(self.classes, horizons), ("x", "y"), 60)
