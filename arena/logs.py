"""How log lines look: as text or JSON, one line each, and never with a secret in them."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Literal

from pydantic import SecretStr

from arena.repeats import Repeats
from arena.settings import Settings, endpoint_keys
from db.url import passwords_in
from models.catalog import load_catalog

MASK = "***"
SHORTEST_SECRET = 6  # to hide "key" or "none" would only spoil the log
TALKATIVE = ("httpx", "httpx2", "alembic")

# Secrets known by their looks, whoever's they are: tokens of the Hub and of hosted APIs, passwords inside addresses.
_LOOKS = (
    (re.compile(r"\b(hf_|sk-)[A-Za-z0-9_-]{16,}"), MASK),
    (re.compile(r"\b(Bearer\s+)[^\s'\",]+", re.IGNORECASE), rf"\g<1>{MASK}"),
    (re.compile(r"(://[^/\s:@]*:)[^\s@'\"]+@"), rf"\g<1>{MASK}@"),
    (re.compile(r"([?&]\w*password=)[^\s&'\"]+"), rf"\g<1>{MASK}"),
)
# A message with line breaks could pretend to be several lines, one with escapes drive a terminal.
_CONTROLS: Mapping[int, str] = {code: repr(chr(code))[1:-1] for code in (*range(32), *range(127, 160))}


class Mask:
    """Hides secrets in text: these values, and whatever looks like one."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        known = sorted({secret for secret in secrets if len(secret) >= SHORTEST_SECRET}, key=len, reverse=True)
        self._known = re.compile("|".join(map(re.escape, known))) if known else None

    def __call__(self, text: str) -> str:
        if self._known:
            text = self._known.sub(MASK, text)
        for looks, instead in _LOOKS:
            text = looks.sub(instead, text)
        return text


class TextLines(logging.Formatter):
    """`12:00:00 paddock.pool: Gemma: ready`; the trace of an error follows on lines of its own."""

    def __init__(self, mask: Mask) -> None:
        super().__init__("%(asctime)s %(name)s: %(message)s", "%H:%M:%S")
        self._mask = mask

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802
        return super().formatMessage(record).translate(_CONTROLS)

    def format(self, record: logging.LogRecord) -> str:
        return self._mask(super().format(record))


class JsonLines(logging.Formatter):
    """One JSON object a line: time (ISO 8601, UTC), level, logger, message, and an error's trace."""

    def __init__(self, mask: Mask) -> None:
        super().__init__()
        self._mask = mask

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": self._mask(record.getMessage()),
        }
        if record.exc_info:
            line["error"] = self._mask(self.formatException(record.exc_info))
        return json.dumps(line, ensure_ascii=False)


def set_up_logs(form: Literal["text", "json"], mask: Mask) -> None:
    """Everything logged from here on, warnings too, goes to standard error in this form."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines(mask) if form == "json" else TextLines(mask))
    handler.addFilter(Repeats())
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    logging.captureWarnings(True)
    for name in TALKATIVE:
        logging.getLogger(name).setLevel(logging.WARNING)


def adopt_server_logs() -> None:
    """Have uvicorn's lines look like ours; it sets up handlers of its own when it starts."""
    for name in ("uvicorn", "uvicorn.access", "uvicorn.error"):
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True


def secrets_of(settings: Settings) -> list[str]:
    """Every secret that the arena was given. Raises `CatalogError`, for the catalogue names the endpoints' keys."""
    ours = [getattr(settings, name) for name in type(settings).model_fields]
    found = [value.get_secret_value() for value in ours if isinstance(value, SecretStr)]
    specs = load_catalog(settings.catalog, students=settings.students)
    keys = endpoint_keys(spec.endpoint.key for spec in specs if spec.endpoint)
    found += [key.get_secret_value() for key in keys.values()]
    found += passwords_in(settings.database)
    return [secret for secret in found if secret]
