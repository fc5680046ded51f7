"""Sums and maxima over all neighbourhoods at once, one dimension of the grid after the other."""

from __future__ import annotations

import numpy as np
from numba import njit

from htmrun.backends.cpu.pooler.layout import HOT, I64


@njit(**HOT)
def neighbourhood_sums(
    shape: I64, radius: int, wrap: bool, sums: I64, line: I64, size: int
) -> None:
    """Replace sums[:size] by the sum over every neighbourhood; `line` is scratch, 3 * size."""
    inner = size
    for d in range(len(shape)):
        n = shape[d]
        inner //= n
        for outer in range(0, size, n * inner):
            for i in range(inner):
                _line_sums(sums[outer + i : outer + n * inner : inner], radius, wrap, line)


@njit(**HOT)
def _line_sums(values: I64, radius: int, wrap: bool, line: I64) -> None:
    """Replace each value of a line by the sum of those within `radius`."""
    n = len(values)
    total = np.int64(0)
    if 2 * radius + 1 >= n if wrap else radius + 1 >= n:
        for x in range(n):
            total += values[x]
        for x in range(n):
            values[x] = total
        return
    # Continued beyond both ends, so that the running sum needs no cases.
    for x in range(radius):
        line[x] = values[n - radius + x] if wrap else np.int64(0)
        line[radius + n + x] = values[x] if wrap else np.int64(0)
    for x in range(n):
        line[radius + x] = values[x]
    for x in range(2 * radius):
        total += line[x]
    for x in range(n):
        total += line[x + 2 * radius]
        values[x] = total
        total -= line[x]


@njit(**HOT)
def neighbourhood_maxima(
    shape: I64, radius: int, wrap: bool, sums: I64, line: I64, size: int
) -> None:
    """Replace sums[:size] by the maximum over every neighbourhood; `line` is scratch."""
    inner = size
    for d in range(len(shape)):
        n = shape[d]
        inner //= n
        reach = min(radius, n // 2) if wrap else min(radius, n - 1)
        for outer in range(0, size, n * inner):
            for i in range(inner):
                values = sums[outer + i : outer + n * inner : inner]
                for x in range(n):
                    line[x] = values[x]
                for x in range(n):
                    for y in range(x - reach, x + reach + 1):
                        if 0 <= y < n:
                            values[x] = max(values[x], line[y])
                        elif wrap:
                            values[x] = max(values[x], line[y + n if y < 0 else y - n])
