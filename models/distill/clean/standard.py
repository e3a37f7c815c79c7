"""The rules that `distill clean` puts each conversation to, their names and their order."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final, Literal

from models.distill.clean import faults, personal
from models.distill.clean.cleaning import EXACT, NEARLY
from models.distill.clean.html import to_markdown
from models.distill.clean.judging import PERSONAL, SPLIT, VOTES, Rules
from models.distill.clean.languages import only
from models.distill.clean.reasoning import without_reasoning
from models.distill.clean.rounds import Count, alternate, estimated
from models.distill.clean.rule import Rule
from models.distill.problem import DistillProblem

HELD_OUT: Final = "held-out"
# What each rule does, for whoever turns one off; in the order in which they work.
RULES: Final[dict[str, str]] = {
    VOTES: "drops what people did not prefer in the arena's battles (only where an export of votes is given)",
    "reasoning": "takes the reasoning before an answer off (<think>…</think>), which nobody is shown",
    "html": "turns HTML into markdown",
    PERSONAL: "masks mail addresses, telephone numbers, keys, cards and IBANs, or drops whoever has them",
    "rounds": "drops what does not alternate between user and assistant; what has no answer at its end is taken off",
    "empty": "drops blank messages' conversations",
    "refused": "drops refusals and what an AI says of itself",
    "notice": "drops errors and notices of a page in an answer's place",
    "cut": "drops answers that were cut off",
    "loop": "drops answers that repeat themselves",
    "echo": "drops answers that only repeat the question",
    "language": "drops other languages than those wanted (only where some are named)",
    SPLIT: "parts what is longer than the context, without losing a round that fits",
    EXACT: "drops what says the same as another",
    NEARLY: "drops what says nearly the same as another",
    HELD_OUT: "keeps some back to measure on",
}


@dataclass(frozen=True)
class Standard:
    """All rules but those in `off`; a value that can be sent to another process, which makes its own of it.

    languages: ISO 639-1 codes as `detect` gives them; none: every language stays. personal: what is done to personal
    data. folder, template: the base's, whose tokens are counted then; without them tokens are estimated.
    """

    off: frozenset[str] = frozenset()
    languages: tuple[str, ...] = ()
    detect: Callable[[str], str] | None = None
    personal: Literal["mask", "drop"] = "mask"
    context: int = 2048
    base: str = ""
    folder: Path | None = None
    template: str = ""

    def __post_init__(self) -> None:
        if unknown := sorted(self.off - RULES.keys()):
            raise DistillProblem(f"There is no rule '{unknown[0]}' to turn off; there are {', '.join(RULES)}.")

    def __call__(self) -> Rules:
        """The rules, made once in each process. Raises `DistillProblem` for a tokenizer that can't be read."""
        return _made(self)


@cache
def _made(chosen: Standard) -> Rules:
    rules: dict[str, Callable[[], Rule]] = {
        "reasoning": lambda: without_reasoning,
        "html": lambda: to_markdown,
        PERSONAL: personal.mask if chosen.personal == "mask" else personal.drop,
        "rounds": lambda: alternate,
        "empty": lambda: faults.empty,
        "refused": lambda: faults.refused,
        "notice": lambda: faults.noticed,
        "cut": lambda: faults.cut,
        "loop": lambda: faults.looping,
        "echo": lambda: faults.echoed,
    }
    texts = [(name, make()) for name, make in rules.items() if name not in chosen.off]
    if chosen.languages and chosen.detect and "language" not in chosen.off:
        texts.append(("language", only(chosen.languages, chosen.detect)))
    return Rules(tuple(texts), None if SPLIT in chosen.off else _counting(chosen), chosen.context)


def _counting(chosen: Standard) -> Count:
    if chosen.folder is None:
        return estimated
    from models.distill.template import Encoder

    return Encoder(chosen.folder, chosen.template).length
