"""What happens around each sample of a chunk: resets, commits, boosts.

A regime is data. The schedule turns its two dials into these flags, and every stage and
every backend obeys the same flags, so no stage knows which arm it runs in.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Flags = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Plan:
    """Flags for T samples, each a uint8 array of shape (T,).

    reset[t]: a new sequence starts at sample t; cell state is cleared before it.
    commit[t]: the window ends after sample t; what was learned in it is applied.
    boost[t]: after sample t (and its commit) boost factors and minimum duty cycles are
        recomputed.
    """

    reset: Flags
    commit: Flags
    boost: Flags

    def __len__(self) -> int:
        return len(self.commit)

    @staticmethod
    def every(n: int, samples: int, *, boost: bool = True) -> Plan:
        """Return a plan that commits (and boosts) after every `n`-th of `samples` samples."""
        flags = np.zeros(samples, np.uint8)
        flags[n - 1 :: n] = 1
        return Plan(np.zeros(samples, np.uint8), flags, flags if boost else np.zeros_like(flags))

    def slice(self, start: int, stop: int) -> Plan:
        """Return the flags of samples start..stop."""
        return Plan(self.reset[start:stop], self.commit[start:stop], self.boost[start:stop])
