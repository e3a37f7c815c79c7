"""The tables. Status, failure and outcome are typed columns written when they happen."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, ClassVar, Literal, get_args

from sqlalchemy import JSON, CheckConstraint, DateTime, Dialect, ForeignKey, MetaData, String, TypeDecorator
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from db.outcome import Outcome

BattleStatus = Literal["generating", "open", "stopped", "voted", "void"]
TurnStatus = Literal["generating", "finished", "stopped", "failed"]


class UtcDateTime(TypeDecorator[datetime]):
    """An aware time, kept in UTC; SQLite itself would drop the zone."""

    impl = DateTime
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        return value.astimezone(UTC).replace(tzinfo=None) if value else None

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        return value.replace(tzinfo=UTC) if value else None


class Base(DeclarativeBase):
    # Named constraints let Alembic change them later; SQLite gives none a name by itself.
    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(column_0_label)s",
            "uq": "uq_%(table_name)s_%(column_0_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map: ClassVar = {datetime: UtcDateTime, dict[str, Any]: JSON}


def _one_of(column: str, values: tuple[str, ...]) -> CheckConstraint:
    listed = ", ".join(f"'{value}'" for value in values)
    return CheckConstraint(f"{column} IN ({listed})", name=column)


class Contestant(Base):
    """A model exactly as it took part; append-only, a changed fingerprint is a new row."""

    __tablename__ = "contestant"

    fingerprint: Mapped[str] = mapped_column(String(64), primary_key=True)
    model_id: Mapped[str]
    name: Mapped[str]
    engine: Mapped[str]
    quantization: Mapped[str]
    license: Mapped[str]
    url: Mapped[str]
    identity: Mapped[dict[str, Any]]
    created_at: Mapped[datetime]


class Battle(Base):
    """One blind comparison: generating → open → voted, with stopped and void beside the way."""

    __tablename__ = "battle"
    __table_args__ = (_one_of("status", get_args(BattleStatus)),)

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    voter: Mapped[str] = mapped_column(index=True)
    contestant_a: Mapped[str] = mapped_column(ForeignKey("contestant.fingerprint"))
    contestant_b: Mapped[str] = mapped_column(ForeignKey("contestant.fingerprint"))
    probability: Mapped[float]
    status: Mapped[str]
    created_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]


class Turn(Base):
    """One prompt and both answers. Regenerate adds an attempt; earlier attempts stay, superseded.

    What an answer took (tokens, seconds since it was asked for, joules of the GPU) is null where it is not known.
    """

    __tablename__ = "turn"
    __table_args__ = (_one_of("status", get_args(TurnStatus)),)

    battle_id: Mapped[str] = mapped_column(ForeignKey("battle.id"), primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True)
    attempt: Mapped[int] = mapped_column(primary_key=True)
    prompt: Mapped[str]
    seed: Mapped[int]
    status: Mapped[str]
    superseded: Mapped[bool] = mapped_column(default=False)
    answer_a: Mapped[str] = mapped_column(default="")
    answer_b: Mapped[str] = mapped_column(default="")
    reason_a: Mapped[str | None]
    reason_b: Mapped[str | None]
    tokens_a: Mapped[int | None]
    tokens_b: Mapped[int | None]
    prompt_tokens_a: Mapped[int | None]
    prompt_tokens_b: Mapped[int | None]
    first_token_seconds_a: Mapped[float | None]
    first_token_seconds_b: Mapped[float | None]
    seconds_a: Mapped[float | None]
    seconds_b: Mapped[float | None]
    joules_a: Mapped[float | None]
    joules_b: Mapped[float | None]
    failure: Mapped[str | None]
    started_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]


class Vote(Base):
    """A fact, written once. `sequence` counts votes in the order of their commits."""

    __tablename__ = "vote"
    __table_args__ = (_one_of("outcome", tuple(Outcome)),)

    battle_id: Mapped[str] = mapped_column(ForeignKey("battle.id"), primary_key=True)
    voter: Mapped[str] = mapped_column(index=True)
    outcome: Mapped[str]
    sequence: Mapped[int] = mapped_column(unique=True)
    created_at: Mapped[datetime]


class Counter(Base):
    """A number that grows in commit order: its row is locked by whoever raises it."""

    __tablename__ = "counter"

    name: Mapped[str] = mapped_column(primary_key=True)
    value: Mapped[int]
