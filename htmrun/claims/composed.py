"""The spatial pooler put together from torch's operations: what a library gives without kernels.

The rule is that of docs/math.md under global inhibition, without boosting and weak columns; winners
and permanences are those of our own pooler, bit for bit. Of what was tried on a processor this was
the fastest: for one sample, rows of connected synapses are added up (a product of matrix and vector
took six times as long), for a window matrices are multiplied; of what is connected only changes are
written (whole columns took five times as long as all else that learns).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from htmrun._imports import torch
from htmrun.backends.bits import Bits
from htmrun.backends.fixed_point import PERMANENCE_ONE, permanence
from htmrun.backends.parameters import SpatialPoolerParameters


class ComposedPooler:
    """A spatial pooler of torch tensors that begins with `permanences`, int16 (columns, inputs)."""

    def __init__(
        self, parameters: SpatialPoolerParameters, permanences: npt.NDArray[np.int16]
    ) -> None:
        p = self.parameters = parameters
        self.permanences = torch.from_numpy(permanences.astype(np.int32))
        self._least = permanence(p.connected)
        self._up, self._down = permanence(p.increment), permanence(p.decrement)
        # By input, so that a sample reads the rows of its on-bits.
        self._connected = (self.permanences >= self._least).float().T.contiguous()
        # Ties go to the lowest index: a key is unlike any other.
        self._order = torch.arange(p.columns - 1, -1, -1, dtype=torch.int64)

    def run(self, bits: Bits, window: int) -> npt.NDArray[np.int64]:
        """Learn in windows; return the winners, int64 (T, active columns), ascending.

        Every sample must have enough columns that reach the stimulus threshold.
        """
        dense = torch.from_numpy(bits.dense().astype(np.float32))
        found = []
        for start in range(0, len(bits), window):
            x = dense[start : start + window]
            if len(x) == 1:
                on = torch.from_numpy(bits.row(start).astype(np.int64))
                overlap = self._connected.index_select(0, on).sum(0, keepdim=True)
            else:
                overlap = x @ self._connected
            winners = self._winners(overlap)
            self._learn(x, winners)
            found.append(winners)
        return torch.cat(found).sort(1).values.numpy()

    def _winners(self, overlap: Any) -> Any:
        p = self.parameters
        keys = overlap.long() * p.columns + self._order
        return keys.topk(p.active_columns, 1, sorted=False).indices

    def _learn(self, x: Any, winners: Any) -> None:
        if len(x) == 1:
            rows = winners[0]
            change = torch.where(x[0] > 0, self._up, -self._down).int().expand(len(rows), -1)
        else:
            won = torch.zeros(len(x), self.parameters.columns).scatter_(1, winners, 1.0)
            rows = won.any(0).nonzero()[:, 0]
            mine = won[:, rows].T
            change = (mine @ (x * (self._up + self._down))).int()
            change -= self._down * mine.sum(1, keepdim=True).int()
        before = self.permanences[rows]
        # Outside the pool a permanence is -1 and stays so.
        after = (before + change).clamp_(0, PERMANENCE_ONE)
        after = torch.where(before < 0, before, after)
        self.permanences[rows] = after
        connected = after >= self._least
        column, inputs = (connected != (before >= self._least)).nonzero(as_tuple=True)
        self._connected[inputs, rows[column]] = connected[column, inputs].float()
