"""The page's tables: the pairs to sort and search, and smaller ones as Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import gradio as gr

from arena.exchange.listings import UNKNOWN
from arena.judge.agreement import Agreement, Concord
from arena.judge.bootstrap import Estimate
from arena.judge.report import JudgeRating, JudgeReport, PairReport, PeopleRating, Tally
from arena.ui.evaluation.words import category_name, interval, percent, score, shares
from arena.ui.markup import plain
from arena.ui.tables import Cell, table_value
from arena.ui.texts import Language, say

NAME: list[Any] = ["markdown"]
# Two names and the figure beside them are as wide as a telephone.
WIDTH: list[str | int] = [122]
LOWEST = -1.0  # what is not known sorts to


def pairs_table(report: JudgeReport, language: Language) -> Any:
    """The report's pairs, or its contestants in the single form, as an update of a `gr.Dataframe`."""
    if report.form == "single":
        key, names = "eval_singles_columns", 1
        rows = [
            [_name(one.name), _mean(one.mean), *_interval(one.mean), *map(_count, (one.judged, one.failed))]
            for one in report.singles
        ]
    else:
        scored = any(pair.total.total_baseline is not None for pair in report.pairs)
        key, names = ("eval_pairs_columns" if scored else "eval_wins_columns"), 2
        rows = [_pair(pair, scored=scored) for pair in report.pairs]
    headers = say(language, key).split("|")
    numbers = len(headers) - names
    return gr.update(
        value=table_value(headers, rows),
        datatype=NAME * names + ["number"] * numbers,
        column_widths=WIDTH * names + [90, 140, *[85] * (numbers - 2)],
    )


def _pair(pair: PairReport, *, scored: bool) -> list[Cell]:
    total = pair.total
    figure = pair.ratio if scored else pair.win_rate
    cells = [_name(pair.model_name), _name(pair.baseline_name), _share(figure), *_interval(figure, share=True)]
    if scored:
        cells += [_total(total.total_model), _total(total.total_baseline)]
    counts = (total.model_wins, total.baseline_wins, total.ties, total.judged, total.failed)
    return [*cells, *map(_count, counts)]


def category_table(report: JudgeReport, pair: PairReport | None, model: str, language: Language) -> str:
    """A pair by category; in the single form the contestant `model` (a fingerprint)."""
    if pair is None:
        found = {
            name: mean for one in report.singles if one.contestant == model for name, mean in one.by_category.items()
        }
        rows = [[category_name(name, language), score(mean)] for name, mean in found.items()]
        return markdown_table(say(language, "eval_category_singles"), rows)
    if pair.total.total_baseline is None:
        headers = say(language, "eval_category_wins")
        rows = [
            [category_name(name, language), percent(tally.win_rate, 0), *_results(tally)]
            for name, tally in pair.by_category.items()
        ]
        return markdown_table(headers, rows)
    headers = say(
        language, "eval_category_columns", model=_heading(pair.model_name), baseline=_heading(pair.baseline_name)
    )
    rows = [
        [
            category_name(name, language), score(tally.total_model), score(tally.total_baseline),
            percent(tally.ratio), *_results(tally),
        ]
        for name, tally in pair.by_category.items()
    ]  # fmt: skip
    return markdown_table(headers, rows)


def trust_table(report: JudgeReport, language: Language) -> str:
    """Place and length: each figure with its interval, and what it says."""
    rows: list[list[str]] = []

    def add(key: str, value: Estimate | None, *, share: bool = True, **values: object) -> None:
        if value is not None:
            shown = (percent(value.value, 0), shares(value, 0)) if share else (f"{value.value:.2f}", interval(value))
            rows.append([say(language, key), *shown, say(language, f"{key}_means", **values)])

    if place := report.position:
        add("eval_consistency", place.consistency, chance=percent(place.chance, 0))
        add("eval_follows", place.follows, to_first=place.to_first, to_second=place.to_second)
        add("eval_first_place", place.first_place)
    if length := report.length:
        add("eval_longer", length.longer_wins)
        add("eval_slope", length.slope, share=False)
        rows += [
            [_longer_by(one.low, one.high, language), percent(one.longer_wins.value, 0), shares(one.longer_wins, 0), ""]
            for one in length.bins
        ]
    return markdown_table(say(language, "eval_trust_columns"), rows) if rows else ""


def agreement_table(agreement: Agreement, language: Language) -> str:
    """How often people and the judge say the same, with ties and without, of all battles and by category."""
    decided = dict(agreement.by_category_without_ties)
    listed: list[tuple[str, Concord, Concord | None]] = [
        (say(language, "all"), agreement.with_ties, agreement.without_ties),
        *((category_name(name, language), found, decided.get(name)) for name, found in agreement.by_category),
    ]
    rows = [[name, *_concord(with_ties), *_concord(without)] for name, with_ties, without in listed]
    return markdown_table(say(language, "eval_agreement_columns"), rows)


def ratings_table(ratings: Sequence[JudgeRating], language: Language) -> str:
    """The judge's ratings beside people's."""
    rows = [
        [
            one.name, f"{one.rating:.0f}", _points(one), str(one.judged),
            *(_rated(one.people) if one.people else [UNKNOWN] * 3),
        ]
        for one in ratings
    ]  # fmt: skip
    return markdown_table(say(language, "eval_ratings_columns"), rows)


def markdown_table(headers: str, rows: Iterable[Sequence[str]]) -> str:
    """`headers` by "|"; every cell is shown as it is."""
    names = headers.split("|")
    rule = ["---"] * len(names)
    return "\n".join(
        f"| {' | '.join(row)} |" for row in (names, rule, *([plain(cell) for cell in row] for row in rows))
    )


def _results(tally: Tally) -> list[str]:
    return [str(count) for count in (tally.model_wins, tally.baseline_wins, tally.ties, tally.failed)]


def _longer_by(low: float, high: float | None, language: Language) -> str:
    if high is None:
        return say(language, "eval_longer_more", low=f"{low:g}")
    return say(language, "eval_longer_by", low=f"{low:g}", high=f"{high:g}")


def _heading(name: str) -> str:
    """A name in a row of headings that "|" parts."""
    return plain(name.replace("|", "/"))


def _points(rating: JudgeRating | PeopleRating) -> str:
    if rating.lower is None or rating.upper is None:
        return UNKNOWN
    return f"{rating.lower:.0f} – {rating.upper:.0f}"


def _rated(people: PeopleRating) -> list[str]:
    return [f"{people.rating:.0f}", _points(people), str(people.votes)]


def _concord(found: Concord | None) -> list[str]:
    if found is None:
        return [UNKNOWN] * 4
    kappa = UNKNOWN if found.kappa is None else f"{found.kappa.value:.2f}"
    return [str(found.battles), percent(found.raw.value, 0), shares(found.raw, 0), kappa]


def _name(name: str) -> Cell:
    return name, plain(name)


def _count(value: int) -> Cell:
    return value, str(value)


def _total(value: float | None) -> Cell:
    return (LOWEST, UNKNOWN) if value is None else (round(value, 2), score(value))


def _share(value: Estimate | None) -> Cell:
    return (LOWEST, UNKNOWN) if value is None else (round(value.value, 4), percent(value.value))


def _mean(value: Estimate | None) -> Cell:
    return (LOWEST, UNKNOWN) if value is None else (round(value.value, 4), f"{value.value:.2f}")


def _interval(value: Estimate | None, *, share: bool = False) -> list[Cell]:
    if value is None:
        return [(LOWEST, UNKNOWN)]
    return [(round(value.low, 4), shares(value) if share else interval(value))]
