"""Two contestants side by side: totals, their ratio, wins, and the same by category."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from arena.judge.bootstrap import Estimate, ratio, share
from arena.judge.joined import Compared, summed
from arena.judge.replies import Unreadable, read_reply
from arena.judge.verdict import by_contestant
from db.judging import JudgedRow


@dataclass(frozen=True)
class Tally:
    """One pair over some questions. Totals are None in the pairwise form; `failed` questions are in nothing else."""

    total_baseline: float | None
    total_model: float | None
    baseline_wins: int
    model_wins: int
    ties: int
    judged: int
    failed: int

    @property
    def ratio(self) -> float | None:
        """What the model reaches of the baseline's total; None without one."""
        return self.total_model / self.total_baseline if self.total_model is not None and self.total_baseline else None

    @property
    def win_rate(self) -> float | None:
        """The model's points of all it could have, a tie half a point; None where nothing was judged."""
        return (self.model_wins + self.ties / 2) / self.judged if self.judged else None


@dataclass(frozen=True)
class Contradiction:
    """A judgment of others whose stored scores are not those its text gives (None: it gives none); `source`: its file.

    Scores are those of baseline and model, in a review those of the answers shown first and second.
    """

    key: str
    source: str
    number: str
    category: str
    stored: tuple[float, float]
    text: tuple[float, float] | None


@dataclass(frozen=True)
class PairReport:
    """Two contestants (fingerprints and names) by one judge, form and set; `by_category` in the order of the set.

    `ratio` and `win_rate` are the model's. `contradictions`: of imported judgments alone.
    """

    judge: str
    judge_name: str
    form: str
    set: str
    baseline: str
    baseline_name: str
    model: str
    model_name: str
    total: Tally
    by_category: dict[str, Tally]
    ratio: Estimate | None
    win_rate: Estimate | None
    contradictions: tuple[Contradiction, ...] = ()


@dataclass(frozen=True)
class _Sided:
    """A comparison seen from the baseline; scores are those of baseline and model."""

    cluster: str
    category: str
    scores: tuple[float, float] | None
    points: float | None  # of the model; None: failed


def pair_reports(
    comparisons: Sequence[Compared], set_name: str, baselines: Collection[str] | None
) -> tuple[PairReport, ...]:
    """A report of each pair; where `baselines` (fingerprints) are given, of their pairs alone.

    Without any the baseline of a pair is whoever was shown first in every judgment, as in the published reviews, else
    whoever does better. Those whose model wins most come first.
    """
    pairs: dict[tuple[str, str], list[Compared]] = {}
    for one in comparisons:
        if baselines is None or one.a in baselines or one.b in baselines:
            pairs.setdefault((one.a, one.b), []).append(one)
    found = [_pair_report(ours, set_name, _is_baseline_a(ours, baselines)) for ours in pairs.values()]
    return tuple(sorted(found, key=lambda pair: (-(pair.total.win_rate or 0.0), pair.baseline_name, pair.model_name)))


def _pair_report(ours: Sequence[Compared], set_name: str, baseline_is_a: bool) -> PairReport:
    sided = [_sided(one, baseline_is_a) for one in ours]
    told = [one for one in sided if one.points is not None]
    scored = [(one.cluster, *one.scores) for one in told if one.scores is not None]
    shown = [cluster for cluster, _, _ in scored]
    clusters, their_points = [one.cluster for one in told], [one.points or 0.0 for one in told]
    row = ours[0].orders[0]
    a, b = (ours[0].a, ours[0].name_a), (ours[0].b, ours[0].name_b)
    (baseline, baseline_name), (model, model_name) = (a, b) if baseline_is_a else (b, a)
    return PairReport(
        judge=row.judge,
        judge_name=row.judge_name,
        form=row.form,
        set=set_name,
        baseline=baseline,
        baseline_name=baseline_name,
        model=model,
        model_name=model_name,
        total=_tally(sided),
        by_category={
            name: _tally([one for one in sided if one.category == name])
            for name in dict.fromkeys(one.category for one in sided)
        },
        ratio=ratio(summed([one for _, _, one in scored], shown), summed([one for _, one, _ in scored], shown)),
        win_rate=share(summed(their_points, clusters), summed([1.0] * len(told), clusters)),
        contradictions=tuple(
            found for one in ours for row in one.orders if (found := _contradiction(row, baseline_is_a))
        ),
    )


def _is_baseline_a(ours: Sequence[Compared], baselines: Collection[str] | None) -> bool:
    a, b = ours[0].a, ours[0].b
    if baselines is not None and (a in baselines) != (b in baselines):
        return a in baselines
    firsts = {row.first for one in ours for row in one.orders}
    if len(firsts) == 1:
        return firsts == {"a"}
    told = [one.verdict for one in ours if one.verdict is not None]
    lead = sum((one.score_a or 0) - (one.score_b or 0) for one in told)
    wins = sum((one.outcome == "a") - (one.outcome == "b") for one in told)
    return (lead or wins, ours[0].name_b) >= (0, ours[0].name_a)


def _sided(one: Compared, baseline_is_a: bool) -> _Sided:
    if one.verdict is None:
        return _Sided(one.cluster, one.category, None, None)
    a, b = one.verdict.score_a, one.verdict.score_b
    scores = None if a is None or b is None else (a, b) if baseline_is_a else (b, a)
    return _Sided(one.cluster, one.category, scores, 1 - one.points if baseline_is_a else one.points)


def _tally(sided: Sequence[_Sided]) -> Tally:
    scores = [one.scores for one in sided if one.scores is not None]
    points = [one.points for one in sided if one.points is not None]
    return Tally(
        total_baseline=sum(baseline for baseline, _ in scores) if scores else None,
        total_model=sum(model for _, model in scores) if scores else None,
        baseline_wins=points.count(0.0),
        model_wins=points.count(1.0),
        ties=points.count(0.5),
        judged=len(points),
        failed=len(sided) - len(points),
    )


def _contradiction(row: JudgedRow, baseline_is_a: bool) -> Contradiction | None:
    """Of a judgment that others made, where its text does not give the scores that came with it."""
    if row.source is None or row.status != "done" or row.score_a is None or row.score_b is None:
        return None
    stored = row.score_a, row.score_b
    text: tuple[float, float] | None
    try:
        said = by_contestant(read_reply("score", row.reply), "a" if row.first == "a" else "b")
        text = (said.score_a or 0.0, said.score_b or 0.0)
    except Unreadable:
        text = None
    if text == stored:
        return None
    if not baseline_is_a:
        stored, text = stored[::-1], text and text[::-1]
    return Contradiction(row.key, row.source, row.number or "", row.category or "", stored, text)
