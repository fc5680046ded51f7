"""Every kernel once on a card, small: for compute-sanitizer. `python -m tests.card_tour`.

Compares with the reference, as the tests on the host do.
"""

from __future__ import annotations

import sys

from htmrun.backends.cuda.device import cuda_device
from tests.kernels import cases


class _Card:
    """The card in the place of the host's modules."""

    def device(self, threads: int = 64, select_threads: int = 128):
        made = cuda_device(0)
        made.threads, made.select_threads = threads, select_threads
        return made


def main() -> int:
    """Check all cases; return 1 if one differs."""
    wrong = 0
    for name, case in cases.CASES.items():
        try:
            case.check(_Card())  # type: ignore[arg-type]
        except AssertionError as error:
            wrong += 1
            print(f"{name}: {error}")
    print(f"{len(cases.CASES) - wrong} of {len(cases.CASES)} cases equal the reference")
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
