"""The Leaderboard page: who leads, how sure that is, and the files to take away."""

from __future__ import annotations

from typing import Any

import gradio as gr

from arena.figures.plots import PLOTS
from arena.ui.filters import build_filters
from arena.ui.leaderboard_handlers import LeaderboardHandlers
from arena.ui.services import Services
from arena.ui.tables import DATATYPES, SPEED_DATATYPES, SPEED_WIDTHS, WIDTHS, JudgeRatings


def build_leaderboard_page(page: gr.Blocks, services: Services, i18n: gr.I18n, judged: JudgeRatings) -> None:
    """`judged`: the ratings of a judge, shown beside people's for who wants them."""
    headline = gr.Markdown(elem_id="summary")
    filters = build_filters(i18n, sign_in=bool(services.settings.oauth_client_id or services.settings.user_header))
    notes = gr.Markdown(elem_id="notes")
    judge = gr.Checkbox(label=i18n("judged_column"), visible=False, container=False, elem_id="judge-column")
    table = _table("standings", DATATYPES, WIDTHS, pinned=2)
    gr.Markdown(i18n("columns_note"), elem_id="columns-note")
    view = gr.Radio([(i18n(f"view_{plot}"), plot) for plot in PLOTS], value=PLOTS[0], show_label=False, elem_id="views")
    plot = gr.Plot(show_label=False, elem_id="plot")
    plot_files = gr.HTML(elem_id="plot-files")
    speed_note = gr.Markdown(visible=False, elem_id="speed-note")
    speeds = _table("speed", SPEED_DATATYPES, SPEED_WIDTHS, pinned=1, visible=False)
    files = gr.HTML(elem_id="downloads")

    handlers = LeaderboardHandlers(services, filters, view, judge, judged)
    # Who waits stands in the handlers' own line.
    quiet: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden", "concurrency_limit": None}
    board, seen = [headline, notes, table, files], {view, judge, *filters.all()}
    loaded = page.load(handlers.load, None, [*filters.all(), judge, speed_note, speeds, view, *board], **quiet)
    # "input", not "change": what `load` sets must not be answered by another event.
    chosen = [
        filter_.input(handlers.choose, seen, board, trigger_mode="always_last", **quiet) for filter_ in filters.all()
    ]
    judge.input(handlers.choose, seen, board, trigger_mode="always_last", **quiet)
    # The plot comes after the board: drawing it takes a browser longer than all the rest.
    for board_is_there in (loaded, *chosen):
        board_is_there.then(handlers.look, seen, [plot, plot_files], **quiet)
    view.input(handlers.look, seen, [plot, plot_files], trigger_mode="always_last", **quiet)


def _table(name: str, datatypes: list[Any], widths: list[str | int], *, pinned: int, visible: bool = True) -> Any:
    return gr.Dataframe(
        interactive=False,
        datatype=datatypes,
        column_widths=widths,  # wide enough for every heading; a narrow page scrolls the table
        elem_id=name,
        show_label=False,
        show_search="search",
        pinned_columns=pinned,
        max_height=720,
        wrap=True,
        visible=visible,
    )
