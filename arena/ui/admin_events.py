"""What every event of the page for administrators begins and ends with: who asks, and what can't be done."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

import gradio as gr

from arena.admission import Admission
from arena.integrity.appeals import NotDone
from arena.ui.texts import Language, language_of, say
from db.session import DatabaseProblem

T = TypeVar("T")


def admitted(admission: Admission, request: gr.Request) -> str:
    """Who asks; an error on the page for anybody who is not let in."""
    who = admission.who(request.request)
    if who is None:
        raise gr.Error(say(language_at(request), "admin_out"), print_exception=False)
    return who


async def done(language: Language, work: Callable[[], T]) -> T:
    """Beside the event loop; what can't be done is said in a sentence."""
    try:
        return await asyncio.to_thread(work)
    except NotDone as error:
        raise gr.Error(say(language, error.key), print_exception=False) from error
    except DatabaseProblem as error:
        raise gr.Error(say(language, "admin_unreadable"), print_exception=False) from error


def tell(language: Language, key: str, **values: object) -> None:
    gr.Info(say(language, key, **values))


def language_at(request: gr.Request) -> Language:
    return language_of(str(request.headers.get("accept-language", "")))
