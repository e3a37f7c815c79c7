"""A PostgreSQL server of the tests' own: made in a temporary folder, with a fresh database for whoever asks."""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
from support import free_port

from db.schema import open_database
from db.tables import Base

PATIENCE = 60
# Nothing here has to survive a power cut.
CONFIGURATION = {
    "listen_addresses": "127.0.0.1", "fsync": "off", "max_connections": "200", "shared_buffers": "32MB",
    "max_wal_size": "256MB",
}  # fmt: skip


def programs() -> Path | None:
    """The folder of PostgreSQL's programs, where there is one."""
    found = shutil.which("initdb")
    folders = [Path(found).parent] if found else sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=_version)
    return next((folder for folder in reversed(folders) if (folder / "initdb").exists()), None)


def _version(folder: Path) -> float:
    return float(folder.parent.name)


@dataclass
class Cluster:
    """A running server; `url` addresses one of its databases over TCP, with a password."""

    port: int
    password: str
    spare: list[str] = field(default_factory=list)

    def url(self, name: str) -> str:
        return f"postgresql+psycopg://paddock:{self.password}@127.0.0.1:{self.port}/{name}"

    def sql(self, statement: str, database: str = "postgres") -> list[tuple[Any, ...]]:
        address = self.url(database).replace("+psycopg", "")
        with psycopg.connect(address, autocommit=True) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    @contextmanager
    def fresh(self) -> Iterator[str]:
        """The address of a database of this code's schema, without any row; whoever comes next gets it again."""
        if not self.spare:
            self.spare.append(self._create())
            open_database(self.url(self.spare[0])).close()
        name = self.spare.pop()
        yield self.url(name)
        # Quicker than another database. Whoever left a transaction open gets to hear of it.
        tables = ", ".join(Base.metadata.tables)
        self.sql(f"SET lock_timeout = '10s'; TRUNCATE {tables}", name)
        self.spare.append(name)

    @contextmanager
    def empty(self) -> Iterator[str]:
        """The address of a database without any table; gone afterwards."""
        name = self._create()
        try:
            yield self.url(name)
        finally:
            self.sql(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")

    def _create(self) -> str:
        name = f"t{secrets.token_hex(6)}"
        self.sql(f"CREATE DATABASE {name}")
        return name


@contextmanager
def cluster(bin_folder: Path, **configuration: str) -> Iterator[Cluster]:
    """Start a server as a user without rights, since PostgreSQL refuses to run as root; stop it at the end."""
    user = _user()
    folder = Path(tempfile.mkdtemp(prefix="paddock-postgres-"))
    try:
        secret = secrets.token_hex(8)
        (folder / "password").write_text(secret)
        if user is not None:
            for path in (folder, folder / "password"):
                shutil.chown(path, user)
        port = free_port()

        def run(program: str, *arguments: str) -> None:
            command = [str(bin_folder / program), "-D", str(folder / "data"), *arguments]
            log = (folder / "log").open("ab")
            with log:
                subprocess.run(
                    command, user=user, cwd=folder, stdout=log, stderr=log, check=True, timeout=PATIENCE,
                    extra_groups=[] if user else None,
                )  # fmt: skip

        run("initdb", "--no-sync", "-A", "scram-sha-256", "-U", "paddock", f"--pwfile={folder / 'password'}",
            "-E", "UTF8", "--locale=C.UTF-8")  # fmt: skip
        given = CONFIGURATION | configuration | {"port": str(port), "unix_socket_directories": str(folder)}
        with (folder / "data" / "postgresql.conf").open("a") as file:
            file.writelines(f"{name} = '{value}'\n" for name, value in given.items())
        run("pg_ctl", "-w", "-l", str(folder / "server.log"), "start")
        try:
            yield Cluster(port, secret)
        finally:
            run("pg_ctl", "-w", "-m", "immediate", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _user() -> str | None:
    if os.getuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        with suppress(KeyError):
            return pwd.getpwnam(name).pw_name
    raise RuntimeError("There is no user without rights that PostgreSQL could run as.")
