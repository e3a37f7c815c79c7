"""The part of /admin about votes: recent battles, votes that do not count and why, and who decides otherwise."""

from __future__ import annotations

from typing import Any

import gradio as gr

from arena.ui.admin_tables import BATTLE_WIDTHS, EXCLUDED_WIDTHS, REASON_WIDTHS, SUSPECT_WIDTHS, VOTE_WIDTHS, table
from arena.ui.admin_verdict_handlers import VerdictHandlers, VerdictWidgets


def build_verdicts(i18n: gr.I18n) -> VerdictWidgets:
    return VerdictWidgets(**_battles(i18n), **_votes(i18n), **_voters(i18n))


def wire_verdicts(handlers: VerdictHandlers, widgets: VerdictWidgets, event: dict[str, Any]) -> None:
    """`event`: what all events of the page have in common."""
    battles = [widgets.battles, widgets.oldest]
    votes = [widgets.votes, widgets.only, widgets.last]
    voter = [widgets.voter, widgets.about]
    vote = [widgets.battle, widgets.only, widgets.voter]
    after = [*widgets.all(), widgets.about]
    widgets.newest.click(handlers.newest, None, battles, **event)
    widgets.earlier.click(handlers.earlier, widgets.oldest, battles, **event)
    widgets.battles.select(handlers.pick_battle, None, voter, **event)
    widgets.reasons.select(handlers.pick_reason, None, votes, **event)
    widgets.all_votes.click(handlers.all_votes, None, votes, **event)
    widgets.older.click(handlers.older, [widgets.only, widgets.last], votes, **event)
    widgets.votes.select(handlers.pick_vote, None, [widgets.battle, *voter], **event)
    widgets.count.click(handlers.count, vote, after, **event)
    widgets.leave_out.click(handlers.leave_out, vote, after, **event)
    widgets.suspects.select(handlers.pick_suspect, None, voter, **event)
    widgets.excluded.select(handlers.pick_excluded, None, voter, **event)
    widgets.voter.submit(handlers.about, widgets.voter, widgets.about, **event)
    widgets.exclude.click(handlers.exclude, [widgets.voter, widgets.reason], after, **event)
    widgets.include.click(handlers.include, widgets.voter, after, **event)
    widgets.clear.click(handlers.clear, widgets.voter, after, **event)
    widgets.watch.click(handlers.watch, widgets.voter, after, **event)


def _battles(i18n: gr.I18n) -> dict[str, Any]:
    gr.Markdown(i18n("admin_battles"))
    battles = table("admin-battles", BATTLE_WIDTHS)
    with gr.Row(equal_height=True):
        gr.Markdown(i18n("admin_battles_note"))
        newest = gr.Button(i18n("admin_newest"), elem_id="admin-newest", scale=0, min_width=110)
        earlier = gr.Button(i18n("admin_older"), elem_id="admin-older", scale=0, min_width=110)
    return {"battles": battles, "oldest": gr.State(None), "newest": newest, "earlier": earlier}


def _votes(i18n: gr.I18n) -> dict[str, Any]:
    gr.Markdown(i18n("admin_uncounted"))
    review = gr.Markdown(elem_id="admin-review")
    reasons = table("admin-reasons", REASON_WIDTHS)
    gr.Markdown(i18n("admin_uncounted_note"))
    votes = table("admin-votes", VOTE_WIDTHS)
    with gr.Row(equal_height=True):
        battle = gr.Textbox(label=i18n("admin_battle"), elem_id="admin-battle", max_lines=1, scale=3)
        count = gr.Button(i18n("admin_count"), elem_id="admin-count", scale=1, min_width=130)
        leave_out = gr.Button(
            i18n("admin_leave_out"), variant="stop", elem_id="admin-leave-out", scale=1, min_width=130
        )
        every = gr.Button(i18n("admin_all_votes"), elem_id="admin-all-votes", scale=0, min_width=110)
        older = gr.Button(i18n("admin_older"), elem_id="admin-older-votes", scale=0, min_width=110)
    return {
        "review": review, "reasons": reasons, "votes": votes, "only": gr.State(None), "last": gr.State(None),
        "all_votes": every, "older": older, "battle": battle, "count": count, "leave_out": leave_out,
    }  # fmt: skip


def _voters(i18n: gr.I18n) -> dict[str, Any]:
    gr.Markdown(i18n("admin_suspects"))
    suspects = table("admin-suspects", SUSPECT_WIDTHS)
    gr.Markdown(i18n("admin_voters"))
    gr.Markdown(i18n("admin_voters_note"))
    with gr.Row(equal_height=True):
        voter = gr.Textbox(label=i18n("admin_voter"), elem_id="admin-voter", max_lines=1, scale=3)
        clear = gr.Button(i18n("admin_clear"), elem_id="admin-clear", scale=1, min_width=130)
        watch = gr.Button(i18n("admin_watch"), elem_id="admin-watch", scale=1, min_width=130)
    with gr.Row(equal_height=True):
        reason = gr.Textbox(label=i18n("admin_reason"), elem_id="admin-reason", max_lines=1, scale=3)
        exclude = gr.Button(i18n("admin_exclude"), variant="stop", elem_id="admin-exclude", scale=1, min_width=130)
        include = gr.Button(i18n("admin_include"), elem_id="admin-include", scale=1, min_width=130)
    about = gr.Markdown(elem_id="admin-about-voter")
    excluded = table("admin-excluded", EXCLUDED_WIDTHS)
    return {
        "suspects": suspects, "voter": voter, "reason": reason, "exclude": exclude, "include": include,
        "clear": clear, "watch": watch, "about": about, "excluded": excluded,
    }  # fmt: skip
