from __future__ import annotations

from typing import get_args

import pytest

from arena.keeping.status import KeepingStatus
from arena.ui.keeping_banner import banner
from arena.ui.texts import Language


@pytest.mark.parametrize("language", get_args(Language))
def test_who_votes_where_votes_are_not_kept_is_told(language: Language) -> None:
    assert "ARENA_DATASET" in banner(KeepingStatus("nowhere"), language)


@pytest.mark.parametrize("language", get_args(Language))
def test_a_store_that_can_not_be_reached_for_long_is_told_with_its_minutes(language: Language) -> None:
    status = KeepingStatus("dataset", age_seconds=610.0, late=True, problem="The data set us/votes can't be used.")
    assert " 10 " in banner(status, language)
    assert "us/votes" not in banner(status, language), "that is for the admin"


@pytest.mark.parametrize(
    "status",
    [
        KeepingStatus("disk"),
        KeepingStatus("database"),
        KeepingStatus("dataset"),
        KeepingStatus("dataset", 5, age_seconds=70.0, problem="It failed once."),
    ],
)
def test_where_votes_are_kept_there_is_nothing_to_say(status: KeepingStatus) -> None:
    assert banner(status, "en") == ""
