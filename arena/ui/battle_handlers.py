"""What happens on the Battle page. Every refusal is one kind sentence, and loses nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from typing import Any

import gradio as gr

from arena.battle import ConversationFull, NotEnoughModels
from arena.gate import AlreadyInside, Busy, Closed
from arena.prompts import PromptError
from arena.stored import NoQuestion
from arena.ui.handover import Handover, Stream
from arena.ui.keeping_banner import banner
from arena.ui.render import Updates, Widgets, render, render_panes, render_vote
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


KINDLY = (
    NotAdmitted, PromptError, AlreadyInside, Busy, NotEnoughModels, NoQuestion, ConversationFull, Refused,
    DatabaseProblem,
)  # fmt: skip


class Handlers:
    """The page's events; its state is the battle's id alone, all else is read from the database.

    An answer takes three events: `ask` or `regenerate` waits in line and stores the turn, `watch` streams
    into the two panes alone, `show` brings the whole page up to date. Gradio builds every output of an
    event anew at every tick, so that one event for all would cost twice the time.
    """

    def __init__(self, services: Services, widgets: Widgets) -> None:
        self._services = services
        self._battles = services.battles
        self._streams = Handover()
        self.widgets = widgets

    async def ask(
        self, prompt: str | None, consent: bool, battle_id: str | None, request: gr.Request
    ) -> AsyncIterator[Updates]:
        visitor = self._visitor(request)
        try:
            asked = self._battles.ask(battle_id, _agreed(visitor, consent=consent), prompt or "", visitor.address)
            async with aclosing(self._begin(asked, visitor)) as page:
                async for updates in page:
                    yield updates
        except KINDLY as error:
            yield await self._refused(error, battle_id, visitor)

    async def question(self, consent: bool, request: gr.Request) -> AsyncIterator[Updates]:
        """Begin a battle on a question whose answers are stored."""
        visitor = self._visitor(request)
        try:
            voter = _agreed(visitor, consent=consent)
            shown = self._battles.show_question(voter, visitor.language, visitor.address)
            async with aclosing(self._begin(shown, visitor)) as page:
                async for updates in page:
                    yield updates
        except KINDLY as error:
            yield await self._refused(error, None, visitor)

    async def regenerate(self, battle_id: str | None, request: gr.Request) -> AsyncIterator[Updates]:
        visitor = self._visitor(request)
        try:
            asked = self._battles.regenerate(*_admitted(battle_id, visitor), visitor.address)
            async with aclosing(self._begin(asked, visitor)) as page:
                async for updates in page:
                    yield updates
        except KINDLY as error:
            yield await self._refused(error, battle_id, visitor)

    async def watch(self, battle_id: str | None, request: gr.Request) -> AsyncIterator[Updates]:
        visitor = self._visitor(request)
        views = self._streams.take(visitor.voter, battle_id)
        if views is None:
            return
        try:
            async with aclosing(views):
                async for view in views:
                    if isinstance(view, View):
                        yield render_panes(self.widgets, view, visitor.language)
                        if view.notice:
                            gr.Warning(say(visitor.language, f"notice_{view.notice}"))
        except KINDLY as error:
            gr.Warning(self._sentence(error, visitor.language))

    async def show(self, battle_id: str | None, request: gr.Request) -> Updates:
        """The whole page as the database says; empty where New was clicked in between."""
        visitor = self._visitor(request)
        return self._page(await self._current(battle_id, visitor) if battle_id else None, visitor)

    async def stop(self, battle_id: str | None, request: gr.Request) -> Updates:
        visitor = self._visitor(request)
        try:
            view = await self._battles.stop(*_admitted(battle_id, visitor))
        except KINDLY as error:
            return await self._refused(error, battle_id, visitor)
        # While answers stream, their own events show the end; this one would only come in between.
        return {self.widgets.battle: battle_id} if view.status == "generating" else self._page(view, visitor)

    def vote(self, outcome: Outcome) -> Callable[[str | None, gr.Request], AsyncIterator[Updates]]:
        """The event of one vote button: the choice, then the names; `show` follows with the rest of the page."""

        async def vote(battle_id: str | None, request: gr.Request) -> AsyncIterator[Updates]:
            visitor = self._visitor(request)
            try:
                async with aclosing(self._battles.choose(*_admitted(battle_id, visitor), outcome)) as views:
                    async for view in views:
                        yield render_vote(self.widgets, view, visitor.language)
            except KINDLY as error:
                current = await self._warned(error, battle_id, visitor)
                yield render_vote(self.widgets, current, visitor.language)

        return vote

    async def undo(self, battle_id: str | None, request: gr.Request) -> Updates:
        """Take a vote back; the vote's own event sees it and ends."""
        visitor = self._visitor(request)
        try:
            battle_id, voter = _admitted(battle_id, visitor)
        except NotAdmitted as error:
            return await self._refused(error, battle_id, visitor)
        if not self._battles.ballots.take_back(battle_id, voter):
            gr.Warning(say(visitor.language, "error_undo_late"))
        return self._page(await self._current(battle_id, visitor), visitor)

    async def new(self, request: gr.Request) -> Updates:
        """An empty page; the click itself has cancelled the events that wait or stream."""
        visitor = self._visitor(request)
        await self._streams.drop(visitor.voter)
        return self._page(None, visitor)

    async def load(self, request: gr.Request) -> Updates:
        """Go on with a battle that waits for its vote: a reload loses nothing."""
        visitor = self._visitor(request)
        return self._page(await self._current(None, visitor), visitor)

    async def status(self, request: gr.Request) -> tuple[Any, Any]:
        """How many contestants are ready, in numbers alone; the timer rests once nothing moves any more."""
        residents = self._services.pool.status()
        total, ready = len(residents), sum(residency.available for residency in residents)
        failed = sum(residency.state == "failed" for residency in residents)
        percent = sum(residency.progress for residency in residents) / total
        if ready == total:
            return gr.update(visible=False), gr.update(active=False)
        key = "loading" if ready < 2 else "loading_more"
        if ready + failed == total:
            key = "unavailable"
        text = say(self._visitor(request).language, key, ready=ready, total=total, percent=f"{percent:.0%}")
        return gr.update(value=text, visible=True), gr.update()

    async def questions(self) -> Any:
        """Whether there are stored answers to be voted on: the button for them is not there without."""
        try:
            return gr.update(visible=await asyncio.to_thread(self._battles.stored_answers.any))
        except DatabaseProblem:
            return gr.update(visible=False)

    async def keeping(self, request: gr.Request) -> Any:
        """Whether votes are kept, for whoever is about to give one."""
        text = banner(self._services.keeper.status(), self._visitor(request).language)
        return gr.update(value=text, visible=bool(text))

    async def _begin(self, views: Stream, visitor: Visitor) -> AsyncGenerator[Updates, None]:
        """Up to the first view: the turn is stored then, and not before; whoever watches goes on from there."""
        handed_over = False
        try:
            async for view in views:
                if isinstance(view, View):
                    self._streams.leave(visitor.voter, view.battle_id, views)
                    handed_over = True
                    # What was typed has been asked, unless a question came in its place.
                    emptied: Updates = {self.widgets.prompt: gr.update(value="", interactive=False)}
                    yield self._page(view, visitor) | ({} if view.stored else emptied)
                    return
                yield {self.widgets.hint: say(visitor.language, "hint_waiting", ahead=view.ahead)}
        finally:
            if not handed_over:
                await views.aclose()

    async def _refused(self, error: Exception, battle_id: str | None, visitor: Visitor) -> Updates:
        """Say why, and show what the database says: a page that was left behind catches up."""
        view = await self._warned(error, battle_id, visitor)
        if view is None and battle_id is None:
            # Nothing to catch up with. To build the page anew would cost most when the arena is full already.
            return {self.widgets.battle: None, self.widgets.hint: say(visitor.language, "hint_idle")}
        return self._page(view, visitor)

    async def _warned(self, error: Exception, battle_id: str | None, visitor: Visitor) -> View | None:
        view = await self._current(battle_id, visitor)
        lost = isinstance(error, NoBattle) and view is not None
        gr.Warning(say(visitor.language, "error_lost") if lost else self._sentence(error, visitor.language))
        return view

    async def _current(self, battle_id: str | None, visitor: Visitor) -> View | None:
        """The page's battle, or for a page without one the battle that waits for the voter, if any."""
        try:
            if visitor.voter is None:
                return None
            if battle_id is None:
                return await asyncio.to_thread(self._battles.unfinished, visitor.voter)
            return await asyncio.to_thread(self._battles.view, battle_id, visitor.voter)
        except (Refused, DatabaseProblem):
            return None

    def _page(self, view: View | None, visitor: Visitor) -> Updates:
        return render(self.widgets, view, visitor.language)

    def _visitor(self, request: gr.Request) -> Visitor:
        return visitor_of(request, self._services)

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
            case Closed():
                return say(language, "error_closed")
            case Busy():
                return say(language, "error_busy")
            case NotEnoughModels():
                return say(language, "error_not_ready")
            case NoQuestion():
                return say(language, "error_no_question")
            case ConversationFull():
                return say(language, "error_full")
            case _:
                return say(language, "error_storage")


def _agreed(visitor: Visitor, *, consent: bool) -> str:
    """Who begins a battle; raises `NotAdmitted` where a vote could not be theirs, or may not be stored."""
    if visitor.voter is None:
        raise NotAdmitted("error_cookie")
    if not consent:
        raise NotAdmitted("error_consent")
    return visitor.voter


def _admitted(battle_id: str | None, visitor: Visitor) -> tuple[str, str]:
    """The battle and the voter of an event; raises `NotAdmitted` where one of them is missing."""
    if visitor.voter is None:
        raise NotAdmitted("error_cookie")
    if battle_id is None:
        raise NoBattle
    return battle_id, visitor.voter
