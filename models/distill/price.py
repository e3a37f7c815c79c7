"""What a training takes, in time, energy and money: estimated before, counted after."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from models.distill.flops import RANK, Shape, training_flops
from models.prices import DevicePrice

if TYPE_CHECKING:
    from models.distill.recipe import Method
    from models.distill.run import Spent

HOUR = 3600.0
KILOWATT_HOUR = 3.6e6
GB = 1e9
# The part of a device's peak that a training reaches, recomputation counted as work: an assumption, for what was
# trained replaces it. Chowdhery et al. 2022 reached 46 % on thousands of chips without it; four bits are unpacked on
# the way, and pairs are of unequal length.
UTILISATION: Final[Mapping[str, float]] = {"full": 0.4, "lora": 0.4, "qlora": 0.3, "dpo": 0.3}
# Bytes for each parameter of the base: weights and gradients in bf16, and Adam's three copies in fp32 (Rajbhandari et
# al. 2020, arXiv:1910.02054); frozen in bf16; in NF4 with constants that are quantized too (Dettmers et al. 2023).
_TRAINED, _FROZEN, _FOUR_BITS = 16.0, 2.0, 4.127 / 8


@dataclass(frozen=True)
class Work:
    """A training to be priced.

    `tokens_each`: mean tokens of a conversation, as its template writes it, in dpo of each of the two of a pair;
    `context`: tokens that go through the model at one time.
    """

    shape: Shape
    conversations: int
    tokens_each: float
    epochs: float = 3.0
    context: int = 2048
    method: Method = "qlora"
    gradient_checkpointing: bool = True
    rank: int = RANK

    @property
    def tokens(self) -> float:
        """Tokens that go through the model in all its passes over the data."""
        return self.conversations * self.tokens_each * self.epochs * (2 if self.method == "dpo" else 1)

    @property
    def flops(self) -> float:
        return training_flops(
            self.shape, self.tokens, self.context, self.method, self.gradient_checkpointing, self.rank
        )

    @property
    def memory(self) -> float:
        """GB that weights, gradients and the optimizer take at least, all devices together; activations come on top."""
        if self.method == "full":
            return _TRAINED * self.shape.parameters / GB
        tables = self.shape.embedding * (1 if self.shape.tied else 2)
        layers = _FOUR_BITS if self.method == "qlora" else _FROZEN
        base = layers * (self.shape.parameters - tables) + _FROZEN * tables
        return (base + _TRAINED * self.shape.adapter(self.rank)) / GB


@dataclass(frozen=True)
class Means:
    """What a training runs on; `utilisation`: the share of the peak it reaches, 0 to 1."""

    device: DevicePrice
    devices: int
    utilisation: float


@dataclass(frozen=True)
class Estimate:
    """`seconds` by the clock; `kilowatt_hours`: as if the devices drew all they may, None: not known.

    `fits`: whether weights and optimizer find room on the devices, None: their memory is not known.
    """

    tokens: float
    flops: float
    seconds: float
    device_hours: float
    kilowatt_hours: float | None
    dollars: float
    memory: float
    fits: bool | None


@dataclass(frozen=True)
class Counted:
    """What a training did take. `utilisation`: of the devices' peak; `kilowatt_hours`: None where nothing counted."""

    tokens: int
    flops: float
    seconds: float
    device_hours: float
    utilisation: float
    tokens_per_second: float
    kilowatt_hours: float | None
    dollars: float


def money(seconds: float, devices: int, device: DevicePrice) -> float:
    """Dollars for this long on so many devices."""
    return seconds / HOUR * devices * device.dollars_per_hour


def estimate(work: Work, means: Means) -> Estimate:
    """What the work will take: its FLOPs at the share of the devices' peak that is assumed."""
    seconds = work.flops / (means.devices * means.device.flops * means.utilisation)
    hours = seconds / HOUR * means.devices
    watts, memory = means.device.watts, means.device.memory
    return Estimate(
        tokens=work.tokens,
        flops=work.flops,
        seconds=seconds,
        device_hours=hours,
        kilowatt_hours=None if watts is None else watts * hours / 1000,
        dollars=money(seconds, means.devices, means.device),
        memory=work.memory,
        fits=None if memory is None else work.memory <= memory * means.devices,
    )


def counted(spent: Spent, device: DevicePrice) -> Counted:
    """What a run took, in money at the price of `device`."""
    peak = spent.devices * device.flops * spent.seconds
    return Counted(
        tokens=spent.tokens,
        flops=spent.flops,
        seconds=spent.seconds,
        device_hours=spent.seconds / HOUR * spent.devices,
        utilisation=spent.flops / peak if peak else 0.0,
        tokens_per_second=spent.tokens / spent.seconds if spent.seconds else 0.0,
        kilowatt_hours=None if spent.joules is None else spent.joules / KILOWATT_HOUR,
        dollars=money(spent.seconds, spent.devices, device),
    )
