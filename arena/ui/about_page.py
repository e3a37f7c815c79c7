"""The About page: the rules, the rating, what is stored."""

from __future__ import annotations

import gradio as gr

from arena.ui.services import Services, visitor_of
from arena.ui.texts import ABOUT, say


def build_about_page(page: gr.Blocks, services: Services) -> None:
    text = gr.Markdown(elem_id="about")

    def load(request: gr.Request) -> str:
        settings, language = services.settings, visitor_of(request, services.voters).language
        return ABOUT[language].format(
            hours=settings.vote_minutes / 60,
            regenerations=settings.max_regenerations,
            provisional=settings.provisional_votes,
            pace=say(language, "paced" if settings.pace_chars else "unpaced"),
        )

    page.load(load, None, text, api_visibility="private", show_progress="hidden")
