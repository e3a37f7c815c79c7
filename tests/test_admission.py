from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from arenas import database_with
from starlette.requests import Request

from arena.admission import COOKIE, MINUTE, MOST_WRONG, Admission, TooManyTries, WrongToken
from arena.repeats import MOST_A_MINUTE, Repeats
from arena.settings import Settings
from arena.signin import SignIn
from arena.voters import Voters

TOKEN = "a token of this test"
HEADER = "X-Forwarded-User"
Make = Callable[..., Admission]


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def make(tmp_path: Path, clock: Clock) -> Iterator[Make]:
    with closing(database_with(tmp_path)) as database:

        def admission(secret: bytes = b"secret", **given: object) -> Admission:
            settings = Settings(_env_file=None, **given)  # type: ignore[call-arg,arg-type]
            entrance = SignIn(database, Voters(b"secret"), settings, lambda _: None)
            entrance.close()
            return Admission(settings, secret, entrance, clock)

        yield admission


def request(cookie: str = "", **headers: str) -> Request:
    named = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    if cookie:
        named.append((b"cookie", f"other=1; {COOKIE}={cookie}".encode()))
    return Request({"type": "http", "headers": named})


def test_without_token_or_names_there_is_nobody_to_let_in(make: Make) -> None:
    admission = make()
    assert not admission.possible
    with pytest.raises(WrongToken):
        admission.open("", "here")
    assert admission.who(request()) is None


def test_the_token_opens_and_its_cookie_is_known_again(make: Make) -> None:
    admission = make(admin_token=TOKEN)
    assert admission.possible
    cookie = admission.open(TOKEN, "here")
    assert admission.who(request(cookie)) == "token"
    assert make(admin_token=TOKEN).who(request(cookie)) == "token", "after a restart too"
    assert TOKEN not in cookie


def test_a_cookie_ends_with_its_token_its_secret_and_its_time(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    cookie = make(admin_token=TOKEN).open(TOKEN, "here")
    assert make(admin_token="another token of this test").who(request(cookie)) is None
    assert make(b"another secret", admin_token=TOKEN).who(request(cookie)) is None
    assert make().who(request(cookie)) is None
    later = make(admin_token=TOKEN)
    monkeypatch.setattr("itsdangerous.timed.time.time", lambda: 4e9)
    assert later.who(request(cookie)) is None


@pytest.mark.parametrize("cookie", ["token", "token.x.y", "..", "", "\u00fc", "token." + "A" * 60])
def test_a_forged_cookie_lets_nobody_in(make: Make, cookie: str) -> None:
    assert make(admin_token=TOKEN).who(request(cookie)) is None


def test_every_changed_character_of_the_cookie_is_noticed(make: Make) -> None:
    admission = make(admin_token=TOKEN)
    cookie = admission.open(TOKEN, "here")
    for place, char in enumerate(cookie[:-1]):  # the last one carries bits that base64 leaves unused
        forged = cookie[:place] + ("x" if char != "x" else "y") + cookie[place + 1 :]
        assert admission.who(request(forged)) is None, place


@pytest.mark.parametrize("wrong", ["", TOKEN[:-1], TOKEN + "x", TOKEN.upper(), "\ud800", "t\u00f6ken"])
def test_anything_but_the_token_is_refused(make: Make, wrong: str) -> None:
    with pytest.raises(WrongToken):
        make(admin_token=TOKEN).open(wrong, "here")


def test_wrong_tokens_are_slowed_by_address_and_a_minute_later_forgiven(make: Make, clock: Clock) -> None:
    admission = make(admin_token=TOKEN)
    for _ in range(MOST_WRONG):
        with pytest.raises(WrongToken):
            admission.open("a wrong token", "203.0.113.9")
        clock.now += 1
    for token in ("a wrong token", TOKEN):  # the right one too, or trying on would pay
        with pytest.raises(TooManyTries):
            admission.open(token, "203.0.113.9")
    assert admission.open(TOKEN, "203.0.113.10"), "others are not shut out by that"
    clock.now += MINUTE
    assert admission.open(TOKEN, "203.0.113.9")


def test_wrong_tokens_from_many_addresses_do_not_flood_the_log_and_who_came_in_is_in_it(
    make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    admission = make(admin_token=TOKEN)
    caplog.set_level(logging.INFO)
    caplog.handler.addFilter(repeats := Repeats())
    try:
        for number in range(200):
            with pytest.raises(WrongToken):
                admission.open("a wrong token", f"2a00:1450:1:{number:x}::1")
            admission.open(TOKEN, "93.184.216.34")
    finally:
        caplog.handler.removeFilter(repeats)
    assert caplog.text.count("a wrong token was given") == MOST_A_MINUTE
    assert caplog.text.count("opened the administration") == 200


def test_wrong_tokens_from_many_addresses_make_nobody_s_forgotten(
    make: Make, monkeypatch: pytest.MonkeyPatch, clock: Clock
) -> None:
    monkeypatch.setattr("arena.admission.MOST_NOTED", 300)
    admission = make(admin_token=TOKEN)
    judged = 0
    for number in range(20 * 400):
        try:
            admission.open("a wrong token", f"10.0.{number % 400 // 200}.{number % 200}")
        except WrongToken:
            judged += 1
        except TooManyTries:
            pass
    assert judged == 300 * MOST_WRONG
    with pytest.raises(TooManyTries):
        admission.open(TOKEN, "203.0.113.9")
    clock.now += MINUTE
    assert admission.open(TOKEN, "203.0.113.9")
    assert not vars(admission)["_wrong"]


@pytest.mark.parametrize(
    ("first", "second", "together"),
    [
        ("2001:db8:0:1::1", "2001:db8:0:1:ffff::2", True),
        ("2001:db8:0:1::1", "2001:db8:0:2::1", False),
        ("::ffff:203.0.113.9", "203.0.113.9", True),
        ("203.0.113.9", "203.0.113.8", False),
        ("no address", "no address", True),
    ],
)
def test_addresses_of_one_connection_are_counted_together(make: Make, first: str, second: str, together: bool) -> None:
    admission = make(admin_token=TOKEN)
    for _ in range(MOST_WRONG):
        with pytest.raises(WrongToken):
            admission.open("a wrong token", first)
    with pytest.raises(TooManyTries if together else WrongToken):
        admission.open("a wrong token", second)


def test_white_space_around_the_token_in_the_settings_is_no_part_of_it(make: Make) -> None:
    assert make(admin_token=f"  {TOKEN}\n").open(TOKEN, "here")


def test_neither_right_nor_wrong_tokens_are_logged(make: Make, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    admission = make(admin_token=TOKEN)
    admission.open(TOKEN, "here")
    with pytest.raises(WrongToken):
        admission.open("mistyped " + TOKEN, "here")
    assert "a wrong token was given" in caplog.text
    assert TOKEN not in caplog.text
    assert TOKEN not in repr(vars(admission)["_sign_in"])


def test_names_in_the_settings_open_for_who_has_signed_in(make: Make) -> None:
    admission = make(user_header=HEADER, admins="ann, bea@example.org")
    assert admission.possible
    assert not admission.by_token
    assert admission.who(request(x_forwarded_user="ann")) == "ann"
    assert admission.who(request(x_forwarded_user="bea@example.org")) == "bea@example.org"
    for stranger in ("Ann", "ann2", "eve", ""):
        assert admission.who(request(x_forwarded_user=stranger)) is None
    assert admission.who(request()) is None


def test_signed_in_under_another_name_the_token_still_opens(make: Make) -> None:
    admission = make(user_header=HEADER, admins="ann", admin_token=TOKEN)
    assert admission.who(request(admission.open(TOKEN, "here"), x_forwarded_user="eve")) == "token"
