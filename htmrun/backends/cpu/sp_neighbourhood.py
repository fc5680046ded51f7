"""Sums and maxima over all neighbourhoods at once, one dimension of the grid after the other."""

from __future__ import annotations

from numba import njit

from htmrun.backends.cpu.sp_memory import HOT, I64


@njit(**HOT)
def neighbourhood_sums(shape: I64, radius: int, wrap: bool, sums: I64, size: int) -> None:
    """Replace sums[0, :size] by the sum over every neighbourhood; sums[1] is scratch."""
    inner = size
    for d in range(len(shape)):
        n = shape[d]
        inner //= n
        for c in range(size):
            sums[1, c] = sums[0, c]
        for outer in range(0, size, n * inner):
            for i in range(inner):
                _line_sums(sums[1], sums[0], outer + i, n, inner, radius, wrap)


@njit(**HOT)
def _line_sums(source: I64, out: I64, at: int, n: int, step: int, radius: int, wrap: bool) -> None:
    """Running sum along one line of n places, `step` apart, from `at` on."""
    total = 0
    if 2 * radius + 1 >= n if wrap else radius >= n - 1:
        for x in range(n):
            total += source[at + x * step]
        for x in range(n):
            out[at + x * step] = total
        return
    for x in range(-radius if wrap else 0, radius):
        total += source[at + (x if x >= 0 else x + n) * step]
    for x in range(n):
        new, old = x + radius, x - radius - 1
        if new < n:
            total += source[at + new * step]
        elif wrap:
            total += source[at + (new - n) * step]
        if x > 0:
            if old >= 0:
                total -= source[at + old * step]
            elif wrap:
                total -= source[at + (old + n) * step]
        out[at + x * step] = total


@njit(**HOT)
def neighbourhood_maxima(shape: I64, radius: int, wrap: bool, sums: I64, size: int) -> None:
    """Replace sums[0, :size] by the maximum over every neighbourhood."""
    inner = size
    for d in range(len(shape)):
        n = shape[d]
        inner //= n
        for c in range(size):
            sums[1, c] = sums[0, c]
        reach = min(radius, n // 2) if wrap else radius
        for outer in range(0, size, n * inner):
            for x in range(n):
                here = outer + x * inner
                for y in range(x - reach, x + reach + 1):
                    if wrap or 0 <= y < n:
                        there = outer + (y % n) * inner
                        for i in range(inner):
                            sums[0, here + i] = max(sums[0, here + i], sums[1, there + i])
