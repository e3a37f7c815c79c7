"""What happens where administrators look at battles and at votes that do not count, and decide otherwise."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import gradio as gr

from arena.integrity.rules import RULES_VERSION
from arena.ui.admin_events import admitted, done, language_at, tell
from arena.ui.admin_tables import (
    BATTLE_OF_VOTE,
    REASON_COLUMN,
    VOTER_COLUMN,
    VOTER_OF_VOTE,
    about_voter,
    battles_table,
    excluded_table,
    suspects_table,
    uncounted_table,
    uncounted_votes_table,
)
from arena.ui.services import Services
from arena.ui.texts import Language, say


@dataclass(frozen=True)
class VerdictWidgets:
    """The components that change, or that are read. `only`: the reason whose votes are looked at; None: all.

    `last` is the sequence of the last vote that is shown.
    """

    battles: gr.Dataframe
    oldest: gr.State
    newest: gr.Button
    earlier: gr.Button
    review: gr.Markdown
    reasons: gr.Dataframe
    votes: gr.Dataframe
    only: gr.State
    last: gr.State
    all_votes: gr.Button
    older: gr.Button
    battle: gr.Textbox
    count: gr.Button
    leave_out: gr.Button
    suspects: gr.Dataframe
    voter: gr.Textbox
    reason: gr.Textbox
    exclude: gr.Button
    include: gr.Button
    clear: gr.Button
    watch: gr.Button
    about: gr.Markdown
    excluded: gr.Dataframe

    def all(self) -> list[Any]:
        """What `VerdictHandlers.load` fills."""
        return [
            self.battles, self.oldest, self.review, self.reasons, self.votes, self.only, self.last, self.suspects,
            self.excluded,
        ]  # fmt: skip


class VerdictHandlers:
    """None of these events answers anybody who is not let in, and each deed says who did it."""

    def __init__(self, services: Services, widgets: VerdictWidgets) -> None:
        self._services = services
        self._appeals = services.administration.appeals
        self._widgets = widgets

    async def load(self, language: Language, only: str | None = None) -> dict[Any, Any]:
        """All of this part of the page, for whoever was let in; of the votes `only` those for this reason."""
        widgets = self._widgets
        groups = await done(language, self._appeals.uncounted)
        suspects = await done(language, self._appeals.suspects)
        excluded = await done(language, self._appeals.excluded)
        return {
            widgets.review: self._review(language),
            widgets.reasons: uncounted_table(groups, language),
            widgets.suspects: suspects_table(suspects, language),
            widgets.excluded: excluded_table(excluded, language),
            **await self._battles(language),
            **await self._votes(language, only),
        }

    async def newest(self, request: gr.Request) -> dict[Any, Any]:
        self._admitted(request)
        return await self._battles(language_at(request))

    async def earlier(self, oldest: datetime | None, request: gr.Request) -> dict[Any, Any]:
        self._admitted(request)
        return await self._battles(language_at(request), oldest)

    async def pick_reason(self, picked: gr.SelectData, request: gr.Request) -> dict[Any, Any]:
        """A row of the reasons was clicked."""
        self._admitted(request)
        return await self._votes(language_at(request), str(picked.row_value[REASON_COLUMN]))

    async def all_votes(self, request: gr.Request) -> dict[Any, Any]:
        self._admitted(request)
        return await self._votes(language_at(request), None)

    async def older(self, only: str | None, last: int | None, request: gr.Request) -> dict[Any, Any]:
        self._admitted(request)
        return await self._votes(language_at(request), only, last)

    async def pick_vote(self, picked: gr.SelectData, request: gr.Request) -> tuple[str, str, str]:
        """A row of the votes was clicked."""
        battle, voter = (str(picked.row_value[column]) for column in (BATTLE_OF_VOTE, VOTER_OF_VOTE))
        return battle, voter, await self.about(voter, request)

    async def pick_battle(self, picked: gr.SelectData, request: gr.Request) -> tuple[str, str]:
        """A row of the recent battles was clicked."""
        return await self._pick(str(picked.row_value[VOTER_COLUMN]), request)

    async def pick_suspect(self, picked: gr.SelectData, request: gr.Request) -> tuple[str, str]:
        return await self._pick(str(picked.row_value[0]), request)

    async def pick_excluded(self, picked: gr.SelectData, request: gr.Request) -> tuple[str, str]:
        return await self._pick(str(picked.row_value[1]), request)

    async def about(self, voter: str | None, request: gr.Request) -> str:
        self._admitted(request)
        return await self._about((voter or "").strip(), language_at(request))

    async def count(
        self, battle: str | None, only: str | None, voter: str | None, request: gr.Request
    ) -> dict[Any, Any]:
        return await self._settle(battle, only, voter, request, counts=True)

    async def leave_out(
        self, battle: str | None, only: str | None, voter: str | None, request: gr.Request
    ) -> dict[Any, Any]:
        return await self._settle(battle, only, voter, request, counts=False)

    async def exclude(self, voter: str | None, reason: str | None, request: gr.Request) -> dict[Any, Any]:
        who, language = self._admitted(request), language_at(request)
        votes = await done(language, lambda: self._appeals.exclude(who, voter or "", reason or ""))
        tell(language, "admin_excluded_now", votes=votes)
        return await self._after(voter, language)

    async def include(self, voter: str | None, request: gr.Request) -> dict[Any, Any]:
        who, language = self._admitted(request), language_at(request)
        votes = await done(language, lambda: self._appeals.include(who, voter or ""))
        tell(language, "admin_included_now", votes=votes)
        return await self._after(voter, language)

    async def clear(self, voter: str | None, request: gr.Request) -> dict[Any, Any]:
        who, language = self._admitted(request), language_at(request)
        votes = await done(language, lambda: self._appeals.clear(who, voter or ""))
        tell(language, "admin_cleared_now", votes=votes)
        return await self._after(voter, language)

    async def watch(self, voter: str | None, request: gr.Request) -> dict[Any, Any]:
        who, language = self._admitted(request), language_at(request)
        await done(language, lambda: self._appeals.watch(who, voter or ""))
        tell(language, "admin_watched_now")
        return await self._after(voter, language)

    def _admitted(self, request: gr.Request) -> str:
        return admitted(self._services.admission, request)

    async def _settle(
        self, battle: str | None, only: str | None, voter: str | None, request: gr.Request, *, counts: bool
    ) -> dict[Any, Any]:
        who, language = self._admitted(request), language_at(request)
        await done(language, lambda: self._appeals.settle(who, battle or "", counts=counts))
        tell(language, "admin_counted_now" if counts else "admin_left_out_now")
        return await self._after(voter, language, only)

    async def _pick(self, voter: str, request: gr.Request) -> tuple[str, str]:
        return voter, await self.about(voter, request)

    async def _about(self, voter: str, language: Language) -> str:
        summary = await done(language, lambda: self._appeals.voter(voter))
        if not summary.votes:
            return about_voter(summary, language)
        return about_voter(summary, language, *await done(language, lambda: self._appeals.evidence(voter)))

    async def _battles(self, language: Language, before: datetime | None = None) -> dict[Any, Any]:
        battles = await done(language, lambda: self._services.administration.battles(before))
        oldest = battles[-1].created_at if battles else before
        return {self._widgets.battles: battles_table(battles, language), self._widgets.oldest: oldest}

    async def _votes(self, language: Language, only: str | None, before: int | None = None) -> dict[Any, Any]:
        votes = await done(language, lambda: self._appeals.votes(only, before))
        return {
            self._widgets.votes: uncounted_votes_table(votes, language),
            self._widgets.only: only,
            self._widgets.last: votes[-1].sequence if votes else before,
        }

    async def _after(self, voter: str | None, language: Language, only: str | None = None) -> dict[Any, Any]:
        """What shows whether a vote or a voter counts."""
        about = await self._about((voter or "").strip(), language)
        return await self.load(language, only) | {self._widgets.about: about}

    def _review(self, language: Language) -> str:
        """How the review is: off, failing, or how long ago it looked."""
        if self._services.reviewer is None:
            return say(language, "admin_review_off")
        status = self._services.reviewer.status()
        if status.problem:
            return say(language, "admin_review_fails", problem=status.problem)
        if status.age_seconds is None:
            return say(language, "admin_review_soon")
        age = f"{status.age_seconds:.0f}"
        return say(language, "admin_reviewed", seconds=age, version=RULES_VERSION, biased=status.biased)
