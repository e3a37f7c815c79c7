"""Who has signed in: by Hugging Face on a Space, or at a proxy in front of us; nobody else is believed.

Off a Space Gradio signs everybody in as its host, with a session key that is known to all: there its sessions are
never read, and the arena refuses to start with them.
"""

from __future__ import annotations

import asyncio
import logging
import re
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from time import time
from typing import Literal

from starlette.requests import Request

from arena.settings import Settings, SettingsError
from arena.voters import Voters
from db.session import Database, DatabaseProblem
from db.voters import remember_voter

log = logging.getLogger("paddock.signin")

MOST_REMEMBERED = 10_000
AGAIN = timedelta(hours=1)  # it was too young, nobody could tell, or its voter has been forgotten meanwhile
_HEADER = re.compile(r"[A-Za-z0-9-]+")


@dataclass(frozen=True)
class Account:
    """Somebody who has signed in. `key` stays theirs when they are renamed; `name` is what people call them."""

    source: Literal["huggingface", "proxy"]
    key: str
    name: str


@dataclass(frozen=True)
class _Known:
    verified: bool
    until: datetime


class SignIn:
    """Reads who has signed in off a request, and remembers whether their votes are verified ones."""

    def __init__(
        self,
        database: Database,
        voters: Voters,
        settings: Settings,
        created: Callable[[Account], datetime | None],
    ) -> None:
        """`created` tells since when an account of Hugging Face exists, None where that can't be told.

        Raises `SettingsError` where nobody could sign in as the settings want it.
        """
        check_sign_in(settings)
        self._database = database
        self._voters = voters
        self._huggingface = bool(settings.oauth_client_id)
        self._header = settings.user_header
        self._least_age = timedelta(days=settings.verified_days)
        self._created = created
        self._known: dict[Account, _Known] = {}
        self._asked: dict[Account, Future[bool]] = {}
        self._lock = threading.Lock()
        self._threads = ThreadPoolExecutor(2, thread_name_prefix="sign-in")

    @property
    def possible(self) -> bool:
        return self._huggingface or bool(self._header)

    def account_of(self, request: Request) -> Account | None:
        """Who has signed in, if anybody. The guard in front leaves the header to trusted proxies alone."""
        if self._huggingface:
            return _of_session(request.scope.get("session"))
        # Of two headers one may be the visitor's own: a proxy must replace it, not add to it.
        names = request.headers.getlist(self._header) if self._header else []
        name = names[0].strip() if len(names) == 1 else ""
        return Account("proxy", name, name) if name else None

    def voter_of(self, account: Account) -> str:
        """The same voter on every device."""
        return self._voters.known(account.source, account.key)

    async def verified(self, account: Account) -> bool:
        """Whether the account counts as verified, once that is known. Whoever stops waiting calls nothing off."""
        return await asyncio.shield(asyncio.wrap_future(self.find_out(account)))

    def find_out(self, account: Account) -> Future[bool]:
        """Whether the account is verified; once the future is done, its votes say so too. It never raises."""
        with self._lock:
            known = self._known.get(account)
            if known is not None and known.until > datetime.now(UTC):
                done: Future[bool] = Future()
                done.set_result(known.verified)
                return done
            if account not in self._asked or self._asked[account].cancelled():
                self._asked[account] = self._threads.submit(self._find_out, account)
            return self._asked[account]

    def close(self) -> None:
        self._threads.shutdown(wait=True, cancel_futures=True)

    def _find_out(self, account: Account) -> bool:
        verified: bool | None = None
        now = datetime.now(UTC)
        try:
            verified = self._is_verified(account, now)
            if verified is not None:  # else nothing is written: who was verified yesterday stays so
                voter, source = self.voter_of(account), account.source
                self._database.write(partial(remember_voter, voter=voter, source=source, verified=verified, now=now))
        except DatabaseProblem as error:
            verified = None
            log.warning("Who signed in can't be remembered: %s", error)
        except Exception as error:  # whoever waits was promised an answer
            verified = None
            log.warning("Who signed in can't be judged: %s", type(error).__name__)  # the message may tell who it is
        finally:
            self._note(account, _Known(bool(verified), now + AGAIN))
        return bool(verified)

    def _note(self, account: Account, known: _Known) -> None:
        with self._lock:
            self._asked.pop(account, None)
            while len(self._known) >= MOST_REMEMBERED:
                self._known.pop(next(iter(self._known)))
            self._known[account] = known

    def _is_verified(self, account: Account, now: datetime) -> bool | None:
        """None where it can't be told now."""
        if account.source == "proxy":
            return True  # whoever runs the proxy vouches for them
        created = self._created(account)
        return None if created is None else now - created >= self._least_age


def check_sign_in(settings: Settings) -> None:
    """Raise `SettingsError` where sign-in is set up so that it would be unsafe, or never work."""
    if settings.oauth_client_id and not settings.on_space:
        raise SettingsError(
            "OAUTH_CLIENT_ID is set, but signing in by Hugging Face exists on its Spaces alone; unset it here, "
            "and name who has signed in by a proxy's header instead (ARENA_USER_HEADER)."
        )
    if settings.user_header and settings.on_space:
        raise SettingsError("On a Space nobody's header is to be believed; unset ARENA_USER_HEADER.")
    if settings.user_header and not _HEADER.fullmatch(settings.user_header):
        raise SettingsError(
            f"ARENA_USER_HEADER={settings.user_header!r}: must be a header's name, e.g. X-Forwarded-User."
        )
    if settings.user_header and not settings.trusted_proxies:
        raise SettingsError(
            "ARENA_USER_HEADER is set, but ARENA_TRUSTED_PROXIES is empty, so nobody's header is believed; "
            "name the proxy's address there."
        )
    if settings.admins and not (settings.oauth_client_id or settings.user_header):
        raise SettingsError(
            "ARENA_ADMINS names people, but nobody can sign in here; set ARENA_USER_HEADER (on a Space: hf_oauth), "
            "or use ARENA_ADMIN_TOKEN instead."
        )


def _of_session(session: object) -> Account | None:
    """The account in a session of Gradio's, whose cookie is signed with the Space's own OAuth secret."""
    found = session.get("oauth_info") if isinstance(session, Mapping) else None
    if not isinstance(found, Mapping) or not isinstance(found.get("userinfo"), Mapping):
        return None
    expires, user = found.get("expires_at"), found["userinfo"]
    key, name = user.get("sub"), user.get("preferred_username")
    if not isinstance(expires, int | float) or expires < time():
        return None
    return Account("huggingface", key, name) if _is_text(key) and _is_text(name) else None


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip())
