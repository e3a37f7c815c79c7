from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from boards import standing
from pyarrow import parquet

from arena.boards.speed import Speed
from arena.exchange.leaderboard_files import (
    LEADERBOARD_FIELDS,
    by_elo,
    leaderboard_records,
    leaderboard_text,
    lmarena_text,
    write_leaderboard,
)
from arena.exchange.listings import SPEED_FIELDS, markdown_table, speed_text

# -- the leaderboard -----------------------------------------------------------------------------

STANDING = replace(
    standing("=Ant [bold] 蚁", 1, 1, 3), model="ant", fingerprint="ab" * 32, rating=1012.34567, lower=-1.005,
    upper=None, votes=40, wins=35.0, win_rate=0.875, elo=1003.14159, elo_lower=990.5, elo_upper=1010.25, swap=7,
    provisional=True, quantization="Q4_K_M",
)  # fmt: skip
FORMS = ("table", "json", "csv", "markdown")


def test_json_has_the_fields_in_their_order_and_ratings_to_two_decimals() -> None:
    (record,) = json.loads(leaderboard_text([STANDING], "json"))
    assert list(record.items()) == [
        ("rank", 1), ("rank_lower", 1), ("rank_upper", 3), ("model", "ant"), ("name", "=Ant [bold] 蚁"),
        ("rating", 1012.35), ("lower", -1.0), ("upper", None), ("interval", "confidence_95"), ("votes", 40),
        ("win_rate", 0.875), ("wins", 35.0), ("elo", 1003.14), ("elo_lower", 990.5), ("elo_upper", 1010.25),
        ("swap", 7), ("island", 0), ("provisional", True), ("engine", "llamacpp"), ("quantization", "Q4_K_M"),
        ("license", "MIT"), ("fingerprint", "abababababab"), ("state", "on"),
    ]  # fmt: skip
    assert tuple(record) == LEADERBOARD_FIELDS


def test_csv_keeps_numbers_as_numbers_and_disarms_names() -> None:
    row = replace(STANDING, lower=-12.5, name="=HYPERLINK(1)")
    text = leaderboard_text([row], "csv")
    (record,) = csv.DictReader(io.StringIO(text))
    assert (record["lower"], record["upper"], record["provisional"]) == ("-12.5", "", "true")
    assert record["name"] == "'=HYPERLINK(1)"
    assert all(cell.startswith('"') for line in text.splitlines() for cell in line.split(","))


def test_parquet_holds_the_same_records(tmp_path: Path) -> None:
    rows = [STANDING, standing("Bee", None)]
    write_leaderboard(tmp_path / "l.parquet", rows)
    assert parquet.read_table(tmp_path / "l.parquet").to_pylist() == leaderboard_records(rows)


def test_the_table_shows_names_as_they_are_and_marks_provisional_ratings() -> None:
    table = leaderboard_text([STANDING, standing("Bee", None, rating=None, win_rate=None)], "table")
    assert "=Ant [bold] 蚁" in table
    assert "1012 ?" in table
    assert "1–3" in table
    assert "provisional" in table
    assert "\x1b" not in table


def test_markdown_is_a_table_that_no_name_breaks() -> None:
    text = leaderboard_text([replace(STANDING, name="a|b\n`c` <d>", upper=1100.0, provisional=False)], "markdown")
    header, rule, row = text.splitlines()
    assert header.startswith("| # | Ranks | Model | Rating |")
    assert rule.startswith("| ---: | ---: | --- | ---: |")
    assert row.startswith("| 1 | 1–3 | a\\|b \\`c\\` \\<d\\> | 1012 | -1 … 1100 | 40 | 88% | 1003 |")


def test_a_markdown_table_of_nothing_is_its_header() -> None:
    assert markdown_table(("a", "b"), (), (1,)) == "| a | b |\n| --- | ---: |\n"


@pytest.mark.parametrize("form", FORMS)
def test_an_empty_leaderboard_can_be_exported(form: Any) -> None:
    assert leaderboard_text([], form).endswith("\n")


# -- Elo -----------------------------------------------------------------------------------------

ELOS = [
    standing("Ant", 1, elo=990.0, elo_lower=980.0, elo_upper=1000.0, swap=3),
    standing("Bee", 2, elo=1010.0, elo_lower=1000.0, elo_upper=1020.0),
    standing("Cat", None, elo=1000.0, elo_lower=None, elo_upper=None, votes=0),
    standing("Doe", 3, elo=990.004),
]


def test_by_elo_order_ranks_and_rating_are_elo_s() -> None:
    records = leaderboard_records(ELOS, "elo")
    assert [(row["rank"], row["name"], row["rating"]) for row in records] == [
        (1, "Bee", 1010.0), (None, "Cat", 1000.0), (2, "Doe", 990.0), (2, "Ant", 990.0),
    ]  # fmt: skip
    assert {(row["rank_lower"], row["rank_upper"], row["swap"]) for row in records} == {(None, None, None)}


def test_elo_s_spread_is_never_called_confidence() -> None:
    assert {row["interval"] for row in leaderboard_records(ELOS, "elo")} == {"spread_over_random_orders"}
    assert {row["interval"] for row in leaderboard_records(ELOS)} == {"confidence_95"}
    assert (by_elo(ELOS)[0].lower, by_elo(ELOS)[0].upper) == (1000.0, 1020.0)
    for form in ("table", "markdown"):
        elo, fitted = (leaderboard_text(ELOS, form, method) for method in ("elo", "bt"))
        assert ("Spread" in elo, "Spread" in fitted) == (True, False)
        assert ("random orders" in elo, "random orders" in fitted) == (True, False)


# -- LMArena's catalogue -------------------------------------------------------------------------


def test_lmarena_s_form_is_ratings_with_their_quantiles_by_category_and_model() -> None:
    rows = [standing("Ant", 1), standing("Bee", None), standing("Cat", 2, rating=None), standing("Doe", 3, upper=None)]
    text = lmarena_text([("full", rows), ("coding", rows[:1])])
    assert json.loads(text) == {
        "full": {"ant": {"rating": 1050.0, "rating_q975": 1100.0, "rating_q025": 1000.0}},
        "coding": {"ant": {"rating": 1050.0, "rating_q975": 1100.0, "rating_q025": 1000.0}},
    }


# -- speeds --------------------------------------------------------------------------------------

SPEED = Speed(
    model="ant", name="=Ant [bold] 蚁", fingerprint="ab" * 32, engine="llamacpp", quantization="Q4_K_M", url="u",
    answers=40, prompt_tokens=31.256, tokens=128.5, first_token_seconds=0.41666, first_token_p95=1.23456,
    tokens_per_second=35.126, joules_per_1000_tokens=None,
)  # fmt: skip


def test_speeds_as_json_have_the_fields_in_their_order() -> None:
    (record,) = json.loads(speed_text([SPEED], "json"))
    assert list(record.items()) == [
        ("model", "ant"), ("name", "=Ant [bold] 蚁"), ("engine", "llamacpp"), ("quantization", "Q4_K_M"),
        ("answers", 40), ("prompt_tokens", 31.26), ("tokens", 128.5), ("first_token_seconds", 0.417),
        ("first_token_p95", 1.235), ("tokens_per_second", 35.13), ("joules_per_1000_tokens", None),
        ("fingerprint", "abababababab"),
    ]  # fmt: skip
    assert tuple(record) == SPEED_FIELDS


def test_speeds_as_csv_leave_what_is_not_known_empty_and_disarm_names() -> None:
    (record,) = csv.DictReader(io.StringIO(speed_text([SPEED], "csv")))
    assert (record["tokens_per_second"], record["joules_per_1000_tokens"]) == ("35.13", "")
    assert record["name"] == "'=Ant [bold] 蚁"


def test_speeds_as_a_table_show_every_figure_and_a_dash_for_what_is_not_known() -> None:
    table = speed_text([replace(SPEED, joules_per_1000_tokens=812.4), replace(SPEED, name="Bee")], "table")
    ant, bee = (line for line in table.splitlines() if "llamacpp" in line)
    assert [cell.strip() for cell in ant.strip("│").split("│")] == [
        "=Ant [bold] 蚁", "llamacpp", "Q4_K_M", "40", "31", "128", "0.42", "1.23", "35.1", "812",
    ]  # fmt: skip
    assert bee.strip("│").split("│")[-1].strip() == "–"
    assert "\x1b" not in table


@pytest.mark.parametrize("form", ["table", "json", "csv"])
def test_speeds_of_nobody_can_be_exported(form: Any) -> None:
    assert speed_text([], form).endswith("\n")


# -- names that would drive a terminal -----------------------------------------------------------

DRIVING = "a\x1b[2Jb\x9bc\u202ed\x07\u3000蚁"


@pytest.mark.parametrize("form", ["table", "markdown"])
def test_no_name_drives_a_terminal(form: Any) -> None:
    text = leaderboard_text([replace(STANDING, name=DRIVING)], form)
    assert "d� 蚁" in text
    assert all(line.isprintable() for line in text.splitlines())


def test_no_name_among_the_speeds_drives_a_terminal() -> None:
    assert "a�[2Jb�c�d� 蚁" in speed_text([replace(SPEED, name=DRIVING)], "table")


def test_programs_get_names_as_they_are() -> None:
    assert json.loads(leaderboard_text([replace(STANDING, name=DRIVING)], "json"))[0]["name"] == DRIVING
    assert DRIVING in leaderboard_text([replace(STANDING, name=DRIVING)], "csv")
