"""The guard by itself, before an application that tells what got through to it."""

from __future__ import annotations

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.testclient import TestClient

from arena.peers import Peers
from arena.voters import Voters
from arena.web import Guard, Site

pytestmark = pytest.mark.integrity

HEADER = "X-Forwarded-User"
PROXY, STRANGER = "10.0.0.1", "203.0.113.9"


async def told(request: Request) -> Response:
    address = request.client.host if request.client else None
    return JSONResponse({"user": request.headers.get(HEADER), "address": address})


def visit(site: Site, address: str = STRANGER) -> TestClient:
    everything = Route("/{path:path}", told, methods=["GET", "HEAD", "POST"])
    guard = Middleware(Guard, voters=Voters(b"secret"), site=site)
    application = Starlette(routes=[everything], middleware=[guard])
    return TestClient(application, base_url="http://127.0.0.1", client=(address, 4711))


@pytest.mark.parametrize("path", ["/login/huggingface", "/login/callback?code=1&state=2", "/logout"])
def test_signing_in_is_open_on_a_space_alone(path: str) -> None:
    assert visit(Site()).get(path).status_code == 404
    assert visit(Site(signs_in=True)).get(path).status_code == 200
    assert visit(Site(signs_in=True)).post(path).status_code == 404


@pytest.mark.parametrize("path", ["/login", "/login/", "/login/x", "/login/callback/x", "/logout/", "/user", "/token"])
def test_no_other_way_of_signing_in_is_open(path: str) -> None:
    assert visit(Site(signs_in=True, admin=True)).get(path).status_code == 404


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/admin"), ("GET", "/admin/"), ("HEAD", "/admin"), ("POST", "/admin/open"), ("POST", "/admin/close")],
)
def test_the_page_for_administrators_is_there_where_there_are_any(method: str, path: str) -> None:
    assert visit(Site()).request(method, path).status_code == 404
    assert visit(Site(admin=True)).request(method, path).status_code == 200


@pytest.mark.parametrize("line", ["GET /admin/open", "POST /admin", "GET /admin/x", "POST /admin/open/x", "PUT /admin"])
def test_nothing_else_of_it_is_there(line: str) -> None:
    assert visit(Site(admin=True)).request(*line.split()).status_code == 404


def test_on_a_space_the_pages_are_shown_in_frames_but_that_of_administrators() -> None:
    space = visit(Site(on_space=True, admin=True))

    def ancestors(path: str) -> str:
        return space.get(path).headers["content-security-policy"].split("frame-ancestors ")[1]

    assert ancestors("/") == ancestors("/leaderboard") == "https://huggingface.co https://*.hf.space"
    assert ancestors("/admin") == ancestors("/admin/") == "'none'"


def test_the_token_s_door_is_shut_to_other_sites() -> None:
    page = visit(Site(admin=True))
    assert page.post("/admin/open", headers={"Origin": "https://evil.example"}).status_code == 403
    assert page.post("/admin/open", headers={"Origin": "null"}).status_code == 403
    assert page.post("/admin/open", headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403
    assert page.post("/admin/open", content=b"x" * 70_000).status_code == 413


@pytest.mark.parametrize("spelt", [HEADER, HEADER.lower(), HEADER.upper()])
def test_a_forged_name_does_not_get_through(spelt: str) -> None:
    site = Site(peers=Peers([PROXY]), user_header=HEADER)
    assert visit(site).get("/", headers={spelt: "ann"}).json() == {"user": None, "address": STRANGER}
    forged = {spelt: "ann", "X-Forwarded-For": PROXY}
    assert visit(site).get("/", headers=forged).json() == {"user": None, "address": STRANGER}


def test_a_trusted_proxy_names_who_has_signed_in_and_from_where() -> None:
    site = Site(peers=Peers([PROXY]), user_header=HEADER)
    given = {HEADER: "ann", "X-Forwarded-For": f"127.0.0.1, {STRANGER}"}
    assert visit(site, PROXY).get("/", headers=given).json() == {"user": "ann", "address": STRANGER}
    assert visit(site, PROXY).get("/").json() == {"user": None, "address": PROXY}


def test_without_the_setting_headers_pass_as_they_are_and_nobody_reads_them() -> None:
    assert visit(Site()).get("/", headers={HEADER: "ann"}).json() == {"user": "ann", "address": STRANGER}
