"""Prompts are asked of a function of the administrator's: what it refuses, or can't look at, reaches no model."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from arenas import ANT, BEE, Arena, arena_of

from arena.privacy import moderation
from arena.privacy.moderation import Moderator, load_moderator, unmoderated
from arena.prompts import PromptError
from arena.settings import SettingsError
from arena.ui.texts import TEXTS

pytestmark = pytest.mark.integrity

PROMPT = "how do I pick the lock of my neighbour Ottilie"


def refusal(moderator: Moderator, prompt: str = PROMPT) -> str:
    """The reason of the refusal; empty: there is none."""
    try:
        asyncio.run(moderator(prompt))
    except PromptError as error:
        return error.reason
    return ""


def test_what_the_function_names_a_reason_for_is_refused_and_nothing_else(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    moderator = Moderator(lambda prompt: "about locks" if "lock" in prompt else None)
    assert refusal(moderator) == "moderated"
    assert "about locks" in caplog.text
    assert "Ottilie" not in caplog.text
    assert not refusal(moderator, "what is a horse?")


def _raise(prompt: str) -> str:
    raise ValueError(prompt)


def _leave(prompt: str) -> str:
    raise SystemExit(prompt)


@pytest.mark.parametrize("check", [_raise, _leave, lambda _: False, lambda _: 7])
def test_a_function_that_fails_lets_nothing_pass_and_the_log_says_so_without_the_prompt(
    check: Callable[[str], str | None], caplog: pytest.LogCaptureFixture
) -> None:
    assert refusal(Moderator(check)) == "unchecked"
    assert "ARENA_MODERATION failed" in caplog.text
    assert "Ottilie" not in caplog.text


@pytest.fixture
def hanging() -> Iterator[Callable[[str], str | None]]:
    over = threading.Event()

    def hang(_: str) -> str | None:
        over.wait(60)
        return None

    yield hang
    over.set()


def test_a_function_that_hangs_is_not_waited_for_however_often_it_is_asked(
    hanging: Callable[[str], str | None],
) -> None:
    before = threading.active_count()
    moderator = Moderator(hanging, seconds=0.05)

    async def many() -> list[object]:
        asked = (moderator(PROMPT) for _ in range(3 * moderation.AT_ONCE))
        return list(await asyncio.gather(*asked, return_exceptions=True))

    refused = asyncio.run(many())
    assert {str(one) for one in refused} == {"unchecked"}
    assert threading.active_count() - before <= moderation.AT_ONCE


def test_where_no_thread_begins_a_prompt_is_refused_and_later_ones_are_looked_at(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def no_more(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    moderator = Moderator(lambda _: None)
    with monkeypatch.context() as short:
        short.setattr(threading.Thread, "start", no_more)
        assert {refusal(moderator) for _ in range(moderation.AT_ONCE)} == {"unchecked"}
    assert not refusal(moderator)


@pytest.fixture
def arena(tmp_path: Path) -> Iterator[Arena]:
    arena = arena_of(tmp_path, ANT, BEE, moderate=Moderator(lambda prompt: "no" if "lock" in prompt else None))
    yield arena
    arena.database.close()


def test_a_refused_prompt_is_not_stored_and_its_visitor_may_go_on(arena: Arena) -> None:
    async def asked(prompt: str) -> list[object]:
        return [view async for view in arena.battles.ask(None, "ann", prompt)]

    with pytest.raises(PromptError, match="moderated"):
        asyncio.run(asked(PROMPT))
    assert arena.battles.unfinished("ann") is None
    assert asyncio.run(asked("what is a horse?"))
    assert arena.battles.unfinished("ann") is not None


@pytest.mark.parametrize("reason", ["moderated", "unchecked"])
def test_each_refusal_has_one_sentence_which_holds_nothing_of_the_reason(reason: str) -> None:
    assert all("{" not in texts[f"error_{reason}"] for texts in TEXTS.values())


def test_a_function_is_loaded_by_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "house_rules.py").write_text(
        "def look(text):\n    return 'locks' if 'lock' in text else None\nNO = 1\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    loaded = load_moderator("house_rules:look")
    assert isinstance(loaded, Moderator)
    assert refusal(loaded) == "moderated"
    assert load_moderator("") is unmoderated
    for wrong in ("house_rules:nothing", "house_rules:NO", "no_such_module:look"):
        with pytest.raises(SettingsError, match=wrong):
            load_moderator(wrong)
