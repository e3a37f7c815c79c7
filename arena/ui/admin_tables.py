"""What an administrator's tables show. Names are others' words and are shown as plain text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import gradio as gr

from arena.administration import Entry
from arena.integrity.explained import shown
from arena.integrity.review import Explanation
from arena.integrity.rules import Rules
from arena.ui.markup import plain
from arena.ui.reasons import why
from arena.ui.texts import Language, say
from db.recent import RecentBattle, Suspect, Uncounted, UncountedVote, VoterSummary
from db.tables import Voter

Table = dict[str, Any]

NOTHING = "–"
VOTER_COLUMN = 6  # of the battles
REASON_COLUMN = 1  # of the reasons
VOTER_OF_VOTE, BATTLE_OF_VOTE = 5, 6  # of the votes that do not count
LINEUP_WIDTHS: list[str | int] = [700, 220, 200]
BATTLE_WIDTHS: list[str | int] = [170, 190, 190, 100, 130, 90, 290]
REASON_WIDTHS: list[str | int] = [560, 180, 100, 110, 110]
VOTE_WIDTHS: list[str | int] = [150, 145, 145, 120, 130, 245, 245]
SUSPECT_WIDTHS: list[str | int] = [290, 130, 170]
EXCLUDED_WIDTHS: list[str | int] = [170, 290, 600]
HEALTH_WIDTHS: list[str | int] = [300, 780]


def table(name: str, widths: list[str | int]) -> gr.Dataframe:
    return gr.Dataframe(
        interactive=False,
        datatype="str",
        column_widths=widths,
        elem_id=name,
        show_label=False,
        max_height=640,
        wrap=True,
        buttons=[],
    )


def lineup_table(entries: Sequence[Entry], language: Language) -> Table:
    rows = [[one.label, say(language, f"admin_{one.state}"), f"{one.weight:g}"] for one in entries]
    return _table("admin_lineup_columns", rows, language)


def battles_table(battles: Sequence[RecentBattle], language: Language) -> Table:
    rows = [
        [
            _moment(one.created_at),
            one.name_a,
            one.name_b,
            say(language, f"battle_{one.status}") + (f" ({one.failure})" if one.failure else ""),
            _verdict(one.outcome, language),
            say(language, f"counts_{one.vote_status}") if one.vote_status else "",
            one.voter,
        ]
        for one in battles
    ]
    return _table("admin_battles_columns", rows, language)


def uncounted_table(groups: Sequence[Uncounted], language: Language) -> Table:
    """The reasons: the sentence, and the code or words that files tell."""
    rows = [
        [
            why(one.status, one.reason, language),
            one.reason or "",
            say(language, f"counts_{one.status}"),
            f"{one.votes:,}",
            f"{one.voters:,}",
        ]
        for one in groups
    ]
    return _table("admin_uncounted_columns", rows, language)


def uncounted_votes_table(votes: Sequence[UncountedVote], language: Language) -> Table:
    rows = [
        [
            _moment(one.created_at),
            one.name_a,
            one.name_b,
            _verdict(one.outcome, language),
            one.reason or "",
            one.voter,
            one.battle_id,
        ]
        for one in votes
    ]
    return _table("admin_votes_columns", rows, language)


def suspects_table(suspects: Sequence[Suspect], language: Language) -> Table:
    rows = [[one.voter, f"{one.votes:,}", _moment(one.last_at)] for one in suspects]
    return _table("admin_suspects_columns", rows, language)


def excluded_table(voters: Sequence[Voter], language: Language) -> Table:
    rows = [[_moment(one.excluded_at), one.id, one.reason or ""] for one in voters]
    return _table("admin_excluded_columns", rows, language)


def health_table(health: Mapping[str, Any], language: Language) -> Table:
    return _table("admin_health_columns", [list(row) for row in _flat(health)], language)


def about_voter(
    summary: VoterSummary,
    language: Language,
    explanation: Explanation | None = None,
    names: Mapping[str, str] | None = None,
) -> str:
    """Markdown: what is known of a voter, in a sentence or two, and what there is against the votes."""
    more = [say(language, "admin_voter_verified")] if summary.verified else []
    if summary.cleared_at is not None:
        more.append(say(language, "admin_voter_cleared", when=_moment(summary.cleared_at)))
    if summary.excluded_at is not None:
        when = _moment(summary.excluded_at)
        more.append(say(language, "admin_voter_excluded", when=when, reason=plain(summary.reason or "")))
    said = [
        say(language, "admin_voter_known", votes=summary.votes, counted=summary.counted, more=" ".join(more)).strip()
    ]
    held = {reason: votes for reason, votes in summary.reasons.items() if reason and reason != summary.reason}
    said += [f"- {plain(reason)}: {votes:,}" for reason, votes in held.items()]
    if explanation is not None and explanation.parts:
        said += ["", *_evidence(explanation, names or {}, language)]
    return "\n".join(said)


def _evidence(explanation: Explanation, names: Mapping[str, str], language: Language) -> Iterator[str]:
    """The strength of the evidence, then what it is made of, contestant by contestant."""
    found, needed = shown(explanation.evidence), f"{1 / Rules().alpha:g}"
    verdict = say(language, "admin_biased" if explanation.biased else "admin_unbiased")
    yield say(language, "admin_evidence", found=found, needed=needed, verdict=verdict)
    yield ""
    for fingerprint, one in explanation.parts:
        yield "- " + say(
            language,
            "admin_evidence_part",
            name=plain(names.get(fingerprint, fingerprint[:8])),
            won=one.won,
            lost=one.lost,
            expected=f"{one.expected:.1f}",
            voted=one.voted,
            left=one.left,
            found=shown(one.total),
        )


def _table(columns: str, rows: Sequence[Sequence[str]], language: Language) -> Table:
    return {"headers": say(language, columns).split("|"), "data": rows}


def _verdict(outcome: str | None, language: Language) -> str:
    # "👈 A is better (1)" without the key that gives such a vote.
    return say(language, f"vote_{outcome}").rsplit(" (", 1)[0] if outcome else ""


def _moment(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S}" if moment else ""


def _flat(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Leaves by their path; a list of models by their names."""
    match value:
        case Mapping():
            for key, inner in value.items():
                yield from _flat(inner, f"{path}.{key}".lstrip("."))
        case list():
            for place, inner in enumerate(value):
                named = inner.get("name", place) if isinstance(inner, dict) else place
                texts = [text for key, text in _flat(inner) if key != "name" and text != NOTHING]
                yield path, f"{named}: {', '.join(texts)}"
        case None | "":
            yield path, NOTHING
        case _:
            yield path, str(value)
