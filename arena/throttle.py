"""How much one network may ask of the server at all, whatever it asks for."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from arena.peers import network_of

MOST_REMEMBERED = 10_000


@dataclass(frozen=True)
class Rate:
    """For one network: requests at once, and a second afterwards; requests that are answered at a time; open pages.

    Opening a page is some ten requests. While it is open it has a heartbeat, which is counted apart: pages that only
    stand open must not shut out those that are used.
    """

    burst: float = 600
    a_second: float = 20
    together: int = 300
    heartbeats: int = 600


@dataclass
class _Bucket:
    left: float
    at: float
    inside: int = 0
    heartbeats: int = 0


class TooMany(Exception):
    """The network must wait."""


class Throttle:
    """A bucket of requests for each network (/24 of IPv4, /48 of IPv6), in memory alone. For one event loop.

    Addresses that are not the whole net's are never held back (see `network_of`).
    """

    def __init__(self, rate: Rate | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate = rate or Rate()
        self._clock = clock
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()

    @contextmanager
    def answering(self, address: str, *, cheap: bool = False, heartbeat: bool = False) -> Iterator[None]:
        """Count a request until it is answered; a cheap one (a file of the pages) costs nothing of the rate.

        A heartbeat takes no place of the others'.

        Raises `TooMany`.
        """
        network = network_of(address)
        if network is None:
            yield
            return
        bucket = self._bucket(network)
        full = bucket.heartbeats >= self._rate.heartbeats if heartbeat else bucket.inside >= self._rate.together
        if full or (bucket.left < 1 and not cheap):
            raise TooMany
        bucket.left -= not cheap
        bucket.heartbeats += heartbeat
        bucket.inside += not heartbeat
        try:
            yield
        finally:
            bucket.heartbeats -= heartbeat
            bucket.inside -= not heartbeat

    def _bucket(self, network: str) -> _Bucket:
        now = self._clock()
        bucket = self._buckets.setdefault(network, _Bucket(self._rate.burst, now))
        self._buckets.move_to_end(network)
        if len(self._buckets) > MOST_REMEMBERED:
            self._buckets.popitem(last=False)
        bucket.left = min(self._rate.burst, bucket.left + (now - bucket.at) * self._rate.a_second)
        bucket.at = now
        return bucket
