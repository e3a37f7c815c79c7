"""The sentence above a battle where votes are not being kept."""

from __future__ import annotations

from arena.keeping.status import KeepingStatus
from arena.ui.texts import Language, say


def banner(status: KeepingStatus, language: Language) -> str:
    """What a visitor should know before voting, as Markdown; "" where votes are kept."""
    if status.kind == "nowhere":
        return say(language, "keeping_nowhere")
    if status.late:
        return say(language, "keeping_late", minutes=round((status.age_seconds or 0) / 60))
    return ""
