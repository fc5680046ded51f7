"""A card that is none: the kernels run on the host, so that whole experiments can be tested."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from htmrun.backends.cuda import cards, device
from htmrun.backends.cuda.classifier import sdr_classifier as classifier
from htmrun.backends.cuda.memory import group as memory
from htmrun.backends.cuda.pooler import group as pooler
from htmrun.execution import lockstep_models
from tests.helpers.kernels import host

CARD = cards.Card(0, "host runner", 1 << 30, 2 << 30)


def put_in(
    patch: pytest.MonkeyPatch, build_folder: Path, card: cards.Card = CARD
) -> host.HostModules:
    """Let `cuda:0` be `card`, whose kernels run on the host; return what runs them."""
    modules = host.HostModules(lambda file: host.build(file, build_folder))
    made = modules.device(64, 64)

    def only(index: int = 0) -> Any:
        assert index == card.index
        return made

    patch.setattr(cards, "lacking", lambda: None)
    patch.setattr(cards, "card", lambda index: card)
    for module in (device, lockstep_models, classifier, memory, pooler):
        patch.setattr(module, "cuda_device", only)
    return modules
