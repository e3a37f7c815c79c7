"""Sign-in and administration over real HTTP: what is forged is nobody's, and who is nobody does nothing."""

from __future__ import annotations

import base64
import hashlib
import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from itsdangerous import TimestampSigner
from support import REPO, Server, Visitor, canary, environment, free_port, serving, start, stop, wait_for, write_catalog

pytestmark = [pytest.mark.slow, pytest.mark.integrity, pytest.mark.timeout(180)]

TOKEN = "hunter2-hunter2-hunter2"
HEADER = "X-Forwarded-User"
OAUTH_SECRET = "the oauth secret of this space"
DEEDS = {
    "admin-refresh.click": (),
    "admin-contestant.input": ("x",),
    "admin-save.click": ("x", "off", 1),
    "admin-newest.click": (),
    "admin-older.click": (None,),
    "admin-voter.submit": ("x",),
    "admin-exclude.click": ("x", "because"),
    "admin-include.click": ("x",),
    "admin-clear.click": ("x",),
    "admin-watch.click": ("x",),
    "admin-count.click": ("battle", None, "x"),
    "admin-leave-out.click": ("battle", None, "x"),
    "admin-all-votes.click": (),
    "admin-older-votes.click": (None, None),
}


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_catalog(tmp_path_factory.mktemp("catalog") / "catalog.toml", canary("alder"), canary("birch"))


def vote(visitor: Visitor) -> None:
    assert visitor.ask("Why is the sky blue?").success
    assert visitor.vote("a").success


# -- administration ----------------------------------------------------------------------------------


def test_no_event_of_the_page_answers_who_was_not_let_in(catalog: Path, tmp_path: Path) -> None:
    with serving(tmp_path, catalog, PACE_CHARS=0, ADMIN_TOKEN=TOKEN) as server:
        owner = Visitor(server.url)
        vote(owner)
        voter = owner.cookie.split(".")[0]
        stranger = Visitor(server.url)
        stranger.http.cookies.set("paddock_admin", "token.aaaaaa.bbbbbbbbbbbbbbbbbbbbbbbbbbb")
        [(battle,)] = server.rows("SELECT battle_id FROM vote")
        real = {"x": voter, "battle": battle}
        for event, data in DEEDS.items():
            given = tuple(real.get(one, one) if isinstance(one, str) else one for one in data)
            reply = stranger.call(event, *given)
            assert "Quillon" not in reply.text, event
            if event != "admin-refresh.click":
                assert not reply.success, event
        assert server.rows("SELECT status FROM vote") == [("counted",)]
        assert server.rows("SELECT DISTINCT state FROM contestant") == [("on",)]
        assert server.rows("SELECT * FROM voter") == []

        admin = Visitor(server.url)
        assert admin.http.post("/admin/open", content=TOKEN).status_code == 200
        assert "Quillon" in admin.call("admin-refresh.click").text
        assert admin.call("admin-exclude.click", voter, "because").success
        assert server.rows("SELECT status, reason FROM vote") == [("excluded", "because")]
        assert admin.call("admin-include.click", voter).success
        assert admin.call("admin-leave-out.click", battle, None, voter).success
        assert server.rows("SELECT status, reason FROM vote") == [("excluded", "administrator")]
        assert admin.http.post("/admin/close").status_code == 200
        assert "Quillon" not in admin.call("admin-refresh.click").text
        assert TOKEN not in server.log
        assert f"paddock.admin: token: voter '{voter}' is excluded ('because')" in server.log


def test_a_voter_s_own_pages_do_not_hold_what_administrators_see(catalog: Path, tmp_path: Path) -> None:
    with serving(tmp_path, catalog, PACE_CHARS=0, ADMIN_TOKEN=TOKEN) as server:
        vote(Visitor(server.url))
        for address in ("/", "/admin", "/config", "/gradio_api/info"):
            text = httpx.get(server.url + address).raise_for_status().text
            assert TOKEN not in text
            assert "Quillon" not in text, address


# -- names by a proxy --------------------------------------------------------------------------------


def test_whom_a_trusted_proxy_names_votes_under_that_name_on_every_device(catalog: Path, tmp_path: Path) -> None:
    with serving(tmp_path, catalog, PACE_CHARS=0, USER_HEADER=HEADER, ADMINS="ann") as server:
        for name in ("ann", "ann", "bob", ""):
            visitor = Visitor(server.url)
            # As nginx on this machine would send it.
            visitor.http.headers.update({HEADER: name, "X-Forwarded-For": "203.0.113.9"})
            assert ("Signed in as" in visitor.call("who").text) is bool(name)
            vote(visitor)
            assert ("Quillon" in visitor.call("admin-refresh.click").text) is (name == "ann")
        voters = server.rows("SELECT voter, verified FROM vote ORDER BY sequence")
        assert voters[0] == voters[1]
        assert len(set(voters)) == 3
        assert [verified for _, verified in voters] == [1, 1, 1, 0]
        assert server.rows("SELECT source, verified FROM voter") == [("proxy", 1)] * 2


def test_a_name_that_no_trusted_proxy_sent_is_nobody_s(catalog: Path, tmp_path: Path) -> None:
    with serving(
        tmp_path, catalog, PACE_CHARS=0, USER_HEADER=HEADER, ADMINS="ann", TRUSTED_PROXIES="10.0.0.1"
    ) as server:
        forger = Visitor(server.url)
        forger.http.headers.update({HEADER: "ann", "X-Forwarded-For": "10.0.0.1", "Forwarded": "for=10.0.0.1"})
        vote(forger)
        assert server.rows("SELECT voter, verified FROM vote") == [(forger.cookie.split(".")[0], 0)]
        assert server.rows("SELECT * FROM voter") == []
        assert "Quillon" not in forger.call("admin-refresh.click").text


# -- Hugging Face ------------------------------------------------------------------------------------


@contextmanager
def hub() -> Iterator[str]:
    """A Hub that knows the ages of two accounts, and where to sign in."""

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            here = f"http://{self.headers['host']}"
            answers = {
                "/api/users/ann/overview": {"user": "ann", "createdAt": "2020-01-01T00:00:00.000Z"},
                "/api/users/new/overview": {"user": "new", "createdAt": time.strftime("%Y-%m-%dT%H:%M:%SZ")},
                "/.well-known/openid-configuration": {
                    "issuer": here,
                    "authorization_endpoint": f"{here}/oauth/authorize",
                    "token_endpoint": f"{here}/oauth/token",
                },
            }
            found = answers.get(self.path)
            self.send_response(200 if found else 404)
            self.send_header("content-type", "application/json")
            self.end_headers()
            self.wfile.write(json.dumps(found).encode())

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Keep the test's output clean."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def space_variables(address: str) -> dict[str, str]:
    return {
        "SYSTEM": "spaces",
        "SPACE_ID": "us/arena",
        "SPACE_HOST": "us-arena.hf.space",
        "OAUTH_CLIENT_ID": "client",
        "OAUTH_CLIENT_SECRET": OAUTH_SECRET,
        "OAUTH_SCOPES": "openid profile",
        "OPENID_PROVIDER_URL": address,
        "HF_ENDPOINT": address,
    }


@pytest.fixture(scope="module")
def space(catalog: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The arena as a Space with hf_oauth starts it, but for Hugging Face behind it."""
    folder, port = tmp_path_factory.mktemp("space"), free_port()
    with hub() as address:
        variables = environment(folder, catalog, PORT=port, PACE_CHARS=0, ADMINS="ann") | space_variables(address)
        server = Server(f"http://127.0.0.1:{port}", folder, variables, start(folder, variables))

        def ready() -> bool:
            assert server.process.poll() is None, server.log
            try:
                return bool(httpx.get(f"{server.url}/healthz").json()["ready"] == 2)
            except httpx.HTTPError:
                return False

        wait_for(ready, 120)
        yield server
        assert stop(server.process) == 0, server.log


def session_of(name: str, secret: str = OAUTH_SECRET) -> str:
    """The cookie that Gradio gives to who has signed in."""
    user = {"sub": f"id of {name}", "preferred_username": name, "name": name, "profile": "", "picture": ""}
    info = {"oauth_info": {"userinfo": user, "expires_at": time.time() + 3600, "access_token": "x"}}
    key = hashlib.sha256(f"{secret}-v4".encode()).hexdigest()
    return TimestampSigner(key).sign(base64.b64encode(json.dumps(info).encode())).decode()


def signed_in(server: Server, name: str, secret: str = OAUTH_SECRET) -> Visitor:
    visitor = Visitor(server.url)
    visitor.http.cookies.clear()
    # As a browser would over https: a Space's cookies are for that alone.
    cookies = httpx.get(server.url).headers["set-cookie"].split(";")[0]
    visitor.http.headers["cookie"] = f"{cookies}; session={session_of(name, secret)}"
    return visitor


def test_on_a_space_an_account_that_is_old_enough_votes_as_verified(space: Server) -> None:
    before = len(space.rows("SELECT * FROM vote"))
    for name, said in (("ann", "count as verified"), ("ann", "count as verified"), ("new", "but not as verified")):
        visitor = signed_in(space, name)
        assert f"Signed in as {name}" in (reply := visitor.call("who").text)
        assert said in reply
        vote(visitor)
    votes = space.rows("SELECT voter, verified FROM vote ORDER BY sequence")[before:]
    assert votes[0] == votes[1]
    assert votes[0][0] != votes[2][0]
    assert [verified for _, verified in votes] == [1, 1, 0]
    assert {source for (source,) in space.rows("SELECT source FROM voter")} == {"huggingface"}


def test_on_a_space_a_forged_session_is_nobody_s(space: Server) -> None:
    known = len(space.rows("SELECT * FROM voter"))
    for secret in ("", "None", "guessed"):
        forger = signed_in(space, "ann", secret)
        assert "Signed in as" not in forger.call("who").text
        vote(forger)
        assert "Quillon" not in forger.call("admin-refresh.click").text
    assert len(space.rows("SELECT * FROM voter")) == known
    named = signed_in(space, "nobody")
    named.http.headers[HEADER] = "ann"
    assert "Quillon" not in named.call("admin-refresh.click").text


def test_on_a_space_a_listed_account_administers(space: Server) -> None:
    assert "Quillon" in signed_in(space, "ann").call("admin-refresh.click").text
    assert "Quillon" not in signed_in(space, "new").call("admin-refresh.click").text
    assert httpx.post(f"{space.url}/admin/open", content=TOKEN).status_code in (404, 405)


def test_on_a_space_signing_in_begins_at_hugging_face(space: Server) -> None:
    answer = httpx.get(f"{space.url}/login/huggingface?_target_url=/")
    assert answer.status_code == 302
    to = urlsplit(answer.headers["location"])
    assert to.path == "/oauth/authorize"
    asked = parse_qs(to.query)
    assert asked["client_id"] == ["client"]
    assert asked["redirect_uri"][0].startswith("https://us-arena.hf.space/login/callback")
    assert "content-security-policy" in answer.headers
    # An answer that nobody asked for signs nobody in.
    assert "oauth_info" not in str(httpx.get(f"{space.url}/login/callback?code=1&state=2").headers)
    page = httpx.get(f"{space.url}/config").text
    assert "Sign in with Hugging Face" in page
    assert OAUTH_SECRET not in page + space.log


def test_off_a_space_there_is_no_signing_in_and_no_session_is_believed(catalog: Path, tmp_path: Path) -> None:
    with serving(tmp_path, catalog, PACE_CHARS=0, ADMIN_TOKEN=TOKEN) as server:
        for path in ("/login/huggingface", "/login/callback?code=1&state=2", "/logout"):
            assert httpx.get(server.url + path).status_code == 404
        for secret in ("", OAUTH_SECRET):  # the first is the one that Gradio has there, known to all
            forger = signed_in(server, "ann", secret)
            vote(forger)
            assert "Quillon" not in forger.call("admin-refresh.click").text
        assert server.rows("SELECT * FROM voter") == []
        assert server.rows("SELECT DISTINCT verified FROM vote") == [(0,)]
        assert "Sign in with Hugging Face" not in json.dumps(httpx.get(f"{server.url}/config").json()["components"])


REFUSED = [
    ({"OAUTH_CLIENT_ID": "client"}, "OAUTH_CLIENT_ID is set, but signing in by Hugging Face exists on its Spaces"),
    ({"SYSTEM": ""}, "OAUTH_CLIENT_ID and SPACE_HOST are set, but SYSTEM=spaces and SPACE_ID are not"),
    ({"OAUTH_CLIENT_SECRET": ""}, "OAUTH_CLIENT_SECRET is empty"),
    ({"ARENA_USER_HEADER": HEADER}, "On a Space nobody's header is to be believed"),
    ({"ARENA_TRUSTED_PROXIES": "proxy.example"}, "ARENA_TRUSTED_PROXIES='proxy.example': must be addresses"),
]


@pytest.mark.parametrize(("changed", "said"), REFUSED)
def test_a_sign_in_that_would_believe_anybody_is_refused_at_the_start(
    catalog: Path, tmp_path: Path, changed: dict[str, str], said: str
) -> None:
    space = {} if "OAUTH_CLIENT_ID" in changed else space_variables("http://127.0.0.1:1")
    variables = environment(tmp_path, catalog, PORT=free_port()) | space | changed
    done = subprocess.run(
        [sys.executable, REPO / "app.py"], env=variables, cwd=tmp_path, capture_output=True, text=True, timeout=120,
        check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.strip().splitlines()[-1].startswith(said)
    assert "Traceback" not in done.stderr
