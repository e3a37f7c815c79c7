"""Settings from `ARENA_*` variables and `.env`: the only reader of the environment."""

from __future__ import annotations

import errno
import os
import secrets
import socket
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Annotated

from dotenv import dotenv_values
from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from db.session import DatabaseProblem, sqlite_path
from models.catalog import DEFAULT_CATALOG, load_catalog

PREFIX = "ARENA_"
ENV_FILE = ".env"
SECRET_CHARS = 16
NEW_FILE = os.O_CREAT | os.O_EXCL | os.O_WRONLY


class SettingsError(Exception):
    """A setting is wrong; the message names the variable, the value and what is allowed."""


class Settings(BaseSettings):
    """Everything one may change without touching code; each field is the variable ARENA_<NAME>."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_file=ENV_FILE, extra="ignore", frozen=True)

    title: str = Field(default="Paddock", min_length=1, max_length=60, description="Name shown on the pages")
    host: str = Field(default="127.0.0.1", description="Address to listen on; 0.0.0.0 opens it to the network")
    port: int = Field(default=7860, ge=1, le=65535, description="Port to listen on")
    origins: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(), description="Other origins that may use the arena, e.g. https://arena.example.org, by commas"
    )
    data: Path = Field(default=Path("data"), description="Folder of the database and the voters' secret")
    database_url: str = Field(default="", description="sqlite:///FILE; empty: arena.db in ARENA_DATA")
    cache: Path = Field(default=Path("~/.cache/paddock/weights"), description="Folder of downloaded weights")
    catalog: Path = Field(default=DEFAULT_CATALOG, description="The catalogue of contestants, a TOML file")
    secret: SecretStr = Field(
        default=SecretStr(""), description="Signs voter cookies; empty: made once and kept in ARENA_DATA"
    )
    max_prompt_chars: int = Field(default=4000, ge=1, le=15000, description="Longest prompt, in characters")
    max_turns: int = Field(default=8, ge=1, le=100, description="Most turns in one battle")
    max_regenerations: int = Field(default=2, ge=0, le=10, description="Most regenerations of a turn")
    memory: float = Field(
        default=0, ge=0, le=100_000, description="GB that models may take of a device; 0: most of what it has"
    )
    max_battles: int = Field(default=8, ge=1, le=256, description="Battles generated at the same time")
    max_waiting: int = Field(default=32, ge=1, le=10000, description="Visitors that may wait for a turn")
    answer_seconds: float = Field(default=300, gt=0, le=3600, description="Longest time one turn may take")
    max_answer_chars: int = Field(default=40_000, ge=100, description="Longest answer, in characters")
    vote_minutes: float = Field(default=120, gt=0, le=10080, description="Minutes a finished battle may be voted on")
    pace_chars: float = Field(
        default=80, ge=0, le=10000, description="Characters a second that both sides are shown at; 0: as they come"
    )
    provisional_votes: int = Field(default=30, ge=0, description="Votes under which a rating is provisional")
    visible_devices: str | None = Field(
        default=None, validation_alias="CUDA_VISIBLE_DEVICES", description="GPUs that engines may use; unset: all"
    )
    space_host: str = Field(default="", validation_alias="SPACE_HOST", description="Set by a Hugging Face Space")

    @field_validator("data", "cache", "catalog")
    @classmethod
    def _home(cls, value: Path) -> Path:
        return value.expanduser()

    @field_validator("secret")
    @classmethod
    def _is_long(cls, value: SecretStr) -> SecretStr:
        if 0 < len(value.get_secret_value()) < SECRET_CHARS:
            raise ValueError(f"must have at least {SECRET_CHARS} characters, or be empty")
        return value

    @field_validator("origins", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return (
            tuple(part.strip().rstrip("/") for part in value.split(",") if part.strip())
            if isinstance(value, str)
            else value
        )

    @field_validator("origins")
    @classmethod
    def _are_origins(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for origin in value:
            if not origin.startswith(("http://", "https://")) or origin.count("/") != 2:
                raise ValueError("an origin is http://HOST or https://HOST, with a port if need be")
        return value

    @field_validator("database_url")
    @classmethod
    def _is_sqlite(cls, value: str) -> str:
        try:
            if value:
                sqlite_path(value)
        except DatabaseProblem as error:
            raise ValueError("must be sqlite:///FILE") from error
        return value

    @property
    def on_space(self) -> bool:
        return bool(self.space_host)

    @property
    def listen(self) -> str:
        """A Space is reached through its proxy, so it listens to all; else nobody outside unless told."""
        return "0.0.0.0" if self.on_space else self.host  # noqa: S104

    @property
    def database(self) -> str:
        return self.database_url or f"sqlite:///{self.data / 'arena.db'}"

    def check_address(self) -> None:
        """Raise `SettingsError` where the arena can't listen at its address; say what to change."""
        try:
            with socket.create_server((self.listen, self.port), family=_family(self.listen)):
                pass
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise SettingsError(f"Port {self.port} of {self.listen} is taken; set ARENA_PORT.") from error
            reason = error.strerror or str(error)
            raise SettingsError(f"{PREFIX}HOST={self.listen}, port {self.port}: {reason}.") from error

    def reach_ourselves_directly(self) -> None:
        """Whatever proxy is set: Gradio asks its own address whether it has started."""
        for name in ("NO_PROXY", "no_proxy"):
            others = [os.environ[name]] if os.environ.get(name) else []
            os.environ[name] = ",".join([*others, "localhost", "127.0.0.1", self.listen])

    def choose_devices(self) -> None:
        """Let the engines' processes see the GPUs that are counted, wherever the setting was written."""
        if self.visible_devices is not None:
            os.environ["CUDA_VISIBLE_DEVICES"] = self.visible_devices

    def voter_secret(self) -> bytes:
        """The key that signs cookies and makes pseudonyms; made at the first start and kept readable by us alone.

        Raises `SettingsError` where it can be neither read nor kept.
        """
        if given := self.secret.get_secret_value():
            return given.encode()
        path = self.data / "secret"
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


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def load_settings() -> Settings:
    """Read the environment and `.env`. Raises `SettingsError` naming the variable, its value and what is allowed.

    Beside settings `.env` may hold the keys that endpoints of the catalogue name; to tell, the catalogue is read
    where there are any (`CatalogError`).
    """
    known = {str(field.validation_alias or PREFIX + name.upper()) for name, field in Settings.model_fields.items()}
    kept = list(dotenv_values(ENV_FILE))
    for name, where in [*((name, "") for name in os.environ), *((name, " in .env") for name in kept)]:
        if name.upper().startswith(PREFIX) and name.upper() not in known:
            raise SettingsError(f"{name}{where} is not a setting; `python -m arena settings` lists them.")
    try:
        loaded = Settings()
    except ValidationError as error:
        raise SettingsError("\n".join(_sentence(dict(problem)) for problem in error.errors())) from error
    if others := [name for name in kept if name.upper() not in known]:
        _refuse_but_keys(others, loaded.catalog)
    return loaded


def _refuse_but_keys(names: Iterable[str], catalog: Path) -> None:
    keys = {spec.endpoint.key for spec in load_catalog(catalog) if spec.endpoint}
    for name in names:
        if name not in keys:  # its value may be anybody's key, and is not repeated
            raise SettingsError(
                f"{name} in .env is neither a setting (`python -m arena settings` lists them) "
                f"nor the key of an endpoint in {catalog}."
            )


def endpoint_keys(names: Iterable[str]) -> Mapping[str, SecretStr]:
    """The keys in these variables of the environment, else of `.env`; a variable that holds none is missing.

    Raises `SettingsError` for a variable of ours: what it holds is for no endpoint.
    """
    kept = dotenv_values(ENV_FILE)
    keys = {}
    for name in filter(None, names):
        if name.startswith(PREFIX):
            raise SettingsError(f"An endpoint of the catalogue names {name} as its key; give it a variable of its own.")
        if key := (os.environ.get(name) or kept.get(name) or "").strip():
            keys[name] = SecretStr(key)
    return keys


def _sentence(problem: dict[str, object]) -> str:
    location = problem["loc"]
    field = str(location[0]) if isinstance(location, tuple) and location else "settings"
    variable = (field if field.upper().startswith((PREFIX, "SPACE_")) else PREFIX + field).upper()
    hidden = "secret" in field or "@" in str(problem["input"])  # an address may hold a password
    value = "" if hidden else f"={problem['input']!r}"
    described = Settings.model_fields.get(field)
    meaning = f" ({described.description})" if described else ""
    return f"{variable}{value}: {str(problem['msg']).removeprefix('Value error, ')}{meaning}."
