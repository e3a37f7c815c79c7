"""What an estimate rests on, and what was published of the same, as sentences; figures as people read them."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from models.distill.price import HOUR, UTILISATION, Means, Work, estimate
from models.distill.published import OTHERS, VICUNA, utilisation_of, work_of
from models.prices import DevicePrice

_LEFT_OUT: Final = "Left out: trials that failed, cleaning, judging, disks, transfer, and people's time."


def assumptions(work: Work, means: Means, tokens_from: str) -> tuple[str, ...]:
    """Everything an estimate rests on, a sentence each; `tokens_from` says how the tokens were reckoned."""
    return (
        f"Tokens: {tokens_from}.",
        _flops(work),
        _reached(work, means),
        _dollars(means.device),
        "Energy: not known for this device."
        if means.device.watts is None
        else "Energy: the driver's limit all the time, the rest of the machine left out.",
        _LEFT_OUT,
    )


def article(means: Means) -> tuple[str, ...]:
    """What was published, and what of it can be followed by our reckoning on `means`."""
    theirs = replace(means, device=replace(means.device, dollars_per_hour=VICUNA.dollars_an_hour))
    dollars = money_text(estimate(work_of(VICUNA), theirs).dollars)
    reached = f"{100 * utilisation_of(VICUNA, means.device):.0f} %"
    an_hour = f"That is {VICUNA.dollars_an_hour:.2f} dollars for an hour of one A100"
    own = f"{VICUNA.name}: {VICUNA.source}. {an_hour}; at that price our reckoning comes to {dollars}."
    open_ = (
        f"It tells no tokens. If each conversation filled {VICUNA.context:,} tokens once, its day was {reached} of the "
        "peak; its code split long ones into several and filled short ones up, so it computed more than that."
    )
    return (own, open_, *OTHERS)


def _flops(work: Work) -> str:
    each = "6" if work.method == "full" else "4, the adapter's beside them 6"
    asked = ", 2 for the base that pairs are compared with" if work.method == "dpo" else ""
    again = ", the forward pass again for gradient checkpointing" if work.gradient_checkpointing else ""
    return (
        f"FLOPs: of a token for each of the {count(work.shape.multiplied)} parameters that multiply it {each}{asked}"
        f"{again}; {work.context:,} tokens in attention; the shape is that of {work.shape.name}."
    )


def _reached(work: Work, means: Means) -> str:
    assumed = "assumed; --run says what yours reached" if UTILISATION[work.method] == means.utilisation else "given"
    peak = f"{means.device.flops / 1e12:g} TFLOP/s"
    return f"A device reaches {100 * means.utilisation:.1f} % of its peak of {peak}, recomputation counted ({assumed})."


def _dollars(device: DevicePrice) -> str:
    as_of = f" ({device.as_of})" if device.as_of else ""
    return (
        f"An hour of {device.name} costs {device.dollars_per_hour:.2f} dollars{as_of}, which is yours to check. "
        f"{device.source}."
    )


# -- figures -------------------------------------------------------------------------------------


def count(number: float) -> str:
    """Tokens as "430 million", or all their digits where they are few."""
    for size, unit in ((1e9, "billion"), (1e6, "million")):
        if number >= size:
            return f"{number / size:.{1 if number < 100 * size else 0}f} {unit}"
    return f"{number:,.0f}"


def time_text(seconds: float) -> str:
    """In the unit that fits, long ones in days too."""
    if seconds < 120:
        return f"{seconds:.1f} s"
    if seconds < 2 * HOUR:
        return f"{seconds / 60:.1f} min"
    told = f"{seconds / HOUR:.1f} h"
    return f"{told} ({seconds / HOUR / 24:.1f} days)" if seconds > 48 * HOUR else told


def hours_text(hours: float) -> str:
    return f"{hours:,.1f}" if hours >= 1 else f"{hours:.2g}"


def money_text(dollars: float) -> str:
    return f"{dollars:,.0f} dollars" if dollars >= 100 else f"{dollars:.{2 if dollars >= 0.1 else 4}f} dollars"
