"""What the pages are given to work with; made once in `app.py`, never global."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from random import SystemRandom

import gradio as gr
from threadpoolctl import threadpool_limits

from arena.accounts import account_created
from arena.administration import Administration
from arena.admission import Admission
from arena.battle import Battles
from arena.boards.leaderboard import Leaderboard
from arena.boards.speed import Speeds
from arena.enrolment import enrol_all
from arena.exchange.downloads import Downloads
from arena.integrity.prompt_keys import prompt_keys
from arena.integrity.review import Review
from arena.integrity.reviewer import Reviewer, warn_of_held
from arena.keeping.keeper import Keeper
from arena.keeping.restore import restore_if_empty
from arena.labelling import label_missing
from arena.lineup import load_contestants
from arena.metrics import MeasuredBattles, Metrics
from arena.newcomers import Newcomers
from arena.peers import address_of
from arena.privacy.moderation import load_moderator
from arena.privacy.retention import Retention
from arena.roster import Roster
from arena.settings import Settings, endpoint_keys
from arena.signin import SignIn, check_sign_in
from arena.turn import Limits
from arena.ui.texts import Language, examples, language_of
from arena.voters import Voters, voter_secret
from arena.web import voter_of
from db.limits import Quotas
from db.queries import stop_orphans
from db.schema import open_database
from db.session import Database, writer_lock
from models.energy import Meter, nvml_counter
from models.pool import Load, Pool, ZeroGpu, load_worker, load_zerogpu
from models.spec import ModelSpec


@dataclass(frozen=True)
class Services:
    """`begun` is `time.monotonic()` of the start; `keeper` says where votes stay, and keeps them there.

    `metrics` is None where nobody wants them, `reviewer` where nobody but oneself can reach the arena.
    """

    settings: Settings
    database: Database
    battles: Battles
    leaderboard: Leaderboard
    downloads: Downloads
    pool: Pool
    voters: Voters
    sign_in: SignIn
    admission: Admission
    administration: Administration
    begun: float
    keeper: Keeper
    metrics: Metrics | None = None
    reviewer: Reviewer | None = None


@dataclass(frozen=True)
class Visitor:
    """Who asks, in which language, and where from; `voter` is None without a valid cookie of who has not signed in."""

    voter: str | None
    language: Language
    address: str = field(default="", repr=False)  # what is printed may be logged


def visitor_of(request: gr.Request, services: Services) -> Visitor:
    language = language_of(str(request.headers.get("accept-language", "")))
    address = address_of(request.request.scope, services.settings.on_space)
    account = services.sign_in.account_of(request.request)
    if account is None:
        return Visitor(voter_of(request.request, services.voters), language, address)
    services.sign_in.find_out(account)  # nobody waits for it here; the votes will say it
    return Visitor(services.sign_in.voter_of(account), language, address)


@contextmanager
def open_services(settings: Settings) -> Iterator[Services]:
    """Everything behind the pages, opened in order and closed in reverse; the models are not started yet.

    Raises `CatalogError`, `DatabaseProblem` or `SettingsError`, each in one sentence for the admin.
    """
    begun = time.monotonic()
    specs = Roster(load_contestants(settings))
    settings.choose_devices()
    check_sign_in(settings)
    secret = voter_secret(settings)
    voters = Voters(secret)
    with ExitStack() as stack:
        # Engines keep the cores busy; several threads of one small computation would spin waiting for each other.
        stack.enter_context(threadpool_limits(limits=1, user_api="blas"))
        stack.enter_context(writer_lock(settings.database))
        restored = restore_if_empty(settings)
        database = stack.enter_context(closing(open_database(settings.database)))
        keeper = Keeper(database, settings, restored)
        now = datetime.now(UTC)
        enrol_all(database, specs, now)
        # Of others that share the database, leave alone what they may still be answering.
        ended = now - timedelta(seconds=2 * settings.answer_seconds) if database.shared else None
        database.write(lambda session: stop_orphans(session, now, begun_before=ended))
        label_missing(database)
        pool = stack.enter_context(
            closing(
                # Each battle asks a contestant once at most, so as many slots as battles make nobody wait inside.
                Pool(
                    specs,
                    cache=settings.cache,
                    memory=settings.memory,
                    keys=endpoint_keys(spec.endpoint.key for spec in specs if spec.endpoint),
                    load=_loader(settings, specs),
                )
            )
        )
        leaderboard = stack.enter_context(
            closing(Leaderboard(database, specs, enough_votes=settings.provisional_votes))
        )
        downloads = Downloads(database, specs, leaderboard, Speeds(database, specs), voters.pseudonym_key)
        metrics = Metrics() if settings.metrics else None
        kind = partial(MeasuredBattles, metrics) if metrics else Battles
        battles = kind(
            database,
            pool,
            _limits(settings),
            SystemRandom(),
            ratings=leaderboard.ratings,
            playing=specs,
            undo_seconds=settings.undo_seconds,
        )
        stack.enter_context(closing(battles.networks)).begin()
        sign_in = stack.enter_context(closing(SignIn(database, voters, settings, account_created)))
        admission = Admission(settings, secret, sign_in)
        if not settings.zero_gpu:  # whose models are loaded before the arena opens, or never
            newcomers = Newcomers(settings.students, specs, partial(_let_in, database, specs, pool, battles))
            stack.enter_context(closing(newcomers))
            newcomers.begin()
        if settings.retention_days:
            stack.enter_context(closing(Retention(database, settings.retention_days))).begin()
        reviewer = stack.enter_context(closing(_reviewer(database))) if settings.guarded else None
        if reviewer is not None:
            reviewer.begin()
        else:
            warn_of_held(database)
        # The last to begin is the first to end: votes are flushed before engines take their time.
        stack.enter_context(keeper)
        yield Services(
            settings,
            database,
            battles,
            leaderboard,
            downloads,
            pool,
            voters,
            sign_in,
            admission,
            Administration(database, battles.refresh),
            begun,
            keeper,
            metrics,
            reviewer,
        )


def _reviewer(database: Database) -> Reviewer:
    return Reviewer(database, Review(database, offered=prompt_keys(examples())))


def _let_in(database: Database, playing: Roster, pool: Pool, battles: Battles, spec: ModelSpec) -> None:
    """Make one more contestant of a running arena. Raises `DatabaseProblem`."""
    enrol_all(database, [spec], datetime.now(UTC))
    battles.refresh()
    playing.add(spec)
    pool.add(spec)  # students are weights on this machine, without a key


def _loader(settings: Settings, specs: Sequence[ModelSpec]) -> Load:
    """How models are loaded. On ZeroGPU those for the GPU are when this returns: Gradio's launch packs them."""
    meter = Meter(nvml_counter(settings.visible_devices))
    load = partial(load_worker, slots=settings.max_battles, meter=meter)
    return load_zerogpu(ZeroGpu(specs, settings.cache), load) if settings.zero_gpu else load


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
        wait_alike=settings.guarded,
        quotas=_quotas(settings) if settings.guarded else None,
        moderate=load_moderator(settings.moderation),
    )


def _quotas(settings: Settings) -> Quotas:
    day = timedelta(days=1)
    return Quotas(
        votes={timedelta(minutes=1): settings.votes_a_minute, day: settings.votes_a_day},
        battles={timedelta(minutes=10): settings.battles_in_ten_minutes, day: settings.battles_a_day},
    )
