"""Who a voter is: a signed cookie on their side, a keyed pseudonym in what we publish."""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from contextlib import suppress

from itsdangerous import BadSignature, Signer

from arena.settings import Settings, SettingsError

COOKIE = "paddock_voter"
ID_CHARS = 32
NEW_FILE = os.O_CREAT | os.O_EXCL | os.O_WRONLY


class Voters:
    """Issues and recognises voters. `secret` signs their cookies; a new secret makes everybody a stranger."""

    def __init__(self, secret: bytes) -> None:
        self._signer = Signer(secret, salt="voter-cookie", digest_method=hashlib.sha256)
        self._pseudonym_key = hmac.digest(secret, b"pseudonym", "sha256")
        self._account_key = hmac.digest(secret, b"account", "sha256")

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

    def known(self, source: str, name: str) -> str:
        """The id of who has signed in: the same on every device, and not to be told from it who that is."""
        # The length comes first, so that no other source and name make up the same text.
        account = f"{len(source)}:{source}{name}".encode()
        return hmac.digest(self._account_key, account, "sha256").hex()[:ID_CHARS]

    @property
    def pseudonym_key(self) -> bytes:
        """The key under which exports name voters; it never leaves the server."""
        return self._pseudonym_key


def voter_secret(settings: Settings) -> bytes:
    """The key that signs cookies and makes pseudonyms; made at the first start and kept readable by us alone.

    Raises `SettingsError` where it can be neither read nor kept.
    """
    if given := settings.secret.get_secret_value():
        return given.encode()
    path = settings.data / "secret"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # It may have been made before, or by another process at this very moment.
        with suppress(FileExistsError), os.fdopen(os.open(path, NEW_FILE, 0o600), "w") as file:
            file.write(secrets.token_hex(32))
        kept = path.read_text().strip().encode()
    except OSError as error:
        raise SettingsError(
            f"The voters' secret {path} can't be kept ({error.strerror}); "
            "set ARENA_DATA to a folder that can be written, or ARENA_SECRET."
        ) from error
    if not kept:  # a kill between making and writing it: anybody could sign with nothing
        raise SettingsError(f"The voters' secret {path} is empty; delete the file, and a new one is made.")
    return kept
