"""What people preferred: of conversations that come from an arena's battles, those that won are learnt from.

Read from an export of ours: `python -m arena export battles` (both conversations and the outcome), or `export
preferences` (chosen and rejected), which leaves out what was "both bad", so that it stays. A conversation is known
again by what it says.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

from models.distill.clean.duplicates import content
from models.distill.clean.reasoning import REASONING
from models.distill.clean.rule import Dropped, Verdict, with_texts
from models.distill.conversation import Conversation, conversation_of
from models.distill.files import read_rows
from models.distill.problem import DistillProblem

Ballot = Literal["won", "lost", "tied"]

# What the arena shows nobody, so nobody judged it.
_REASONING = re.compile(REASONING, re.DOTALL)


@dataclass(frozen=True)
class Votes:
    """How often each conversation won, lost or tied, by its `content`; "both are bad" is lost by both.

    `ties`: whether as many votes for as against, or ties alone, are enough to keep one.
    """

    counted: Mapping[str, Mapping[Ballot, int]]
    ties: bool = True

    def rule(self, conversation: Conversation) -> Verdict:
        """Keep what won more often than it lost; who was in no battle stays as well."""
        votes = self.counted.get(_key(conversation))
        if votes is None:
            return conversation
        ahead = votes.get("won", 0) - votes.get("lost", 0)
        if ahead > 0 or (ahead == 0 and self.ties):
            return conversation
        told = ", ".join(f"{ballot} {votes.get(ballot, 0)}" for ballot in ("won", "lost", "tied"))
        return Dropped("not preferred", f"people's votes: {told}")


def read_votes(paths: Iterable[Path], *, ties: bool = True) -> Votes:
    """The votes of exports. Those that don't count in the arena don't count here. Raises `DistillProblem`."""
    counted: dict[str, Counter[Ballot]] = {}
    for path in paths:
        for number, row in read_rows(path):
            for key, ballot in _ballots(row, f"{path}, line {number}"):
                counted.setdefault(key, Counter())[ballot] += 1
    return Votes(MappingProxyType(counted), ties)


def _ballots(row: Mapping[str, Any], where: str) -> Iterator[tuple[str, Ballot]]:
    """What one vote says of its two conversations."""
    outcome = row.get("outcome")
    if outcome not in ("a", "b", "tie", "both_bad"):
        raise DistillProblem(f"{where}: outcome {outcome!r} is none of a, b, tie, both_bad; is it an export of votes?")
    if row.get("status", "counted") != "counted":
        return
    if "messages_a" in row and "messages_b" in row:
        first, other = row["messages_a"], row["messages_b"]
        lost = outcome == "b"
    elif all(isinstance(row.get(name), list) for name in ("prompt", "chosen", "rejected")):
        first, other = row["prompt"] + row["chosen"], row["prompt"] + row["rejected"]
        lost = False
    else:
        raise DistillProblem(f"{where} has no texts; `python -m arena export battles --out FILE.jsonl` writes them.")
    for messages, is_first in ((first, True), (other, False)):
        yield _key(conversation_of({"messages": messages}, where)), _ballot(outcome, is_first != lost)


def _ballot(outcome: str, ahead: bool) -> Ballot:
    """`ahead`: whether it is the conversation that a decided vote preferred."""
    if outcome == "tie":
        return "tied"
    return "won" if ahead and outcome != "both_bad" else "lost"


def _key(conversation: Conversation) -> str:
    """Its content without reasoning, so that battles (as models gave them) and preferences (as shown) agree."""
    return content(with_texts(conversation, lambda text: _REASONING.sub("", text)))
