"""What the pages are given to work with; made once in `app.py`, never global."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from random import SystemRandom

import gradio as gr

from arena.battle import Battles, enrol_all
from arena.downloads import Downloads
from arena.leaderboard import Leaderboard
from arena.settings import Settings, endpoint_keys
from arena.speed import Speeds
from arena.turn import Limits
from arena.ui.texts import Language, language_of
from arena.voters import Voters
from arena.web import voter_of
from db.queries import stop_orphans
from db.schema import open_database
from db.session import writer_lock
from models.catalog import load_catalog
from models.energy import Meter, nvml_counter
from models.pool import Pool, load_worker


@dataclass(frozen=True)
class Services:
    settings: Settings
    battles: Battles
    leaderboard: Leaderboard
    downloads: Downloads
    pool: Pool
    voters: Voters


@dataclass(frozen=True)
class Visitor:
    """Who asks, and in which language; `voter` is None without a valid cookie."""

    voter: str | None
    language: Language


def visitor_of(request: gr.Request, voters: Voters) -> Visitor:
    accepted = str(request.headers.get("accept-language", ""))
    return Visitor(voter_of(request.request, voters), language_of(accepted))


@contextmanager
def open_services(settings: Settings) -> Iterator[Services]:
    """Everything behind the pages, opened in order and closed in reverse; the models are not started yet.

    Raises `CatalogError`, `DatabaseProblem` or `SettingsError`, each in one sentence for the admin.
    """
    specs = load_catalog(settings.catalog)
    settings.choose_devices()
    voters = Voters(settings.voter_secret())
    with ExitStack() as stack:
        stack.enter_context(writer_lock(settings.database))
        database = stack.enter_context(closing(open_database(settings.database)))
        now = datetime.now(UTC)
        enrol_all(database, specs, now)
        database.write(lambda session: stop_orphans(session, now))
        pool = stack.enter_context(
            closing(
                # Each battle asks a contestant once at most, so as many slots as battles make nobody wait inside.
                Pool(
                    specs,
                    cache=settings.cache,
                    memory=settings.memory,
                    keys=endpoint_keys(spec.endpoint.key for spec in specs if spec.endpoint),
                    load=partial(
                        load_worker, slots=settings.max_battles, meter=Meter(nvml_counter(settings.visible_devices))
                    ),
                )
            )
        )
        leaderboard = Leaderboard(database, specs, enough_votes=settings.provisional_votes)
        downloads = Downloads(database, specs, leaderboard, Speeds(database, specs), voters.pseudonym_key)
        battles = Battles(database, pool, _limits(settings), SystemRandom())
        yield Services(settings, battles, leaderboard, downloads, pool, voters)


def _limits(settings: Settings) -> Limits:
    return Limits(
        max_prompt_chars=settings.max_prompt_chars,
        max_turns=settings.max_turns,
        max_regenerations=settings.max_regenerations,
        max_battles=settings.max_battles,
        max_waiting=settings.max_waiting,
        answer_seconds=settings.answer_seconds,
        max_answer_chars=settings.max_answer_chars,
        vote_window=timedelta(minutes=settings.vote_minutes),
        pace_chars=settings.pace_chars,
    )
