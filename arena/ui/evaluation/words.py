"""Figures and names of a report in a visitor's words."""

from __future__ import annotations

from arena.exchange.listings import UNKNOWN
from arena.judge.bootstrap import Estimate
from arena.ui.texts import TEXTS, Language, say


def percent(share: float | None, digits: int = 1) -> str:
    """A share as "92.1 %"."""
    return UNKNOWN if share is None else f"{100 * share:.{digits}f} %"


def score(value: float | None) -> str:
    """Scores and totals: halves are common, and two orders make quarters."""
    return UNKNOWN if value is None else f"{value:.2f}".rstrip("0").rstrip(".") if value % 0.5 else f"{value:.1f}"


def shares(estimate: Estimate | None, digits: int = 1) -> str:
    """An interval of shares as "88.0 – 95.2 %"."""
    if estimate is None:
        return UNKNOWN
    return f"{100 * estimate.low:.{digits}f} – {100 * estimate.high:.{digits}f} %"


def interval(estimate: Estimate | None, digits: int = 2) -> str:
    return UNKNOWN if estimate is None else f"{estimate.low:.{digits}f} – {estimate.high:.{digits}f}"


def category_name(category: str, language: Language) -> str:
    """A category of questions or of battles; one that we do not know by its own name."""
    for key in (f"question_{category}", f"category_{category}"):
        if key in TEXTS[language]:
            return say(language, key)
    return category or say(language, "category_other")


def set_name(name: str, language: Language) -> str:
    key = f"set_{name}"
    return say(language, key) if key in TEXTS[language] else name
