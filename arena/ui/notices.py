"""What a visitor is told of what is stored, how long, and how to have it deleted: as this arena is set up."""

from __future__ import annotations

from arena.settings import Settings
from arena.ui.texts import Language, say


def what_is_stored(language: Language, settings: Settings, *, elsewhere: bool, code: str | None) -> str:
    """Markdown. `elsewhere`: some contestants answer on other servers; `code` is what the visitor's battles go by."""
    keys = ["stored"]
    keys += ["stored_network"] if settings.guarded else []
    keys += ["stored_elsewhere"] if elsewhere else []
    keys += ["stored_checked"] if settings.moderation else []
    keys += ["stored_published", "stored_for" if settings.retention_days else "stored_for_good"]
    keys += ["stored_code"] if code else []
    keys += ["stored_advice"]
    return "\n\n".join(say(language, key, days=settings.retention_days, code=code) for key in keys)
