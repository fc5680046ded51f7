"""Garbage is looked for rarely while a command begins, and as usual once models learn."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from htmrun.cli import main
from htmrun.execution import garbage
from htmrun.execution.jobs import Builder

USUAL = (650, 7, 9)


@pytest.fixture(autouse=True)
def _own_thresholds() -> Iterator[None]:
    before = gc.get_threshold()
    gc.set_threshold(*USUAL)
    yield
    gc.set_threshold(*before)


def test_rarely_until_models_learn_and_as_before_afterwards():
    garbage.sought_as_usual()
    assert gc.get_threshold() == USUAL
    with garbage.sought_rarely():
        assert gc.get_threshold() == garbage.RARELY
        garbage.sought_as_usual()
        assert gc.get_threshold() == USUAL
    with pytest.raises(ZeroDivisionError), garbage.sought_rarely():
        _ = 1 / 0
    assert gc.get_threshold() == USUAL


def test_a_command_that_trains_looks_as_usual(tmp_path, monkeypatch):
    seen: list[tuple[str, tuple[int, int, int]]] = []
    opened, training = Builder.__init__, Builder.training

    def opening(self, *given, **named) -> None:
        seen.append(("opened", gc.get_threshold()))
        opened(self, *given, **named)

    def learning(self, *given, **named):
        seen.append(("learns", gc.get_threshold()))
        return training(self, *given, **named)

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Builder, "__init__", opening)
    monkeypatch.setattr(Builder, "training", learning)
    settings = ["experiment=digits", "seeds=[0]", "arms=[online]", "workers=1", "tracking=none"]
    assert main(["train", *settings, "--quiet"]) == 0
    assert seen[0] == ("opened", garbage.RARELY)
    assert seen[-1] == ("learns", USUAL)
    assert gc.get_threshold() == USUAL
