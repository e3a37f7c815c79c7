"""Whether teaching helped, by stated rules: what a judge says of both, and the loss on answers neither has seen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from models.distill.held_out import Change

Way = Literal["better", "worse", "open"]
_JUDGE: Final = (
    "The judge finds the student better where the 95 % interval of its share of the points lies above one half, worse "
    "where it lies below; else it leaves it open. A useless judge says nothing. A tie is half a point; two orders that "
    "disagree are a tie."
)
_LOSS: Final = (
    "The loss on held-out answers is better where the 95 % interval of its ratio, after by before, lies below 1, worse "
    "where it lies above."
)
_BOTH: Final = (
    "Teaching helped where the judge finds the student better and the loss is not worse, and did not where one of the "
    "two is worse and neither is better; else it can't be told. A loss that fell says that the student answers more "
    "like its teacher, which almost any training brings about, and the judge alone whether that is better."
)
RULES: Final = (_JUDGE, _LOSS, _BOTH)

_JUDGE_SAYS: Final[Mapping[Way, str]] = {
    "better": "finds it better",
    "worse": "finds it worse",
    "open": "leaves it open",
}
_LOSS_SAYS: Final[Mapping[Way, str]] = {"better": "fell", "worse": "rose", "open": "leaves it open"}


@dataclass(frozen=True)
class Judged:
    """What a judge says of student and base over `questions` with a verdict: the student's share of the points.

    `useless`: it follows the place of an answer, or chance, so that its verdicts say nothing. `failed`: questions
    without a verdict.
    """

    judge: str
    questions: int
    failed: int
    wins: int
    losses: int
    ties: int
    share: float
    low: float
    high: float
    useless: bool

    @property
    def way(self) -> Way:
        if self.useless:
            return "open"
        return "better" if self.low > 0.5 else "worse" if self.high < 0.5 else "open"

    @property
    def says(self) -> str:
        return "is useless, see its flags" if self.useless else _JUDGE_SAYS[self.way]

    def sentence(self, student: str, base: str) -> str:
        points = f"{100 * self.share:.1f} % ({100 * self.low:.1f}–{100 * self.high:.1f}) of the points"
        failed = f", {self.failed} failed" if self.failed else ""
        return (
            f"{self.judge} {self.says}: against {base}, {student} gets {points} on {self.questions} "
            f"questions, {self.wins} won, {self.losses} lost, {self.ties} ties{failed}."
        )


@dataclass(frozen=True)
class Verdict:
    """`helped` is None where it can't be told; `judged` and `held_out` are None where they were not to be had."""

    helped: bool | None
    sentence: str
    reasons: tuple[str, ...]
    judged: Judged | None
    held_out: Change | None


def verdict(student: str, base: str, judged: Judged | None, held_out: Change | None, start: str = "") -> Verdict:
    """What both come to, by the rules above; names are those people know.

    `start`: the run whose student this training went on from; then the loss before is that one's, not the base's.
    """
    by_judge: Way = judged.way if judged else "open"
    by_loss: Way = way_of(held_out) if held_out else "open"
    reasons = (
        judged.sentence(student, base) if judged else "The judge gave no verdict on any question.",
        loss_sentence(held_out, start) if held_out else "The loss on held-out answers is not known.",
    )
    by_whom = f"the judge {judged.says if judged else 'gave no verdict'}"
    why = f"{by_whom}, the held-out loss {_LOSS_SAYS[by_loss] if held_out else 'is not known'}"
    ways = {by_judge, by_loss}
    if by_judge == "better" and by_loss != "worse":
        return Verdict(True, f"Teaching {student} helped: {why}.", reasons, judged, held_out)
    if ways in ({"worse"}, {"worse", "open"}):
        return Verdict(False, f"Teaching {student} did not help: {why}.", reasons, judged, held_out)
    if (by_judge, by_loss) == ("open", "better"):
        said = f"{student} answers more like its teacher; whether that is better can't be told"
    else:
        said = f"Whether teaching {student} helped can't be told"
    return Verdict(None, f"{said}: {why}.", reasons, judged, held_out)


def way_of(change: Change) -> Way:
    return "better" if change.high < 1 else "worse" if change.low > 1 else "open"


def loss_sentence(change: Change, start: str = "") -> str:
    """The change in words, with its interval; `start` as in `verdict`."""
    low, high = 100 * (change.low - 1), 100 * (change.high - 1)
    between = f"{100 * (change.ratio - 1):+.1f} % ({low:+.1f} to {high:+.1f})"
    nats = f"from {change.before:.3f} to {change.after:.3f} nats a token"
    since = f" The loss before is not the base's but that of {start}, which it went on from." if start else ""
    return f"The held-out loss {_LOSS_SAYS[way_of(change)]}: {nats}, {between}.{since}"
