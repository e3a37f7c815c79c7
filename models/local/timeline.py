"""Keys and values of all running requests on one time axis: the cache of a batch that changes at every step.

Row i holds the tokens of one request in columns [begins[i], end): every row ends at the same column, so a
step writes one column and copies nothing, and the padding lies to the left, as every model of transformers
understands it (a mask of two dimensions; sliding windows stay right). Rows join and leave between steps.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from transformers.cache_utils import Cache, CacheLayerMixin

# Room is made in steps of these, so that rows are moved once in so many tokens or newcomers.
COLUMNS = 256
ROWS = 4  # `models.local.loading.size` counts on it


class Timeline(Cache):
    """For `model.forward(past_key_values=…)`: `begins` are the rows' first columns, `end` the column after their last.

    Give the forward `mask(query)` and `positions(query)`, then call `advance(query)`, `query` columns at a time.
    """

    def __init__(self, layers: int, begins: Sequence[int] = (), end: int = 0) -> None:
        self.begins = list(begins)
        self.end = end
        self._columns = self._room = 0
        super().__init__(layers=[_Layer(self) for _ in range(layers)])

    @property
    def rows(self) -> int:
        return len(self.begins)

    @property
    def first(self) -> int:
        """The column where the longest row begins; what lies before is nobody's."""
        return min(self.begins, default=self.end)

    def mask(self, query: int, device: torch.device) -> torch.Tensor | None:
        """Which of the columns from `first` each row may see when `query` more are computed: bool [rows, columns].

        None where there is no padding: attention is quicker then.
        """
        if max(self.begins) == self.first:
            return None
        columns = torch.arange(self.first, self.end + query, device=device)
        return columns[None, :] >= torch.tensor(self.begins, device=device)[:, None]

    def positions(self, query: int, device: torch.device) -> torch.Tensor:
        """Each new token's place in its own request: int64 [rows, query]; padding counts as place 0."""
        columns = torch.arange(self.end, self.end + query, device=device)
        return (columns[None, :] - torch.tensor(self.begins, device=device)[:, None]).clamp_(min=0)

    def prepare(self, query: int) -> None:
        """Make room for `query` columns before a forward."""
        if self._room < self.rows or self._columns < self.end + query:
            self._place(self.rows, self.end - self.first + query, self.end - self.first)

    def advance(self, query: int) -> None:
        """The forward has written `query` columns."""
        self.end += query

    def adopt(self, other: Timeline) -> None:
        """Take over the rows of `other` behind our own and empty it; the shorter axis is moved to the other's end."""
        width = max(self.end - self.first, other.end - other.first)
        end = max(self.end, width)
        if self._room < self.rows + other.rows or self._columns < end + 1 or end != self.end:
            rows = -(-(self.rows + other.rows) // ROWS) * ROWS
            self._place(rows, width + 1, width)
        for ours, theirs in zip(self.layers, other.layers, strict=True):
            ours.take(theirs, self.rows)
            theirs.reset()  # now, not when Python finds the circle of cache and layers
        self.begins += [begin + self.end - other.end for begin in other.begins]

    def remove(self, row: int) -> None:
        """Forget a row; the last one takes its number."""
        last = self.rows - 1
        if row != last:
            for layer in self.layers:
                layer.copy_row(last, row, self.begins[last], self.end)
            self.begins[row] = self.begins[last]
        self.begins.pop()
        if not self.begins:
            self.clear()

    def clear(self) -> None:
        """Begin the axis anew and give back the memory: an idle model holds no cache."""
        self.begins = []
        self.end = self._columns = self._room = 0
        for layer in self.layers:
            layer.reset()

    def _place(self, rows: int, columns: int, end: int) -> None:
        """Move everything into room for at least `rows` × `columns`, so that it ends at column `end`."""
        columns = -(-columns // COLUMNS) * COLUMNS
        first, width = self.first, self.end - self.first
        for layer in self.layers:
            layer.move(rows, columns, slice(first, self.end), slice(end - width, end))
        self.begins = [begin + end - self.end for begin in self.begins]
        self.end, self._room, self._columns = end, rows, columns


class _Layer(CacheLayerMixin):
    """One layer's share: `keys` and `values` [room, heads, columns, size]; made at the first forward."""

    is_sliding = False  # whole rows are kept; the mask keeps the window

    def __init__(self, timeline: Timeline) -> None:
        super().__init__()
        self._timeline = timeline

    def lazy_initialization(self, key_states: torch.Tensor, value_states: torch.Tensor) -> None:
        _, heads, _, size = key_states.shape
        room, columns = self._timeline._room, self._timeline._columns
        self.keys = key_states.new_zeros(room, heads, columns, size)
        self.values = value_states.new_zeros(room, value_states.shape[1], columns, value_states.shape[3])
        self.is_initialized = True

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *_args: Any, **_kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        rows, _, query, _ = key_states.shape
        first, end = self._timeline.first, self._timeline.end
        self.keys[:rows, :, end : end + query] = key_states
        self.values[:rows, :, end : end + query] = value_states
        return self.keys[:rows, :, first : end + query], self.values[:rows, :, first : end + query]

    def get_seq_length(self) -> int:
        return self._timeline.end - self._timeline.first

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        return self.get_seq_length() + query_length, 0

    def get_max_length(self) -> int:
        return -1

    def move(self, rows: int, columns: int, old: slice, new: slice) -> None:
        if self.is_initialized:
            kept = min(rows, self.keys.shape[0])
            self.keys = _moved(self.keys, rows, columns, kept, old, new)
            self.values = _moved(self.values, rows, columns, kept, old, new)

    def take(self, other: _Layer, row: int) -> None:
        """Copy the rows of `other` behind `row` rows of ours, to the same end."""
        if not other.is_initialized:
            return  # a layer that uses the keys and values of another one
        if not self.is_initialized:
            self.lazy_initialization(other.keys, other.values)
        first, end = other._timeline.first, other._timeline.end
        count, ours = other._timeline.rows, self._timeline.end
        columns = slice(ours - (end - first), ours)
        self.keys[row : row + count, :, columns] = other.keys[:count, :, first:end]
        self.values[row : row + count, :, columns] = other.values[:count, :, first:end]

    def copy_row(self, source: int, target: int, first: int, end: int) -> None:
        if self.is_initialized:
            self.keys[target, :, first:end] = self.keys[source, :, first:end]
            self.values[target, :, first:end] = self.values[source, :, first:end]

    def reset(self) -> None:
        self.keys = self.values = None
        self.is_initialized = False


def _moved(old: torch.Tensor, rows: int, columns: int, kept: int, source: slice, target: slice) -> torch.Tensor:
    # Zeros, not whatever was there: a masked column still counts as 0 × its value, and 0 × NaN is NaN.
    new = old.new_zeros(rows, old.shape[1], columns, old.shape[3])
    new[:kept, :, target] = old[:kept, :, source]
    return new
