from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from typing import Any

import pytest

from arena.leaderboard import Standing
from arena.listings import LEADERBOARD_FIELDS, SPEED_FIELDS, leaderboard_text, speed_text
from arena.speed import Speed

# -- the leaderboard -----------------------------------------------------------------------------

STANDING = Standing(
    rank=1, model="ant", name="=Ant [bold] 蚁", fingerprint="ab" * 32, rating=1012.34567, lower=-1.005, upper=None,
    votes=40, wins=35.0, win_rate=0.875, elo=1003.14159, provisional=True, quantization="Q4_K_M",
    license="MIT", url="u",
)  # fmt: skip


def test_json_has_the_fields_in_their_order_and_ratings_to_two_decimals() -> None:
    (record,) = json.loads(leaderboard_text([STANDING], "json"))
    assert list(record.items()) == [
        ("rank", 1), ("model", "ant"), ("name", "=Ant [bold] 蚁"), ("rating", 1012.35), ("lower", -1.0),
        ("upper", None), ("votes", 40), ("win_rate", 0.875), ("elo", 1003.14), ("provisional", True),
        ("quantization", "Q4_K_M"), ("license", "MIT"), ("fingerprint", "abababababab"),
    ]  # fmt: skip
    assert tuple(record) == LEADERBOARD_FIELDS


def test_csv_keeps_numbers_as_numbers_and_disarms_names() -> None:
    row = replace(STANDING, lower=-12.5, name="=HYPERLINK(1)")
    text = leaderboard_text([row], "csv")
    (record,) = csv.DictReader(io.StringIO(text))
    assert (record["lower"], record["upper"], record["provisional"]) == ("-12.5", "", "true")
    assert record["name"] == "'=HYPERLINK(1)"
    assert all(cell.startswith('"') for line in text.splitlines() for cell in line.split(","))


def test_the_table_shows_names_as_they_are_and_marks_provisional_ratings() -> None:
    table = leaderboard_text([STANDING, replace(STANDING, rating=None, win_rate=None, provisional=False)], "table")
    assert "=Ant [bold] 蚁" in table
    assert "1012 ?" in table
    assert "provisional" in table
    assert "\x1b" not in table


@pytest.mark.parametrize("form", ["table", "json", "csv"])
def test_an_empty_leaderboard_can_be_exported(form: Any) -> None:
    assert leaderboard_text([], form).endswith("\n")


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
