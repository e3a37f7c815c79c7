"""The price of a training as people and programs read it: the estimate, what was counted, the article beside them."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Final

from models.distill.assumed import article, assumptions, count, hours_text, money_text, time_text
from models.distill.price import UTILISATION, Counted, Estimate, Means, Work, estimate
from models.distill.published import VICUNA, work_of
from models.distill.run import Run
from models.prices import DevicePrice

UNKNOWN: Final = "–"
_NAMES: Final = (
    "Base", "Method", "Conversations", "Passes", "Tokens seen", "FLOPs", "Devices", "Share of their peak",
    "Time", "Device hours", "Energy", "Memory, at least", "Dollars for a device's hour", "Dollars",
)  # fmt: skip


@dataclass(frozen=True)
class Teacher:
    """What its answers take: `dollars` is None where its price is not known; `how` the tokens were reckoned."""

    name: str
    prompt_tokens: int
    tokens: int
    dollars: float | None
    how: str

    def sentence(self) -> str:
        took = f"{self.name} reads {count(self.prompt_tokens)} tokens and writes {count(self.tokens)} ({self.how})"
        if self.dollars is None:
            return f"The teacher's answers cost what is not known: no price in models/prices.toml is for it. {took}."
        return f"The teacher's answers cost {money_text(self.dollars)} more: {took}."


@dataclass(frozen=True)
class Bill:
    """An estimate, how its tokens were reckoned, and what else there is: a teacher, and a training with what it took.

    `article`: the device by which the article is reckoned. `as_counted`: the tokens are those the run counted.
    """

    work: Work
    means: Means
    tokens_from: str
    article: DevicePrice
    teacher: Teacher | None = None
    run: Run | None = None
    counted: Counted | None = None
    as_counted: bool = False

    @property
    def estimate(self) -> Estimate:
        return estimate(self.work, self.means)

    @property
    def article_means(self) -> Means:
        return Means(self.article, VICUNA.devices, UTILISATION["full"])


@dataclass(frozen=True)
class Part:
    """A heading, sentences, and perhaps a table, whose first column names its lines."""

    title: str
    sentences: tuple[str, ...]
    headers: tuple[str, ...] = ()
    lines: tuple[tuple[str, ...], ...] = ()


def parts(bill: Bill) -> tuple[Part, ...]:
    """What people read."""
    columns = {"Estimated": _column(bill.work, bill.means, "as counted" if bill.as_counted else "")}
    if bill.run is not None and bill.counted is not None:
        columns["Counted"] = _counted_column(bill.run, bill.counted, bill.means)
    columns[f"{VICUNA.name}, reckoned alike"] = _column(work_of(VICUNA), bill.article_means)
    columns[f"{VICUNA.name}, as published"] = _published_column()
    lines = tuple((name, *cells) for name, *cells in zip(_NAMES, *columns.values(), strict=True))
    return (
        Part("What it takes", _warnings(bill), ("", *columns), lines),
        Part("What is assumed", assumptions(bill.work, bill.means, bill.tokens_from)),
        Part("What was published", article(bill.article_means)),
    )


def record(bill: Bill) -> dict[str, object]:
    """What programs read; ready for JSON."""
    return {
        "estimate": {**_told(bill.work, bill.means), **asdict(bill.estimate)},
        "counted": None if bill.counted is None else asdict(bill.counted),
        "teacher": None if bill.teacher is None else asdict(bill.teacher),
        "assumptions": list(assumptions(bill.work, bill.means, bill.tokens_from)),
        "article": {
            "reckoned": {
                **_told(work_of(VICUNA), bill.article_means), **asdict(estimate(work_of(VICUNA), bill.article_means))
            },
            "published": asdict(VICUNA),
        },
    }  # fmt: skip


# -- columns, each in the order of the names -----------------------------------------------------


def _column(work: Work, means: Means, passes: str = "") -> tuple[str, ...]:
    found = estimate(work, means)
    return (
        work.shape.name,
        _method(work),
        f"{work.conversations:,}",
        passes or f"{work.epochs:g}",
        count(found.tokens),
        f"{found.flops:.2e}",
        f"{means.devices} × {means.device.name}",
        f"{100 * means.utilisation:.1f} %",
        time_text(found.seconds),
        hours_text(found.device_hours),
        _energy(found.kilowatt_hours),
        f"{found.memory:.1f} GB",
        f"{means.device.dollars_per_hour:.2f}",
        money_text(found.dollars),
    )


def _counted_column(run: Run, found: Counted, means: Means) -> tuple[str, ...]:
    return (
        run.base.id,
        _method_named(run.recipe.method, run.recipe.rank),
        f"{run.data.rows:,}",
        f"{run.recipe.max_steps} steps" if run.recipe.max_steps else f"{run.recipe.epochs:g}",
        count(found.tokens),
        f"{found.flops:.2e}" if found.flops else UNKNOWN,
        f"{run.spent.devices} × {run.spent.device or UNKNOWN}",
        f"{100 * found.utilisation:.1f} %" if found.flops else UNKNOWN,
        time_text(found.seconds),
        hours_text(found.device_hours),
        _energy(found.kilowatt_hours),
        UNKNOWN,
        f"{means.device.dollars_per_hour:.2f}",
        money_text(found.dollars),
    )


def _published_column() -> tuple[str, ...]:
    told = VICUNA
    return (
        f"LLaMA {told.size}",
        "all weights",
        f"about {told.conversations:,}",
        f"{told.epochs:g} (its code)",
        UNKNOWN,
        UNKNOWN,
        f"{told.devices} × A100",
        UNKNOWN,
        "one day",
        hours_text(told.hours * told.devices),
        UNKNOWN,
        UNKNOWN,
        f"{told.dollars_an_hour:.2f}",
        f"about {told.dollars:,.0f} dollars",
    )


# -- sentences -----------------------------------------------------------------------------------


def _warnings(bill: Bill) -> tuple[str, ...]:
    said = [] if bill.teacher is None else [bill.teacher.sentence()]
    found, means = bill.estimate, bill.means
    if bill.counted is not None and bill.counted.utilisation > 1:
        said.append(
            f"The run reached more than the peak of {means.device.name}, so it ran on something else; say on what by "
            "--device, or add a [[device]]."
        )
    if found.fits is False:
        room = (means.device.memory or 0.0) * means.devices
        said.append(
            f"It does not fit: weights and optimizer take {found.memory:.0f} GB at least, "
            f"{means.devices} × {means.device.name} have {room:g}; take more of them, a larger one, or qlora."
        )
    return tuple(said)


def _told(work: Work, means: Means) -> dict[str, object]:
    return {
        "base": work.shape.name,
        "parameters": work.shape.parameters,
        "method": work.method,
        "conversations": work.conversations,
        "tokens_each": work.tokens_each,
        "epochs": work.epochs,
        "context": work.context,
        "gradient_checkpointing": work.gradient_checkpointing,
        "device": means.device.name,
        "devices": means.devices,
        "utilisation": means.utilisation,
        "dollars_per_hour": means.device.dollars_per_hour,
    }


def _method(work: Work) -> str:
    return _method_named(work.method, work.rank)


def _method_named(method: str, rank: int) -> str:
    return "all weights" if method == "full" else f"{method}, rank {rank}"


def _energy(kilowatt_hours: float | None) -> str:
    if kilowatt_hours is None:
        return UNKNOWN
    return f"{kilowatt_hours:.1f} kWh" if kilowatt_hours >= 0.1 else f"{kilowatt_hours * 1000:.2f} Wh"
