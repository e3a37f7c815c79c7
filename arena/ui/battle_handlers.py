"""What happens on the Battle page. Every refusal is one kind sentence, and loses nothing."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from typing import Any

import gradio as gr

from arena.battle import ConversationFull, NotEnoughModels
from arena.prompts import PromptError
from arena.ui.render import Updates, Widgets, render, render_panes
from arena.ui.services import Services, Visitor, visitor_of
from arena.ui.texts import Language, say
from arena.view import View
from db.outcome import Outcome, Refused
from db.session import DatabaseProblem

KINDLY = (PromptError, NotEnoughModels, ConversationFull, Refused, DatabaseProblem)


class Handlers:
    """The page's events; state is the battle's id alone, all else is read from the database."""

    def __init__(self, services: Services, widgets: Widgets) -> None:
        self._services = services
        self.widgets = widgets

    async def ask(
        self, prompt: str, consent: bool, battle_id: str | None, request: gr.Request
    ) -> AsyncIterator[Updates]:
        visitor = visitor_of(request, self._services.voters)
        if refusal := self._not_allowed(visitor, consent):
            gr.Warning(refusal)
            yield {self.widgets.battle: battle_id}
            return
        views = self._services.battles.ask(battle_id, str(visitor.voter), str(prompt))
        first = True
        async for updates in self._stream(views, visitor.language):
            # The box is emptied only now that the prompt is stored.
            yield {**updates, self.widgets.prompt: gr.update(value="", interactive=False)} if first else updates
            first = False

    async def regenerate(self, battle_id: str | None, request: gr.Request) -> AsyncIterator[Updates]:
        visitor = visitor_of(request, self._services.voters)
        if battle_id is None or visitor.voter is None:
            gr.Warning(say(visitor.language, "error_no_battle" if visitor.voter else "error_cookie"))
            return
        views = self._services.battles.regenerate(battle_id, visitor.voter)
        async for updates in self._stream(views, visitor.language):
            yield updates

    async def stop(self, battle_id: str | None, request: gr.Request) -> None:
        visitor = visitor_of(request, self._services.voters)
        if battle_id and visitor.voter:
            try:
                self._services.battles.stop(battle_id, visitor.voter)
            except KINDLY as error:
                gr.Warning(self._sentence(error, visitor.language))

    def vote(self, outcome: Outcome) -> Callable[[str | None, gr.Request], Awaitable[Updates]]:
        """The event of one vote button."""

        async def vote(battle_id: str | None, request: gr.Request) -> Updates:
            visitor = visitor_of(request, self._services.voters)
            if battle_id is None or visitor.voter is None:
                gr.Warning(say(visitor.language, "error_no_battle" if visitor.voter else "error_cookie"))
                return {self.widgets.battle: battle_id}
            try:
                view = await self._services.battles.vote(battle_id, visitor.voter, outcome)
            except KINDLY as error:
                gr.Warning(self._sentence(error, visitor.language))
                return {self.widgets.battle: battle_id}
            return render(self.widgets, view, visitor.language)

        return vote

    async def new(self, request: gr.Request) -> Updates:
        return render(self.widgets, None, visitor_of(request, self._services.voters).language)

    async def load(self, request: gr.Request) -> Updates:
        """Go on with a battle that waits for its vote; a reload loses nothing."""
        visitor = visitor_of(request, self._services.voters)
        view = self._services.battles.unfinished(visitor.voter) if visitor.voter else None
        return render(self.widgets, view, visitor.language)

    async def status(self, request: gr.Request) -> tuple[Any, Any]:
        """How many contestants are ready, in numbers alone; the timer rests once nothing moves any more."""
        language = visitor_of(request, self._services.voters).language
        states = [residency.state for residency in self._services.pool.status()]
        ready, total, failed = states.count("ready"), len(states), states.count("failed")
        if ready == total:
            return gr.update(visible=False), gr.update(active=False)
        key = "loading" if ready < 2 else "loading_more"
        if ready + failed == total:
            key = "unavailable"
        return gr.update(value=say(language, key, ready=ready, total=total), visible=True), gr.update()

    def _not_allowed(self, visitor: Visitor, consent: bool) -> str | None:
        if visitor.voter is None:
            return say(visitor.language, "error_cookie")
        return None if consent else say(visitor.language, "error_consent")

    async def _stream(self, views: AsyncGenerator[View, None], language: Language) -> AsyncIterator[Updates]:
        whole = True
        try:
            async with aclosing(views):
                async for view in views:
                    # Only the panes change between the first frame and the end: the rest need not travel.
                    whole = whole or view.status != "generating"
                    yield (render if whole else render_panes)(self.widgets, view, language)
                    whole = False
        except KINDLY as error:
            gr.Warning(self._sentence(error, language))

    def _sentence(self, error: Exception, language: Language) -> str:
        match error:
            case Refused():
                return say(language, f"refused_{error.reason}")
            case PromptError():
                return say(language, f"error_{error.reason}", limit=self._services.settings.max_prompt_chars)
            case NotEnoughModels():
                return say(language, "error_not_ready")
            case ConversationFull():
                return say(language, "error_full")
            case _:
                return say(language, "error_storage")
