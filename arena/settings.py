"""Settings from `ARENA_*` variables and `.env`: the only reader of the environment."""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Literal

from dotenv import dotenv_values
from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from db.session import DatabaseProblem, check_url
from db.url import FORMS
from models.catalog import DEFAULT_CATALOG, load_catalog

PREFIX = "ARENA_"
ENV_FILE = ".env"
SECRET_CHARS = 16


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
    database_url: str = Field(
        default="", repr=False, description="sqlite:///FILE or postgresql+psycopg://…; empty: arena.db in ARENA_DATA"
    )
    dataset: str = Field(
        default="",
        description="USER/NAME of a private data set on the Hub that keeps votes where the disk does not",
    )
    dataset_public: bool = Field(default=False, description="Allow that data set to be public, prompts and all")
    flush_minutes: float = Field(default=2, gt=0, le=60, description="Minutes between two uploads of new votes")
    snapshot_minutes: float = Field(default=60, gt=0, le=10080, description="Minutes between two uploads of all")
    cache: Path = Field(default=Path("~/.cache/paddock/weights"), description="Folder of downloaded weights")
    catalog: Path = Field(default=DEFAULT_CATALOG, description="The catalogue of contestants, a TOML file")
    lineup: Literal["auto", "cpu", "zerogpu", "gpu-8gb", "gpu-24gb"] = Field(
        default="auto", description="Which line-up of the catalogue plays; auto: the one for this hardware"
    )
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
    user_header: str = Field(
        default="", description="Header in which a trusted proxy names who has signed in, e.g. X-Forwarded-User"
    )
    trusted_proxies: Annotated[tuple[str, ...], NoDecode] = Field(
        default=("127.0.0.1", "::1"), description="Addresses whose ARENA_USER_HEADER is believed, by commas"
    )
    verified_days: int = Field(
        default=30, ge=0, le=3650, description="Days a Hugging Face account must have existed to count as verified"
    )
    admin_token: SecretStr = Field(default=SecretStr(""), description="Opens the page /admin; empty: nobody by token")
    admins: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(), description="Who may open /admin once signed in, by commas"
    )
    metrics: bool = Field(default=False, description="Answer /metrics in Prometheus' form")
    log_format: Literal["text", "json"] = Field(default="text", description="How log lines are written")
    stop_seconds: float = Field(
        default=10, ge=0, le=600, description="Seconds that running answers get to finish when the arena stops"
    )
    provisional_votes: int = Field(default=30, ge=0, description="Votes under which a rating is provisional")
    guard: Literal["auto", "on", "off"] = Field(
        default="auto", description="Limits, and a review of whose votes count; auto: where others can reach the arena"
    )
    votes_a_minute: int = Field(default=6, ge=1, description="Most votes of one voter in a minute, where guarded")
    votes_a_day: int = Field(default=60, ge=1, description="Most votes of one voter in 24 hours, where guarded")
    battles_in_ten_minutes: int = Field(
        default=20, ge=1, description="Most battles begun from one network in ten minutes, where guarded"
    )
    battles_a_day: int = Field(
        default=200, ge=1, description="Most battles begun from one network in 24 hours, where guarded"
    )
    undo_seconds: float = Field(
        default=3, ge=0, le=30, description="Seconds in which a vote may be taken back, before the reveal; 0: none"
    )
    retention_days: int = Field(
        default=0, ge=0, le=36500, description="Days after which prompts and answers are emptied; 0: they are kept"
    )
    moderation: str = Field(
        default="",
        pattern=r"^([A-Za-z_][\w.]*:[A-Za-z_]\w*)?$",
        description="MODULE:FUNCTION that refuses prompts: given a text it returns a reason, or None; empty: nobody",
    )
    visible_devices: str | None = Field(
        default=None, validation_alias="CUDA_VISIBLE_DEVICES", description="GPUs that engines may use; unset: all"
    )
    space_host: str = Field(default="", validation_alias="SPACE_HOST", description="Set by a Hugging Face Space")
    space_id: str = Field(default="", validation_alias="SPACE_ID", description="Set by a Hugging Face Space")
    zero_gpu: bool = Field(
        default=False, validation_alias="SPACES_ZERO_GPU", description="Set by a Hugging Face Space on ZeroGPU"
    )
    oauth_client_id: str = Field(
        default="", validation_alias="OAUTH_CLIENT_ID", description="Set by a Hugging Face Space with hf_oauth"
    )

    @field_validator("data", "cache", "catalog")
    @classmethod
    def _home(cls, value: Path) -> Path:
        return value.expanduser()

    @field_validator("secret", "admin_token")
    @classmethod
    def _is_long(cls, value: SecretStr) -> SecretStr:
        """Without white space around it, which comes along from files and is part of no secret."""
        bare = value.get_secret_value().strip()
        if 0 < len(bare) < SECRET_CHARS:
            raise ValueError(f"must have at least {SECRET_CHARS} characters, or be empty")
        return SecretStr(bare)

    @field_validator("origins", "trusted_proxies", "admins", mode="before")
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
    def _is_database(cls, value: str) -> str:
        try:
            if value:
                check_url(value)
        except DatabaseProblem as error:
            raise ValueError(f"must be {FORMS}") from error
        return value

    @property
    def on_space(self) -> bool:
        return bool(self.space_host)

    @property
    def guarded(self) -> bool:
        """Whether strangers are limited and reviewed: as `guard` says, else where others can reach the arena."""
        if self.guard != "auto":
            return self.guard == "on"
        return self.on_space or bool(self.origins or self.user_header) or not _only_here(self.host)

    @property
    def listen(self) -> str:
        """A Space is reached through its proxy, so it listens to all; else nobody outside unless told."""
        return "0.0.0.0" if self.on_space else self.host  # noqa: S104

    @property
    def database(self) -> str:
        return self.database_url or f"sqlite:///{self.data / 'arena.db'}"

    @property
    def students(self) -> Path:
        """The catalogue's second file: contestants that were taught here (`python -m arena distill register`)."""
        return self.data / "students.toml"

    def reach_ourselves_directly(self) -> None:
        """Whatever proxy is set: Gradio asks its own address whether it has started."""
        for name in ("NO_PROXY", "no_proxy"):
            others = [os.environ[name]] if os.environ.get(name) else []
            os.environ[name] = ",".join([*others, "localhost", "127.0.0.1", self.listen])

    def name_real_peers(self) -> None:
        """Let requests name who they really come from: the server's own belief in any proxy on this machine would
        hide it, and which proxies are believed is a setting of ours (arena/peers.py).
        """
        os.environ["FORWARDED_ALLOW_IPS"] = ""

    def choose_devices(self) -> None:
        """Let the engines' processes see the GPUs that are counted, wherever the setting was written."""
        if self.visible_devices is not None:
            os.environ["CUDA_VISIBLE_DEVICES"] = self.visible_devices


def _only_here(host: str) -> bool:
    """Whether who listens on this host is reached from this machine alone; of a name but one nobody knows."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def environment_with(data: Path) -> dict[str, str]:
    """The environment for a verb of ours in a process of its own, which keeps its data in this folder."""
    return {**os.environ, f"{PREFIX}DATA": str(data), f"{PREFIX}DATABASE_URL": ""}


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
        _refuse_but_keys(others, loaded)
    return loaded


def _refuse_but_keys(names: Iterable[str], loaded: Settings) -> None:
    specs = load_catalog(loaded.catalog, students=loaded.students)
    keys = {spec.endpoint.key for spec in specs if spec.endpoint}
    for name in names:
        if name not in keys:  # its value may be anybody's key, and is not repeated
            raise SettingsError(
                f"{name} in .env is neither a setting (`python -m arena settings` lists them) "
                f"nor the key of an endpoint in {loaded.catalog}."
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


def hub_token(variable: str = "HF_TOKEN") -> SecretStr | None:
    """The token for uploads to the Hugging Face Hub: of this variable, else of `hf auth login`; None without one."""
    from huggingface_hub import get_token  # takes a quarter of a second, which other verbs need not wait for

    token = os.environ.get(variable, "").strip() or (get_token() if variable == "HF_TOKEN" else None)
    return SecretStr(token) if token else None


def _sentence(problem: dict[str, object]) -> str:
    location = problem["loc"]
    field = str(location[0]) if isinstance(location, tuple) and location else "settings"
    variable = (field if field.upper().startswith((PREFIX, "SPACE", "OAUTH_", "CUDA_")) else PREFIX + field).upper()
    # An address may hold a password.
    hidden = "secret" in field or "token" in field or any(sign in str(problem["input"]) for sign in ("@", "password"))
    value = "" if hidden else f"={problem['input']!r}"
    described = Settings.model_fields.get(field)
    meaning = f" ({described.description})" if described else ""
    return f"{variable}{value}: {str(problem['msg']).removeprefix('Value error, ')}{meaning}."
