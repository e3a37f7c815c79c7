from __future__ import annotations

import asyncio
import json
import logging
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Literal
from urllib.parse import unquote

import pytest
from arenas import ANT, BEE, arena_of, contestant
from pydantic import SecretStr
from sqlalchemy import text
from support import write_catalog

from arena.logs import MASK, SHORTEST_SECRET, Mask, adopt_server_logs, secrets_of, set_up_logs
from arena.settings import Settings
from db.session import DatabaseProblem

SECRET = "correct-horse-battery-staple"
log = logging.getLogger("paddock.test")


@dataclass
class Screen:
    """What is seen of the log."""

    capture: pytest.CaptureFixture[str]
    text: str = ""

    def getvalue(self) -> str:
        self.text += self.capture.readouterr().err
        return self.text


@pytest.fixture
def screen(capsys: pytest.CaptureFixture[str]) -> Iterator[Screen]:
    """The test's own handlers are put back afterwards."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield Screen(capsys)
    logging.captureWarnings(False)
    root.handlers[:] = handlers
    root.setLevel(level)


def test_a_text_line_names_the_time_and_who_speaks(screen: Screen) -> None:
    set_up_logs("text", Mask())
    log.info("%d models are ready", 2)
    clock, rest = screen.getvalue().split(" ", 1)
    assert datetime.strptime(clock, "%H:%M:%S")  # noqa: DTZ007
    assert rest == "paddock.test: 2 models are ready\n"


def test_a_json_line_is_one_object_whatever_is_said(screen: Screen) -> None:
    set_up_logs("json", Mask())
    log.warning('two\nlines, "quotes" and %s', "试")
    log.exception("it went wrong", exc_info=LookupError("lost"))
    first, second = map(json.loads, screen.getvalue().splitlines())
    moment = datetime.fromisoformat(first.pop("time"))
    assert moment.utcoffset() == timedelta(0)
    assert first == {"level": "warning", "logger": "paddock.test", "message": 'two\nlines, "quotes" and 试'}
    assert second["level"] == "error"
    assert second["error"] == "LookupError: lost"


def test_a_message_can_pretend_to_be_no_other_line_and_drives_no_terminal(screen: Screen) -> None:
    set_up_logs("text", Mask())
    log.info("%s", "harmless\n12:00:00 paddock.admin: a lie\x1b[2J\x9b1m")
    assert len(screen.getvalue().splitlines()) == 1
    assert r"harmless\n12:00:00 paddock.admin: a lie\x1b[2J\x9b1m" in screen.getvalue()


@pytest.mark.parametrize("form", ["text", "json"])
def test_no_secret_is_ever_in_a_line(form: Literal["text", "json"], screen: Screen) -> None:
    set_up_logs(form, Mask([SECRET, 'with "quotes"', "abc"]))
    hub = "hf_" + "AbCdEfGhIjKlMnOpQrStUvWx"
    log.info("given %s and %s", SECRET, 'with "quotes"')
    log.info("headers {'authorization': 'Bearer %s'}", "eyJhbGciOi.x-y_z")
    log.info("%s %s", hub, "sk-proj-0123456789abcdefghij")
    log.info("postgresql+psycopg://arena:p%%40ss@db:5432/arena")
    log.exception("no luck with %s", hub, exc_info=ValueError(f"the key {SECRET} is refused"))
    for secret in (SECRET, "quotes", "eyJhbGciOi", hub, "sk-proj-0123456789", "p%40ss"):
        assert secret not in screen.getvalue()
    assert "arena:***@db:5432/arena" in screen.getvalue()
    assert "the key *** is refused" in screen.getvalue()


def test_short_values_hide_nothing_for_they_are_words(screen: Screen) -> None:
    set_up_logs("text", Mask(["none", ""]))
    log.info("none of them")
    assert "none of them" in screen.getvalue()


def test_a_secret_inside_another_leaves_nothing_of_the_longer_one() -> None:
    assert Mask(["abcdef", "abcdefghijkl"])("abcdefghijkl") == "***"


def test_warnings_of_libraries_are_lines_too(screen: Screen) -> None:
    set_up_logs("json", Mask([SECRET]))
    warnings.warn(f"old form of {SECRET}", DeprecationWarning, stacklevel=1)
    line = json.loads(screen.getvalue())
    assert (line["level"], line["logger"]) == ("warning", "py.warnings")
    assert SECRET not in line["message"]


def test_uvicorn_s_lines_look_like_ours(screen: Screen) -> None:
    from uvicorn.config import Config

    Config(lambda: None, log_level="warning")
    set_up_logs("json", Mask([SECRET]))
    adopt_server_logs()
    logging.getLogger("uvicorn.error").error("trouble with %s", SECRET)
    assert json.loads(screen.getvalue())["message"] == "trouble with ***"


def test_the_secrets_are_those_of_settings_address_and_endpoints(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = {"engine": "endpoint", "quantization": "none", "license": "none", "makers": ["us"]}
    catalog = write_catalog(
        tmp_path / "catalog.toml",
        *(
            {**entry, "id": name, "name": name,
             "endpoint": {"url": "http://127.0.0.1:1/v1", "model": name, "key": "SOMEBODYS_KEY"}}
            for name in ("ant", "bee")
        ),
    )  # fmt: skip
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SOMEBODYS_KEY", "key-of-an-endpoint")
    settings = Settings(catalog=catalog, secret=SecretStr("s" * 20), admin_token=SecretStr("t" * 20))
    found = settings.model_copy(update={"database_url": "postgresql+psycopg://arena:p%40ssword@db/arena"})
    assert set(secrets_of(found)) == {"s" * 20, "t" * 20, "key-of-an-endpoint", "p%40ssword", "p@ssword"}


@pytest.mark.parametrize(
    "password", ["br[acket", "br]ack[et", "ha#sh-tag", "sla/shes", "wh?at-now", "p%5Bercent", "tiny/"]
)
@pytest.mark.parametrize("address", ["postgresql://arena:{}@db/arena", "postgresql+psycopg://db/arena?password={}"])
def test_a_password_in_an_address_is_known_whatever_its_characters(address: str, password: str, screen: Screen) -> None:
    url = address.format(password)
    set_up_logs("text", Mask(secrets_of(Settings(database_url=url))))
    log.info("no way to %s", url)
    assert password not in screen.getvalue()
    if len(unquote(password)) >= SHORTEST_SECRET:
        log.info("%s and %s", password, unquote(password))
        assert screen.getvalue().rstrip().endswith(f"{MASK} and {MASK}")
        assert password not in screen.getvalue()


PROMPT = "My diary says: the treasure lies beneath the third birch."


@pytest.mark.parametrize("script", [{"fail_after": 3}, {"replies": ["fine"]}, {"hang": True}])
def test_no_prompt_and_no_answer_is_logged(script: dict[str, object], tmp_path: Path, screen: Screen) -> None:
    set_up_logs("text", Mask())
    answer = "a most particular answer"
    told = {"replies": [answer], **script}
    arena = arena_of(tmp_path, contestant("ant", **told), contestant("bee", **told), answer_seconds=0.3)
    asyncio.run(asyncio.wait_for(arena.ask(PROMPT), 60))
    arena.database.close()
    assert "treasure" not in screen.getvalue()
    assert "particular" not in screen.getvalue()


def test_a_prompt_that_can_not_be_stored_is_not_logged(
    tmp_path: Path, screen: Screen, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_up_logs("text", Mask())
    arena = arena_of(tmp_path, ANT, BEE)

    def refuse(*arguments: object) -> None:
        session = arguments[0]
        session.execute(text("insert into nowhere values (:prompt)"), {"prompt": PROMPT})  # type: ignore[attr-defined]

    monkeypatch.setattr("db.queries.finish_turn", refuse)
    with pytest.raises(DatabaseProblem) as raised:
        asyncio.run(asyncio.wait_for(arena.ask(PROMPT), 60))
    log.exception("it ended so", exc_info=raised.value)
    assert "nowhere" in screen.getvalue()
    arena.database.close()
    assert "treasure" not in screen.getvalue()
