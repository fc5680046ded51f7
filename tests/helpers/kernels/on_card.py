"""Arrays of a card that is none: NumPy's, which refuse what CuPy refuses. Copies are counted.

A card's array and one on the host never meet in an operation, and none becomes the other but by
`asarray` and `to_host`. With plain arrays on both sides a test would not see where they do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np


class OnCard(np.ndarray):
    """An array on the card."""

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **named: Any) -> Any:
        must_be_on_card(ufunc.__name__, inputs)
        if "out" in named:
            named["out"] = tuple(_plain(out) for out in named["out"])
        return _on_card(getattr(ufunc, method)(*map(_plain, inputs), **named))

    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        raise TypeError(f"numpy.{func.__name__} of an array on a card")

    def __getitem__(self, key: Any) -> Any:
        must_be_on_card("[]", key if isinstance(key, tuple) else (key,))
        return _on_card(self.view(np.ndarray)[_plain(key)])

    def __setitem__(self, key: Any, value: Any) -> None:
        must_be_on_card("[]=", (*(key if isinstance(key, tuple) else (key,)), value))
        self.view(np.ndarray)[_plain(key)] = _plain(value)


def _on_card(value: Any) -> Any:
    # A number of NumPy's, too, is an array of no dimensions in CuPy.
    if isinstance(value, np.ndarray | np.generic):
        return np.asarray(value).view(OnCard)
    return value


def _plain(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return type(value)(map(_plain, value))
    return value.view(np.ndarray) if isinstance(value, OnCard) else value


def must_be_on_card(what: str, values: Iterable[Any]) -> None:
    """Raise TypeError for an array that is on the host; numbers may be."""
    for value in values:
        if isinstance(value, list | tuple):
            must_be_on_card(what, value)
        elif isinstance(value, np.ndarray) and value.ndim and not isinstance(value, OnCard):
            raise TypeError(f"{what}: an array on the host meets one on the card")


@dataclass
class Copies:
    """How often, and how many bytes, went to the card and came back."""

    up: int = 0
    bytes_up: int = 0
    down: int = 0
    bytes_down: int = 0

    def forget(self) -> None:
        """Begin to count anew."""
        self.up = self.bytes_up = self.down = self.bytes_down = 0


class Arrays:
    """NumPy as a card's namespace; fresh memory never happens to be zero."""

    def __init__(self) -> None:
        self.copies = Copies()

    def __getattr__(self, name: str) -> Callable[..., Any]:
        function = getattr(np, name)

        def on_card(*values: Any, **named: Any) -> Any:
            must_be_on_card(name, values)
            return _on_card(function(*map(_plain, values), **named))

        return on_card

    @staticmethod
    def empty(shape: Any, dtype: Any) -> Any:
        """Garbage."""
        out = np.empty(shape, dtype)
        out.view(np.uint8).reshape(-1)[:] = 0xB7
        return _on_card(out)

    def empty_like(self, array: np.ndarray) -> Any:
        """Garbage of the shape and dtype of `array`."""
        return self.empty(array.shape, array.dtype)

    def asarray(self, array: np.ndarray) -> Any:
        """A copy, as an upload is: the device must not see later changes on the host."""
        if isinstance(array, OnCard):
            return array
        self.copies.up += 1
        self.copies.bytes_up += array.nbytes
        return _on_card(np.array(array, order="C"))

    def to_host(self, array: Any) -> np.ndarray:
        """A copy on the host."""
        if not isinstance(array, OnCard):
            raise TypeError("to_host: an array that is on the host")
        self.copies.down += 1
        self.copies.bytes_down += array.nbytes
        return np.array(_plain(array), order="C")
