"""The read-only API through `gradio_client`: the same answers as /api/… gives."""

from __future__ import annotations

import logging
from typing import Any

import gradio as gr

from arena.api import ANSWERS, Answer
from arena.boards.leaderboard import Leaderboard
from arena.boards.selection import Selection, SelectionError
from arena.desk import BUSY, UNREADABLE, Desk
from arena.gate import Busy
from db.session import DatabaseProblem

log = logging.getLogger("paddock.web")


def build_endpoints(leaderboard: Leaderboard, desk: Desk) -> None:
    """Add a public endpoint for each answer to the page that is being built."""
    for name in ANSWERS:
        gr.api(_endpoint(name, leaderboard, desk), api_name=name, concurrency_limit=None, api_visibility="public")


def _endpoint(name: str, leaderboard: Leaderboard, desk: Desk) -> Any:
    async def endpoint(
        category: str = "",
        language: str = "",
        since: str = "",
        until: str = "",
        turns: str = "",
        ties: str = "",
        both_bad: str = "",
        style: str = "",
        verified: str = "",
        prior: str = "",
    ) -> Answer:
        given = {
            "category": category, "language": language, "since": since, "until": until, "turns": turns, "ties": ties,
            "both_bad": both_bad, "style": style, "verified": verified, "prior": prior,
        }  # fmt: skip
        return await _answered(name, leaderboard, desk, given)

    endpoint.__doc__ = ANSWERS[name].__doc__
    return endpoint


async def _answered(name: str, leaderboard: Leaderboard, desk: Desk, given: dict[str, str]) -> Answer:
    try:
        selection = Selection.read(given)
        return await desk.serve(lambda: ANSWERS[name](leaderboard, selection))
    except SelectionError as error:
        raise gr.Error(str(error), print_exception=False) from error
    except Busy as error:
        raise gr.Error(BUSY, print_exception=False) from error
    except DatabaseProblem as error:
        log.warning("api: %s", error)
        raise gr.Error(UNREADABLE, print_exception=False) from error
