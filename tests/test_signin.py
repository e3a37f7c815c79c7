"""Who has signed in, on a real database and with a small Hub that tells the age of accounts."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from time import time
from typing import Any

import pytest
from arenas import database_with
from starlette.requests import Request

from arena.accounts import account_created
from arena.settings import Settings, SettingsError
from arena.signin import Account, SignIn, check_sign_in
from arena.voters import Voters
from db.session import Database
from db.tables import Voter

SPACE = {"SPACE_HOST": "us-arena.hf.space", "OAUTH_CLIENT_ID": "client"}
OLD = datetime(2020, 1, 1, tzinfo=UTC)
ANN = Account("huggingface", "id-of-ann", "ann")
PROXIED = Account("proxy", "ann@example.org", "ann@example.org")


def settings(**given: object) -> Settings:
    return Settings(_env_file=None, **given)  # type: ignore[call-arg,arg-type]


def request(*headers: tuple[str, str], session: object = None) -> Request:
    scope: dict[str, Any] = {"type": "http", "headers": [(a.lower().encode(), b.encode()) for a, b in headers]}
    return Request(scope | ({"session": session} if session is not None else {}))


def session(**changed: object) -> dict[str, object]:
    user = {"sub": "id-of-ann", "preferred_username": "ann", **changed}
    return {"oauth_info": {"userinfo": user, "expires_at": time() + 60}}


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    with closing(database_with(tmp_path)) as opened:
        yield opened


Enter = Callable[..., SignIn]


@pytest.fixture
def sign_in(database: Database) -> Iterator[Enter]:
    made: list[SignIn] = []

    def enter(created: Callable[[Account], datetime | None] = lambda _: OLD, **given: object) -> SignIn:
        made.append(SignIn(database, Voters(b"secret"), settings(**given), created))
        return made[-1]

    yield enter
    for one in made:
        one.close()


def row(database: Database, voter: str) -> Voter | None:
    with database.read() as reading:
        return reading.get(Voter, voter)


def known(entrance: SignIn, account: Account) -> bool:
    """Whether the account is known to be verified by now."""
    found = entrance.find_out(account)
    return found.done() and found.result()


# -- who it is ---------------------------------------------------------------------------------------


def test_nobody_signs_in_where_nothing_is_set_up(sign_in: Enter) -> None:
    entrance = sign_in()
    assert not entrance.possible
    assert entrance.account_of(request(("X-Forwarded-User", "ann"), session=session())) is None


def test_on_a_space_the_session_names_who_has_signed_in(sign_in: Enter) -> None:
    entrance = sign_in(**SPACE)
    assert entrance.possible
    assert entrance.account_of(request(session=session())) == ANN
    assert entrance.account_of(request()) is None
    assert entrance.account_of(request(("X-Forwarded-User", "ann"))) is None


BROKEN: list[object] = [
    {},
    {"oauth_info": None},
    {"oauth_info": "ann"},
    {"oauth_info": {"userinfo": {"sub": "x", "preferred_username": "ann"}}},
    {"oauth_info": {"userinfo": {"sub": "x", "preferred_username": "ann"}, "expires_at": time() - 1}},
    {"oauth_info": {"userinfo": {"sub": "x", "preferred_username": "ann"}, "expires_at": "never"}},
    {"oauth_info": {"userinfo": [], "expires_at": time() + 60}},
    session(sub=None),
    session(sub=""),
    session(preferred_username=7),
    ["oauth_info"],
    "oauth_info",
]


@pytest.mark.parametrize("broken", BROKEN)
def test_a_session_that_is_over_or_incomplete_names_nobody(sign_in: Enter, broken: object) -> None:
    assert sign_in(**SPACE).account_of(request(session=broken)) is None


def test_behind_a_proxy_its_header_names_who_has_signed_in(sign_in: Enter) -> None:
    entrance = sign_in(user_header="X-Forwarded-User")
    assert entrance.possible
    assert entrance.account_of(request(("X-Forwarded-User", " ann@example.org "))) == PROXIED
    for nobody in [(), (("X-Forwarded-User", ""),), (("X-Forwarded-User", "eve"), ("x-forwarded-user", "ann"))]:
        assert entrance.account_of(request(*nobody)) is None
    assert entrance.account_of(request(session=session())) is None, "no session is read off a Space"


def test_one_account_is_one_voter_on_every_device_and_after_a_rename(sign_in: Enter) -> None:
    entrance = sign_in(**SPACE)
    voter = entrance.voter_of(ANN)
    assert voter == sign_in(**SPACE).voter_of(Account("huggingface", "id-of-ann", "ann-with-a-new-name"))
    assert voter != entrance.voter_of(Account("proxy", "id-of-ann", "ann"))
    assert voter != entrance.voter_of(Account("huggingface", "id-of-bob", "ann"))


# -- whether they are verified -----------------------------------------------------------------------


def test_an_account_that_is_old_enough_is_remembered_as_verified(sign_in: Enter, database: Database) -> None:
    entrance = sign_in(**SPACE)
    assert entrance.find_out(ANN).result(10)
    assert known(entrance, ANN)
    stored = row(database, entrance.voter_of(ANN))
    assert stored is not None
    assert (stored.verified, stored.source) == (True, "huggingface")


@pytest.mark.parametrize(("days", "verified"), [(0, True), (29, True), (31, False)])
def test_how_old_it_must_be_is_a_setting(sign_in: Enter, database: Database, days: int, verified: bool) -> None:
    entrance = sign_in(lambda _: datetime.now(UTC) - timedelta(days=30), verified_days=days, **SPACE)
    assert entrance.find_out(ANN).result(10) is verified
    stored = row(database, entrance.voter_of(ANN))
    assert stored is not None
    assert stored.verified is verified


def test_the_hub_is_asked_by_name_once_and_not_at_every_event(sign_in: Enter) -> None:
    asked: list[str] = []

    def created(account: Account) -> datetime:
        asked.append(account.name)
        return OLD

    entrance = sign_in(created, **SPACE)
    for _ in range(5):
        entrance.find_out(ANN).result(10)
        assert known(entrance, ANN)
    assert asked == ["ann"]


def test_while_the_hub_is_asked_nobody_waits_and_nobody_is_verified(sign_in: Enter) -> None:
    answer = threading.Event()

    def created(_: Account) -> datetime:
        assert answer.wait(10)
        return OLD

    entrance = sign_in(created, **SPACE)
    assert not known(entrance, ANN)
    found = entrance.find_out(ANN)
    assert not known(entrance, ANN)
    answer.set()
    assert found.result(10)
    assert known(entrance, ANN)


def test_a_page_that_is_left_before_its_turn_takes_the_answer_from_no_other(sign_in: Enter) -> None:
    answer = threading.Event()

    def created(_: Account) -> datetime:
        assert answer.wait(10)
        return OLD

    entrance = sign_in(created, **SPACE)
    for number in range(2):  # as many as its threads, so that the next one is still in line
        entrance.find_out(Account("huggingface", f"id {number}", f"other {number}"))

    async def leave() -> list[bool]:
        left, stays = (asyncio.ensure_future(entrance.verified(ANN)) for _ in range(2))
        await asyncio.sleep(0)
        left.cancel()
        with pytest.raises(asyncio.CancelledError):
            await left
        answer.set()
        return [await asyncio.wait_for(page, 10) for page in (stays, entrance.verified(ANN))]

    assert asyncio.run(leave()) == [True, True]


def test_what_was_called_off_is_asked_again(sign_in: Enter) -> None:
    answer = threading.Event()

    def created(_: Account) -> datetime:
        assert answer.wait(10)
        return OLD

    entrance = sign_in(created, **SPACE)
    for number in range(2):
        entrance.find_out(Account("huggingface", f"id {number}", f"other {number}"))
    assert entrance.find_out(ANN).cancel()
    answer.set()
    assert entrance.find_out(ANN).result(10)


def test_whatever_goes_wrong_nobody_is_verified_by_it_and_the_log_names_no_name(
    sign_in: Enter, caplog: pytest.LogCaptureFixture
) -> None:
    def created(account: Account) -> datetime:
        raise RuntimeError(account.name)

    entrance = sign_in(created, **SPACE)
    assert not entrance.find_out(ANN).result(10)
    assert "Who signed in can't be judged: RuntimeError" in caplog.text
    assert ANN.name not in caplog.text


def test_who_could_not_be_judged_is_not_verified_and_loses_nothing(sign_in: Enter, database: Database) -> None:
    before = sign_in(**SPACE)
    assert before.find_out(ANN).result(10)
    unknown = Account("huggingface", "id-of-bob", "bob")
    again = sign_in(lambda _: None, **SPACE)
    for account in (ANN, unknown):
        assert not again.find_out(account).result(10)
        assert not known(again, account)
    stored = row(database, again.voter_of(ANN))
    assert stored is not None
    assert stored.verified, "what was known of her before stays"
    assert row(database, again.voter_of(unknown)) is None


def test_whom_a_proxy_names_is_verified_without_asking_anybody(sign_in: Enter, database: Database) -> None:
    def created(account: Account) -> datetime:
        raise AssertionError(account)

    entrance = sign_in(created, user_header="X-Forwarded-User")
    assert entrance.find_out(PROXIED).result(10)
    stored = row(database, entrance.voter_of(PROXIED))
    assert stored is not None
    assert (stored.verified, stored.source) == (True, "proxy")


def test_a_database_that_can_not_be_written_verifies_nobody(
    sign_in: Enter, database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    entrance = sign_in(user_header="X-Forwarded-User")
    database.close()
    assert not entrance.find_out(PROXIED).result(10)
    assert not known(entrance, PROXIED)
    assert "Who signed in can't be remembered" in caplog.text
    assert "ann" not in caplog.text


# -- the age of an account ---------------------------------------------------------------------------


def named(name: str) -> Account:
    return Account("huggingface", "id-of-ann", name)


@pytest.fixture
def hub() -> Iterator[tuple[str, dict[str, tuple[int, object]]]]:
    """The address of a Hub, and what it answers by path; it knows nothing else."""
    answers: dict[str, tuple[int, object]] = {}

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            assert "authorization" not in {name.lower() for name in self.headers}
            status, body = answers.get(self.path, (404, {"error": "not found"}))
            self.send_response(status)
            self.end_headers()
            self.wfile.write(body.encode() if isinstance(body, str) else json.dumps(body).encode())

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Keep the test's output clean."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", answers
        server.shutdown()


def test_the_hub_tells_when_an_account_was_made(
    hub: tuple[str, dict[str, tuple[int, object]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_hunter2hunter2")
    endpoint, answers = hub
    overview = {"_id": "id-of-ann", "user": "ann", "createdAt": "2023-05-06T07:08:09.000Z"}
    answers["/api/users/ann/overview"] = (200, overview)
    answers["/api/users/..%2Fann/overview"] = (200, {"createdAt": "2019-01-01T00:00:00.000Z"})
    assert account_created(named("ann"), endpoint) == datetime(2023, 5, 6, 7, 8, 9, tzinfo=UTC)
    assert account_created(named("../ann"), endpoint) == datetime(2019, 1, 1, tzinfo=UTC), (
        "a name stays one step of the path"
    )


@pytest.mark.parametrize(
    "answer",
    [
        (404, {}),
        (429, {}),
        (500, "oops"),
        (200, "no json"),
        (200, []),
        (200, {}),
        (200, {"createdAt": None}),
        (200, {"createdAt": "yesterday"}),
        (200, {"createdAt": "2023-05-06T07:08:09"}),
        (200, {"_id": "id-of-another", "createdAt": "2019-01-01T00:00:00.000Z"}),
    ],
)
def test_a_hub_that_does_not_tell_is_no_proof_of_age(
    hub: tuple[str, dict[str, tuple[int, object]]], answer: tuple[int, object], caplog: pytest.LogCaptureFixture
) -> None:
    endpoint, answers = hub
    answers["/api/users/ann/overview"] = answer
    assert account_created(named("ann"), endpoint) is None
    assert "which so is not verified" in caplog.text


def test_a_hub_that_is_not_there_is_no_proof_of_age() -> None:
    assert account_created(named("ann"), "http://127.0.0.1:1") is None


def test_a_name_that_fits_in_no_address_is_no_proof_of_age(caplog: pytest.LogCaptureFixture) -> None:
    assert account_created(named("\ud800"), "http://127.0.0.1:1") is None
    assert "which so is not verified: UnicodeEncodeError" in caplog.text


def test_a_library_that_must_stay_offline_is_no_proof_of_age(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    assert account_created(named("ann"), "http://127.0.0.1:1") is None
    assert "which so is not verified: OfflineModeIsEnabled" in caplog.text


# -- what is refused at the start --------------------------------------------------------------------


@pytest.mark.integrity
@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"OAUTH_CLIENT_ID": "client"}, "OAUTH_CLIENT_ID is set, but signing in by Hugging Face exists on its Spaces"),
        ({**SPACE, "user_header": "X-User"}, "On a Space nobody's header is to be believed; unset ARENA_USER_HEADER."),
        ({"user_header": "X-User: ann"}, "ARENA_USER_HEADER='X-User: ann': must be a header's name"),
        ({"user_header": "Benutzer-Ä"}, "ARENA_USER_HEADER='Benutzer-Ä': must be a header's name"),
        (
            {"user_header": "X-User", "trusted_proxies": ""},
            "ARENA_USER_HEADER is set, but ARENA_TRUSTED_PROXIES is empty, so nobody's header is believed;",
        ),
        ({"admins": "ann"}, "ARENA_ADMINS names people, but nobody can sign in here; set ARENA_USER_HEADER"),
    ],
)
def test_a_sign_in_that_is_unsafe_or_can_not_work_is_refused(
    given: dict[str, object], said: str, database: Database
) -> None:
    with pytest.raises(SettingsError) as raised:
        check_sign_in(settings(**given))
    assert str(raised.value).startswith(said)
    with pytest.raises(SettingsError):
        SignIn(database, Voters(b"secret"), settings(**given), lambda _: None)


@pytest.mark.parametrize("given", [{}, SPACE, {"user_header": "X-User", "admins": "ann"}, {**SPACE, "admins": "ann"}])
def test_a_sign_in_that_can_work_is_accepted(given: dict[str, object]) -> None:
    check_sign_in(settings(**given))
