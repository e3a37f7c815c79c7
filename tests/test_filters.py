from __future__ import annotations

from datetime import date
from urllib.parse import parse_qsl

import gradio as gr
import pytest

from arena.boards.selection import Selection, SelectionError
from arena.labels import CATEGORIES
from arena.ui.filters import build_filters, choices, query_of, selection_of

TODAY = date(2026, 3, 31)
NOTHING = [""] * 8


def offered(categories: tuple[str, ...] = CATEGORIES, languages: tuple[str, ...] = ("de", "", "en")) -> list[list[str]]:
    return [[value for _, value in update["choices"]] for update in choices(categories, languages, "en")]


@pytest.mark.parametrize("sign_in", [True, False])
def test_who_is_verified_can_be_chosen_only_where_voters_sign_in(sign_in: bool) -> None:
    with gr.Blocks():
        filters = build_filters(gr.I18n(en={}), sign_in=sign_in)
    assert filters.verified.visible is sign_in
    assert {one.visible for one in filters.all() if one is not filters.verified} == {True}


def test_filters_that_say_nothing_select_everything() -> None:
    assert selection_of(NOTHING, TODAY) == Selection()


def test_each_filter_is_a_part_of_the_selection() -> None:
    chosen = ["coding", "de", "30", "several", "left_out", "left_out", "true", "true"]
    assert selection_of(chosen, TODAY) == Selection(
        category="coding", language="de", since=date(2026, 3, 1), turns="several", ties="left_out",
        both_bad="left_out", style=True, verified=True,
    )  # fmt: skip


def test_every_choice_that_is_offered_can_be_chosen() -> None:
    for place, values in enumerate(offered()):
        assert values[0] == ""
        for value in values:
            selection_of([*NOTHING[:place], value, *NOTHING[place + 1 :]], TODAY)


def test_whatever_else_is_sent_is_refused_in_a_sentence() -> None:
    with pytest.raises(SelectionError, match="turns='x'"):
        selection_of(["", "", "", "x", "", "", "", ""], TODAY)
    with pytest.raises(SelectionError, match="since="):
        selection_of(["", "", "soon", "", "", "", "", ""], TODAY)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_category_has_a_name_and_the_rest_comes_last(language: str) -> None:
    category, tongue, *_ = choices((*CATEGORIES, "cooking"), ("other", "de", "xx"), language)  # type: ignore[arg-type]
    named = {value: label for label, value in category["choices"]}
    assert all(named[name] != name or language == "en" for name in CATEGORIES)
    assert named["cooking"] == "cooking"
    assert [value for _, value in tongue["choices"]] == ["", "de", "xx", "other"]


def test_an_address_carries_what_differs_from_the_default() -> None:
    assert query_of(Selection()) == ""
    chosen = Selection(category="a&b", since=date(2026, 3, 1), style=True, prior=0.0)
    query = query_of(chosen)
    assert query == "?category=a%26b&since=2026-03-01&style=true&prior=0.0"
    assert Selection.read(dict(parse_qsl(query[1:]))) == chosen
