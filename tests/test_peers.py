from __future__ import annotations

import pytest
from starlette.types import Scope

from arena.peers import SPACE_PROXIES, Peers, address_of
from arena.settings import SettingsError

HEADER = "X-Forwarded-User"


def scope(client: str | None, *headers: tuple[str, str]) -> Scope:
    named = [(name.encode(), value.encode()) for name, value in headers]
    return {"type": "http", "headers": named, "client": (client, 4711) if client is not None else None}


def names(seen: Scope) -> list[str]:
    return [value.decode() for name, value in seen["headers"] if name.lower() == HEADER.lower().encode()]


@pytest.mark.parametrize(
    ("proxies", "address", "trusted"),
    [
        ((), "127.0.0.1", False),
        (("127.0.0.1",), "127.0.0.1", True),
        (("127.0.0.1",), "127.0.0.2", False),
        (("127.0.0.1",), "::ffff:127.0.0.1", True),
        (("::1",), "::1", True),
        (("10.0.0.0/8",), "10.200.3.4", True),
        (("10.0.0.0/8",), "11.0.0.1", False),
        (("127.0.0.1",), "localhost", False),
        (("127.0.0.1",), "", False),
        (("0.0.0.0/0",), "not an address", False),
    ],
)
def test_a_proxy_is_known_by_its_address_or_network(proxies: tuple[str, ...], address: str, trusted: bool) -> None:
    assert Peers(proxies).trusts(address) is trusted


@pytest.mark.parametrize("proxy", ["proxy.example.org", "10.0.0.1/8", "10.0.0.0/99", "*", ""])
def test_what_is_no_address_is_refused_in_a_sentence(proxy: str) -> None:
    with pytest.raises(SettingsError, match=r"^ARENA_TRUSTED_PROXIES='.*': must be addresses or networks by commas"):
        Peers([proxy])


@pytest.mark.parametrize("spelt", [HEADER, HEADER.lower(), HEADER.upper()])
def test_the_header_that_names_a_user_is_left_to_proxies(spelt: str) -> None:
    peers = Peers(["10.0.0.1"])
    assert names(peers.seen(scope("10.0.0.1", (spelt.lower(), "ann")), HEADER)) == ["ann"]
    for stranger in ("10.0.0.2", "127.0.0.1", "", None):
        seen = peers.seen(scope(stranger, (spelt, "ann"), ("accept", "*/*"), (spelt, "bob")), HEADER)
        assert names(seen) == []
        assert (b"accept", b"*/*") in seen["headers"]


def test_a_stranger_who_claims_to_come_from_a_proxy_stays_a_stranger() -> None:
    seen = Peers(["127.0.0.1"]).seen(scope("203.0.113.9", ("x-forwarded-for", "127.0.0.1"), (HEADER, "ann")), HEADER)
    assert seen["client"][0] == "203.0.113.9"
    assert names(seen) == []


@pytest.mark.parametrize(
    ("hops", "visitor"),
    [
        ([], "127.0.0.1"),
        ([""], "127.0.0.1"),
        (["203.0.113.9"], "203.0.113.9"),
        (["127.0.0.1, 203.0.113.9"], "203.0.113.9"),
        (["203.0.113.9, 10.1.1.1"], "203.0.113.9"),
        (["198.51.100.1, 203.0.113.9, 10.1.1.1"], "203.0.113.9"),
        (["198.51.100.1", "203.0.113.9"], "203.0.113.9"),
        (["10.1.1.1"], "10.1.1.1"),
        (["unknown"], "unknown"),
    ],
)
def test_behind_a_proxy_the_visitor_is_the_last_who_is_no_proxy(hops: list[str], visitor: str) -> None:
    peers = Peers(["127.0.0.1", "10.0.0.0/8"])
    seen = peers.seen(scope("127.0.0.1", *(("x-forwarded-for", hop) for hop in hops)))
    assert seen["client"][0] == visitor


@pytest.mark.integrity
@pytest.mark.parametrize(
    ("hops", "visitor"),
    [
        ("203.0.113.9", "203.0.113.9"),
        ("192.0.2.1, 203.0.113.9, 10.20.30.40", "203.0.113.9"),  # what the visitor claims comes first
        ("10.1.1.1, 203.0.113.9", "203.0.113.9"),
        ("", "10.20.30.41"),
    ],
)
def test_to_a_space_whoever_came_to_its_proxies_is_the_visitor(hops: str, visitor: str) -> None:
    peers = Peers(SPACE_PROXIES)
    assert peers.seen(scope("10.20.30.41", ("x-forwarded-for", hops)))["client"][0] == visitor
    assert peers.seen(scope("198.51.100.7", ("x-forwarded-for", hops)))["client"][0] == "198.51.100.7"


def test_an_address_is_taken_from_a_proxy_s_word_on_a_space_alone() -> None:
    forwarded = scope("10.20.30.41", ("x-forwarded-for", "203.0.113.9"))
    assert address_of(forwarded, on_space=True) == "203.0.113.9"
    assert address_of(forwarded, on_space=False) == "10.20.30.41"
    nobody = {**forwarded, "client": None}
    assert (address_of(nobody, on_space=True), address_of(nobody, on_space=False)) == ("", "")
