"""The page /admin: the line-up, battles, votes and voters that do not count, and how the arena is.

It is not in the navigation bar, and what it holds comes by events that each ask who is there.
"""

from __future__ import annotations

from typing import Any

import gradio as gr

from arena.administration import STATES
from arena.ui.admin_handlers import AdminHandlers, AdminWidgets
from arena.ui.admin_tables import HEALTH_WIDTHS, LINEUP_WIDTHS, table
from arena.ui.admin_verdict_handlers import VerdictHandlers
from arena.ui.admin_verdicts import build_verdicts, wire_verdicts
from arena.ui.services import Services

EVENT: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden", "concurrency_limit": None}
# The token goes by a request of its own, whose answer leaves a cookie; no event of Gradio's ever holds it.
OPEN = """async (token) => {
  const answer = await fetch('/admin/open', {method: 'POST', headers: {'content-type': 'text/plain'}, body: token});
  if (answer.ok) { location.reload(); return ['', '']; }
  return ['', await answer.text()];
}"""
CLOSE = "async () => { await fetch('/admin/close', {method: 'POST'}); location.reload(); }"


def build_admin_page(page: gr.Blocks, services: Services, i18n: gr.I18n) -> None:
    ask = gr.Markdown(elem_id="admin-ask")
    by_token = services.admission.by_token
    with gr.Row(visible=False, elem_id="admin-door", equal_height=True) as door:
        token = gr.Textbox(label=i18n("admin_token"), type="password", elem_id="admin-token", max_lines=1, scale=4)
        enter = gr.Button(i18n("admin_open"), variant="primary", elem_id="admin-open", scale=1, min_width=96)
    refused = gr.Markdown(elem_id="admin-refused")
    with gr.Column(visible=False, elem_id="admin-panel") as panel:
        with gr.Row(equal_height=True):
            you = gr.Markdown(elem_id="admin-you")
            refresh = gr.Button(i18n("admin_refresh"), elem_id="admin-refresh", scale=0, min_width=110)
            leave = gr.Button(i18n("admin_close"), elem_id="admin-close", scale=0, min_width=110, visible=by_token)
        lineup = _lineup(i18n)
        verdicts = build_verdicts(i18n)
        widgets = AdminWidgets(ask, door, panel, you, *lineup, _health(i18n))
    verdict_handlers = VerdictHandlers(services, verdicts)
    handlers = AdminHandlers(services, widgets, verdict_handlers)
    gr.on([enter.click, token.submit], None, token, [token, refused], js=OPEN, api_visibility="private")
    leave.click(None, js=CLOSE, api_visibility="private")
    gr.on([page.load, refresh.click], handlers.load, None, [*widgets.all(), *verdicts.all()], **EVENT)
    _wire(handlers, widgets)
    wire_verdicts(verdict_handlers, verdicts, EVENT)


def _lineup(i18n: gr.I18n) -> tuple[gr.Dataframe, gr.Dropdown, gr.Radio, gr.Number, gr.Button]:
    gr.Markdown(i18n("admin_lineup"))
    lineup = table("admin-lineup", LINEUP_WIDTHS)
    gr.Markdown(i18n("admin_lineup_note"))
    with gr.Row(equal_height=True):
        contestant = gr.Dropdown([], label=i18n("admin_contestant"), elem_id="admin-contestant", scale=4)
        state = gr.Radio([(one, one) for one in STATES], label=i18n("admin_state"), elem_id="admin-state", scale=2)
        weight = gr.Number(
            label=i18n("admin_weight"), elem_id="admin-weight", value=1, minimum=0, scale=1, min_width=90
        )
        save = gr.Button(i18n("admin_save"), elem_id="admin-save", scale=1, min_width=96)
    return lineup, contestant, state, weight, save


def _health(i18n: gr.I18n) -> gr.Dataframe:
    gr.Markdown(i18n("admin_health"))
    return table("admin-health", HEALTH_WIDTHS)


def _wire(handlers: AdminHandlers, widgets: AdminWidgets) -> None:
    entry = [widgets.contestant, widgets.state, widgets.weight]
    widgets.lineup.select(handlers.pick_contestant, None, entry, **EVENT)
    widgets.contestant.input(handlers.choose_contestant, widgets.contestant, entry, **EVENT)
    widgets.save.click(handlers.save, entry, widgets.lineup, **EVENT)
