"""The page's two tables: what is shown, and the plain values that sorting and searching go by."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr

from arena.boards.board import Board
from arena.boards.speed import Speed
from arena.boards.standings import Standing
from arena.exchange.listings import UNKNOWN
from arena.figures.ratings import ranks_of
from arena.ui.markup import linked
from arena.ui.texts import Language, say

# A cell: its plain value, and what is shown of it.
Cell = tuple[object, str]

DATATYPES: list[Any] = ["number", "markdown", *["number"] * 8, "str", "str", "str"]
WIDTHS: list[str | int] = [60, 210, 90, 80, 130, 80, 90, 110, 70, 120, 110, 120, 160]
SPEED_DATATYPES: list[Any] = ["markdown", "str", "str", *["number"] * 7]
SPEED_WIDTHS: list[str | int] = [230, 110, 130, 90, 90, 90, 100, 100, 100, 140]
JUDGED_AT, JUDGED_WIDTH = 5, 120  # beside the rating by people and its interval
LAST = 10**9  # where what is not known sorts to


@dataclass(frozen=True)
class JudgeColumn:
    """A judge's name, and the ratings by fingerprint that its verdicts alone come to."""

    judge: str
    ratings: Mapping[str, float]


@dataclass(frozen=True)
class JudgeRatings:
    """What a judge's verdicts come to, without knowing judges: whether there are any, and their ratings.

    `column` gives None where no judge's verdicts mean anything.
    """

    exist: Callable[[], bool]
    column: Callable[[], JudgeColumn | None]


def standings_table(board: Board, language: Language) -> dict[str, object]:
    """The board as the value of a `gr.Dataframe`."""
    rows = [_standing(row, language) for row in board.rows]
    return table_value(say(language, "columns").split("|"), rows)


def standings_update(board: Board, judged: JudgeColumn | None, language: Language) -> Any:
    """The board as an update of its `gr.Dataframe`, with a judge's ratings as a column of their own if they are given.

    They are no part of the board: it is people's.
    """
    if judged is None:
        return gr.update(value=standings_table(board, language), datatype=DATATYPES, column_widths=WIDTHS)
    headers = _with(say(language, "columns").split("|"), say(language, "judged_rating"))
    rows = [_with(_standing(row, language), _number(judged.ratings.get(row.fingerprint))) for row in board.rows]
    return gr.update(
        value=table_value(headers, rows), datatype=_with(DATATYPES, "number"), column_widths=_with(WIDTHS, JUDGED_WIDTH)
    )


def _with(columns: Sequence[Any], judged: Any) -> list[Any]:
    return [*columns[:JUDGED_AT], judged, *columns[JUDGED_AT:]]


def speed_table(speeds: Sequence[Speed], language: Language) -> dict[str, object]:
    """What answers took, as the value of a `gr.Dataframe`."""
    return table_value(say(language, "speed_columns").split("|"), [_speed(row) for row in speeds])


def table_value(headers: Sequence[str], rows: Sequence[Sequence[Cell]]) -> dict[str, object]:
    """Cells as the value of a `gr.Dataframe`."""
    return {
        "headers": headers,
        "data": [[value for value, _ in row] for row in rows],
        "metadata": {"display_value": [[shown for _, shown in row] for row in rows]},
    }


def _standing(row: Standing, language: Language) -> list[Cell]:
    name = linked(row.name, row.url)
    if row.provisional:
        name += f" *({say(language, 'provisional')})*"
    if row.state == "archived":
        name += f" *({say(language, 'archived')})*"
    return [
        _number(row.rank, missing=LAST),
        (row.name, name),
        (LAST if row.rank_lower is None else row.rank_lower, ranks_of(row)),
        _number(row.rating),
        _range(row.lower, row.upper),
        _number(row.votes),
        (-1.0, UNKNOWN) if row.win_rate is None else (round(row.win_rate, 4), f"{row.win_rate:.0%}"),
        _number(row.swap, missing=LAST),
        _number(row.elo),
        _range(row.elo_lower, row.elo_upper),
        _word(row.engine),
        _word(row.quantization),
        _word(row.license),
    ]


def _speed(row: Speed) -> list[Cell]:
    return [
        (row.name, linked(row.name, row.url)),
        _word(row.engine),
        _word(row.quantization),
        _number(row.answers),
        _number(row.prompt_tokens),
        _number(row.tokens),
        _number(row.first_token_seconds, 2),
        _number(row.first_token_p95, 2),
        _number(row.tokens_per_second, 1),
        _number(row.joules_per_1000_tokens),
    ]


def _word(text: str) -> Cell:
    """In a column that is no Markdown: shown as it is."""
    return text, text


def _number(value: float | None, digits: int = 0, missing: float = -LAST) -> Cell:
    return (missing, UNKNOWN) if value is None else (round(value, digits + 2), f"{value:.{digits}f}")


def _range(lower: float | None, upper: float | None) -> Cell:
    """From … to; sorts by where it begins."""
    if lower is None or upper is None:
        return -LAST, UNKNOWN
    return round(lower, 2), f"{lower:.0f} – {upper:.0f}"
