"""Networks that visitors come from, by names that nobody can turn back into an address once a day's key is destroyed.

An address alone says who somebody is; a network (/24 of IPv4, /48 of IPv6: what one customer gets, as a rule) under a
key that lives for two days says no more than that two battles of a day began at the same place.
"""

from __future__ import annotations

import hmac
import logging
import secrets
import threading
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta

from arena.peers import network_of
from arena.recurring import Recurring
from db.network_keys import keep_keys
from db.session import Database, DatabaseProblem

log = logging.getLogger("paddock.networks")

NAME_CHARS = 32
LOOK_SECONDS = 600.0
NO_NETWORK = (
    "Somebody came from no public address: limits and the review tell no networks apart there. If a proxy stands "
    "before the arena, have it set X-Forwarded-For to the visitor's address, and name it in ARENA_TRUSTED_PROXIES."
)


class Networks:
    """Names networks, from any thread; a thread of its own destroys keys in time, from `begin` to `close`."""

    def __init__(
        self,
        database: Database,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        seconds: float = LOOK_SECONDS,
    ) -> None:
        self._db = database
        self._now = now
        self._seconds = seconds
        self._keys: Mapping[date, str] = {}
        self._told = False
        self._door = threading.Lock()
        self._recurring = Recurring("network-keys", self._follow, wait=seconds)

    def of(self, address: str) -> str | None:
        """The name of the network that has this address, today; None for what is no public address.

        Raises `DatabaseProblem` where the day's key can't be kept.
        """
        return next(iter(self.lately(address)), None)

    def lately(self, address: str) -> tuple[str, ...]:
        """The names that the address's network has today and had yesterday; none for what is no public address.

        The first that is none is a line in the log: behind a proxy that does not say who comes, all would have one.
        """
        network = network_of(address)
        if network is None:
            if not self._told:
                self._told = True
                log.warning(NO_NETWORK)
            return ()
        today = self._now().astimezone(UTC).date()
        keys = self._keys_of(today)
        return tuple(_name(keys[day], network) for day in (today, today - timedelta(days=1)) if day in keys)

    def renew(self) -> None:
        """Have today's key, and destroy those that are too old. Raises `DatabaseProblem`."""
        self._keys_of(self._now().astimezone(UTC).date())

    def begin(self) -> None:
        """Destroy what is too old, and go on doing so. Raises `DatabaseProblem`."""
        self.renew()
        self._recurring.begin()

    def close(self) -> None:
        """Safe to call twice, and before `begin`."""
        self._recurring.close()

    def _keys_of(self, today: date) -> Mapping[date, str]:
        with self._door:
            if today not in self._keys:
                fresh = secrets.token_hex(32)
                self._keys = self._db.write(lambda session: keep_keys(session, today, fresh))
                self._db.empty_log()  # which has them still
            return self._keys

    def _follow(self) -> float:
        try:
            self.renew()
        except DatabaseProblem as problem:  # the next look may do better
            log.warning("The keys of networks could not be renewed: %s", problem)
        return self._seconds


def _name(key: str, network: str) -> str:
    return hmac.digest(bytes.fromhex(key), network.encode(), "sha256").hex()[:NAME_CHARS]
