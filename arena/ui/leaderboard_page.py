"""The Leaderboard page: who leads, how sure that is, and the files to take away."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import gradio as gr

from arena.figures import interval_figure
from arena.leaderboard import Standing
from arena.listings import UNKNOWN, speed_figures
from arena.speed import Speed
from arena.ui.services import Services, visitor_of
from arena.ui.texts import Language, say

FEW_VOTERS = 30
DATATYPES: list[Any] = ["number", "markdown", "number", "str", "number", "str", "number", "str", "str"]
SPEED_DATATYPES: list[Any] = ["markdown", "str", "str", *["number"] * 7]
# Wide enough for every heading; a narrow page scrolls the table.
SPEED_WIDTHS: list[str | int] = [230, 110, 130, 90, 90, 90, 100, 100, 100, 140]


def build_leaderboard_page(page: gr.Blocks, services: Services, i18n: gr.I18n) -> None:
    summary = gr.Markdown(elem_id="summary")
    table = gr.Dataframe(
        interactive=False,
        datatype=DATATYPES,
        elem_id="standings",
        show_label=False,
        show_search="search",
        pinned_columns=2,
        wrap=True,
    )
    plot = gr.Plot(show_label=False, elem_id="intervals")
    speed_note = gr.Markdown(visible=False, elem_id="speed-note")
    speed_table = gr.Dataframe(
        interactive=False,
        datatype=SPEED_DATATYPES,
        elem_id="speed",
        show_label=False,
        column_widths=SPEED_WIDTHS,
        pinned_columns=1,
        visible=False,
        wrap=True,
    )
    with gr.Row(elem_id="downloads"):
        gr.Markdown(i18n("download"))
        for name in services.downloads.names:
            gr.Button(name, link=f"/download/{name}", size="sm", min_width=120)

    async def load(request: gr.Request) -> tuple[Any, ...]:
        language = visitor_of(request, services.voters).language
        rows, speeds = await asyncio.gather(
            asyncio.to_thread(services.leaderboard.refresh), asyncio.to_thread(services.downloads.speeds.refresh)
        )
        figure = interval_figure(
            rows,
            title=say(language, "plot_title"),
            rating_label=say(language, "rating"),
            rated_label=say(language, "rated"),
            provisional_label=say(language, "provisional"),
        )
        value = {"headers": say(language, "columns").split("|"), "data": [_row(row, language) for row in rows]}
        summed = _summary(rows, services.leaderboard.voters, language)
        return summed, value, figure, *_speed(speeds, language)

    shown = [summary, table, plot, speed_note, speed_table]
    page.load(load, None, shown, api_visibility="private", show_progress="hidden")


def _summary(rows: Sequence[Standing], voters: int, language: Language) -> str:
    votes = sum(row.votes for row in rows) // 2
    if not votes:
        return say(language, "no_votes")
    text = say(language, "votes_so_far", votes=votes, voters=voters)
    return f"{text} {say(language, 'few_voters')}" if voters < FEW_VOTERS else text


def _speed(speeds: Sequence[Speed], language: Language) -> tuple[Any, Any]:
    """What stands above the table of speeds, and the table; neither is seen before the first vote."""
    # Numbers, not texts: a click on a heading sorts by them.
    figures = [[figure if figure == UNKNOWN else float(figure) for figure in speed_figures(row)] for row in speeds]
    value = {
        "headers": say(language, "speed_columns").split("|"),
        "data": [
            [_linked(row), row.engine, row.quantization, row.answers, *measured]
            for row, measured in zip(speeds, figures, strict=True)
        ],
    }
    return gr.update(value=say(language, "speed"), visible=bool(speeds)), gr.update(value=value, visible=bool(speeds))


def _linked(row: Standing | Speed) -> str:
    return f"[{row.name}]({row.url})" if row.url else row.name


def _row(row: Standing, language: Language) -> list[Any]:
    name = _linked(row)
    if row.provisional:
        name += f" *({say(language, 'provisional')})*"
    return [
        row.rank,
        name,
        UNKNOWN if row.rating is None else round(row.rating),
        UNKNOWN if row.lower is None or row.upper is None else f"{row.lower:.0f} – {row.upper:.0f}",
        row.votes,
        UNKNOWN if row.win_rate is None else f"{row.win_rate:.0%}",
        round(row.elo),
        row.quantization,
        row.license,
    ]
