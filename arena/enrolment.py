"""The catalogue's contestants become rows that battles, answers and judgments point to."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from db import queries
from db.session import Database, Session
from db.tables import Contestant
from models.spec import ModelSpec


def enrol_all(database: Database, specs: Sequence[ModelSpec], now: datetime) -> None:
    """Remember every contestant of the catalogue under its fingerprint."""

    def work(session: Session) -> None:
        for spec in specs:
            queries.enrol(
                session,
                Contestant(
                    fingerprint=spec.fingerprint,
                    model_id=spec.id,
                    name=spec.name,
                    engine=spec.engine,
                    quantization=spec.quantization,
                    license=spec.license,
                    url=spec.url,
                    identity=spec.identity,
                    created_at=now,
                ),
            )

    database.write(work)
