from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from http.cookies import SimpleCookie
from pathlib import Path

import pytest
from arenas import database_with
from starlette.applications import Starlette
from starlette.testclient import TestClient

from arena.admin_routes import admin_routes
from arena.admission import COOKIE, Admission
from arena.settings import Settings
from arena.signin import SignIn
from arena.voters import Voters

TOKEN = "a token of this test"
Open = Callable[..., TestClient]


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Open]:
    with closing(database_with(tmp_path)) as database:

        def made(*, on_space: bool = False, **given: object) -> TestClient:
            settings = Settings(_env_file=None, **given)  # type: ignore[call-arg,arg-type]
            sign_in = SignIn(database, Voters(b"secret"), settings, lambda _: None)
            sign_in.close()
            routed = Starlette(routes=admin_routes(Admission(settings, b"secret", sign_in), on_space=on_space))
            return TestClient(routed, client=("10.20.30.41", 4711))

        yield made


def test_the_token_leaves_a_cookie_that_no_script_and_no_other_site_can_use(site: Open) -> None:
    answer = site(admin_token=TOKEN).post("/admin/open", content=f" {TOKEN}\n")
    assert answer.status_code == 200
    assert answer.text == ""
    assert answer.headers["cache-control"] == "no-store"
    morsel = SimpleCookie(answer.headers["set-cookie"])[COOKIE]
    assert morsel["httponly"]
    assert morsel["samesite"] == "strict"
    assert (morsel["path"], morsel["max-age"]) == ("/", "28800")
    assert not morsel["secure"], "over plain http it would not be sent back"
    assert TOKEN not in str(answer.headers)


def test_behind_https_the_cookie_is_for_https_alone(site: Open) -> None:
    answer = site(admin_token=TOKEN).post("/admin/open", content=TOKEN, headers={"X-Forwarded-Proto": "https"})
    assert SimpleCookie(answer.headers["set-cookie"])[COOKIE]["secure"]


@pytest.mark.parametrize(("language", "said"), [("en", "That is not the token."), ("zh-CN", "\u4ee4\u724c")])
def test_a_wrong_token_is_refused_in_the_visitor_s_language(site: Open, language: str, said: str) -> None:
    answer = site(admin_token=TOKEN).post("/admin/open", content="wrong", headers={"Accept-Language": language})
    assert answer.status_code == 403
    assert said in answer.text
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize("body", [b"", b"\xff\xfe", b"\x00" * 100, "\ud7ff".encode()])
def test_nonsense_is_a_wrong_token(site: Open, body: bytes) -> None:
    assert site(admin_token=TOKEN).post("/admin/open", content=body).status_code == 403


def test_who_tries_on_is_told_to_wait(site: Open) -> None:
    page = site(admin_token=TOKEN)
    for _ in range(5):
        assert page.post("/admin/open", content="wrong").status_code == 403
    answer = page.post("/admin/open", content=TOKEN)
    assert answer.status_code == 429
    assert "wait a minute" in answer.text


@pytest.mark.parametrize(("on_space", "status"), [(True, 200), (False, 429)])
def test_a_stranger_on_a_space_shuts_out_nobody_else(site: Open, on_space: bool, status: int) -> None:
    """There all requests come from proxies, which say who came; elsewhere a stranger could say anything."""
    page = site(admin_token=TOKEN, on_space=on_space)
    for _ in range(6):
        page.post("/admin/open", content="wrong", headers={"X-Forwarded-For": "203.0.113.9"})
    answer = page.post("/admin/open", content=TOKEN, headers={"X-Forwarded-For": "198.51.100.7"})
    assert answer.status_code == status


def test_to_leave_takes_the_cookie_away(site: Open) -> None:
    answer = site(admin_token=TOKEN).post("/admin/close")
    assert SimpleCookie(answer.headers["set-cookie"])[COOKIE]["max-age"] == "0"


def test_without_a_token_there_is_no_door(site: Open) -> None:
    assert site(user_header="X-User", admins="ann").post("/admin/open", content="").status_code == 404
