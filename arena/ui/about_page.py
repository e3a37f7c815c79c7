"""The About page: the rules, the rating, what is stored, whose votes count."""

from __future__ import annotations

import gradio as gr

from arena.ui.notices import what_is_stored
from arena.ui.reasons import whose_votes_count
from arena.ui.services import Services, visitor_of
from arena.ui.texts import ABOUT, say


def build_about_page(page: gr.Blocks, services: Services) -> None:
    text = gr.Markdown(elem_id="about")

    def load(request: gr.Request) -> str:
        settings, visitor = services.settings, visitor_of(request, services)
        language = visitor.language
        about = ABOUT[language].format(
            hours=settings.vote_minutes / 60,
            regenerations=settings.max_regenerations,
            provisional=settings.provisional_votes,
            pace=say(language, "paced" if settings.pace_chars else "unpaced"),
            undo=say(language, "undo_for", seconds=settings.undo_seconds) if settings.undo_seconds else "",
        )
        counted = whose_votes_count(language, guarded=settings.guarded)
        elsewhere = any(spec.endpoint for spec in services.downloads.catalog)
        return f"{about}\n{counted}\n{what_is_stored(language, settings, elsewhere=elsewhere, code=visitor.voter)}"

    page.load(load, None, text, api_visibility="private", show_progress="hidden")
