"""What stands between the net and Gradio: a guard that lets through only what the pages need.

Gradio's CORS layer stays outside of it and reflects foreign origins, so the guard checks them itself.
"""

from __future__ import annotations

import ipaddress
import logging
import re
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import Request, cookie_parser
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from arena.connections import HEARTBEAT
from arena.peers import Peers, address_of
from arena.policy import security_headers
from arena.throttle import Throttle, TooMany
from arena.voters import COOKIE, Voters

MAX_BODY = 64 * 1024
TOO_LARGE = "The prompt is too long; please shorten it."
TOO_MANY = "There are too many requests from your network; please wait a moment."
YEAR = 365 * 24 * 3600

log = logging.getLogger("paddock.web")

PAGES = r"|leaderboard/?|evaluation/?|about/?"
_GET = re.compile(
    rf"/({PAGES}|config|theme\.css|favicon\.ico|robots\.txt|manifest\.json|healthz"
    r"|assets/.+|static/.+|svelte/.+|download/[a-z_-]+\.[a-z]+|api/[a-z]+"
    r"|gradio_api/(info|startup-events|theme\.css|login_check|queue/data|heartbeat/\w+|call/\w+/\w+))"
)
_POST = re.compile(r"/gradio_api/(queue/join|call/\w+|cancel|reset)")
_PAGE = re.compile(rf"/({PAGES})")
_FILE = re.compile(r"/(assets|static|svelte)/.+")
_SIGN_IN = re.compile(r"/(login/(huggingface|callback)|logout)")
_METRICS = re.compile(r"/metrics")
_ADMIN = {"GET": re.compile(r"/admin/?"), "HEAD": re.compile(r"/admin/?"), "POST": re.compile(r"/admin/(open|close)")}


@dataclass(frozen=True)
class Site:
    """Where this arena is reached: its own origins, and whether it is framed by Hugging Face.

    `user_header` is left to the proxies among the `peers`; `signs_in`, `admin` and `metrics` open those pages.
    """

    origins: tuple[str, ...] = ()
    on_space: bool = False
    listen: str = "127.0.0.1"
    peers: Peers = field(default_factory=Peers)
    user_header: str = ""
    signs_in: bool = False
    admin: bool = False
    metrics: bool = False

    def knows_host(self, host: str) -> bool:
        """Whether a Host header names this arena; a foreign name that resolves to us is an attack."""
        return _is_local(host) or _name(host) == self.listen or any(_netloc(own) == host for own in self.origins)

    def knows_origin(self, origin: str, host: str) -> bool:
        return origin in self.origins or _netloc(origin) == host


class Guard:
    """ASGI middleware: known paths, hosts and origins only, small bodies, a voter cookie, safe headers.

    With a `throttle` no network gets more than its share.
    """

    def __init__(self, app: ASGIApp, voters: Voters, site: Site, throttle: Throttle | None = None) -> None:
        self._app = app
        self._throttle = throttle
        self._voters = voters
        self._site = site
        self._headers = security_headers("https://huggingface.co https://*.hf.space" if site.on_space else "'none'")
        # Anybody may have a Space: its page must not lie over that of an administrator.
        self._admin_headers = security_headers("'none'")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            # The pages use no websocket; a closed door needs no guard.
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return
        scope = self._site.peers.seen(scope, self._site.user_header)
        try:
            with self._share(scope):
                await self._answer(scope, receive, send)
        except TooMany:
            await _detailed(TOO_MANY, 429)(scope, receive, self._decorated(send, scope, Headers(scope=scope)))

    def _share(self, scope: Scope) -> AbstractContextManager[None]:
        if self._throttle is None:
            return nullcontext()
        address = address_of(scope, self._site.on_space)
        path = scope["path"]
        return self._throttle.answering(
            address, cheap=_FILE.fullmatch(path) is not None, heartbeat=path.startswith(HEARTBEAT)
        )

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope)
        send = self._decorated(send, scope, headers)
        refused = self._refuse(scope, headers)
        if refused is not None:
            await refused(scope, receive, send)
            return
        await self._pass_on(scope, _CappedBody(receive).receive, send)

    async def _pass_on(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = False

        async def noting(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self._app(scope, receive, noting)
        except Exception as error:
            # Gradio raises at made-up functions and sessions: a line each, for tracebacks would flood the log.
            log.warning("%s %r: %s: %r", scope["method"], scope["path"], type(error).__name__, str(error)[:200])
            if not started:
                await _plain("That can't be answered.", 500)(scope, receive, send)

    def _refuse(self, scope: Scope, headers: Headers) -> Response | None:
        host, origin = headers.get("host", ""), headers.get("origin")
        if not self._site.knows_host(host):
            return _plain("This arena does not know that host; set ARENA_ORIGINS.", 400)
        if origin is not None and not self._site.knows_origin(origin, host):
            return _plain("That origin may not use this arena.", 403)
        if scope["method"] == "POST" and headers.get("sec-fetch-site") == "cross-site":
            return _plain("That site may not use this arena.", 403)
        if not self._is_open(scope["method"], scope["path"]):
            return _plain("Not found.", 404)
        if not headers.get("content-length", "0").isdecimal() or int(headers.get("content-length", "0")) > MAX_BODY:
            return _detailed(TOO_LARGE, 413)
        return None

    def _is_open(self, method: str, path: str) -> bool:
        allowed = [{"GET": _GET, "HEAD": _GET, "POST": _POST}.get(method)]
        if self._site.signs_in and method == "GET":
            allowed.append(_SIGN_IN)
        if self._site.metrics and method == "GET":
            allowed.append(_METRICS)
        if self._site.admin:
            allowed.append(_ADMIN.get(method))
        return any(paths.fullmatch(path) for paths in allowed if paths)

    def _decorated(self, send: Send, scope: Scope, headers: Headers) -> Send:
        greets = scope["method"] == "GET" and _PAGE.fullmatch(scope["path"])
        safe = self._admin_headers if _ADMIN["GET"].fullmatch(scope["path"]) else self._headers
        newcomer = greets and self._voters.recognise(read_cookie(headers.get("cookie", ""))) is None

        async def decorated(message: Message) -> None:
            if message["type"] == "http.response.start":
                response = MutableHeaders(scope=message)
                for name, value in safe.items():
                    response[name] = value
                if newcomer:
                    response["cache-control"] = "no-store"
                    response.append("set-cookie", self._cookie(is_secure(scope, headers)))
            await send(message)

        return decorated

    def _cookie(self, secure: bool) -> str:
        cookie = f"{COOKIE}={self._voters.issue()}; Path=/; HttpOnly; Max-Age={YEAR}"
        if self._site.on_space:  # a Space is shown inside a frame of another site
            return f"{cookie}; Secure; SameSite=None; Partitioned"
        return f"{cookie}; SameSite=Lax" + ("; Secure" if secure else "")


def voter_of(request: Request, voters: Voters) -> str | None:
    """The voter behind a request, from its signed cookie alone."""
    return voters.recognise(read_cookie(request.headers.get("cookie", "")))


def read_cookie(header: str) -> str | None:
    # Not the standard library's parser: it gives up at a neighbor's cookie that is not quite proper.
    return cookie_parser(header).get(COOKIE)


def is_secure(scope: Scope, headers: Headers) -> bool:
    """Whether the visitor's browser came by https, here or at a proxy."""
    return scope["scheme"] == "https" or headers.get("x-forwarded-proto", "") == "https"


def _netloc(origin: str) -> str | None:
    try:
        return urlsplit(origin).netloc
    except ValueError:  # brackets that hold no address
        return None


def _name(host: str) -> str:
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def _is_local(host: str) -> bool:
    name = _name(host)
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return name == "localhost"
    return True  # a bare address can't be pointed elsewhere by somebody's DNS


def _plain(text: str, status: int) -> PlainTextResponse:
    return PlainTextResponse(text + "\n", status_code=status)


def _detailed(text: str, status: int) -> JSONResponse:
    # Gradio's page shows `detail` to whoever did what was refused.
    return JSONResponse({"detail": text}, status)


class _CappedBody:
    """Counts what arrives: a chunked body names no length beforehand."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._seen = 0

    async def receive(self) -> Message:
        message = await self._receive()
        self._seen += len(message.get("body", b""))
        if self._seen > MAX_BODY:
            # FastAPI lets this out of its reading of the body; any other exception would become a 400.
            raise HTTPException(413, TOO_LARGE)
        return message
