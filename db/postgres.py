"""PostgreSQL: the connections, and why one can't be had, in a sentence.

Every transaction that writes first takes one advisory lock, so the writers of all processes stand in line exactly as
with SQLite's BEGIN IMMEDIATE: groups of votes never deadlock, and counters grow in the order of commits.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from sqlalchemy import Engine, create_engine, event, text
from sqlalchemy.exc import DBAPIError

from db.url import DatabaseProblem, check_url, name_of

WRITERS = 0x7061_6464_6F63_6B  # "paddock": the lock's number, among the locks of this one database
OLDEST = 14
CONNECT_SECONDS = 10
SILENT_SECONDS = 40.0  # longer than a writer may stand in line
MIGRATING_SECONDS = 3600.0  # one statement may remake a table of millions of rows
# A machine that is gone acknowledges nothing: the system notices within half a minute or a whole one.
_NETWORK = {
    "keepalives_idle": 30, "keepalives_interval": 10, "keepalives_count": 3, "tcp_user_timeout": 30_000,
}  # fmt: skip
# A writer that hangs, or whose machine is gone, must not keep all others waiting for ever.
_PATIENCE = "SET lock_timeout = '30s'; SET idle_in_transaction_session_timeout = '60s'"

T = TypeVar("T")


class Patience:
    """How many seconds of silence a server is allowed within one exchange, until `end`: then none at all.

    No setting of the server or the network does that: both know nothing of a server, or a proxy before it, that
    acknowledges every byte and never answers. `silent` is what the last exchange came to.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._over = threading.Event()
        self.silent = False

    def end(self) -> None:
        """Wait for the server no more: whoever does is told so within moments. From any thread."""
        self._over.set()

    def exhausted(self, heard: float = float("inf")) -> str:
        """Why nobody waits any longer for a server that was `heard` of last then; "" where one does."""
        if self._over.is_set():
            return "the server is waited for no more"
        if time.monotonic() - heard <= self._seconds:
            return ""
        self.silent = True
        return f"the server was silent for {self._seconds:g} s"

    def bound(self, exchange: Generator[Any, Any, T], connection: Any) -> Generator[Any, Any, T]:
        """The same exchange of psycopg's, which from 3.2.13 on is told every 0.1 s that nothing came.

        Raises psycopg's `OperationalError` once patience is exhausted, and closes the connection: what may still come
        would be taken for the answer to something else.
        """
        from psycopg import OperationalError

        heard = time.monotonic()
        try:
            wanted = next(exchange)
            while True:
                if ready := (yield wanted):
                    heard = time.monotonic()
                elif why := self.exhausted(heard):
                    connection.close()
                    raise OperationalError(why)
                wanted = exchange.send(ready)
        except StopIteration as done:
            self.silent = False
            result: T = done.value
            return result


def postgres_engine(url: str, *, writable: bool, patience: Patience | None = None) -> Engine:
    """The connection that writes, in the order of the lock; or those that read one moment each, and only read.

    A writer sees what others committed before it got the lock (READ COMMITTED); with a snapshot taken while it still
    waited it would not.
    """
    options = {} if writable else {"postgresql_readonly": True}
    engine = create_engine(
        check_url(url).set(drivername="postgresql+psycopg"),
        isolation_level="READ COMMITTED" if writable else "REPEATABLE READ",
        execution_options=options,
        pool_size=1 if writable else 5,
        max_overflow=0 if writable else 10,
        hide_parameters=True,  # an error is logged, and a prompt among them must not be
        pool_pre_ping=True,  # after a restart of the server the old connections are dead
        connect_args={"connect_timeout": CONNECT_SECONDS, **_NETWORK},
    )
    _connect_with(engine, patience or Patience(SILENT_SECONDS))
    event.listen(engine, "connect", _keep_texts)
    if writable:

        @event.listens_for(engine, "connect")
        def _be_patient(connection: Any, _: Any) -> None:
            with connection.cursor() as cursor:
                cursor.execute(_PATIENCE)
            connection.commit()

        @event.listens_for(engine, "begin")
        def _stand_in_line(connection: Any) -> None:
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({WRITERS})")

    return engine


def _connect_with(engine: Engine, patience: Patience) -> None:
    """Have every exchange of every connection bounded, the first ones of SQLAlchemy's own too."""
    from psycopg import Connection, OperationalError
    from psycopg.errors import ConnectionTimeout

    class Bounded(Connection[Any]):
        def wait(self, gen: Generator[Any, Any, T], *args: Any, **options: Any) -> T:
            return super().wait(patience.bound(gen, self), *args, **options)

    @event.listens_for(engine, "do_connect")
    def _connect(_dialect: Any, _record: Any, arguments: Any, options: Any) -> Any:
        if why := patience.exhausted():
            raise OperationalError(why)
        try:
            return Bounded.connect(*arguments, **options)
        except ConnectionTimeout:
            patience.silent = True
            raise


def _keep_texts(connection: Any, _: Any) -> None:
    """A model may answer NUL, which no text of PostgreSQL can hold: it is kept as the mark of an unreadable one."""
    from psycopg.types.string import StrDumper

    class WithoutNul(StrDumper):
        def dump(self, obj: str) -> Any:
            return super().dump(obj.replace("\0", "\ufffd"))

    connection.adapters.register_dumper(str, WithoutNul)


def check_server(url: str) -> None:
    """Raise `DatabaseProblem` where the server can't be reached, does not let us in, or is too old."""
    engine = postgres_engine(url, writable=False)
    try:
        with engine.connect() as connection:
            version = int(connection.execute(text("SHOW server_version_num")).scalar_one())
    except DBAPIError as error:
        raise DatabaseProblem(
            f"The database {name_of(url)} can't be reached ({why(error)}); "
            "check ARENA_DATABASE_URL, and that the server runs and knows the database."
        ) from error
    finally:
        engine.dispose()
    if version < OLDEST * 10_000:
        raise DatabaseProblem(
            f"The server of {name_of(url)} is PostgreSQL {version // 10_000}; version {OLDEST} or newer is needed."
        )


@contextmanager
def advisory_lock(url: str, name: str) -> Iterator[bool]:
    """Hold the lock of this name among the locks of one database for as long as this lasts; false: another has it.

    The connection is in no transaction meanwhile, which would keep the server from tidying up. Raises
    `DatabaseProblem` where there is none.
    """
    number = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big", signed=True)
    engine = postgres_engine(url, writable=False)
    try:
        connection = engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        is_ours = connection.execute(text("SELECT pg_try_advisory_lock(:number)"), {"number": number}).scalar_one()
    except DBAPIError as error:
        engine.dispose()
        raise DatabaseProblem(f"The database {name_of(url)} can't be read: {why(error)}.") from error
    try:
        yield bool(is_ours)
    finally:
        connection.close()
        engine.dispose()  # the lock goes with its connection


def why(error: DBAPIError) -> str:
    """What the driver said, in one line and without the statement, whose parameters may be somebody's prompt."""
    first = (str(error.orig).strip() or type(error.orig).__name__).splitlines()[0]
    if first.startswith("connection failed: "):  # "… connection to server at HOST, port N failed: FATAL:  no such user"
        first = first.rpartition(" failed: ")[2]
    return " ".join(first.split()).rstrip(".")


def in_transaction(connection: Any) -> bool:
    """Whether the driver's connection is still inside its transaction: it can go on after a savepoint's rollback."""
    from psycopg.pq import TransactionStatus

    return bool(connection.info.transaction_status == TransactionStatus.INTRANS)
