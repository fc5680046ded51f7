"""Arrays to and from torch without a copy, by DLPack, on the processor and on a card.

Both sides look at the same memory afterwards: what one writes the other sees.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from htmrun._imports import torch
from htmrun.backends.bits import Bits


def to_torch(array: Any) -> torch.Tensor:
    """Return a NumPy or CuPy array as a tensor over the same memory.

    Raises ValueError for a NumPy array that may not be written to: torch has no such tensors.
    """
    if isinstance(array, np.ndarray) and not array.flags.writeable:
        raise ValueError("found an array that is read-only, expected one that torch may write to")
    tensor: torch.Tensor = torch.from_dlpack(array)
    return tensor


def from_torch(tensor: torch.Tensor) -> Any:
    """Return a tensor as an array over the same memory: of NumPy, or of CuPy on a card.

    The tensor's gradient history is left behind. Raises ValueError for other devices.
    """
    plain = tensor.detach()
    if plain.device.type == "cpu":
        return np.from_dlpack(plain)
    if plain.device.type != "cuda":
        raise ValueError(f"found a tensor on {plain.device.type}, expected cpu or cuda")
    import cupy

    return cupy.from_dlpack(plain)


def bits_to_torch(bits: Bits) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the indices (int32) and the offsets (int64, T + 1) of `bits`, not copied."""
    return to_torch(bits.indices), to_torch(bits.offsets)


def bits_from_torch(size: int, indices: torch.Tensor, offsets: torch.Tensor) -> Bits:
    """Return samples of `size` bits over the memory of two tensors on the processor.

    `indices`: int32, `offsets`: int64 (T + 1,), as in `Bits`. Raises ValueError where only a
    copy would do: another dtype, another device, gaps between the values.
    """
    for name, tensor, wanted in (("indices", indices, "int32"), ("offsets", offsets, "int64")):
        found = str(tensor.dtype).removeprefix("torch.")
        if found != wanted or tensor.ndim != 1:
            raise ValueError(f"{name}: found {found} {tuple(tensor.shape)}, expected {wanted} (n,)")
        if tensor.device.type != "cpu" or not tensor.is_contiguous():
            raise ValueError(
                f"{name}: found values on {tensor.device.type}, strides {tensor.stride()}, "
                "expected values in a row on cpu"
            )
    return Bits(size, from_torch(indices), from_torch(offsets))
