"""Since when an account of the Hugging Face Hub exists, as its public API tells."""

from __future__ import annotations

import logging
from datetime import datetime
from urllib.parse import quote

from huggingface_hub import HfApi, get_session
from huggingface_hub.errors import HTTPError  # type: ignore[attr-defined]  # of httpx, or of httpx2

from arena.signin import Account

log = logging.getLogger("paddock.signin")

TIMEOUT_SECONDS = 5.0


def account_created(account: Account, endpoint: str | None = None) -> datetime | None:
    """When the account was made; None, and a line in the log, where the Hub does not say it.

    The Hub is asked by name, which may be another's by now: where its answer names whose it is, that must be the
    account's key. `HfApi.get_user_overview` asks the same, but would wait for an answer without end.
    """
    try:
        url = f"{HfApi(endpoint).endpoint}/api/users/{quote(account.name, safe='')}/overview"
        # No token: what is public of an account is all that is asked.
        answer = get_session().get(url, timeout=TIMEOUT_SECONDS)
        answer.raise_for_status()
        return _moment(answer.json(), account.key)
    except (HTTPError, ValueError, OSError) as error:  # of the last kind: the Hub's library was told to stay offline
        log.warning("The Hub does not tell the age of an account, which so is not verified: %s", type(error).__name__)
        return None


def _moment(overview: object, key: str) -> datetime:
    """Raises `ValueError` where the overview is another account's, or names no moment with a time zone."""
    if not isinstance(overview, dict) or overview.get("_id", key) != key:
        raise ValueError("another account")
    created = overview.get("createdAt")
    moment = datetime.fromisoformat(created) if isinstance(created, str) else None
    if moment is None or moment.tzinfo is None:
        raise ValueError("no createdAt")
    return moment
