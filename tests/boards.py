"""Boards made by hand, for tests of what shows them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np

from arena.boards.board import Board, History, Matrix
from arena.boards.selection import Selection
from arena.boards.speed import Speed
from arena.boards.standings import Standing

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
PLAIN = Standing(
    rank=1, rank_lower=1, rank_upper=1, model="", name="", fingerprint="", rating=1000.0, lower=950.0, upper=1050.0,
    votes=100, wins=50.0, win_rate=0.5, elo=1000.0, elo_lower=980.0, elo_upper=1020.0, swap=None, island=0,
    provisional=False, engine="llamacpp", quantization="Q8_0", license="MIT", url="",
    state="on",
)  # fmt: skip


def standing(
    name: str, rank: int | None = 1, best: int | None = None, worst: int | None = None, **changes: object
) -> Standing:
    """A row that is certain of its rank unless told otherwise; its rating falls by 50 points a rank."""
    facts: dict[str, object] = {
        "rank": rank, "rank_lower": best or rank, "rank_upper": worst or rank, "model": name.lower(), "name": name,
        "fingerprint": f"{name.encode().hex():0<64.64}",
    }  # fmt: skip
    if rank is not None:
        middle = 1100.0 - 50 * rank
        facts |= {"rating": middle, "lower": middle - 50, "upper": middle + 50}
    return replace(PLAIN, **(facts | changes))  # type: ignore[arg-type]


def board(*rows: Standing, battles: int = 12, **changes: object) -> Board:
    """A board on which every pair met `battles` times and the better one won 63 % of them, 58 % predicted."""
    size = len(rows)
    met = np.full((size, size), battles) * (1 - np.eye(size, dtype=int))
    above = np.arange(size)[:, None] < np.arange(size)[None, :]
    observed, predicted = np.where(above, 0.63, 0.37), np.where(above, 0.58, 0.42)
    observed[met == 0] = np.nan
    made = Board(Selection(), rows, Matrix(met, observed, predicted), votes=int(met.sum()) // 2, voters=40, as_of=NOW)
    return replace(made, **changes)  # type: ignore[arg-type]


def history(shown: Board, days: int = 5) -> History:
    """Ratings that grow apart day by day until they are the board's; nobody has one on the first."""
    last = np.array([np.nan if row.rating is None else row.rating for row in shown.rows])
    share = np.linspace(0, 1, days)[:, None]
    ratings = 1000 + share * (last - 1000)[None, :]
    ratings[0] = np.nan
    return History(tuple(NOW + timedelta(days=day) for day in range(days)), ratings)


def speed(row: Standing, tokens_per_second: float | None = 40.0) -> Speed:
    return Speed(
        model=row.model, name=row.name, fingerprint=row.fingerprint, engine=row.engine, quantization=row.quantization,
        url=row.url, answers=9, prompt_tokens=20.0, tokens=100.0, first_token_seconds=0.2, first_token_p95=0.4,
        tokens_per_second=tokens_per_second, joules_per_1000_tokens=None,
    )  # fmt: skip


def names(rows: Sequence[Standing]) -> list[str]:
    return [row.name for row in rows]
