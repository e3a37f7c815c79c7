"""Limits over real HTTP: the sixty-first vote of a day, and a hundred claims to come from somewhere else."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support import Server, Visitor, canary, serving, write_catalog

pytestmark = [pytest.mark.slow, pytest.mark.integrity, pytest.mark.timeout(600)]

VOTES = "You have voted very often"
BATTLES = "Many battles have begun from your network"
MOST = 5
FORGED = ("x-forwarded-for", "x-real-ip", "forwarded", "cf-connecting-ip", "true-client-ip", "x-client-ip")


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("catalog")
    return write_catalog(folder / "catalog.toml", *(canary(tree, replies=["Short."]) for tree in ("alder", "birch")))


@pytest.fixture
def proxied(tmp_path: Path, catalog: Path) -> Iterator[Server]:
    """Reached through a proxy on this machine, which adds who came to it."""
    with serving(tmp_path, catalog, PACE_CHARS=0, GUARD="on", BATTLES_IN_TEN_MINUTES=MOST) as server:
        yield server


def begin(visitor: Visitor, prompt: str, **headers: str) -> str:
    """Begin a battle on an empty page and read it to its end; what the page says against it."""
    visitor.call("new-battle.click")
    visitor.http.headers.update({name.replace("_", "-"): value for name, value in headers.items()})
    reply = visitor.ask(prompt)
    return " ".join(reply.toasts)


def test_the_sixty_first_vote_of_a_day_is_refused_and_costs_nobody_else_anything(tmp_path: Path, catalog: Path) -> None:
    with serving(
        tmp_path, catalog, PACE_CHARS=0, GUARD="on", VOTES_A_MINUTE=1000, BATTLES_IN_TEN_MINUTES=1000
    ) as server:
        visitor = Visitor(server.url)
        for number in range(60):
            assert begin(visitor, f"Question {number}") == ""
            assert visitor.vote("a").toasts == []
        assert begin(visitor, "One more") == ""
        late = visitor.vote("a")
        assert late.toasts[0].startswith(VOTES)
        assert "Quillon" not in late.text, "no vote, no names"
        assert server.rows("select count(*) from vote") == [(60,)]
        assert server.rows("select status from battle where id not in (select battle_id from vote)") == [("open",)]
        other = Visitor(server.url)
        begin(other, "Somebody else")
        assert "Quillon" in other.vote("b").text


def test_the_seventh_vote_of_a_minute_is_refused(tmp_path: Path, catalog: Path) -> None:
    with serving(tmp_path, catalog, PACE_CHARS=0, GUARD="on") as server:
        visitor = Visitor(server.url)
        said = []
        for number in range(7):
            begin(visitor, f"Question {number}")
            said.append(visitor.vote("tie").toasts[:1])
        assert said[:6] == [[]] * 6
        assert said[6][0].startswith(VOTES)


def test_a_hundred_claims_to_come_from_elsewhere_are_one_network(proxied: Server) -> None:
    visitor = Visitor(proxied.url)
    said = []
    for number in range(100):
        claim = f"151.101.{number}.7"
        visitor.http.headers.update({name: f"for={claim}" if name == "forwarded" else claim for name in FORGED})
        visitor.http.headers["x-forwarded-for"] = f"{claim}, 93.184.216.34"  # the proxy adds who came
        if number % 10 == 0:  # and somebody new each time
            visitor.http.cookies.clear()
            visitor.http.get("/").raise_for_status()
        said += visitor.call("prompt.submit", f"Question {number}", True, None).toasts or [""]
        if said[-1] == "":
            visitor.call("watch", None)
        visitor.call("new-battle.click")  # else the page goes on with a battle that waits for its vote
    assert said[:MOST] == [""] * MOST
    assert all(one.startswith(BATTLES) for one in said[MOST:])
    assert len(said) == 100
    assert proxied.rows("select count(*), count(distinct network) from battle") == [(MOST, 1)]


def test_behind_a_trusted_proxy_each_visitor_has_a_network_of_their_own(proxied: Server) -> None:
    rigger, other = Visitor(proxied.url), Visitor(proxied.url)
    # What the visitor claims comes first, what the proxy saw comes last.
    said = [
        begin(rigger, f"Question {number}", x_forwarded_for=f"151.101.{number}.7, 93.184.216.34") for number in range(7)
    ]
    assert said[:MOST] == [""] * MOST
    assert all(one.startswith(BATTLES) for one in said[MOST:])
    assert begin(other, "Somebody else", x_forwarded_for="93.184.217.34") == ""
    assert begin(other, "At home", x_forwarded_for="2a00:1450:1::9") == ""
    networks = dict(proxied.rows("select network, count(*) from battle group by network"))
    assert sorted(networks.values()) == [1, 1, MOST]
    kept = b"".join(path.read_bytes() for path in (proxied.folder / "data").rglob("*") if path.is_file())
    for address in ("93.184.216", "93.184.217", "2a00:1450", "151.101"):
        assert address.encode() not in kept
        assert address not in proxied.log


def test_on_ones_own_machine_nobody_is_limited(tmp_path: Path, catalog: Path) -> None:
    with serving(tmp_path, catalog, PACE_CHARS=0, BATTLES_IN_TEN_MINUTES=1, VOTES_A_MINUTE=1) as server:
        visitor = Visitor(server.url)
        for number in range(3):
            assert begin(visitor, f"Question {number}") == ""
            assert visitor.vote("a").toasts == []
        assert server.rows("select distinct status, reason from vote") == [("counted", None)]
        assert server.rows("select distinct network from battle") == [(None,)]


def test_behind_a_proxy_that_does_not_say_who_comes_nobody_is_limited_by_it(proxied: Server) -> None:
    """All would have one network, and the first visitors take the others' battles."""
    for number in range(MOST + 2):
        visitor = Visitor(proxied.url)
        assert begin(visitor, f"Question {number}") == ""
    assert proxied.rows("select distinct network from battle") == [(None,)]
    assert proxied.log.count("no public address") == 1
