"""Files of the Evaluation page, each of the report that its address names."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from arena.desk import BUSY, UNREADABLE, Desk
from arena.gate import Busy
from arena.judge.report import Report
from arena.judge.report_text import report_json, report_markdown
from arena.ui.evaluation.choice import Choice, set_of
from arena.ui.evaluation.drawn import draw
from arena.ui.evaluation.evaluations import Evaluated, Evaluations
from arena.ui.evaluation.render import closer_of
from arena.ui.texts import Language, language_of
from db.session import DatabaseProblem

log = logging.getLogger("paddock.web")

Write = Callable[[Evaluated, Choice, Language], str]


def evaluation_routes(evaluations: Evaluations, desk: Desk) -> list[Route]:
    def route(name: str, media_type: str, write: Write) -> Route:
        async def file(request: Request) -> Response:
            choice = Choice.read(request.query_params)
            language = language_of(request.headers.get("accept-language", ""))
            try:
                text = await desk.serve(partial(_written, evaluations, choice, language, write))
            except Busy:
                return _plain(BUSY, 503)
            except DatabaseProblem as error:
                log.warning("evaluation: %s", error)
                return _plain(UNREADABLE, 503)
            if text is None:
                return _plain("No judge has said that; the page Evaluation names what there is.", 404)
            disposition = {"content-disposition": f'attachment; filename="{name}"'}
            return Response(text, media_type=media_type, headers=disposition)

        return Route(f"/download/{name}", file, methods=["GET"])

    return [
        route("evaluation.md", "text/markdown", lambda found, _, __: report_markdown(_whole(found))),
        route("evaluation.json", "application/json", lambda found, _, __: report_json(_whole(found))),
        route("radar.html", "text/html", _radar),
    ]


def _written(evaluations: Evaluations, choice: Choice, language: Language, write: Write) -> str | None:
    """The file's text; None where there is not just what was asked for, since another report would mislead."""
    found = evaluations.look(choice)
    if found is None:
        return None
    part = found.part
    asked, there = (choice.judge, choice.form, choice.set), (part.judge, part.form, set_of(part))
    fits = all(one in ("", other) for one, other in zip(asked, there, strict=True))
    return write(found, choice, language) if fits and choice.baseline in ("", *found.baselines) else None


def _whole(found: Evaluated) -> Report:
    return Report((found.report,), (found.agreement,) if found.agreement else ())


def _radar(found: Evaluated, choice: Choice, language: Language) -> str:
    """A page that draws itself offline; the camera on it saves an SVG."""
    config = {"displaylogo": False, "toImageButtonOptions": {"format": "svg", "filename": "paddock-radar"}}
    figure = draw(found.report, closer_of(found.report, choice.pair).pair, language)
    return str(figure.to_html(config=config, include_plotlyjs=True))


def _plain(text: str, status: int) -> PlainTextResponse:
    return PlainTextResponse(text + "\n", status_code=status)
