"""What happens on the page for administrators. Every event asks anew who is there: anybody could send one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gradio as gr

from arena.administration import STATES, Entry
from arena.health import health
from arena.ui.admin_events import admitted, done, language_at, tell
from arena.ui.admin_tables import health_table, lineup_table
from arena.ui.admin_verdict_handlers import VerdictHandlers
from arena.ui.markup import plain
from arena.ui.services import Services
from arena.ui.texts import Language, say


@dataclass(frozen=True)
class AdminWidgets:
    """The components of the page that change, or that are read; those about votes are apart."""

    ask: gr.Markdown
    door: gr.Row
    panel: gr.Column
    you: gr.Markdown
    lineup: gr.Dataframe
    contestant: gr.Dropdown
    state: gr.Radio
    weight: gr.Number
    save: gr.Button
    health: gr.Dataframe

    def all(self) -> list[Any]:
        """What `AdminHandlers.load` fills beside the verdicts."""
        return [self.ask, self.door, self.panel, self.you, self.lineup, self.contestant, self.state, self.health]


class AdminHandlers:
    """The page's events. None of them answers anybody who is not let in, and each deed says who did it."""

    def __init__(self, services: Services, widgets: AdminWidgets, verdicts: VerdictHandlers) -> None:
        self._services = services
        self._administration = services.administration
        self._widgets = widgets
        self._verdicts = verdicts

    async def load(self, request: gr.Request) -> dict[Any, Any]:
        """The whole page for an administrator, the door for anybody else."""
        widgets, language = self._widgets, language_at(request)
        who = self._services.admission.who(request.request)
        if who is None:
            by_token = self._services.admission.by_token
            return {
                widgets.ask: say(language, "admin_ask" if by_token else "admin_ask_to_sign_in"),
                widgets.door: gr.update(visible=by_token),
                widgets.panel: gr.update(visible=False),
            }
        found = await done(language, lambda: health(self._services, named=True))
        return {
            widgets.ask: "",
            widgets.door: gr.update(visible=False),
            widgets.panel: gr.update(visible=True),
            widgets.you: say(language, "admin_you", name=plain(who)),
            **await self._lineup(language),
            **await self._verdicts.load(language),
            widgets.health: health_table(found, language),
        }

    async def pick_contestant(self, picked: gr.SelectData, request: gr.Request) -> tuple[Any, Any, Any]:
        """A row of the line-up was clicked."""
        self._admitted(request)
        label = str(picked.row_value[0])
        entries = await done(language_at(request), self._administration.contestants)
        return _filled_in(next((one for one in entries if one.label == label), None))

    async def choose_contestant(self, fingerprint: str | None, request: gr.Request) -> tuple[Any, Any, Any]:
        self._admitted(request)
        entries = await done(language_at(request), self._administration.contestants)
        return _filled_in(next((one for one in entries if one.fingerprint == fingerprint), None))

    async def save(
        self, fingerprint: str | None, state: str | None, weight: float | None, request: gr.Request
    ) -> dict[Any, Any]:
        who, language = self._admitted(request), language_at(request)

        def work() -> tuple[str, float]:
            kept = self._administration.place(who, fingerprint or "", state or "", weight)
            return next(one.name for one in self._administration.contestants() if one.fingerprint == fingerprint), kept

        name, kept = await done(language, work)
        tell(language, "admin_saved", name=name, state=say(language, f"admin_{state}"), weight=f"{kept:g}")
        shown = await self._lineup(language)
        return {self._widgets.lineup: shown[self._widgets.lineup]}

    def _admitted(self, request: gr.Request) -> str:
        return admitted(self._services.admission, request)

    async def _lineup(self, language: Language) -> dict[Any, Any]:
        widgets = self._widgets
        entries = await done(language, self._administration.contestants)
        return {
            widgets.lineup: lineup_table(entries, language),
            widgets.contestant: gr.update(choices=[(one.label, one.fingerprint) for one in entries]),
            widgets.state: gr.update(choices=[(say(language, f"admin_{state}"), state) for state in STATES]),
        }


def _filled_in(entry: Entry | None) -> tuple[Any, Any, Any]:
    return (entry.fingerprint, entry.state, entry.weight) if entry else (gr.skip(), gr.skip(), gr.skip())
