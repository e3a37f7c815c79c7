"""A report's radar: what the page shows, and the file of it."""

from __future__ import annotations

from functools import partial

import plotly.graph_objects as go

from arena.figures.radar import Ring, radar
from arena.judge.report import JudgeReport, PairReport, Tally
from arena.ui.evaluation.words import category_name
from arena.ui.texts import Language, say

MOST_RINGS = 10


def draw(report: JudgeReport, pair: PairReport | None, language: Language) -> go.Figure:
    """The pair's two rings; in the single form those of the best contestants."""
    words = partial(say, language)
    if pair is None:
        return _singles(report, language)
    axes = [category_name(name, language) for name in pair.by_category]
    tallies = list(pair.by_category.values())
    if pair.total.total_baseline is None:
        rates = [tally.win_rate for tally in tallies]
        values = (rates, [None if rate is None else 1 - rate for rate in rates])
        title, top, form = words("radar_points"), 1.0, ".0%"
    else:
        values = ([_mean(one.total_model, one) for one in tallies], [_mean(one.total_baseline, one) for one in tallies])
        title, top, form = words("radar_scores"), 10.0, ".2f"
    told = (
        [_told(one, one.model_wins, language) for one in tallies],
        [_told(one, one.baseline_wins, language) for one in tallies],
    )
    names = (pair.model_name, pair.baseline_name)
    rings = [Ring(name, tuple(value), tuple(tell)) for name, value, tell in zip(names, values, told, strict=True)]
    return radar(title, axes, rings, top, form, words)


def _singles(report: JudgeReport, language: Language) -> go.Figure:
    shown = report.singles[:MOST_RINGS]
    categories = list(dict.fromkeys(name for one in shown for name in one.by_category))
    rings = [
        Ring(one.name, tuple(one.by_category.get(name) for name in categories), ("",) * len(categories))
        for one in shown
    ]
    axes = [category_name(name, language) for name in categories]
    return radar(say(language, "radar_scores"), axes, rings, 10.0, ".2f", partial(say, language))


def _mean(total: float | None, tally: Tally) -> float | None:
    return total / tally.judged if total is not None and tally.judged else None


def _told(tally: Tally, wins: int, language: Language) -> str:
    return say(language, "radar_told", judged=tally.judged, wins=wins, ties=tally.ties)
