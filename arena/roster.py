"""Who plays while the arena runs: begins with the line-up, grows when somebody registers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import overload

from models.spec import ModelSpec


class Roster(Sequence[ModelSpec]):
    """The contestants in the catalogue's order, newcomers last; nobody leaves. Safe to share between threads."""

    def __init__(self, specs: Sequence[ModelSpec]) -> None:
        # Replaced whole and never changed, so that whoever reads needs no lock.
        self._specs = tuple(specs)

    def add(self, spec: ModelSpec) -> None:
        """To be called by one thread at a time."""
        self._specs = (*self._specs, spec)

    @overload
    def __getitem__(self, place: int) -> ModelSpec: ...
    @overload
    def __getitem__(self, place: slice) -> tuple[ModelSpec, ...]: ...
    def __getitem__(self, place: int | slice) -> ModelSpec | tuple[ModelSpec, ...]:
        return self._specs[place]

    def __len__(self) -> int:
        return len(self._specs)
