from __future__ import annotations

from contextlib import ExitStack
from ipaddress import ip_address

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from arena.peers import Peers, network_of
from arena.throttle import MOST_REMEMBERED, Rate, Throttle, TooMany
from arena.voters import Voters
from arena.web import Guard, Site

pytestmark = pytest.mark.integrity

STRANGER, NEIGHBOR, OTHER = "93.184.216.34", "93.184.216.200", "93.184.217.34"
PROXY = "10.0.0.1"


def ask(throttle: Throttle, address: str, times: int = 1, *, cheap: bool = False) -> int:
    """How many of so many requests, one after the other, are answered."""
    answered = 0
    for _ in range(times):
        try:
            with throttle.answering(address, cheap=cheap):
                answered += 1
        except TooMany:
            pass
    return answered


def test_a_network_has_a_burst_and_then_its_rate() -> None:
    moment = [0.0]
    throttle = Throttle(Rate(burst=10, a_second=2), lambda: moment[0])
    assert ask(throttle, STRANGER, 15) == 10
    assert ask(throttle, NEIGHBOR) == 0
    assert ask(throttle, OTHER, 15) == 10
    moment[0] = 3.0
    assert ask(throttle, STRANGER, 15) == 6
    moment[0] = 1000.0
    assert ask(throttle, STRANGER, 15) == 10


def test_files_of_the_pages_cost_nothing() -> None:
    throttle = Throttle(Rate(burst=1, a_second=0))
    assert ask(throttle, STRANGER, 50, cheap=True) == 50
    assert ask(throttle, STRANGER, 2) == 1


def test_only_so_many_are_answered_at_a_time() -> None:
    throttle = Throttle(Rate(together=3))
    with ExitStack() as stack:
        for _ in range(3):
            stack.enter_context(throttle.answering(STRANGER))
        assert ask(throttle, NEIGHBOR) == ask(throttle, NEIGHBOR, cheap=True) == 0
        assert ask(throttle, OTHER) == 1
    assert ask(throttle, STRANGER, 3) == 3


def test_pages_that_stand_open_take_no_place_from_those_that_are_used() -> None:
    throttle = Throttle(Rate(together=3, heartbeats=5))
    with ExitStack() as stack:
        for _ in range(5):
            stack.enter_context(throttle.answering(STRANGER, heartbeat=True))
        with pytest.raises(TooMany), throttle.answering(NEIGHBOR, heartbeat=True):
            pass
        for _ in range(3):
            stack.enter_context(throttle.answering(STRANGER))
        assert ask(throttle, STRANGER) == 0
    with throttle.answering(STRANGER, heartbeat=True):
        assert ask(throttle, STRANGER) == 1


def test_the_guard_knows_a_heartbeat() -> None:
    page = visit(Throttle(Rate(together=0)), STRANGER)
    assert page.get("/config").status_code == 429
    assert page.get("/gradio_api/heartbeat/abc").status_code == 200


def test_who_is_refused_or_fails_holds_no_place() -> None:
    throttle = Throttle(Rate(together=1))
    for _ in range(3):
        with pytest.raises(OSError), throttle.answering(STRANGER):  # noqa: PT012
            assert ask(throttle, STRANGER) == 0
            raise OSError
    assert ask(throttle, STRANGER) == 1


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", PROXY, "192.168.1.7", "fd00::7", "testclient", "", "unix:"])
def test_private_addresses_are_not_held_back(address: str) -> None:
    assert ask(Throttle(Rate(burst=1, a_second=0)), address, 50) == 50


@pytest.mark.parametrize(
    ("address", "network"),
    [
        (STRANGER, "93.184.216.0/24"),
        (f"::ffff:{STRANGER}", "93.184.216.0/24"),
        (f"{STRANGER}:4711", "93.184.216.0/24"),
        ("2a00:1450:4001:830::200e", "2a00:1450:4001::/48"),
        ("[2a00:1450:4001:830::200e]:4711", "2a00:1450:4001::/48"),
        ("[2a00:1450:4001:830::200e]", "2a00:1450:4001::/48"),
    ],
)
def test_a_network_is_what_one_customer_gets(address: str, network: str) -> None:
    assert network_of(address) == network


def test_networks_are_forgotten_when_there_are_many() -> None:
    throttle = Throttle(Rate(burst=1, a_second=0))
    first = int(ip_address("11.0.0.1"))
    for number in range(MOST_REMEMBERED + 1):
        assert ask(throttle, str(ip_address(first + 256 * number))) == 1
    assert ask(throttle, "11.0.0.9") == 1
    assert ask(throttle, str(ip_address(first + 256 * number))) == 0


def visit(throttle: Throttle | None, address: str, site: Site | None = None) -> TestClient:
    async def told(request: Request) -> PlainTextResponse:
        return PlainTextResponse(request.headers.get("x-user", "here"))

    everything = Route("/{path:path}", told, methods=["GET", "POST"])
    site = site or Site(peers=Peers([PROXY]))
    guard = Middleware(Guard, voters=Voters(b"secret"), site=site, throttle=throttle)
    application = Starlette(routes=[everything], middleware=[guard])
    return TestClient(application, base_url="http://127.0.0.1", client=(address, 4711))


def test_the_guard_asks_it_and_says_so_kindly() -> None:
    page = visit(Throttle(Rate(burst=3, a_second=0)), STRANGER)
    assert [page.get("/config").status_code for _ in range(5)] == [200] * 3 + [429] * 2
    refused = page.post("/gradio_api/queue/join")
    assert refused.json() == {"detail": "There are too many requests from your network; please wait a moment."}
    assert "default-src 'self'" in refused.headers["content-security-policy"]
    assert page.get("/assets/index.js").status_code == 200
    assert [visit(None, STRANGER).get("/config").status_code for _ in range(5)] == [200] * 5


def test_behind_a_proxy_it_is_the_visitor_who_waits_and_a_header_of_theirs_changes_nothing() -> None:
    throttle = Throttle(Rate(burst=3, a_second=0))
    proxy, stranger = visit(throttle, PROXY), visit(throttle, OTHER)
    named = {"x-forwarded-for": STRANGER}
    assert [proxy.get("/", headers=named).status_code for _ in range(5)] == [200] * 3 + [429] * 2
    forged = [stranger.get("/", headers={"x-forwarded-for": f"11.0.{number}.1"}).status_code for number in range(100)]
    assert forged == [200] * 3 + [429] * 97


def test_on_a_space_the_visitor_waits_too_and_its_proxies_name_no_user() -> None:
    site = Site(on_space=True, peers=Peers(["127.0.0.1"]), user_header="x-user")
    space = visit(Throttle(Rate(burst=3, a_second=0)), "10.20.30.40", site)
    # What the visitor claims comes first, what the proxy saw comes last.
    asked = [
        space.get("/", headers={"x-forwarded-for": f"11.0.{number}.1, {STRANGER}", "x-user": "ann"})
        for number in range(5)
    ]
    assert [answer.status_code for answer in asked] == [200] * 3 + [429] * 2
    assert [answer.text for answer in asked[:3]] == ["here"] * 3
    assert space.get("/", headers={"x-forwarded-for": OTHER}).status_code == 200
