"""Who may administer: whoever gave the token, or has signed in under a name that the settings list."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import logging
from collections.abc import Callable
from time import monotonic

from itsdangerous import BadSignature, TimestampSigner
from starlette.requests import Request, cookie_parser

from arena.peers import parsed_address
from arena.settings import Settings
from arena.signin import SignIn

log = logging.getLogger("paddock.admin")
tries = logging.getLogger("paddock.tries")  # by strangers, as often as they like (see arena/repeats.py)

COOKIE = "paddock_admin"
HOURS = 8
MOST_WRONG = 5  # within a minute, from one address
MOST_NOTED = 10_000  # addresses; where more try at once, none of the others gets a try
MINUTE = 60.0
BY_TOKEN = "token"  # noqa: S105


class WrongToken(Exception):
    """That is not the token."""


class TooManyTries(Exception):
    """Too many wrong tokens came from there within a minute; the token itself would be refused too."""


class Admission:
    """Lets administrators in. The token opens once and leaves a signed cookie; it is neither shown nor logged."""

    def __init__(
        self, settings: Settings, secret: bytes, sign_in: SignIn, clock: Callable[[], float] = monotonic
    ) -> None:
        """`secret` signs the cookie, together with the token: another token shuts everybody out."""
        self._token = settings.admin_token.get_secret_value().encode()
        self._names = frozenset(settings.admins)
        self._sign_in = sign_in
        key = hmac.digest(secret, b"admin" + self._token, "sha256")
        self._signer = TimestampSigner(key, salt="admin-cookie", digest_method=hashlib.sha256)
        self._clock = clock
        # When wrong tokens were given, by address; whoever gave the latest stands last.
        self._wrong: dict[str, list[float]] = {}

    @property
    def possible(self) -> bool:
        """Whether there is anybody who could be let in."""
        return self.by_token or bool(self._names)

    @property
    def by_token(self) -> bool:
        return bool(self._token)

    def open(self, token: str, address: str) -> str:
        """The cookie for whoever knows the token. Raises `WrongToken` or `TooManyTries`."""
        now, home = self._clock(), _home(address)
        wrong = self._wrong_since(now - MINUTE, home)
        if len(wrong) >= MOST_WRONG or (not wrong and len(self._wrong) >= MOST_NOTED):
            raise TooManyTries
        right = hmac.compare_digest(token.encode("utf-8", "replace"), self._token)
        if not (right and self.by_token):
            self._wrong.pop(home, None)
            self._wrong[home] = [*wrong, now]
            tries.warning("a wrong token was given")
            raise WrongToken
        log.info("%s: opened the administration", BY_TOKEN)
        return self._signer.sign(BY_TOKEN).decode()

    def who(self, request: Request) -> str | None:
        """The name under which an administrator's deeds are logged; None for anybody else."""
        cookie = cookie_parser(request.headers.get("cookie", "")).get(COOKIE, "")
        if self.by_token and self._is_valid(cookie):
            return BY_TOKEN
        account = self._sign_in.account_of(request)
        return account.name if account is not None and account.name in self._names else None

    def _wrong_since(self, moment: float, home: str) -> list[float]:
        """When wrong tokens came from there; everybody's that are older are forgotten."""
        while self._wrong and next(iter(self._wrong.values()))[-1] <= moment:
            del self._wrong[next(iter(self._wrong))]
        return [one for one in self._wrong.get(home, ()) if one > moment]

    def _is_valid(self, cookie: str) -> bool:
        try:
            return self._signer.unsign(cookie, max_age=HOURS * 3600) == BY_TOKEN.encode()
        except (BadSignature, UnicodeError):
            return False


def _home(address: str) -> str:
    """What tries are counted by: an address, of IPv6 its /64, which belongs to one connection as a rule."""
    parsed = parsed_address(address)
    if parsed is None or parsed.version == 4:
        return str(parsed or address)
    return str(ipaddress.IPv6Network((int(parsed), 64), strict=False))
