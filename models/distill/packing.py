"""Rows side by side in one sequence, so that little of a batch is padding.

transformers tells the rows of a pack apart by `position_ids` that begin again at 0 and gives each a causal mask of
its own, where no `attention_mask` is given and no cache is kept (`use_cache=False`).
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from models.distill.problem import DistillProblem
from models.distill.template import Row

IGNORED: Final = -100  # the label that PyTorch's cross entropy passes over


@dataclass(frozen=True)
class Pack:
    """One sequence of several rows; three lists of one length.

    `labels` are the ids where a token counts and -100 elsewhere, not shifted: as transformers wants them.
    """

    ids: list[int]
    labels: list[int]
    positions: list[int]


def pack(rows: Sequence[Row], context: int) -> list[Pack]:
    """All rows in packs of at most `context` tokens, by best fit decreasing (Ding et al. 2024, arXiv 2404.10830).

    No row is cut: one that is longer raises `DistillProblem`. The same rows in the same order give the same packs.
    """
    bins: list[list[int]] = []
    room: list[tuple[int, int]] = []  # (tokens free, which bin), sorted
    for number in sorted(range(len(rows)), key=lambda one: -len(rows[one].ids)):
        length = len(rows[number].ids)
        if length > context:
            raise DistillProblem(
                f"Conversation {rows[number].id} has {length} tokens and the context holds {context}; clean the data "
                "for this base and context (`distill clean --base … --context …`), which splits it between rounds."
            )
        place = bisect_left(room, (length, 0))
        free, which = room.pop(place) if place < len(room) else (context, len(bins))
        if which == len(bins):
            bins.append([])
        bins[which].append(number)
        insort(room, (free - length, which))
    return [_joined([rows[number] for number in members]) for members in bins]


def _joined(rows: Sequence[Row]) -> Pack:
    joined = Pack([], [], [])
    for row in rows:
        # The first token of a row is foretold by the row before it, which it has nothing to do with.
        counted = [False, *row.counts[1:]]
        joined.ids.extend(row.ids)
        joined.labels.extend(one if counts else IGNORED for one, counts in zip(row.ids, counted, strict=True))
        joined.positions.extend(range(len(row.ids)))
    return joined
