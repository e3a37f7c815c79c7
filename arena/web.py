"""What stands between the net and Gradio: a guard that lets through only what the pages need.

Gradio's CORS layer stays outside of it and reflects foreign origins, so the guard checks them itself.
"""

from __future__ import annotations

import ipaddress
import logging
import re
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from urllib.parse import urlsplit

from starlette.background import BackgroundTask
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import Request, cookie_parser
from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from arena.downloads import Downloads
from arena.exports import ExportError
from arena.voters import COOKIE, Voters
from db.session import DatabaseProblem

MAX_BODY = 64 * 1024
TOO_LARGE = "The prompt is too long; please shorten it."
YEAR = 365 * 24 * 3600

log = logging.getLogger("paddock.web")

PAGES = r"|leaderboard/?|about/?"
_GET = re.compile(
    rf"/({PAGES}|config|theme\.css|favicon\.ico|robots\.txt|manifest\.json|healthz"
    r"|assets/.+|static/.+|svelte/.+|download/[a-z]+\.(csv|json|jsonl)"
    r"|gradio_api/(info|startup-events|theme\.css|login_check|queue/data|heartbeat/\w+|call/\w+/\w+))"
)
_POST = re.compile(r"/gradio_api/(queue/join|call/\w+|cancel|reset)")
_PAGE = re.compile(rf"/({PAGES})")


@dataclass(frozen=True)
class Site:
    """Where this arena is reached: its own origins, and whether it is framed by Hugging Face."""

    origins: tuple[str, ...] = ()
    on_space: bool = False
    listen: str = "127.0.0.1"

    def knows_host(self, host: str) -> bool:
        """Whether a Host header names this arena; a foreign name that resolves to us is an attack."""
        return _is_local(host) or _name(host) == self.listen or any(_netloc(own) == host for own in self.origins)

    def knows_origin(self, origin: str, host: str) -> bool:
        return origin in self.origins or _netloc(origin) == host


class Guard:
    """ASGI middleware: known paths, hosts and origins only, small bodies, a voter cookie, safe headers."""

    def __init__(self, app: ASGIApp, voters: Voters, site: Site) -> None:
        self._app = app
        self._voters = voters
        self._site = site
        self._headers = _security_headers(site)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            # The pages use no websocket; a closed door needs no guard.
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        refused = self._refuse(scope, headers)
        if refused is not None:
            await refused(scope, receive, self._decorated(send, scope, headers))
            return
        await self._pass_on(scope, _CappedBody(receive).receive, self._decorated(send, scope, headers))

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
        allowed = {"GET": _GET, "HEAD": _GET, "POST": _POST}.get(scope["method"])
        if allowed is None or not allowed.fullmatch(scope["path"]):
            return _plain("Not found.", 404)
        if not headers.get("content-length", "0").isdecimal() or int(headers.get("content-length", "0")) > MAX_BODY:
            return _too_large()
        return None

    def _decorated(self, send: Send, scope: Scope, headers: Headers) -> Send:
        greets = scope["method"] == "GET" and _PAGE.fullmatch(scope["path"])
        newcomer = greets and self._voters.recognise(read_cookie(headers.get("cookie", ""))) is None

        async def decorated(message: Message) -> None:
            if message["type"] == "http.response.start":
                response = MutableHeaders(scope=message)
                for name, value in self._headers.items():
                    response[name] = value
                if newcomer:
                    response["cache-control"] = "no-store"
                    response.append("set-cookie", self._cookie(_is_secure(scope, headers)))
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


def _is_secure(scope: Scope, headers: Headers) -> bool:
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


def _too_large() -> JSONResponse:
    # Gradio's page shows `detail` to whoever sent a prompt of that size.
    return JSONResponse({"detail": TOO_LARGE}, 413)


def _security_headers(site: Site) -> dict[str, str]:
    ancestors = "https://huggingface.co https://*.hf.space" if site.on_space else "'none'"
    policy: Iterable[str] = (
        "default-src 'self'",
        # Gradio writes its configuration into the page and evaluates the pages' own small functions.
        "script-src 'self' 'unsafe-inline' 'unsafe-eval'",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data: blob:",  # an answer's image would tell its model's maker who reads it
        "font-src 'self' data:",
        "connect-src 'self'",
        "object-src 'none'",
        "base-uri 'self'",
        "form-action 'self'",
        f"frame-ancestors {ancestors}",
    )
    return {
        "content-security-policy": "; ".join(policy),
        "x-content-type-options": "nosniff",
        "referrer-policy": "no-referrer",
        "permissions-policy": "camera=(), geolocation=(), microphone=()",
        "cross-origin-opener-policy": "same-origin",
    }


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


def routes(downloads: Downloads, ready: Callable[[], int]) -> list[Route]:
    """Our own addresses beside Gradio's: a health check, and the files of the Leaderboard page."""
    writing = Lock()

    async def health(_: Request) -> JSONResponse:
        return JSONResponse({"status": "ok", "ready": ready()})

    def download(request: Request) -> Response:
        name = request.path_params["name"]
        if name not in downloads.names:
            return _plain("Not found.", 404)
        folder = tempfile.TemporaryDirectory(prefix="paddock-")
        path = Path(folder.name) / name
        try:
            with writing:  # one at a time: each holds a whole export
                downloads.write(name, path)
        except (ExportError, DatabaseProblem) as error:
            folder.cleanup()
            log.warning("download of %s: %s", name, error)
            return _plain("The file can't be written now; please try again later.", 503)
        return FileResponse(path, filename=name, background=BackgroundTask(folder.cleanup))

    return [Route("/healthz", health), Route("/download/{name}", download, methods=["GET"])]
