"""Judgments as they come from the database, for tests of what is computed from them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count

from db.judging import JudgedRow, VoteAndVerdicts
from db.outcome import Outcome

_keys = count()


def judgment(
    scores: tuple[float, float] | None = (8.0, 7.0),
    *,
    question: str = "1",
    pair: tuple[str, str] = ("ant", "bee"),
    first: str = "a",
    outcome: str | None = None,
    judge: str = "owl",
    form: str = "score",
    category: str | None = "generic",
    lengths: tuple[int, int] = (100, 100),
    reply: str = "",
    source: str | None = None,
    failed: bool = False,
) -> JudgedRow:
    """One judgment by contestant; its outcome comes from the scores, where it is not given."""
    a, b = pair
    if outcome is None and scores is not None:
        outcome = "tie" if scores[0] == scores[1] else "a" if scores[0] > scores[1] else "b"
    score_a, score_b = scores if scores is not None and not failed else (None, None)
    return JudgedRow(
        key=str(next(_keys)), judge=judge, judge_name=judge, form=form, wording=f"{form}/general/1",
        question_id=question, number=question, set="tests", category=category, language="en", battle_id=None,
        a=a, b=b, name_a=a.title(), name_b=b.title(), first=first, status="failed" if failed else "done",
        failure="no verdict" if failed else None, attempts=1, score_a=score_a, score_b=score_b,
        outcome=None if failed else outcome, length_a=lengths[0], length_b=lengths[1], reply=reply, cost=0.5,
        tokens=10, prompt_tokens=100, seconds=1.0, source=source,
    )  # fmt: skip


def both(
    outcomes: str, *, pair: tuple[str, str] = ("ant", "bee"), lengths: Sequence[tuple[int, int]] | None = None
) -> list[JudgedRow]:
    """A question for each word of `outcomes`: "a b" says a in both orders of the first, b of the second.

    "f" follows the first place, "s" the second; "at" says a where a's answer is first, and else tie.
    """
    said = {"a": ("a", "a"), "b": ("b", "b"), "t": ("tie", "tie"), "f": ("a", "b"), "s": ("b", "a"), "at": ("a", "tie")}
    rows = []
    for number, word in enumerate(outcomes.split()):
        for first, outcome in zip("ab", said[word], strict=True):
            length = lengths[number] if lengths else (100, 100)
            rows.append(
                judgment(
                    None, question=str(number), pair=pair, first=first, outcome=outcome, form="pairwise",
                    lengths=length,
                )
            )  # fmt: skip
    return rows


def voted(
    people: str, *verdicts: str | None, battle: str = "", category: str | None = "generic", judge: str = "owl"
) -> VoteAndVerdicts:
    """A vote and what the judge said, one order after the other."""
    return VoteAndVerdicts(
        battle_id=battle or str(next(_keys)), category=category, language="en", a="ant", b="bee",
        people=Outcome(people), judge=judge, form="pairwise", wording="pairwise/general/1",
        verdicts=dict(zip("ab", verdicts, strict=False)),
    )  # fmt: skip
