"""What happens on the Battle page. Every refusal is one kind sentence, and loses nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from typing import Any

import gradio as gr

from arena.battle import ConversationFull, NotEnoughModels
from arena.gate import AlreadyInside, Busy, Waiting
from arena.prompts import PromptError
from arena.ui.render import Updates, Widgets, render, render_panes
from arena.ui.services import Services, Visitor, visitor_of
from arena.ui.texts import Language, say
from arena.view import View
from db.outcome import Outcome, Refused
from db.session import DatabaseProblem


class NotAdmitted(Exception):
    """The page itself refuses; `key` names the sentence that says why."""

    def __init__(self, key: str) -> None:
        super().__init__(key)
        self.key = key


class NoBattle(NotAdmitted):
    """The page holds no battle: none was begun, or the page slept longer than the server remembers pages."""

    def __init__(self) -> None:
        super().__init__("error_no_battle")


KINDLY = (NotAdmitted, PromptError, AlreadyInside, Busy, NotEnoughModels, ConversationFull, Refused, DatabaseProblem)


class Handlers:
    """The page's events; its state is the battle's id alone, all else is read from the database."""

    def __init__(self, services: Services, widgets: Widgets) -> None:
        self._services = services
        self._battles = services.battles
        self.widgets = widgets

    async def ask(
        self, prompt: str | None, consent: bool, battle_id: str | None, request: gr.Request
    ) -> AsyncIterator[Updates]:
        visitor = self._visitor(request)
        try:
            if visitor.voter is None:
                raise NotAdmitted("error_cookie")
            if not consent:
                raise NotAdmitted("error_consent")
            # The box is emptied with the first view: the prompt is stored then, and not before.
            emptied: Updates = {self.widgets.prompt: gr.update(value="", interactive=False)}
            async with aclosing(
                self._stream(self._battles.ask(battle_id, visitor.voter, prompt or ""), visitor)
            ) as stream:
                async for updates in stream:
                    if self.widgets.battle in updates:
                        battle_id = updates[self.widgets.battle]
                        yield updates | emptied
                        emptied = {}
                    else:
                        yield updates
        except KINDLY as error:
            yield await self._refused(error, battle_id, visitor)

    async def regenerate(self, battle_id: str | None, request: gr.Request) -> AsyncIterator[Updates]:
        visitor = self._visitor(request)
        try:
            own, voter = _admitted(battle_id, visitor)
            async with aclosing(self._stream(self._battles.regenerate(own, voter), visitor)) as stream:
                async for updates in stream:
                    yield updates
        except KINDLY as error:
            yield await self._refused(error, battle_id, visitor)

    async def stop(self, battle_id: str | None, request: gr.Request) -> Updates:
        visitor = self._visitor(request)
        try:
            view = await self._battles.stop(*_admitted(battle_id, visitor))
        except KINDLY as error:
            return await self._refused(error, battle_id, visitor)
        # While answers stream, their own event shows the end; this one would only come in between.
        return {self.widgets.battle: battle_id} if view.status == "generating" else self._page(view, visitor)

    def vote(self, outcome: Outcome) -> Callable[[str | None, gr.Request], Awaitable[Updates]]:
        """The event of one vote button."""

        async def vote(battle_id: str | None, request: gr.Request) -> Updates:
            visitor = self._visitor(request)
            try:
                view = await self._battles.vote(*_admitted(battle_id, visitor), outcome)
            except KINDLY as error:
                return await self._refused(error, battle_id, visitor)
            return self._page(view, visitor)

        return vote

    async def new(self, request: gr.Request) -> Updates:
        """An empty page; what was being generated has been cancelled by the click itself."""
        return self._page(None, self._visitor(request))

    async def load(self, request: gr.Request) -> Updates:
        """Go on with a battle that waits for its vote: a reload loses nothing."""
        visitor = self._visitor(request)
        return self._page(await self._unfinished(visitor), visitor)

    async def status(self, request: gr.Request) -> tuple[Any, Any]:
        """How many contestants are ready, in numbers alone; the timer rests once nothing moves any more."""
        states = [residency.state for residency in self._services.pool.status()]
        ready, total, failed = states.count("ready"), len(states), states.count("failed")
        percent = sum(residency.progress for residency in self._services.pool.status()) / total
        if ready == total:
            return gr.update(visible=False), gr.update(active=False)
        key = "loading" if ready < 2 else "loading_more"
        if ready + failed == total:
            key = "unavailable"
        text = say(self._visitor(request).language, key, ready=ready, total=total, percent=f"{percent:.0%}")
        return gr.update(value=text, visible=True), gr.update()

    async def _stream(
        self, views: AsyncGenerator[View | Waiting, None], visitor: Visitor
    ) -> AsyncGenerator[Updates, None]:
        first = True
        async with aclosing(views):
            async for view in views:
                if isinstance(view, Waiting):
                    yield {self.widgets.hint: say(visitor.language, "hint_waiting", ahead=view.ahead)}
                    continue
                # Only the panes change between the first view and the last: the rest need not travel.
                whole = first or view.status != "generating"
                yield (render if whole else render_panes)(self.widgets, view, visitor.language)
                first = False

    async def _refused(self, error: Exception, battle_id: str | None, visitor: Visitor) -> Updates:
        """Say why, and show what the database says: a page that was left behind catches up."""
        try:
            if battle_id is None or visitor.voter is None:
                view = await self._unfinished(visitor)
            else:
                view = await asyncio.to_thread(self._battles.view, battle_id, visitor.voter)
        except (Refused, DatabaseProblem):
            view = None
        lost = isinstance(error, NoBattle) and view is not None
        gr.Warning(say(visitor.language, "error_lost") if lost else self._sentence(error, visitor.language))
        return self._page(view, visitor)

    async def _unfinished(self, visitor: Visitor) -> View | None:
        return await asyncio.to_thread(self._battles.unfinished, visitor.voter) if visitor.voter else None

    def _page(self, view: View | None, visitor: Visitor) -> Updates:
        return render(self.widgets, view, visitor.language)

    def _visitor(self, request: gr.Request) -> Visitor:
        return visitor_of(request, self._services.voters)

    def _sentence(self, error: Exception, language: Language) -> str:
        match error:
            case NotAdmitted():
                return say(language, error.key)
            case Refused():
                return say(language, f"refused_{error.reason}")
            case PromptError():
                return say(language, f"error_{error.reason}", limit=self._services.settings.max_prompt_chars)
            case AlreadyInside():
                return say(language, "error_inside")
            case Busy():
                return say(language, "error_busy")
            case NotEnoughModels():
                return say(language, "error_not_ready")
            case ConversationFull():
                return say(language, "error_full")
            case _:
                return say(language, "error_storage")


def _admitted(battle_id: str | None, visitor: Visitor) -> tuple[str, str]:
    """The battle and the voter of an event; raises `NotAdmitted` where one of them is missing."""
    if visitor.voter is None:
        raise NotAdmitted("error_cookie")
    if battle_id is None:
        raise NoBattle
    return battle_id, visitor.voter
