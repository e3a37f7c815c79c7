"""The Evaluation page: what a judge says of the contestants, how far it can be trusted, and its judgments to read."""

from __future__ import annotations

from typing import Any

import gradio as gr

from arena.ui.battle_page import LATEX
from arena.ui.evaluation.evaluations import Evaluations
from arena.ui.evaluation.handlers import EvaluationHandlers
from arena.ui.evaluation.widgets import Widgets
from arena.ui.services import Services

# Who waits stands in the handlers' own line.
EVENT: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden", "concurrency_limit": None}
# Values as the page sends them: while one answer changes what can be chosen, another event may have left with what
# could be chosen before, and Gradio would refuse it.
CHOSEN: dict[str, Any] = {"preprocess": False, **EVENT}


def build_evaluation_page(page: gr.Blocks, services: Services, evaluations: Evaluations, i18n: gr.I18n) -> None:
    """Lay the page out and wire it; called inside the context of its route."""
    summary = gr.Markdown(elem_id="summary")
    with gr.Column(visible=False, elem_id="evaluation") as panel:
        report, (reading, before, after) = _report(i18n), _browser(i18n)
    widgets = Widgets(summary=summary, panel=panel, **report, **reading)
    handlers = EvaluationHandlers(services, evaluations, widgets)
    _wire(page, handlers, before, after)


def _report(i18n: gr.I18n) -> dict[str, Any]:
    with gr.Row(elem_id="filters"):
        made: dict[str, Any] = {
            name: _dropdown(i18n, name, wide=name == "pair") for name in ("judge", "form", "set", "baseline", "pair")
        }
    made["pairs"] = gr.Dataframe(
        interactive=False, elem_id="pairs", show_label=False, show_search="search", max_height=420, wrap=True,
    )  # fmt: skip
    made["rules"] = gr.Markdown(elem_id="columns-note")
    made["files"] = gr.HTML(elem_id="downloads")
    gr.Markdown(i18n("eval_by_category"))
    with gr.Row():
        with gr.Column(scale=5, min_width=340):
            made["plot"] = gr.Plot(show_label=False, elem_id="plot")
            made["plot_files"] = gr.HTML(elem_id="plot-files")
        with gr.Column(scale=6, min_width=340):
            made["by_category"] = gr.Markdown(elem_id="by-category")
    made["trust"] = gr.Markdown(elem_id="trust")
    made["people"] = gr.Markdown(elem_id="people")
    return made


def _browser(i18n: gr.I18n) -> tuple[dict[str, Any], gr.Button, gr.Button]:
    """The judgments one by one, and the buttons for the one before and the next."""
    gr.Markdown(i18n("eval_read"))
    made: dict[str, Any] = {}
    with gr.Row(elem_id="reading-filters", equal_height=True):
        made["category"], made["way"] = _dropdown(i18n, "category"), _dropdown(i18n, "way")
        made["place"] = gr.Slider(1, 2, value=1, step=1, elem_id="reading-place", min_width=220, buttons=[])
        before = gr.Button(i18n("eval_previous"), elem_id="reading-before", min_width=110)
        after = gr.Button(i18n("eval_next"), elem_id="reading-next", min_width=110)
    made["title"] = gr.Markdown(elem_id="reading")
    with gr.Row(elem_id="panes", equal_height=True):
        made["baseline_pane"], made["model_pane"] = _pane("pane-a"), _pane("pane-b")
    made["said"] = gr.HTML(elem_id="said")
    return made, before, after


def _dropdown(i18n: gr.I18n, name: str, *, wide: bool = False) -> gr.Dropdown:
    return gr.Dropdown(
        label=i18n(f"eval_{name}"), choices=[""], value="", filterable=False, interactive=True,
        min_width=280 if wide else 140, scale=2 if wide else 1, elem_id=f"evaluation-{name}",
    )  # fmt: skip


def _pane(elem_id: str) -> gr.Chatbot:
    """An answer is shown as in a battle: it may hold anything."""
    return gr.Chatbot(
        elem_id=elem_id, height="52vh", min_width=300, layout="panel", buttons=["copy"], feedback_options=None,
        latex_delimiters=LATEX, allow_tags=False, allow_file_downloads=False, autoscroll=False,
    )  # fmt: skip


def _wire(page: gr.Blocks, handlers: EvaluationHandlers, before: gr.Button, after: gr.Button) -> None:
    widgets = handlers.widgets
    seen, reading = widgets.seen, widgets.reading
    loaded = page.load(handlers.load, None, widgets.board, **EVENT)
    # "input", not "change": what a handler sets must not be answered by another event.
    chosen = [
        one.input(handlers.choose, seen, widgets.board, trigger_mode="always_last", **CHOSEN) for one in widgets.choices
    ]
    # Radar and judgment come after the report, which is what one waits for.
    for report_is_there in (loaded, *chosen):
        report_is_there.then(handlers.look, seen, [widgets.plot, widgets.plot_files], **CHOSEN)
        report_is_there.then(handlers.first, seen, reading, **CHOSEN)
    for filter_ in (widgets.category, widgets.way):
        filter_.input(handlers.first, seen, reading, trigger_mode="always_last", **CHOSEN)
    widgets.place.input(handlers.there, seen, reading, trigger_mode="always_last", **CHOSEN)
    before.click(handlers.before, seen, reading, **CHOSEN)
    after.click(handlers.after, seen, reading, **CHOSEN)
