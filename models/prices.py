"""What tokens and devices cost: a TOML file the user edits → the price of a model of the catalogue, or of an hour."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from ipaddress import ip_address
from pathlib import Path
from types import MappingProxyType
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import Field, ValidationError

from models.origin import Entry
from models.spec import ModelSpec

DEFAULT_PRICES = Path(__file__).with_name("prices.toml")
MILLION = 1_000_000

_Dollars = Annotated[float, Field(ge=0, allow_inf_nan=False)]
_Above = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class PricesError(Exception):
    """The file of prices can't be used; the message names the file, the entry and the remedy."""


@dataclass(frozen=True)
class Price:
    """Dollars for a million tokens read (`input`) and generated (`output`), where and when that was found."""

    input: float
    output: float
    as_of: date | None = None
    source: str = ""

    def cost(self, prompt_tokens: int, tokens: int) -> float:
        """Dollars for an answer of `tokens` after `prompt_tokens` were read."""
        return (self.input * prompt_tokens + self.output * tokens) / MILLION


# A model on our own machine: what its hours cost is another matter.
FREE = Price(0.0, 0.0)


@dataclass(frozen=True)
class DevicePrice:
    """An hour of one device in dollars, and what it can do.

    flops: its peak in floating-point operations a second, dense, in bf16, or in fp32 where it has no bf16; memory: GB;
    watts: what it may draw. None: not known.
    """

    name: str
    dollars_per_hour: float
    flops: float
    memory: float | None = None
    watts: float | None = None
    as_of: date | None = None
    source: str = ""


class _Tokens(Entry):
    model: str = Field(min_length=1)
    host: str = Field(min_length=1)
    input: _Dollars
    output: _Dollars
    as_of: date
    source: str = Field(min_length=1)


class _Device(Entry):
    name: str = Field(min_length=1)
    also: tuple[str, ...] = ()
    dollars_per_hour: _Dollars
    flops: _Above
    memory: _Above | None = None
    watts: _Above | None = None
    as_of: date
    source: str = Field(min_length=1)


class _File(Entry):
    tokens: tuple[_Tokens, ...] = ()
    device: tuple[_Device, ...] = ()


class Prices:
    """Prices by host and model name, both exactly as the catalogue writes them (but for case); devices by name."""

    def __init__(
        self, by_name: dict[tuple[str, str], Price], devices: Mapping[str, DevicePrice] = MappingProxyType({})
    ) -> None:
        """`devices`: by what `_bare` makes of each of their names."""
        self._by_name = dict(by_name)
        self._devices = dict(devices)

    def of(self, spec: ModelSpec) -> Price | None:
        """What the model's tokens cost; None: that is not known. Engines on this machine cost nothing."""
        if spec.endpoint is None:
            return FREE
        return self._by_name.get((host_of(spec), spec.endpoint.model.casefold()))

    @property
    def devices(self) -> tuple[str, ...]:
        """The names of all devices, in the file's order."""
        return tuple(dict.fromkeys(one.name for one in self._devices.values()))

    def device(self, name: str) -> DevicePrice | None:
        """The device of this name, or that its driver calls so; case, spaces and dashes do not matter.

        None: it has no price here. A training tells of a processor as "CPU, 2 threads".
        """
        called = _bare(name)
        return self._devices.get("cpu" if called.startswith("cpu,") else called)


def load_prices(path: Path = DEFAULT_PRICES) -> Prices:
    """Raises `PricesError` for a file that can't be read, is no TOML, or has an entry that is wrong or twice there."""
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise PricesError(f"The prices {path} can't be read ({error.strerror}).") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise PricesError(f"The prices {path} are not valid TOML: {error}.") from error
    try:
        file = _File.model_validate(document)
    except ValidationError as error:
        first = error.errors()[0]
        place = " ".join(f"number {part + 1}" if isinstance(part, int) else str(part) for part in first["loc"])
        raise PricesError(f"The prices {path}, {place}: {first['msg'].removeprefix('Value error, ')}.") from error
    return Prices(_tokens(path, file.tokens), _devices(path, file.device))


def _tokens(path: Path, entries: Iterable[_Tokens]) -> dict[tuple[str, str], Price]:
    found: dict[tuple[str, str], Price] = {}
    for one in entries:
        name = (one.host.casefold(), one.model.casefold())
        if name in found:
            raise PricesError(f"The prices {path} hold {one.model} at {one.host} twice; keep the one that is true.")
        found[name] = Price(one.input, one.output, one.as_of, one.source)
    return found


def _devices(path: Path, entries: Iterable[_Device]) -> dict[str, DevicePrice]:
    found: dict[str, DevicePrice] = {}
    for one in entries:
        price = DevicePrice(**one.model_dump(exclude={"also"}))
        for bare, name in {_bare(word): word.casefold() for word in (one.name, *one.also)}.items():
            if bare in found:
                raise PricesError(f"The prices {path} hold the device {name} twice; keep the one that is true.")
            found[bare] = price
    return found


def _bare(name: str) -> str:
    """A device's name as it is looked for: "RTX 4090" and "rtx-4090" are one."""
    return re.sub(r"[\s_-]", "", name).casefold()


def host_of(spec: ModelSpec) -> str:
    """The host that answers for the model, in lower case; empty where it runs on this machine."""
    return (urlsplit(spec.endpoint.url).hostname or "") if spec.endpoint else ""


def is_ours(spec: ModelSpec) -> bool:
    """Whether the model runs on this machine, as an engine or behind a loopback address."""
    host = host_of(spec)
    if host in ("", "localhost"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:  # a name, not an address
        return False
