"""Requests of other sites and under other names: whatever they ask for, nothing in the database changes."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from contextlib import closing

import pytest
from support import Server, Visitor, canary, serving, write_catalog

pytestmark = [pytest.mark.slow, pytest.mark.integrity, pytest.mark.timeout(180)]

TOKEN = "a-token-of-administrators"
TABLES = ("battle", "turn", "vote", "voter", "contestant")
FOREIGN = (
    {"Origin": "https://evil.example"},
    {"Origin": "null"},
    {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "cross-site"},
    {"Host": "evil.example"},
    {"Host": "evil.example", "Origin": "https://evil.example"},  # a name of theirs that resolves to us
)


@pytest.fixture(scope="module")
def arena(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("foreign")
    catalog = write_catalog(folder / "catalog.toml", canary("alder"), canary("birch"))
    with serving(folder, catalog, PACE_CHARS=0, ADMIN_TOKEN=TOKEN) as server:
        yield server


@pytest.fixture(scope="module")
def victim(arena: Server) -> Visitor:
    """Somebody in the middle of a battle, whose browser sends the cookie along wherever it is made to go."""
    visitor = Visitor(arena.url)
    assert visitor.ask("Which is better?").success
    return visitor


def kinds(victim: Visitor) -> list[tuple[str, str, bytes, str]]:
    """20 requests, each as (method, path, body, content type), that would change something if the pages sent them."""
    events: dict[str, list[object]] = {
        "prompt.submit": ["From elsewhere", True, None],
        "send.click": ["From elsewhere", True, None],
        "regenerate.click": [None],
        "stop.click": [None],
        "new-battle.click": [None],
        "vote-a.click": [None],
        "vote-b.click": [None],
        "vote-tie.click": [None],
        "vote-both-bad.click": [None],
        "load": [],
        "question.click": [True, None],
    }
    found: list[tuple[str, str, bytes, str]] = []
    for event, data in events.items():
        body = json.dumps({"fn_index": victim.functions[event], "data": data, "session_hash": victim.session})
        found.append(("POST", "/gradio_api/queue/join", body.encode(), "application/json"))
    vote = json.dumps({"fn_index": victim.functions["vote-a.click"], "data": [None], "session_hash": victim.session})
    # What a form or a beacon of another site can send without being asked first.
    found += [("POST", "/gradio_api/queue/join", vote.encode(), kind) for kind in ("text/plain", "")]
    found.append(("POST", "/gradio_api/queue/join", b"data=x", "application/x-www-form-urlencoded"))
    found.append(("POST", "/gradio_api/call/vote", b'{"data":[null]}', "application/json"))
    found += [("POST", f"/gradio_api/{path}", vote.encode(), "application/json") for path in ("cancel", "reset")]
    found.append(("POST", "/admin/open", TOKEN.encode(), "text/plain"))
    found.append(("POST", "/admin/close", b"", "text/plain"))
    found.append(("GET", f"/gradio_api/queue/data?session_hash={victim.session}", b"", ""))
    return found


def send(arena: Server, victim: Visitor, kind: tuple[str, str, bytes, str], foreign: dict[str, str]) -> tuple[int, str]:
    """The status and every header of the answer."""
    method, path, body, content = kind
    address = arena.url.removeprefix("http://")
    given = {"Host": address, "Cookie": f"paddock_voter={victim.cookie}", **foreign}
    with closing(http.client.HTTPConnection(address, timeout=60)) as connection:
        connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
        for name, value in given.items():
            connection.putheader(name, value)
        if content:
            connection.putheader("Content-Type", content)
        connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body)
        response = connection.getresponse()
        return response.status, str(response.headers).lower()


def state(arena: Server) -> list[object]:
    return [arena.rows(f"SELECT * FROM {table} ORDER BY 1, 2, 3") for table in TABLES]  # noqa: S608


def test_requests_of_other_sites_change_nothing(arena: Server, victim: Visitor) -> None:
    asked = kinds(victim)
    assert len(asked) == 20
    before = state(arena)
    for kind in asked:
        for foreign in FOREIGN:
            if kind[0] == "GET" and set(foreign) == {"Sec-Fetch-Site"}:
                continue  # a link from elsewhere; its answer is nobody's to read there
            status, headers = send(arena, victim, kind, foreign)
            assert status in (400, 403, 404), (kind[:2], foreign)
            assert "set-cookie" not in headers
    assert state(arena) == before


def test_the_same_requests_of_the_page_itself_do(arena: Server, victim: Visitor) -> None:
    """The control, and the proof that what was refused before left the victim's battle whole."""
    before = state(arena)
    vote = victim.vote("a")
    assert "Quillon" in vote.text
    assert state(arena) != before
    opened, headers = send(arena, victim, ("POST", "/admin/open", TOKEN.encode(), "text/plain"), {"Origin": arena.url})
    assert opened < 400
    assert "set-cookie" in headers
