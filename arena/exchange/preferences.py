"""Votes with their texts → pairs of a preferred and a rejected conversation, as TRL's DPOTrainer reads them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from arena.prompts import visible_text
from db.outcome import Outcome

Message = dict[str, str]


@dataclass(frozen=True)
class Wanted:
    """Which votes become pairs.

    A tie or both-bad prefers nothing: it is left out, or kept (`ties`, `both_bad`) with side A as the chosen one.
    `turns`: battles of a single prompt, or all. `categories` and `languages`: empty takes every one.
    """

    ties: bool = False
    both_bad: bool = False
    turns: Literal["single", "all"] = "single"
    categories: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()


def preference_rows(
    votes: Iterable[Mapping[str, Any]], wanted: Wanted, left_out: Counter[str]
) -> Iterator[dict[str, object]]:
    """One record a pair with the fields of `fields.PREFERENCE`; what is left out is counted by its reason.

    `votes` are those of `exports.votes_rows` with texts. `prompt` is the first thing the visitor asked, chosen
    and rejected are the whole rest of each conversation: of a single turn one answer, of more also the visitor's
    further prompts, which were the same for both. Answers are as visitors saw and judged them, without reasoning.
    """
    for vote in votes:
        reason = _unwanted(vote, wanted)
        if not reason:
            sides = tuple(conversation_of(vote["conversation"], side, visible=True) for side in ("a", "b"))
            reason = _unusable(*sides)
        if reason:
            left_out[reason] += 1
            continue
        won, lost = ("b", "a") if vote["outcome"] == Outcome.B else ("a", "b")
        chosen, rejected = reversed(sides) if won == "b" else sides
        yield {
            "prompt": chosen[:1],
            "chosen": chosen[1:],
            "rejected": rejected[1:],
            "battle": vote["battle"],
            "model_chosen": vote[f"model_{won}"],
            "model_rejected": vote[f"model_{lost}"],
            "outcome": vote["outcome"],
            "category": vote["category"],
            "language": vote["language"],
        }


def conversation_of(turns: Sequence[Mapping[str, Any]], side: str, *, visible: bool) -> list[Message]:
    """One side's conversation as messages; `visible`: without the reasoning that no visitor saw."""
    messages = []
    for turn in turns:
        answer = turn[f"answer_{side}"]
        messages.append({"role": "user", "content": turn["prompt"]})
        messages.append({"role": "assistant", "content": visible_text(answer, complete=True) if visible else answer})
    return messages


def _unwanted(vote: Mapping[str, Any], wanted: Wanted) -> str:
    if vote["status"] != "counted":
        return "not counted"
    if vote["outcome"] == Outcome.TIE and not wanted.ties:
        return "ties"
    if vote["outcome"] == Outcome.BOTH_BAD and not wanted.both_bad:
        return "both bad"
    if not vote["conversation"]:
        return "imported without texts"
    if not any(turn["prompt"] for turn in vote["conversation"]):
        return "forgotten"
    if wanted.turns == "single" and len(vote["conversation"]) > 1:
        return "several turns"
    if wanted.categories and vote["category"] not in wanted.categories:
        return "another category"
    if wanted.languages and vote["language"] not in wanted.languages:
        return "another language"
    return ""


def _unusable(a: list[Message], b: list[Message]) -> str:
    """Nothing can be learnt where there is no answer, or no difference."""
    if not all(message["content"] for message in (*a, *b)):
        return "an empty answer"
    return "twice the same answer" if a == b else ""
