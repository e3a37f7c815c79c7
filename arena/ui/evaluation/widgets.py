"""The components of the Evaluation page that change."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gradio as gr

Updates = dict[Any, Any]


@dataclass(frozen=True)
class Widgets:
    """In the order in which one sees them; `way` is how a question went."""

    summary: gr.Markdown
    panel: gr.Column
    judge: gr.Dropdown
    form: gr.Dropdown
    set: gr.Dropdown
    baseline: gr.Dropdown
    pair: gr.Dropdown
    pairs: gr.Dataframe
    rules: gr.Markdown
    files: gr.HTML
    plot: gr.Plot
    plot_files: gr.HTML
    by_category: gr.Markdown
    trust: gr.Markdown
    people: gr.Markdown
    category: gr.Dropdown
    way: gr.Dropdown
    place: gr.Slider
    title: gr.Markdown
    baseline_pane: gr.Chatbot
    model_pane: gr.Chatbot
    said: gr.HTML

    @property
    def choices(self) -> list[Any]:
        return [self.judge, self.form, self.set, self.baseline, self.pair]

    @property
    def board(self) -> list[Any]:
        """What depends on the choices alone."""
        tables = [
            self.pairs,
            self.rules,
            self.files,
            self.by_category,
            self.trust,
            self.people,
            self.category,
            self.way,
        ]
        return [self.summary, self.panel, *self.choices, *tables]

    @property
    def reading(self) -> list[Any]:
        return [self.place, self.title, self.baseline_pane, self.model_pane, self.said]

    @property
    def seen(self) -> set[Any]:
        """What handlers are told."""
        return {*self.choices, self.category, self.way, self.place}
