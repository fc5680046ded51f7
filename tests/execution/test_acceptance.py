"""The shipped experiments reach what they are there to show."""

from __future__ import annotations

import pytest

from tests.helpers.experiments import DATA, train

Capsys = pytest.CaptureFixture[str]
SEEDS = "seeds=[0,1,2,3,4]"


def test_digits_are_read_online_and_in_minibatches(capsys: Capsys) -> None:
    summary, _ = train(
        capsys, "experiment=digits", SEEDS, "tracking=none", "arms=[online,minibatch,no_sp]"
    )
    for arm in ("online", "minibatch"):
        accuracy = summary["arms"][arm]["accuracy"]
        assert len(accuracy["values"]) == 5
        assert accuracy["mean"] >= 0.945
    assert 0.9 < summary["arms"]["no_sp"]["accuracy"]["mean"] < 0.96


def test_high_order_sequences_are_learned_online_and_not_in_windows_of_1000(capsys: Capsys) -> None:
    chosen = ("experiment=sequences", "seeds=[0]", "tracking=none", "workers=1")
    summary, _ = train(capsys, *chosen, "arms=[online,minibatch_1000,no_tm]")
    accuracy = {arm: metrics["accuracy"]["mean"] for arm, metrics in summary["arms"].items()}
    assert summary["arms"]["online"]["samples"]["mean"] == 5000
    assert accuracy["online"] >= 0.97
    assert accuracy["minibatch_1000"] < 0.7
    # Without context the ending is a guess between two.
    assert 0.35 < accuracy["no_tm"] < 0.65


@pytest.mark.skipif(not (DATA / "hotgym").is_dir(), reason="no hotgym under HTMRUN_TEST_DATA")
def test_energy_consumption_is_forecast_better_than_it_stays(capsys: Capsys) -> None:
    path = DATA / "hotgym" / "gymdata.csv"
    chosen = ("experiment=stream", f"data.path={path}", "tracking=none", "workers=1")
    summary, _ = train(capsys, *chosen, "arms=[online,minibatch,persistence,seasonal]")
    errors = {
        arm: (metrics["rmse_1"]["mean"], metrics["rmse_5"]["mean"])
        for arm, metrics in summary["arms"].items()
    }
    assert any(errors[arm][0] < 7.9 and errors[arm][1] < 9.0 for arm in ("online", "minibatch"))
    assert errors["persistence"] == pytest.approx((10.37, 25.70), abs=0.005)
    assert errors["seasonal"] == pytest.approx((6.62, 6.62), abs=0.005)


@pytest.mark.slow
@pytest.mark.skipif(not (DATA / "mnist").is_dir(), reason="no mnist under HTMRUN_TEST_DATA")
def test_mnist_is_read_after_one_pass(capsys: Capsys) -> None:
    chosen = ("experiment=mnist", f"data.path={DATA / 'mnist'}", "tracking=none", "workers=1")
    summary, _ = train(capsys, *chosen, "arms=[online]", "seeds=[0]")
    assert summary["arms"]["online"]["samples"]["values"] == [60_000.0]
    assert summary["arms"]["online"]["accuracy"]["mean"] >= 0.95
