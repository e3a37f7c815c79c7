"""What happens on the Evaluation page: a report for what is chosen, its radar, and one judgment at a time."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from typing import TypeVar

import gradio as gr

from arena.desk import Desk
from arena.gate import Busy
from arena.ui.evaluation.choice import Choice, text_of
from arena.ui.evaluation.evaluations import Evaluations
from arena.ui.evaluation.readings import Reading, chosen, readings_of
from arena.ui.evaluation.render import (
    closer_of,
    render_board,
    render_nothing,
    render_radar,
    render_reading,
    render_withheld,
)
from arena.ui.evaluation.widgets import Updates, Widgets
from arena.ui.services import Services, Visitor, visitor_of
from arena.ui.texts import Language, say
from db.session import DatabaseProblem

T = TypeVar("T")

log = logging.getLogger("paddock.web")

# A report may take seconds of a core, which voters share.
AT_ONCE = 1
MOST_WAITING = 64


class EvaluationHandlers:
    """The page's events. Each is answered with values for the components that `Widgets` names."""

    def __init__(self, services: Services, evaluations: Evaluations, widgets: Widgets) -> None:
        self._services = services
        self._evaluations = evaluations
        self._desk = Desk(AT_ONCE, MOST_WAITING)
        self.widgets = widgets

    async def load(self, request: gr.Request) -> Updates:
        """The page of the judge who said most."""
        language = self._language(request)
        return await self._serve(partial(self._board, Choice(), language), language)

    async def choose(self, values: Updates, request: gr.Request) -> Updates:
        """Everything but radar and reading, for what is chosen."""
        language, choice = self._language(request), self._choice(values)
        return await self._serve(partial(self._board, choice, language), language)

    async def look(self, values: Updates, request: gr.Request) -> Updates:
        """The radar, and the files of it."""
        language, choice = self._language(request), self._choice(values)
        return await self._serve(partial(self._radar, choice, language), language)

    async def first(self, values: Updates, request: gr.Request) -> Updates:
        """The first judgment that the filters let through."""
        return await self._read(values, 1, request)

    async def there(self, values: Updates, request: gr.Request) -> Updates:
        return await self._read(values, self._place(values), request)

    async def before(self, values: Updates, request: gr.Request) -> Updates:
        return await self._read(values, self._place(values) - 1, request)

    async def after(self, values: Updates, request: gr.Request) -> Updates:
        return await self._read(values, self._place(values) + 1, request)

    async def _read(self, values: Updates, place: int, request: gr.Request) -> Updates:
        visitor, choice = visitor_of(request, self._services), self._choice(values)
        which = (text_of(values[self.widgets.category]), text_of(values[self.widgets.way]))
        return await self._serve(partial(self._reading, choice, which, place, visitor), visitor.language)

    async def _serve(self, work: Callable[[], T], language: Language) -> T:
        try:
            return await self._desk.serve(work)
        except Busy as error:
            raise gr.Error(say(language, "reading_busy"), print_exception=False) from error
        except DatabaseProblem as error:
            log.warning("evaluation: %s", error)
            raise gr.Error(say(language, "reading_failed"), print_exception=False) from error

    def _board(self, choice: Choice, language: Language) -> Updates:
        evaluated = self._evaluations.look(choice)
        if evaluated is None:
            return render_nothing(self.widgets, language)
        return render_board(self.widgets, evaluated, choice, language)

    def _radar(self, choice: Choice, language: Language) -> Updates:
        evaluated = self._evaluations.look(choice)
        return render_radar(self.widgets, evaluated, choice, language) if evaluated else {}

    def _reading(self, choice: Choice, which: tuple[str, str], place: int, visitor: Visitor) -> Updates:
        evaluated = self._evaluations.look(choice)
        if evaluated is None:
            return {}
        closer = closer_of(evaluated.report, choice.pair)
        found = chosen(readings_of(evaluated.rows, closer.model, closer.baseline), *which)
        place = min(max(place, 1), len(found))
        if found and self._is_undecided(found[place - 1], visitor):
            return render_withheld(self.widgets, found, place, visitor.language)
        texts = [self._evaluations.texts(row) for row in found[place - 1].orders] if found else []
        return render_reading(self.widgets, closer, found, place, texts, visitor.language)

    def _is_undecided(self, reading: Reading, visitor: Visitor) -> bool:
        """Whether the visitor is yet to vote on these answers: with their authors' names, it would not be blindly."""
        if visitor.voter is None:
            return False
        undecided = self._services.battles.undecided(visitor.voter)
        return any(row.question_id in undecided or row.battle_id in undecided for row in reading.orders)

    def _place(self, values: Updates) -> int:
        place = values[self.widgets.place]
        return place if isinstance(place, int) else 1

    def _choice(self, values: Updates) -> Choice:
        widgets = self.widgets
        names = ("judge", "form", "set", "baseline", "pair")
        return Choice.read(dict(zip(names, (values[one] for one in widgets.choices), strict=True)))

    def _language(self, request: gr.Request) -> Language:
        return visitor_of(request, self._services).language
