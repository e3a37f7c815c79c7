from __future__ import annotations

from dataclasses import replace
from typing import Any

from boards import board, speed, standing

from arena.ui.markup import linked, plain
from arena.ui.tables import DATATYPES, SPEED_DATATYPES, SPEED_WIDTHS, WIDTHS, speed_table, standings_table

ROW = standing(
    "Ant", 2, best=1, worst=4, rating=1012.345, lower=950.2, upper=1070.8, votes=1234, win_rate=0.875, swap=7,
    elo=998.4, elo_lower=980.0, elo_upper=1021.0, url="https://example.org/ant",
)  # fmt: skip


def columns(value: dict[str, Any], row: int = 0) -> dict[str, tuple[object, str]]:
    """Column → the value that is sorted by, and what is shown."""
    shown = value["metadata"]["display_value"][row]
    return dict(zip(value["headers"], zip(value["data"][row], shown, strict=True), strict=True))


def test_numbers_sort_as_numbers_whatever_is_shown() -> None:
    cells = columns(standings_table(board(ROW), "en"))
    assert cells == {
        "Rank": (2, "2"),
        "Contestant": ("Ant", "[Ant](https://example.org/ant)"),
        "Possible ranks": (1, "1–4"),
        "Rating": (1012.35, "1012"),
        "95 % interval": (950.2, "950 – 1071"),
        "Votes": (1234, "1234"),
        "Win rate": (0.875, "88%"),
        "To overtake": (7, "7"),
        "Elo": (998.4, "998"),
        "Elo by order": (980.0, "980 – 1021"),
        "Engine": ("llamacpp", "llamacpp"),
        "Quantization": ("Q8_0", "Q8_0"),
        "License": ("MIT", "MIT"),
    }


def test_what_is_not_known_is_a_dash_and_sorts_to_the_end_that_is_worst() -> None:
    nothing = standing(
        "Bee", None, rating=None, lower=None, upper=None, votes=0, win_rate=None, elo_lower=None, elo_upper=None
    )
    value = standings_table(board(ROW, nothing), "en")
    known, unknown = columns(value), columns(value, 1)
    for name in ("Rank", "Possible ranks", "To overtake"):
        assert unknown[name][1] == "–"
        assert unknown[name][0] > known[name][0]  # type: ignore[operator]
    for name in ("Rating", "95 % interval", "Win rate", "Elo by order"):
        assert unknown[name][1] == "–"
        assert unknown[name][0] < known[name][0]  # type: ignore[operator]


def test_provisional_rows_are_marked_and_still_found_by_name() -> None:
    value, shown = columns(standings_table(board(replace(ROW, provisional=True)), "en"))["Contestant"]
    assert value == "Ant"
    assert shown == "[Ant](https://example.org/ant) *(provisional)*"


def test_every_column_has_a_type_and_a_width() -> None:
    value: Any = standings_table(board(ROW), "en")
    assert len(value["headers"]) == len(value["data"][0]) == len(DATATYPES) == len(WIDTHS)
    fast: Any = speed_table([speed(ROW)], "en")
    assert len(fast["headers"]) == len(fast["data"][0]) == len(SPEED_DATATYPES) == len(SPEED_WIDTHS)


def test_an_archived_contestant_is_marked() -> None:
    shown = columns(standings_table(board(replace(ROW, state="archived")), "en"))["Contestant"][1]
    assert str(shown).endswith("*(archived)*")
    assert "archived" not in str(columns(standings_table(board(replace(ROW, state="off")), "en"))["Contestant"][1])


def test_speeds_are_numbers_and_unknown_ones_dashes() -> None:
    cells = columns(speed_table([speed(ROW, 40.26)], "en"))
    assert cells["Tokens/s"] == (40.26, "40.3")
    assert cells["J per 1,000 tokens"][1] == "–"


def test_tables_of_nobody_have_their_headings() -> None:
    assert standings_table(board(), "en")["data"] == []
    assert speed_table([], "zh")["headers"]


# -- markup --------------------------------------------------------------------------------------


def test_every_sign_of_markdown_and_html_stays_a_sign() -> None:
    assert plain("a*b_c`d <img src=x>\n# e & [f](g) 1. ~x~ |") == (
        r"a\*b\_c\`d \<img src\=x\> \# e \& \[f\]\(g\) 1\. \~x\~ \|"
    )
    assert plain("模型 é 🦙") == "模型 é 🦙"


def test_only_addresses_of_the_web_become_links() -> None:
    assert linked("x", "javascript:alert(1)") == "x"
    assert linked("x", "") == "x"
    assert linked("[x]", "https://e.org/a) [b](c <d>") == r"[\[x\]](https://e.org/a%29%20[b]%28c%20%3Cd%3E)"
