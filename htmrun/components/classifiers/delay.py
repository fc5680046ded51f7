"""Rows that come back some samples later."""

from __future__ import annotations

from collections import deque
from typing import Any

import numpy as np
import numpy.typing as npt

Rows = npt.NDArray[Any]


class Delay:
    """The last `samples` rows of a stream, each of which comes back so many samples later."""

    def __init__(self, samples: int, none: Rows) -> None:
        """`none` (0, ...): no rows, in the shape and type that they have."""
        self.samples, self._none = samples, none
        # Oldest first, in the pieces in which they came: of a stream that comes row by row one is
        # added and one taken, without a look at those between.
        self._parts: deque[Rows] = deque()
        self._count = 0

    def later(self, new: Rows, before: Rows) -> Rows:
        """Return what was `new` so many samples before each sample; then remember `new`.

        before (1, ...): what there was before the stream began.
        """
        count = len(new)
        if count == 1:
            return self._one_later(new, before)
        joined = np.concatenate([self.rows(), new])
        missing = count + self.samples - len(joined)
        self.load(joined[-self.samples :].copy())
        if missing > 0:
            joined = np.concatenate([np.repeat(before, missing, axis=0), joined])
        return joined[:count]

    def _one_later(self, new: Rows, before: Rows) -> Rows:
        self._parts.append(new)
        if self._count < self.samples:
            self._count += 1
            return before
        oldest = self._parts[0]
        if len(oldest) == 1:
            return self._parts.popleft()
        self._parts[0] = oldest[1:]
        return oldest[:1]

    def rows(self) -> Rows:
        """Return what is still to come, oldest first, as an array of its own."""
        return np.concatenate([self._none, *self._parts])

    def newest(self) -> Rows:
        """Return the last row (1, ...) as a view, none before the stream began."""
        return self._parts[-1][-1:] if self._parts else self._none

    def load(self, rows: Rows) -> None:
        """Go on from what `rows` returned."""
        self._parts, self._count = deque([rows] if len(rows) else []), len(rows)
