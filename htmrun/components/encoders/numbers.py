"""Numbers as encoders want them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from htmrun.backends.parameters import LARGEST
from htmrun.errors import UserError

FLOAT64 = np.dtype(np.float64)


def one_number(values: np.ndarray) -> float | None:
    """Return a field's value (T,) where it is a single number or NaN; None: look closer.

    A number by itself is encoded in Python, which is ten times faster than arrays of one.
    """
    if values.size != 1:
        return None
    value: float = values.item()
    if values.dtype is not FLOAT64:
        if values.dtype.kind not in "iufb":
            return None
        value = float(value)
    return None if abs(value) > LARGEST else value


def finite_numbers(
    fields: Mapping[str, np.ndarray], field: str, path: str
) -> npt.NDArray[np.float64]:
    """Return a field as float64 (T,), NaN allowed; raises UserError for dates and infinities."""
    values = fields[field]
    if values.dtype.kind not in "iufb":
        raise UserError(
            f"{path}.kind: field '{field}' holds {values.dtype}, expected numbers; dates need "
            "kind date"
        )
    out = values.astype(np.float64)
    if np.isinf(out).any():
        raise UserError(f"{path}: field '{field}' holds an infinite value, expected finite numbers")
    return out
