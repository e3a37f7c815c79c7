"""Why votes do not count, as sentences with the numbers of the rules."""

from __future__ import annotations

from dataclasses import asdict
from datetime import timedelta

from arena.integrity.appeals import CODES, IDENTITY
from arena.integrity.rules import REASONS, Rules
from arena.ui.texts import Language, say


def why(status: str, reason: str | None, language: Language) -> str:
    """One sentence; of words that are not the rules' own, that an administrator chose them."""
    return _sentence(reason if reason in CODES else status, language)


def whose_votes_count(language: Language, *, guarded: bool) -> str:
    """Markdown for visitors: for which reasons votes do not count here."""
    said = [say(language, "about_counts"), _listed(IDENTITY, language)]
    if guarded:
        said += [say(language, "about_counts_guarded"), _listed(REASONS, language)]
    else:
        said.append(say(language, "about_counts_unguarded"))
    return "\n\n".join(said)


def _listed(codes: tuple[str, ...], language: Language) -> str:
    return "\n".join(f"- {_sentence(code, language)}" for code in codes)


def _sentence(code: str, language: Language) -> str:
    rules = Rules()
    hours = rules.newcomer // timedelta(hours=1)
    return say(language, f"reason_{code}", **asdict(rules), hours=hours, percent=100 * rules.share)
