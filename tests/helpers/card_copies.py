"""What goes to a card and comes back while an experiment trains, counted on the host.

`python -m tests.helpers.card_copies` prints copies a chunk and bytes a sample, for
`docs/results/gpu.md`.
"""

from __future__ import annotations

import contextlib
import io
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from htmrun.backends.cuda import device
from htmrun.cli import main
from htmrun.training import trainer
from tests.helpers import host_card
from tests.helpers.kernels.on_card import Copies

SAMPLES = 128
PLAIN = (
    "experiment=sequences", "arms=[online]", "seeds=[0]", "curve_points=1", "tracking=none",
    "device=cuda", "--json",
)  # fmt: skip
POOLED = ("pipeline=[encoder,sp,tm,classifier]",)


def a_chunk(patch: pytest.MonkeyPatch, samples: int, *settings: str) -> Copies:
    """Return what the second chunk of a run of PLAIN copies, on a host's card, measures included.

    samples: of a chunk.
    So nothing is in it of how models begin and of what is left of them.
    """
    copies: Copies = device.cuda_device().xp.copies
    seen: list[tuple[int, Copies]] = []
    train = trainer.Trainer._train

    def noting(one: trainer.Trainer, chunk: Any, plan: Any) -> None:
        seen.append((one.run.sample, Copies(**vars(copies))))
        train(one, chunk, plan)

    patch.setattr(trainer, "CHUNK", samples)
    patch.setattr(trainer.Trainer, "_train", noting)
    with contextlib.redirect_stdout(io.StringIO()):
        assert main(["train", *PLAIN, f"data.steps={5 * samples // 2 + 1}", *settings]) == 0
    patch.setattr(trainer.Trainer, "_train", train)
    at = dict(seen)
    before, after = vars(at[samples]), vars(at[2 * samples])
    return Copies(**{name: n - before[name] for name, n in after.items()})


def _line(patch: pytest.MonkeyPatch, name: str, settings: Sequence[str]) -> str:
    one = a_chunk(patch, SAMPLES, *settings)
    cells = (one.up, round(one.bytes_up / SAMPLES), one.down, round(one.bytes_down / SAMPLES))
    return f"| {name} | {' | '.join(map(str, cells))} |"


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        host_card.put_in(patch, Path(folder))
        print("| pipeline | copies up | bytes up | copies down | bytes down |")
        for name, settings in (("encoder, tm, classifier", ()), ("encoder, sp, tm, ...", POOLED)):
            print(_line(patch, name, settings), flush=True)
