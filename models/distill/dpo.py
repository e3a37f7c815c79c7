"""Learning from votes: pairs of a preferred and a rejected conversation, as `arena export preferences` writes them.

Direct Preference Optimization (Rafailov et al. 2023, arXiv:2305.18290) of an adapter, with TRL's trainer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from models.distill.clean import personal
from models.distill.conversation import Conversation, Origin, conversation_of
from models.distill.problem import DistillProblem
from models.distill.template import Encoder, Row


@dataclass(frozen=True)
class Preference:
    """Two conversations that begin with the same prompt."""

    chosen: Conversation
    rejected: Conversation

    @property
    def origins(self) -> tuple[Origin, Origin]:
        """Both taught: one what to say, the other what not."""
        return self.chosen.origin, self.rejected.origin


@dataclass(frozen=True)
class Pair:
    chosen: Row
    rejected: Row


def is_preference(row: Mapping[str, Any]) -> bool:
    return "chosen" in row and "rejected" in row


def preference_of(row: Mapping[str, Any], where: str, license: str) -> Preference:  # noqa: A002 (its name everywhere)
    """The preference of a JSON object; its texts are on the terms of `license`, personal data in them is masked.

    No cleaning comes before, as it does for conversations. Raises `DistillProblem`.
    """
    prompt = row.get("prompt")
    if not isinstance(prompt, list):
        raise DistillProblem(f"{where}: prompt is no list of messages; `arena export preferences` writes such files.")
    return Preference(
        _conversation(row, prompt, "chosen", where, license), _conversation(row, prompt, "rejected", where, license)
    )


def _conversation(row: Mapping[str, Any], prompt: list[object], side: str, where: str, terms: str) -> Conversation:
    rest = row[side]
    if not isinstance(rest, list) or not rest:
        raise DistillProblem(f"{where}: {side} is no list of messages; `arena export preferences` writes such files.")
    told = {"messages": [*prompt, *rest], "source": "preferences", "license": terms}
    teacher = row.get(f"model_{side}")
    read = conversation_of({**told, "teacher": teacher if isinstance(teacher, str) else ""}, where)
    made = personal.mask()(read)
    battle = row.get("battle")
    return replace(made, id=f"{battle}-{side}") if isinstance(battle, str) and battle else made


def pair_of(preference: Preference, encoder: Encoder, context: int) -> Pair:
    """Raises `DistillProblem` where the context does not hold one of the two."""
    rows = encoder.encode(preference.chosen), encoder.encode(preference.rejected)
    for row in rows:
        if len(row.ids) > context:
            raise DistillProblem(
                f"Conversation {row.id} has {len(row.ids)} tokens and the context holds {context}; take a longer "
                "--context, or leave that line out."
            )
    return Pair(*rows)


class PairCollator:
    """Rows with both sides of a pair, in tensors → one padded batch: first all chosen ones, then all rejected.

    It marks what the student must produce itself, in every turn; TRL's own counts a visitor's further prompts too.
    """

    def __init__(self, padding: int) -> None:
        """`padding`: the id of the token that fills up; it is masked."""
        self._padding = padding

    def __call__(self, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """Tensors of shape [2 · rows, longest], as `trl.DPOTrainer` reads them, and two counts for `tally`."""
        import torch

        sides = [(row[f"{side}_ids"], row[f"{side}_counts"]) for side in ("chosen", "rejected") for row in rows]
        shape = (len(sides), max(len(ids) for ids, _ in sides))
        ids = torch.full(shape, self._padding)
        mask, counts = torch.zeros(shape, dtype=torch.long), torch.zeros(shape, dtype=torch.long)
        for number, (its, counted) in enumerate(sides):
            ids[number, : len(its)] = its
            mask[number, : len(its)] = 1
            counts[number, : len(its)] = counted.long()
        told = {"tokens": int(mask.sum()), "counted_tokens": int(counts.sum())}
        return {"input_ids": ids, "attention_mask": mask, "completion_mask": counts, **told}


def columns(pairs: Sequence[Pair]) -> dict[str, list[Any]]:
    """The pairs as columns of a data set."""
    return {
        "chosen_ids": [pair.chosen.ids for pair in pairs],
        "chosen_counts": [pair.chosen.counts for pair in pairs],
        "rejected_ids": [pair.rejected.ids for pair in pairs],
        "rejected_counts": [pair.rejected.counts for pair in pairs],
    }
