"""What a student learns from: files of conversations or preferences → what goes through the model, and its record."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from models.distill.conversation import Conversation, Origin, conversation_of, name_of
from models.distill.dpo import Pair, Preference, is_preference, pair_of, preference_of
from models.distill.files import read_rows
from models.distill.guard import digest_of
from models.distill.packing import Pack, pack
from models.distill.problem import DistillProblem
from models.distill.recipe import Recipe
from models.distill.run import DataUsed
from models.distill.template import Encoder, Row

TRAIN_FILE = "train.jsonl"
HELD_OUT_FILE = "held_out.jsonl"


@dataclass(frozen=True)
class Lessons:
    """Texts as they were read: conversations (method dpo: preferences) to train on, and conversations held out."""

    used: DataUsed
    train: Sequence[Conversation] | Sequence[Preference]
    held_out: Sequence[Conversation]


def read_lessons(data: Path, recipe: Recipe, license: str, inherited: Iterable[Origin]) -> Lessons:  # noqa: A002 (its name everywhere)
    """`data` is the folder of `distill clean`, or a file; held_out.jsonl beside the rows to train on is held out.

    Method dpo takes preferences as `arena export preferences` writes them, whose texts are on the terms of `license`.
    `inherited`: the origins of what it goes on from. Raises `DistillProblem`, also where one held out is among them.
    """
    train = data / TRAIN_FILE if data.is_dir() else data
    held_out = train.with_name(HELD_OUT_FILE)
    wants = recipe.method == "dpo"
    rows = [(f"{train}, line {number}", row) for number, row in read_rows(train)]
    if not rows:
        raise DistillProblem(f"{train} is empty, so there is nothing to learn; collect more, or clean less strictly.")
    for where, row in rows:
        if is_preference(row) != wants:
            takes = "preferences (prompt, chosen, rejected)" if wants else "conversations, not preferences"
            raise DistillProblem(f"{where}: method {recipe.method} learns from {takes}; take other data or --method.")
    read: list[Any] = [
        preference_of(row, where, license) if wants else conversation_of(row, where) for where, row in rows
    ]
    origins = set(inherited)
    for one in read:
        origins.update(one.origins if wants else [one.origin])
    told = tuple(sorted(origins, key=lambda origin: (origin.source, origin.teacher, origin.license)))
    unseen = _held_out(held_out, read) if held_out != train else []
    return Lessons(DataUsed(digest_of(train), len(read), told), read, unseen)


def encoded(lessons: Lessons, encoder: Encoder, recipe: Recipe) -> list[Pack] | list[Pair]:
    """What goes through the model: packs of rows (one row each without packing), or pairs.

    Raises `DistillProblem` for a text that the context does not hold.
    """
    if recipe.method == "dpo":
        return [pair_of(one, encoder, recipe.context) for one in lessons.train if isinstance(one, Preference)]
    rows = [encoder.encode(one) for one in lessons.train if isinstance(one, Conversation)]
    if recipe.packing:
        return pack(rows, recipe.context)
    return [alone for row in rows for alone in pack([row], recipe.context)]


def held_out_rows(lessons: Lessons, encoder: Encoder) -> list[Row]:
    """The conversations that are only measured."""
    return [encoder.encode(one) for one in lessons.held_out]


def _held_out(path: Path, learnt: Iterable[Any]) -> list[Conversation]:
    """Conversations of either form: of a preference the chosen one."""
    if not path.exists():
        return []
    texts = [text for one in learnt for text in ([one.chosen, one.rejected] if isinstance(one, Preference) else [one])]
    known, found = {name_of(text.messages) for text in texts}, []
    for number, row in read_rows(path):
        where = f"{path}, line {number}"
        found.append(_either(row, where))
        if name_of(found[-1].messages) in known:
            raise DistillProblem(
                f"{where} is a row to train on too, so its loss would tell nothing; take it out of one of the two."
            )
    return found


def _either(row: Mapping[str, Any], where: str) -> Conversation:
    return preference_of(row, where, "").chosen if is_preference(row) else conversation_of(row, where)
