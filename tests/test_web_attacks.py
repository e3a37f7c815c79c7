"""The guard over real HTTP: what the pages do not need is not there, and what they need is taken from them alone."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from http.cookies import SimpleCookie
from pathlib import Path

import pytest
from support import Server, canary, serving, write_catalog

pytestmark = [pytest.mark.slow, pytest.mark.integrity, pytest.mark.timeout(120)]

LIMIT = 64 * 1024
JSON = {"content-type": "application/json"}
JOIN = "/gradio_api/queue/join"


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("catalog") / "catalog.toml"
    return write_catalog(path, canary("alder"), canary("birch"))


@pytest.fixture(scope="module")
def arena(catalog: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("arena"), catalog, PACE_CHARS=0) as server:
        yield server


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes


def send(
    arena: Server,
    path: str,
    method: str = "GET",
    headers: Mapping[str, str] | None = None,
    body: bytes | None = None,
    *,
    chunked: bool = False,
) -> Answer:
    """One request exactly as it is given: no path is tidied up and no header is added but Host and the length."""
    given = {"Host": _address(arena), **(headers or {})}
    with closing(http.client.HTTPConnection(_address(arena), timeout=60)) as connection:
        connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
        for name, value in given.items():
            connection.putheader(name, value)
        if body is not None:
            connection.putheader(*(("Transfer-Encoding", "chunked") if chunked else ("Content-Length", str(len(body)))))
        connection.endheaders()
        for piece in _pieces(body or b"", chunked=chunked):
            connection.send(piece)
        response = connection.getresponse()
        try:
            content = response.read(1_000_000)
        except http.client.IncompleteRead as cut:
            content = cut.partial
        return Answer(response.status, {name.lower(): value for name, value in response.getheaders()}, content)


def _address(arena: Server) -> str:
    return arena.url.removeprefix("http://")


def _pieces(body: bytes, *, chunked: bool) -> Iterator[bytes]:
    if not chunked:
        yield body
        return
    for begin in range(0, len(body), 10_000):
        piece = body[begin : begin + 10_000]
        yield b"%x\r\n%s\r\n" % (len(piece), piece)
    yield b"0\r\n\r\n"


CLOSED = """
GET /gradio_api/upload|POST /gradio_api/upload|POST /upload|GET /gradio_api/upload_progress
GET /gradio_api/file=/etc/passwd|GET /gradio_api/file=app.py|GET /file=app.py|GET /gradio_api/file/app.py
GET /gradio_api/file=http://127.0.0.1:1/|GET /gradio_api/file=https://example.org/|GET /gradio_api/file%3Dapp.py
GET /gradio_api/proxy=http://127.0.0.1:1/|GET /proxy=https://example.org/
GET /monitoring|GET /monitoring/summary|GET /gradio_api/monitoring|GET /monitoring/analytics
GET /gradio_api/runs|GET /gradio_api/run-history|POST /gradio_api/runs|GET /run-history|POST /gradio_api/api/vote
GET /docs|GET /redoc|GET /openapi.json|GET /gradio_api/docs|GET /gradio_api/openapi.json|GET /docs/oauth2-redirect
GET /gradio_api/deep_link|POST /gradio_api/deep_link|GET /gradio_api/mcp|GET /gradio_api/mcp/sse
POST /gradio_api/component_server|GET /gradio_api/dev/reload|GET /dev/reload|GET /gradio_api/vibe-edit
POST /gradio_api/vibe-edit|POST /gradio_api/vibe-code|GET /gradio_api/vibe-starter-queries
POST /login|POST /login/|GET /login|GET /logout|GET /login/huggingface|GET /login/callback|GET /user|GET /token
GET /gradio_api/token|GET /gradio_api/app_id|GET /app_id|GET /custom_component/x/client/component/index.js
GET /gradio_api/custom_component/x/client/component/index.js|POST /gradio_api/run/vote|POST /gradio_api/run/ask
POST /run/vote|POST /api/vote|POST /gradio_api/api/predict|POST /gradio_api/process_recording
POST /gradio_api/call/v2/vote|POST /gradio_api/stream/x|GET /gradio_api/stream/x|POST /gradio_api/stream/x/close
GET //gradio_api/upload|GET /gradio_api//file=app.py|GET /gradio_api/%66ile=app.py|GET /gradio_api/queue%2fjoin
GET /GRADIO_API/FILE=app.py|GET /Gradio_api/Upload|GET /gradio_api/..;/file=app.py|GET /gradio_api/./file=app.py
GET /config/|GET /config/../gradio_api/file=app.py|GET /config%2f..%2fmonitoring|GET /about;/monitoring
GET /healthz/x|GET /healthz%00|GET /%2e%2e/app.py|GET /..%5capp.py|GET /.env
GET /data/arena.db|GET /data/secret|GET /arena.db|GET /app.py|GET /.git/config|GET /download/../data/secret
GET /download/secret|GET /download/arena.db|GET /download/%2e%2e%2fsecret|GET /download/votes.csv/|GET /metrics
PUT /|DELETE /|PATCH /config|TRACE /|CONNECT /|POST /|POST /healthz|POST /config|GET /gradio_api/queue/join
GET /gradio_api/queue/status|POST /gradio_api/queue/push|GET /queue/data|POST /queue/join|GET /leaderboard/x
GET /download/secret.html|GET /api/|GET /api/secret|GET /api/counts/|POST /api/counts|GET /api/../data/secret
""".strip().replace("\n", "|").split("|")  # fmt: skip


def test_whatever_the_pages_do_not_need_is_not_there(arena: Server) -> None:
    for line in CLOSED:
        method, path = line.split(" ", 1)
        answer = send(arena, path, method, JSON, b"{}" if method == "POST" else None)
        assert answer.status == 404, f"{line}: {answer.status} {answer.body[:200]!r}"
        _expect_safe(answer)


def test_files_beside_the_assets_are_out_of_reach(arena: Server) -> None:
    steps = ("../", "%2e%2e/", "..%2f", "..%5c", "....//", "%252e%252e/", "/")
    for folder in ("assets", "static", "svelte"):
        for step in steps:
            for target in ("routes.py", "../../../app.py", "etc/passwd"):
                answer = send(arena, f"/{folder}/{step * 4}{target}")
                assert answer.status in (403, 404), f"/{folder}/{step * 4}{target}: {answer.status}"
                assert b"root:" not in answer.body
                assert b"import" not in answer.body


def test_foreign_origins_hosts_and_sites_are_refused(arena: Server) -> None:
    port = arena.url.rsplit(":", 1)[1]
    joined = {"fn_index": 15, "data": [], "session_hash": "attack"}
    body = json.dumps(joined).encode()
    origins = ("http://evil.example", "null", "http://127.0.0.1:1", f"http://127.0.0.1.evil.example:{port}", "file://")
    for origin in origins:
        assert send(arena, JOIN, "POST", JSON | {"Origin": origin}, body).status == 403, origin
        assert send(arena, "/config", headers={"Origin": origin}).status == 403, origin
    for host in ("evil.example", f"evil.example:{port}", "127.0.0.1.evil.example", "localhost.evil.example", "", "@"):
        assert send(arena, JOIN, "POST", JSON | {"Host": host}, body).status == 400, host
        assert send(arena, "/", headers={"Host": host}).status == 400, host
    assert send(arena, JOIN, "POST", JSON | {"Sec-Fetch-Site": "cross-site"}, body).status == 403
    assert send(arena, JOIN, "POST", JSON | {"Origin": arena.url, "Sec-Fetch-Site": "same-origin"}, body).status == 200


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_over_64_kib_is_refused_and_one_of_64_kib_is_read(arena: Server, chunked: bool) -> None:
    frame = b'{"fn_index":0,"session_hash":"big","data":["%s",true,null]}'
    fits = frame % (b"x" * (LIMIT - len(frame) + 2))
    assert len(fits) == LIMIT
    assert send(arena, JOIN, "POST", JSON, fits, chunked=chunked).status == 200
    answer = send(arena, JOIN, "POST", JSON, fits + b" ", chunked=chunked)
    assert answer.status == 413
    assert json.loads(answer.body) == {"detail": "The prompt is too long; please shorten it."}
    _expect_safe(answer)
    for length in ("-1", "1e9", "x"):
        assert send(arena, JOIN, "POST", JSON | {"Content-Length": length}).status in (400, 413), length


def test_every_answer_has_safe_headers_errors_too(arena: Server) -> None:
    requests: dict[int, tuple[str, str, Mapping[str, str], bytes | None]] = {
        200: ("/", "GET", {}, None),
        301: ("/leaderboard/", "GET", {}, None),
        400: (JOIN, "POST", JSON, b'{"fn_index":0,"data":[]}'),
        403: ("/", "GET", {"Origin": "http://evil.example"}, None),
        404: ("/nothing", "GET", {}, None),
        413: (JOIN, "POST", JSON, b"x" * (LIMIT + 1)),
        422: (JOIN, "POST", JSON, b"{no json"),
        500: (JOIN, "POST", JSON, b'{"fn_index":999,"data":[],"session_hash":"x"}'),
    }
    for status, (path, method, headers, body) in requests.items():
        answer = send(arena, path, method, headers, body)
        assert answer.status == status, (status, path, answer)
        _expect_safe(answer)
    for path in ("/leaderboard", "/about", "/config", "/healthz", "/gradio_api/info", "/download/votes.csv"):
        answer = send(arena, path)
        assert answer.status == 200, path
        _expect_safe(answer)
    # A traceback ends in a line that begins with the error; ours begin with the time.
    assert "POST '/gradio_api/queue/join': KeyError: '999'" in arena.log
    assert "\nKeyError" not in arena.log


def _expect_safe(answer: Answer) -> None:
    policy = answer.headers["content-security-policy"]
    for rule in ("default-src 'self'", "connect-src 'self'", "object-src 'none'", "frame-ancestors 'none'"):
        assert rule in policy
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert "access-control-allow-origin" not in answer.headers


def test_the_voters_cookie_is_out_of_scripts_reach_and_a_forged_one_is_replaced(arena: Server) -> None:
    first = send(arena, "/").headers["set-cookie"]
    for part in ("HttpOnly", "SameSite=Lax", "Path=/"):
        assert part in first
    morsel = SimpleCookie(first)["paddock_voter"]
    assert "set-cookie" not in send(arena, "/", headers={"Cookie": f"paddock_voter={morsel.value}"}).headers
    # Not the last letter: base64 leaves two of its bits unused, so that four letters there are one signature.
    changed = morsel.value[:-2] + ("A" if morsel.value[-2] != "A" else "B") + morsel.value[-1]
    for forged in ("x", changed, "0" * 32, "", '"', f"{morsel.value} ; a", "\xff\xfe", "a=b; c"):
        cookies = send(arena, "/", headers={"Cookie": f"paddock_voter={forged}"}).headers
        if forged.startswith(morsel.value):
            continue
        assert SimpleCookie(cookies["set-cookie"])["paddock_voter"].value != morsel.value, forged
    for path in ("/config", "/healthz", "/nothing"):
        assert "set-cookie" not in send(arena, path).headers


def test_the_api_lists_the_three_that_read_and_nothing_else(arena: Server) -> None:
    offered = json.loads(send(arena, "/gradio_api/info").body)
    assert set(offered["named_endpoints"]) == {"/leaderboard", "/matrix", "/counts"}
    assert offered["unnamed_endpoints"] == {}
    config = json.loads(send(arena, "/config").body)
    public = {one["api_name"] for one in config["dependencies"] if one["api_visibility"] != "private"}
    assert public == {"leaderboard", "matrix", "counts"}
