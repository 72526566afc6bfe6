"""State of many sensors in columns: growable arrays with a row a slot.

A slot is a sensor's dense number in one store. Every piece of state is a named column, so that the whole state of a
range of slots can be taken out and put back (`export`, `load`) without knowing what the columns mean.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

_FIRST_CAPACITY = 64


class Columns:
    """Named arrays of shape `(slots,)` or `(slots, width)`; new slots and new width hold the column's `fill`."""

    def __init__(self) -> None:
        self.count = 0
        self._capacity = _FIRST_CAPACITY
        self._arrays: dict[str, NDArray[Any]] = {}
        self._fills: dict[str, Any] = {}

    def add(self, name: str, dtype: DTypeLike, fill: Any, width: int | None = None) -> None:
        """Add a column. Raises `ValueError` if the name is taken."""
        if name in self._arrays:
            raise ValueError(f"column {name!r} exists already")
        shape = (self._capacity,) if width is None else (self._capacity, width)
        self._arrays[name] = np.full(shape, fill, dtype)
        self._fills[name] = fill

    def __contains__(self, name: str) -> bool:
        return name in self._arrays

    def __getitem__(self, name: str) -> NDArray[Any]:
        """The column, with room for more slots than are in use. Growing replaces the array: do not keep it."""
        return self._arrays[name]

    def names(self) -> list[str]:
        return list(self._arrays)

    def extend(self, more: int) -> int:
        """Add `more` slots; returns the first of them."""
        first = self.count
        self.count += more
        if self.count > self._capacity:
            while self._capacity < self.count:
                self._capacity *= 2
            for name, old in self._arrays.items():
                new = np.full((self._capacity, *old.shape[1:]), self._fills[name], old.dtype)
                new[:first] = old[:first]
                self._arrays[name] = new
        return first

    def widen(self, name: str, width: int) -> None:
        """Make the rows of a column at least `width` long."""
        old = self._arrays[name]
        if old.shape[1] < width:
            new = np.full((self._capacity, width), self._fills[name], old.dtype)
            new[:, : old.shape[1]] = old
            self._arrays[name] = new

    def reset(self, name: str, slots: NDArray[np.intp]) -> None:
        """Put the column of these slots back to its fill."""
        self._arrays[name][slots] = self._fills[name]

    def export(self, first: int, last: int) -> dict[str, NDArray[Any]]:
        """Copies of all columns of the slots `first` to `last` (exclusive)."""
        return {name: array[first:last].copy() for name, array in self._arrays.items()}

    def load(self, first: int, state: Mapping[str, NDArray[Any]]) -> None:
        """Put back what `export` gave, from slot `first` on; columns that are no longer there are left out."""
        for name, part in state.items():
            if name in self._arrays:
                if part.ndim == 2:
                    self.widen(name, part.shape[1])
                    self._arrays[name][first : first + len(part), : part.shape[1]] = part
                else:
                    self._arrays[name][first : first + len(part)] = part
