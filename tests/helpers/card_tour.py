"""Every kernel once on a card, small: `python -m tests.helpers.card_tour [--small] [--seconds N]`.

Compares with the reference, as the tests on the host do. For compute-sanitizer: with --small few
cases that reach every kernel, and each array is an allocation of its own, so that an overrun leaves
it. Cases for which there is no time, or which the card has no instructions for, are counted.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterable
from typing import Any

from htmrun.backends.cuda.device import Device, cuda_device
from htmrun.backends.cuda.pooler import overlap_kernels
from tests.helpers.kernels import cases


class Card:
    """The card in the place of the host's modules."""

    def __init__(self, device: Device) -> None:
        self._device = device

    def device(self, threads: int = 64, select_threads: int = 128) -> Device:
        """Return the card, with blocks of these sizes."""
        self._device.threads, self._device.select_threads = threads, select_threads
        return self._device


def possible(case: Any, device: Device) -> bool:
    """Say whether the card has the instructions that a case asks for."""
    way = getattr(case, "group", {}).get("overlap", "sparse")
    return way in overlap_kernels.possible(device.capability)


def tour(device: Device, names: Iterable[str], seconds: float) -> int:
    """Check the cases, for so long; print what came of it and return how many went wrong."""
    end, done, wrong, unable, late = time.monotonic() + seconds, 0, 0, 0, 0
    for name in names:
        if time.monotonic() > end:
            late += 1
        elif not possible(cases.CASES[name], device):
            unable += 1
        else:
            done += 1
            try:
                cases.CASES[name].check(Card(device))  # type: ignore[arg-type]
            except Exception as error:
                # Whatever goes wrong in one case, the others are of interest.
                wrong += 1
                print(f"{name}: {type(error).__name__}: {error}", flush=True)
    print(
        f"{done - wrong} of {done} cases equal the reference; {unable} need another card, for "
        f"{late} there was no time"
    )
    return wrong


def main() -> int:
    """Check cases on card 0; return 1 if one differs."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--small", action="store_true", help="few cases, arrays on their own")
    parser.add_argument("--seconds", type=float, default=1e9, help="stop after about so many")
    options = parser.parse_args()
    device = cuda_device(0)
    if options.small:
        device.xp.cuda.set_allocator(None)
    return int(tour(device, cases.SMALL if options.small else cases.CASES, options.seconds) > 0)


if __name__ == "__main__":
    sys.exit(main())
