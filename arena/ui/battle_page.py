"""The Battle page: a prompt, two anonymous answers, a vote, the names."""

from __future__ import annotations

import json
from typing import Any

import gradio as gr

from arena.ui.battle_handlers import Handlers
from arena.ui.login import build_sign_in
from arena.ui.render import Widgets
from arena.ui.services import Services
from arena.ui.texts import TEXTS
from db.outcome import Outcome

LATEX: list[dict[str, str | bool]] = [
    {"left": "$$", "right": "$$", "display": True},
    {"left": "\\[", "right": "\\]", "display": True},
    {"left": "\\(", "right": "\\)", "display": False},
]
STATUS_SECONDS = 3
KEEPING_SECONDS = 60
# How many answers are generated at a time is decided by arena/gate.py, not by Gradio's queue.
EVENT: dict[str, Any] = {"concurrency_limit": None, "api_visibility": "private", "show_progress": "hidden"}


def build_battle_page(page: gr.Blocks, services: Services, i18n: gr.I18n) -> None:
    """Lay the page out and wire it; called inside the context of `page`."""
    # The secret only keeps the browser's copy readable over restarts; there is nothing to hide in a tick.
    remembered = gr.BrowserState(False, storage_key="paddock-consent", secret="paddock-consent")  # noqa: S106
    status = gr.Markdown(visible=False, elem_id="status")
    timer = gr.Timer(STATUS_SECONDS)
    keeping = gr.Markdown(visible=False, elem_id="keeping")
    gr.Markdown(i18n("lead"))
    build_sign_in(page, services)
    widgets, consent, examples, question = _layout(i18n)
    handlers = Handlers(services, widgets)
    _wire(handlers, consent, question)
    for number, button in enumerate(examples, start=1):
        button.click(None, None, widgets.prompt, js=_fill(f"example_{number}"), api_visibility="private")
    consent.input(None, consent, remembered, js="ticked => ticked", api_visibility="private")
    page.load(None, remembered, consent, js="ticked => ticked", api_visibility="private")
    page.load(handlers.load, None, widgets.all(), **EVENT)
    page.load(handlers.questions, None, question, **EVENT)
    gr.on([page.load, timer.tick], handlers.status, None, [status, timer], **EVENT)
    gr.on([page.load, gr.Timer(KEEPING_SECONDS).tick], handlers.keeping, None, keeping, **EVENT)


def _layout(i18n: gr.I18n) -> tuple[Widgets, gr.Checkbox, list[gr.Button], gr.Button]:
    with gr.Row(elem_id="panes", equal_height=True):
        pane_a, pane_b = (_pane(i18n, side) for side in ("a", "b"))
    hint = gr.Markdown(i18n("hint_idle"), elem_id="hint")
    with gr.Row(elem_id="votes"):
        votes = {
            outcome: gr.Button(
                i18n(f"vote_{outcome}"), elem_id=f"vote-{outcome.replace('_', '-')}", interactive=False, min_width=120
            )
            for outcome in Outcome
        }
    undo = gr.Button(i18n("undo"), elem_id="undo", visible=False)
    reveal = gr.Markdown(visible=False, elem_id="reveal")
    with gr.Row():
        regenerate = gr.Button(i18n("regenerate"), elem_id="regenerate", interactive=False, min_width=120)
        new = gr.Button(i18n("new"), elem_id="new-battle", interactive=False, min_width=120)
    with gr.Row(equal_height=True):
        prompt = gr.Textbox(
            label=i18n("prompt"), placeholder=i18n("placeholder"), max_lines=8, elem_id="prompt", scale=8
        )
        send = gr.Button(i18n("send"), variant="primary", elem_id="send", scale=1, min_width=96)
        stop = gr.Button(i18n("stop"), variant="stop", elem_id="stop", visible=False, scale=1, min_width=96)
    consent = gr.Checkbox(label=i18n("consent"), elem_id="consent", container=False)
    with gr.Column(elem_id="examples") as column:
        gr.Markdown(i18n("examples"))
        with gr.Row():
            examples = [gr.Button(i18n(f"example_{number}"), size="sm", min_width=260) for number in range(1, 5)]
        question = gr.Button(i18n("question"), size="md", visible=False, elem_id="question")
    widgets = Widgets(
        gr.State(None), pane_a, pane_b, prompt, send, stop, regenerate, new, votes, hint, reveal, column, undo
    )
    return widgets, consent, examples, question


def _pane(i18n: gr.I18n, side: str) -> gr.Chatbot:
    return gr.Chatbot(
        label=i18n(f"model_{side}"),
        elem_id=f"pane-{side}",
        height="42vh",
        min_width=300,
        layout="panel",
        buttons=["copy"],
        feedback_options=None,
        latex_delimiters=LATEX,
        allow_tags=False,
        allow_file_downloads=False,
    )


def _fill(key: str) -> str:
    """JavaScript that answers with a text in the visitor's own language: no round trip for it."""
    texts = {language: texts[key] for language, texts in TEXTS.items()}
    return f"() => {{ const t = {json.dumps(texts)}; return t[navigator.language.slice(0, 2)] || t.en; }}"


def _wire(handlers: Handlers, consent: gr.Checkbox, question: gr.Button) -> None:
    widgets = handlers.widgets
    outputs = widgets.all()
    asked = [widgets.prompt, consent, widgets.battle]
    asking = gr.on([widgets.prompt.submit, widgets.send.click], handlers.ask, asked, outputs, **EVENT)
    shown = question.click(handlers.question, consent, outputs, **EVENT)
    again = widgets.regenerate.click(handlers.regenerate, widgets.battle, outputs, **EVENT)
    running = [asking, shown, again]
    for begun in (asking, shown, again):
        watching = begun.then(handlers.watch, widgets.battle, [widgets.pane_a, widgets.pane_b], **EVENT)
        watching.then(handlers.show, widgets.battle, outputs, **EVENT)
        running.append(watching)
    for outcome, button in widgets.votes.items():
        voted = button.click(handlers.vote(outcome), widgets.battle, widgets.around(), **EVENT)
        voted.then(handlers.show, widgets.battle, outputs, **EVENT)
        running.append(voted)
    widgets.undo.click(handlers.undo, widgets.battle, outputs, **EVENT)
    widgets.stop.click(handlers.stop, widgets.battle, outputs, **EVENT)
    widgets.new.click(handlers.new, None, outputs, cancels=running, **EVENT).then(
        None, js="() => document.querySelector('#prompt textarea').focus()", api_visibility="private"
    )
