"""What temporal memories said of a chunk: bits that stay on the card until somebody reads them.

How many columns were hit and burst is on the host at once. Cells and predicted columns stay as the
words that the memory's kernel wrote; they are counted when somebody asks how many there are, and
listed when a stage on the card, or the host, reads which. Each is done once for all models.
"""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock
from typing import Any

import numpy as np
import numpy.typing as npt

from htmrun.backends.bits import Bits
from htmrun.backends.cuda.card_bits import CardBits, Listed
from htmrun.backends.cuda.device import Device
from htmrun.backends.cuda.rows import lists, lists_of_rows

Counts = npt.NDArray[np.int32]


class Later:
    """Samples of all models of a chunk, listed once, when those of one are asked for."""

    def __init__(self, device: Device, make: Callable[[], list[Listed]]) -> None:
        self._device, self._make = device, make
        self._found: list[Listed] | None = None
        self._lock = Lock()  # models of a chunk may be read by several threads

    def of(self, model: int) -> Listed:
        """Return one model's."""
        with self._lock:
            if self._found is None:
                with self._device.current():
                    self._found = self._make()
                del self._make
        return self._found[model]

    def bits(self, size: int, samples: int, model: int) -> Bits:
        """Return one model's as bits."""
        return CardBits(self._device, size, samples, lambda: self.of(model))


def columns_later(device: Device, predicted_mtv: Any) -> Later:
    """Return what packed rows of columns hold, uint32 (models, T, words)."""
    return Later(device, lambda: lists_of_rows(device, predicted_mtv, 0))


def cells_later(
    device: Device, cell_jw: Any, column_j: Any, offset_mr: Any, lead: int, per_column: int
) -> Later:
    """Return the cells of rows `lead` on; arrays as `kernels/rows.cu` names them."""
    models, rows, words = offset_mr.shape[0], offset_mr.shape[1] - 1, cell_jw.shape[1]
    sizes = np.int32(lead), np.int32(rows), np.int32(words)

    def count(counts: Any, *grid: tuple[int, ...]) -> None:
        device.launch("rows.cu", "count_cells", *grid, cell_jw, offset_mr, counts, *sizes)

    def fill(ends: Any, on_j: Any, *grid: tuple[int, ...]) -> None:
        device.launch(
            "rows.cu", "list_cells", *grid, cell_jw, column_j, offset_mr, ends, on_j, *sizes,
            np.int32(per_column),
        )  # fmt: skip

    return Later(device, lambda: lists(device, models, rows - lead, count, fill))
