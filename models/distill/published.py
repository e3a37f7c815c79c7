"""What others said that teaching a small model cost them, and what the same reckoning as ours makes of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from models.distill.price import HOUR, Means, Work, estimate
from models.distill.sizes import shape_named
from models.prices import DevicePrice


@dataclass(frozen=True)
class Published:
    """One published training. `hours` by the clock on its `devices`; `dollars`: for these, `data_dollars`: the teacher.

    `epochs` and `context` as its training code has them.
    """

    name: str
    size: str
    conversations: int
    devices: int
    hours: float
    dollars: float
    epochs: float
    context: int
    source: str
    data_dollars: float = 0.0

    @property
    def dollars_an_hour(self) -> float:
        """Of one device."""
        return self.dollars / (self.hours * self.devices)


VICUNA: Final = Published(
    "Vicuna-13B", "13B", 70_000, 8, 24.0, 300.0, 3.0, 2048,
    "lmsys.org/blog/2023-03-30-vicuna: 70K conversations, 8 A100s, one day, about 300 dollars on spot instances",
)  # fmt: skip
# What else was published of the price, for whoever reads the estimate.
OTHERS: Final = (
    "Vicuna-7B took about 140 dollars (the same announcement).",
    "Alpaca 7B: under 500 dollars for 52,000 answers of text-davinci-003, under 100 for three hours on 8 A100s.",
)


def work_of(published: Published) -> Work:
    """The published training as ours is reckoned: each conversation fills its context once, all weights are trained."""
    shape = shape_named(published.size)
    return Work(shape, published.conversations, published.context, published.epochs, published.context, method="full")


def utilisation_of(published: Published, device: DevicePrice) -> float:
    """The share of the devices' peak that its hours would be for the FLOPs we reckon."""
    return estimate(work_of(published), Means(device, published.devices, 1.0)).seconds / (published.hours * HOUR)
