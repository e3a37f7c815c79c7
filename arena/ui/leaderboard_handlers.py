"""What happens on the Leaderboard page: a board for the filters, and the plot that is looked at."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from html import escape
from typing import Any, TypeVar

import gradio as gr

from arena.boards.selection import Selection, SelectionError
from arena.desk import Desk
from arena.figures.plots import DATA, PLOTS, Plots
from arena.gate import Busy
from arena.ui.filters import Filters, choices, query_of, selection_of
from arena.ui.headline import headline, notes, uncounted
from arena.ui.markup import plain
from arena.ui.services import Services, visitor_of
from arena.ui.tables import JudgeColumn, JudgeRatings, speed_table, standings_update
from arena.ui.texts import Language, say
from db.session import DatabaseProblem

T = TypeVar("T")

log = logging.getLogger("paddock.web")

# A board of other filters takes up to a second of a core, which voters share.
AT_ONCE = 2
MOST_WAITING = 64


class LeaderboardHandlers:
    """The page's events. Each is answered with values for the components that `leaderboard_page` names."""

    def __init__(
        self, services: Services, filters: Filters, view: gr.Radio, judge: gr.Checkbox, judged: JudgeRatings
    ) -> None:
        self._services = services
        self._filters = filters
        self._view = view
        self._judge = judge
        self._judged = judged
        self._plots = Plots(services.leaderboard, services.downloads.speeds)
        self._desk = Desk(AT_ONCE, MOST_WAITING)

    async def load(self, request: gr.Request) -> list[Any]:
        """The whole page but the plot: filters, speeds, the plots' names, then what `choose` gives."""
        language, board = self._language(request), self._services.leaderboard
        speeds = await self._serve(self._services.downloads.speeds.refresh, language)
        shown = await self._serve(lambda: self._show(Selection(), language, judged=False), language)
        judged = await self._serve(self._judged.exist, language)
        return [
            *choices(board.categories, board.languages, language),
            gr.update(value=False, visible=judged),
            gr.update(value=say(language, "speed"), visible=bool(speeds)),
            gr.update(value=speed_table(speeds, language), visible=bool(speeds)),
            gr.update(choices=[(say(language, f"view_{plot}"), plot) for plot in PLOTS], value=PLOTS[0]),
            *shown,
        ]

    async def choose(self, values: dict[Any, Any], request: gr.Request) -> list[Any]:
        """The board of the filters: headline, notes, table, files."""
        selection, language = self._selected(values), self._language(request)
        judged = bool(values[self._judge])
        return await self._serve(lambda: self._show(selection, language, judged=judged), language)

    async def look(self, values: dict[Any, Any], request: gr.Request) -> list[Any]:
        """The plot that is chosen, of the filters' board, and its files."""
        selection, language = self._selected(values), self._language(request)
        return await self._serve(lambda: self._draw(selection, values[self._view], language), language)

    async def _serve(self, work: Callable[[], T], language: Language) -> T:
        try:
            return await self._desk.serve(work)
        except SelectionError as error:
            raise gr.Error(str(error), print_exception=False) from error
        except Busy as error:
            raise gr.Error(say(language, "reading_busy"), print_exception=False) from error
        except DatabaseProblem as error:
            log.warning("leaderboard: %s", error)
            raise gr.Error(say(language, "reading_failed"), print_exception=False) from error

    def _show(self, selection: Selection, language: Language, *, judged: bool) -> list[Any]:
        board = self._services.leaderboard.board(selection)
        column = self._judged.column() if judged else None
        noted = [notes(board, datetime.now(UTC), language), uncounted(self._services.leaderboard.uncounted, language)]
        if judged:
            noted.append(_note(column, language))
        return [
            headline(board, language),
            "\n\n".join(filter(None, noted)),
            standings_update(board, column, language),
            _links(say(language, "download"), self._services.downloads.names, query_of(selection)),
        ]

    def _draw(self, selection: Selection, plot: str, language: Language) -> list[Any]:
        figure = self._plots.draw(plot, selection, partial(say, language))
        return [figure, _plot_files(plot, query_of(selection), language)]

    def _selected(self, values: dict[Any, Any]) -> Selection:
        chosen = [values[filter_] for filter_ in self._filters.all()]
        try:
            return selection_of(chosen, datetime.now(UTC).date())
        except SelectionError as error:
            raise gr.Error(str(error), print_exception=False) from error

    def _language(self, request: gr.Request) -> Language:
        return visitor_of(request, self._services).language


def _note(column: JudgeColumn | None, language: Language) -> str:
    """What the judge's column is, or why there is none."""
    return say(language, "judged_none") if column is None else say(language, "judged_note", judge=plain(column.judge))


def _plot_files(plot: str, query: str, language: Language) -> str:
    """Two buttons that make a picture of what is seen, and links to files."""
    pictures = "".join(
        f'<button type="button" data-picture="{form}" data-name="paddock-{plot}">{form.upper()}</button>'
        for form in ("png", "svg")
    )
    files = ((f"{plot}.html", say(language, "page_file")), (DATA[plot], say(language, "numbers_file")))
    links = "".join(_link(name, query, words) for name, words in files)
    return f"<span>{escape(say(language, 'picture'))}</span>{pictures}{links}"


def _links(before: str, names: tuple[str, ...], query: str) -> str:
    # The filters are the leaderboard's; the other files hold everything.
    links = (_link(name, query if name.startswith("leaderboard") else "", name) for name in names)
    return f"<span>{escape(before)}</span>" + "".join(links)


def _link(name: str, query: str, words: str) -> str:
    return f'<a href="/download/{escape(name)}{escape(query)}" download>{escape(words)}</a>'
