"""Who a voter is: a signed cookie on their side, a keyed pseudonym in what we publish."""

from __future__ import annotations

import hashlib
import hmac
import secrets

from itsdangerous import BadSignature, Signer

COOKIE = "paddock_voter"
ID_CHARS = 32


class Voters:
    """Issues and recognises voters. `secret` signs their cookies; a new secret makes everybody a stranger."""

    def __init__(self, secret: bytes) -> None:
        self._signer = Signer(secret, salt="voter-cookie", digest_method=hashlib.sha256)
        self._pseudonym_key = hmac.digest(secret, b"pseudonym", "sha256")

    def issue(self) -> str:
        """The cookie of a voter nobody has seen before: 128 random bits and a signature."""
        return self._signer.sign(secrets.token_hex(ID_CHARS // 2)).decode()

    def recognise(self, cookie: str | None) -> str | None:
        """The voter's id, or None for a missing or forged cookie."""
        try:
            voter = self._signer.unsign(cookie or "").decode("ascii")
        except (BadSignature, UnicodeDecodeError):
            return None
        return voter if len(voter) == ID_CHARS else None

    @property
    def pseudonym_key(self) -> bytes:
        """The key under which exports name voters; it never leaves the server."""
        return self._pseudonym_key
