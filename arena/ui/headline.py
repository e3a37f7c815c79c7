"""Who leads and how sure that is, in a few sentences."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from arena.boards.board import Board, Effect
from arena.boards.selection import Selection
from arena.figures.ratings import ranks_of
from arena.ui.markup import plain
from arena.ui.texts import Language, say

FEW_VOTERS = 30
MOST_NAMED = 3


def headline(board: Board, language: Language) -> str:
    """Markdown: who leads and who may be as good, what it would take, how many voted, who can't be compared."""
    if not board.votes and board.unstyled:
        return ""  # the notes tell why
    if not board.votes:
        return say(language, "no_votes" if board.selection == Selection() else "none_selected")
    sentences = [_leader(board, language), *_challenge(board, language)]
    counts = [say(language, "votes_so_far", votes=f"{board.votes:,}", voters=f"{board.voters:,}")]
    if board.selection.verified:
        counts.append(say(language, "votes_verified"))
    if board.voters < FEW_VOTERS:
        counts.append(say(language, "few_voters"))
    apart = [row for row in board.rows if row.rank is None and row.votes]
    if apart:
        counts.append(say(language, "islands", names=_listed([row.name for row in apart], language)))
    return f"### {_joined(sentences, language)}\n\n{_joined(counts, language)}"


def notes(board: Board, now: datetime, language: Language) -> str:
    """Markdown: what style is worth, which votes were left out, how old the rest is, how Elo wavers; or nothing."""
    said = []
    if board.effects:
        said.append(say(language, "effects", effects="; ".join(_effect(one, language) for one in board.effects)))
    if board.unstyled:
        said.append(say(language, "unstyled", votes=f"{board.unstyled:,}"))
    if board.behind and board.as_of:
        age = max(0, round((now - board.as_of).total_seconds()))
        said.append(say(language, "behind", seconds=f"{age:,}", votes=f"{board.behind:,}"))
    if board.rankings > 1:
        said.append(say(language, "orders", orders=board.orders, rankings=board.rankings))
    return _joined(said, language)


def uncounted(votes: int, language: Language) -> str:
    """Markdown: how many votes do not count, whatever the filters, and where one learns why; or nothing."""
    return say(language, "uncounted_one" if votes == 1 else "uncounted", votes=f"{votes:,}") if votes else ""


def _leader(board: Board, language: Language) -> str:
    first = [row for row in board.rows if row.rank == 1]
    if not first:
        return say(language, "nobody_ranked")
    best, ranks = first[0], ranks_of(first[0])
    if len(first) > 1:
        return say(language, "lead_shared", names=_listed([row.name for row in first], language), ranks=ranks)
    name = plain(best.name)
    if best.rank_upper == 1:
        return say(language, "leads_surely", name=name)
    as_good = [row.name for row in board.rows if row is not best and row.rank_lower == 1]
    if as_good:
        return say(language, "leads_perhaps", name=name, others=_listed(as_good, language), ranks=ranks)
    return say(language, "leads_openly", name=name, ranks=ranks)


def _challenge(board: Board, language: Language) -> list[str]:
    """What it would take the second to lead."""
    ranked = [row for row in board.rows if row.rank is not None]
    if len(ranked) < 2 or ranked[1].rank == 1 or not ranked[1].swap:
        return []
    names = {"name": plain(ranked[1].name), "leader": plain(ranked[0].name)}
    if ranked[1].swap == 1:
        return [say(language, "would_lead_once", **names)]
    return [say(language, "would_lead", votes=f"{ranked[1].swap:,}", **names)]


def _effect(effect: Effect, language: Language) -> str:
    return say(
        language,
        "effect",
        style=say(language, f"style_{effect.style}"),
        points=f"**{effect.points:+.0f}**",
        lower=f"{effect.lower:+.0f}",
        upper=f"{effect.upper:+.0f}",
    )


def _listed(names: Sequence[str], language: Language) -> str:
    """The names as one lists them; of more than four, three and how many others."""
    many = len(names) > MOST_NAMED + 1
    shown = [plain(name) for name in (names[:MOST_NAMED] if many else names)]
    comma = "、" if language == "zh" else ", "
    if many:
        return say(language, "and_more", names=comma.join(shown), count=len(names) - MOST_NAMED)
    if len(shown) == 1:
        return shown[0]
    return say(language, "and_last", names=comma.join(shown[:-1]), last=shown[-1])


def _joined(sentences: Sequence[str], language: Language) -> str:
    return ("" if language == "zh" else " ").join(sentences)
