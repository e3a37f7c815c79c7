"""Our own addresses beside Gradio's: a health check, files to take away, and the read-only API."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from arena.api import ANSWERS
from arena.boards.leaderboard import Leaderboard
from arena.boards.selection import Selection, SelectionError
from arena.desk import BUSY, UNREADABLE, Desk
from arena.exchange.downloads import Downloads
from arena.exchange.files import ExportError
from arena.figures.plots import Plots
from arena.gate import Busy
from arena.health import UNFIT, Checkup
from arena.ui.texts import language_of, say
from db.session import DatabaseProblem

log = logging.getLogger("paddock.web")


def routes(downloads: Downloads, plots: Plots, desk: Desk, checkup: Checkup) -> list[Route]:
    async def healthz(_: Request) -> JSONResponse:
        found = await checkup.latest()
        return JSONResponse(found, 503 if found["status"] in UNFIT else 200)

    async def download(request: Request) -> Response:
        return await _file(request, downloads, plots, desk)

    async def api(request: Request) -> Response:
        return await _answer(request, downloads.leaderboard, desk)

    return [
        Route("/healthz", healthz),
        Route("/download/{name}", download, methods=["GET"]),
        Route("/api/{name}", api, methods=["GET"]),
    ]


async def _answer(request: Request, leaderboard: Leaderboard, desk: Desk) -> Response:
    answer = ANSWERS.get(request.path_params["name"])
    if answer is None:
        return _plain("Not found.", 404)
    try:
        selection = Selection.read(request.query_params)
        # Written out in the thread too: a hundred contestants are 30,000 numbers.
        return await desk.serve(lambda: JSONResponse(answer(leaderboard, selection)))
    except SelectionError as error:
        return JSONResponse({"error": str(error)}, 400)
    except Busy:
        return JSONResponse({"error": BUSY}, 503)
    except DatabaseProblem as error:
        log.warning("api: %s", error)
        return JSONResponse({"error": UNREADABLE}, 503)


async def _file(request: Request, downloads: Downloads, plots: Plots, desk: Desk) -> Response:
    name = request.path_params["name"]
    if name not in (*downloads.names, *plots.names):
        return _plain("Not found.", 404)
    language = language_of(request.headers.get("accept-language", ""))
    try:
        selection = Selection.read(request.query_params)
        if name in downloads.names:
            return await desk.serve(lambda: _written(name, lambda path: downloads.write(name, path, selection)))
        said = partial(say, language)
        return await desk.serve(lambda: _written(name, lambda path: plots.write(name, path, selection, said)))
    except SelectionError as error:
        return _plain(str(error), 400)
    except Busy:
        return _plain(BUSY, 503)
    except (ExportError, DatabaseProblem) as error:
        log.warning("download of %s: %s", name, error)
        return _plain("The file can't be written now; please try again later.", 503)


def _written(name: str, write: Callable[[Path], object]) -> FileResponse:
    """A file that is gone once it is sent."""
    folder = tempfile.TemporaryDirectory(prefix="paddock-")
    path = Path(folder.name) / name
    try:
        write(path)
    except BaseException:
        folder.cleanup()
        raise
    return FileResponse(path, filename=name, background=BackgroundTask(folder.cleanup))


def _plain(text: str, status: int) -> PlainTextResponse:
    return PlainTextResponse(text + "\n", status_code=status)
