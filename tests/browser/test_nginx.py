"""Debian's nginx with our configuration: HTTPS and HTTP/2 before two arenas on one PostgreSQL, each visitor at one."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, expect
from postgres import Cluster
from support import REPO, Server, Visitor, canary, free_port, serving, wait_for, write_catalog

from browser.pages import visiting

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

NAME = "arena.example.org"
VISITORS = 8
LOG = '{"voter": "$cookie_paddock_voter", "upstream": "$upstream_addr", "protocol": "$server_protocol"}'


@dataclass
class Proxy:
    """A running nginx before two arenas; `url` is its HTTPS."""

    url: str
    plain: str
    folder: Path
    arenas: tuple[Server, Server]

    def requests(self) -> list[dict[str, str]]:
        """What nginx passed on so far."""
        lines = (self.folder / "access.log").read_text().splitlines()
        return [one for one in map(json.loads, lines) if one["upstream"]]


def site(folder: Path, secure: int, plain: int, first: int, second: int) -> str:
    """Our configuration with the places of this test; whatever it says else stays."""
    text = (REPO / "deploy" / "nginx.conf").read_text(encoding="utf-8")
    for ours, theirs in {
        "listen 443 ssl http2;": f"listen 127.0.0.1:{secure} ssl http2;",
        "listen 80;": f"listen 127.0.0.1:{plain};",
        f"server_name {NAME};": f"server_name localhost {NAME};",
        f"/etc/letsencrypt/live/{NAME}/fullchain.pem": str(folder / "cert.pem"),
        f"/etc/letsencrypt/live/{NAME}/privkey.pem": str(folder / "key.pem"),
        "server 127.0.0.1:7860;": f"server 127.0.0.1:{first};",
        "# server 127.0.0.1:7861;": f"server 127.0.0.1:{second};",
    }.items():
        assert ours in text
        text = text.replace(ours, theirs)
    return text


def write_configuration(folder: Path, text: str) -> Path:
    paths = "".join(
        f"{kind}_temp_path {folder}/{kind};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (folder / "site.conf").write_text(text)
    (folder / "nginx.conf").write_text(
        f"daemon off;\nuser root;\npid {folder}/nginx.pid;\nevents {{}}\nhttp {{\n{paths}"
        f"log_format json escape=json '{LOG}';\naccess_log {folder}/access.log json;\ninclude {folder}/site.conf;\n}}\n"
    )
    return folder / "nginx.conf"


def certify(folder: Path) -> None:
    names = f"subjectAltName=DNS:localhost,DNS:{NAME}"
    made = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    files = ["-addext", names, "-keyout", str(folder / "key.pem"), "-out", str(folder / "cert.pem")]
    subprocess.run([*made, *files], check=True, capture_output=True)


@contextmanager
def running_nginx(folder: Path, ports: tuple[int, int], first: int, second: int) -> Iterator[None]:
    configuration = write_configuration(folder, site(folder, *ports, first, second))
    with (folder / "nginx.out").open("wb") as out:
        process = subprocess.Popen(
            ["nginx", "-e", str(folder / "error.log"), "-c", str(configuration)], stdout=out, stderr=out
        )
    try:
        wait_for(lambda: process.poll() is not None or is_open(ports[0]))
        assert process.poll() is None, (folder / "nginx.out").read_text()
        yield
    finally:
        process.terminate()
        process.wait(30)


def is_open(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture(scope="module")
def proxy(tmp_path_factory: pytest.TempPathFactory, postgres: Cluster) -> Iterator[Proxy]:
    if shutil.which("nginx") is None:
        pytest.skip("There is no nginx on this machine; Debian's package nginx has it.")
    folder = tmp_path_factory.mktemp("nginx")
    certify(folder)
    catalog = write_catalog(folder / "catalog.toml", *(canary(tree, replies=["So. " * 60]) for tree in ("fir", "oak")))
    secure, plain = free_port(), free_port()
    shared: dict[str, Any] = {
        "SECRET": "one secret for both arenas",
        "GUARD": "off",  # the votes of new voters are to count at once
        "ORIGINS": f"https://{NAME},https://localhost:{secure}",
    }
    places = [folder / "first", folder / "second"]
    for place in places:
        place.mkdir()
    with (
        postgres.empty() as url,
        serving(places[0], catalog, DATABASE_URL=url, **shared) as first,
        serving(places[1], catalog, DATABASE_URL=url, **shared) as second,
        running_nginx(folder, (secure, plain), *(int(one.url.rpartition(":")[2]) for one in (first, second))),
    ):
        yield Proxy(f"https://localhost:{secure}", f"http://localhost:{plain}", folder, (first, second))


@pytest.fixture
def trusted(proxy: Proxy, monkeypatch: pytest.MonkeyPatch) -> Proxy:
    """The proxy, its certificate believed by httpx."""
    monkeypatch.setenv("SSL_CERT_FILE", str(proxy.folder / "cert.pem"))
    return proxy


def test_visitors_are_spread_over_both_arenas_and_each_stays_with_one(trusted: Proxy) -> None:
    for number in range(VISITORS):
        visitor = Visitor(trusted.url)
        visitor.ask(f"Question {number}")
        assert visitor.vote("a").success
    upstreams: dict[str, set[str]] = defaultdict(set)
    for one in trusted.requests():
        if one["voter"]:
            upstreams[one["voter"]].add(one["upstream"])
    assert len(upstreams) >= VISITORS
    assert all(len(seen) == 1 for seen in upstreams.values())
    assert len(Counter(upstream for seen in upstreams.values() for upstream in seen)) == 2
    for arena in trusted.arenas:
        counts = httpx.get(f"{arena.url}/api/counts").raise_for_status().json()
        assert counts["votes"] == VISITORS


def test_the_cookie_is_for_https_alone_and_plain_http_leads_there(trusted: Proxy) -> None:
    cookie = httpx.get(trusted.url).headers["set-cookie"]
    assert "Secure" in cookie
    assert "HttpOnly" in cookie
    moved = httpx.get(trusted.plain + "/leaderboard")
    assert (moved.status_code, moved.headers["location"]) == (301, "https://localhost/leaderboard")


def test_only_our_own_names_are_answered_and_never_the_metrics(trusted: Proxy) -> None:
    assert httpx.get(trusted.url, headers={"host": NAME}).status_code == 200
    assert httpx.get(trusted.url, headers={"host": "elsewhere.example"}).status_code == 400
    assert httpx.get(trusted.url + "/metrics").status_code == 404
    assert httpx.get(trusted.url + "/healthz").status_code == 200


@pytest.mark.browser
def test_a_battle_through_nginx_streams_over_http2_in_chromium(proxy: Proxy, chromium: Browser) -> None:
    with visiting(chromium, proxy.url) as visit:
        page = visit(ignore_https_errors=True)
        page.ask("Hello through a proxy")
        page.wait_streaming("So.")
        page.wait_votable()
        page.vote("tie")
        expect(page.reveal).to_contain_text("Quillon")
    assert {one["protocol"] for one in proxy.requests()} >= {"HTTP/2.0"}
