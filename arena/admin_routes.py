"""The door of the page /admin: the token comes in by a request of its own and leaves a cookie that no script can read.

An event of the page could set no cookie, and what it held would hang on a name that the browser itself makes up.
"""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from arena.admission import COOKIE, HOURS, Admission, TooManyTries, WrongToken
from arena.peers import address_of
from arena.ui.texts import language_of, say
from arena.web import is_secure


def admin_routes(admission: Admission, *, on_space: bool) -> list[Route]:
    """None where nobody can be let in by a token."""

    async def enter(request: Request) -> Response:
        language = language_of(request.headers.get("accept-language", ""))
        token = (await request.body()).decode("utf-8", "replace").strip()
        try:
            cookie = admission.open(token, address_of(request.scope, on_space))
        except WrongToken:
            return PlainTextResponse(say(language, "admin_wrong"), 403)
        except TooManyTries:
            return PlainTextResponse(say(language, "admin_too_many"), 429)
        return _with_cookie(request, cookie, HOURS * 3600)

    async def leave(request: Request) -> Response:
        return _with_cookie(request, "", 0)

    if not admission.by_token:
        return []
    return [Route("/admin/open", enter, methods=["POST"]), Route("/admin/close", leave, methods=["POST"])]


def _with_cookie(request: Request, value: str, seconds: int) -> Response:
    answer = PlainTextResponse("")
    secure = is_secure(request.scope, request.headers)
    # To be sent from this page alone, even where a Space shows the others inside a frame.
    answer.set_cookie(COOKIE, value, max_age=seconds, path="/", secure=secure, httponly=True, samesite="strict")
    answer.headers["cache-control"] = "no-store"
    return answer
