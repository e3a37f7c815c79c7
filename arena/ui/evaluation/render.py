"""A report → what every component of the Evaluation page shows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import gradio as gr

from arena.judge.report import JudgeReport, PairReport
from arena.ui.evaluation.choice import Choice, set_of
from arena.ui.evaluation.drawn import draw
from arena.ui.evaluation.evaluations import Evaluated
from arena.ui.evaluation.headline import headline
from arena.ui.evaluation.readings import WAYS, Reading, readings_of
from arena.ui.evaluation.shown import conversations, heading, said, title
from arena.ui.evaluation.tables import category_table, pairs_table
from arena.ui.evaluation.told import people, rules, trust
from arena.ui.evaluation.widgets import Updates, Widgets
from arena.ui.evaluation.words import category_name, set_name
from arena.ui.texts import Language, say
from db.judging import JudgedTexts

Choices = list[tuple[str, str]]

FILES = ("evaluation.md", "evaluation.json")
PICTURES = ("png", "svg")


@dataclass(frozen=True)
class Closer:
    """Who is looked at closely: a pair, or one contestant (`model`) of the single form."""

    key: str
    pair: PairReport | None
    model: str
    names: dict[str, str]

    @property
    def baseline(self) -> str | None:
        return self.pair.baseline if self.pair else None


def closer_of(report: JudgeReport, key: str) -> Closer:
    """What `key` names in the report; the first there is where it names nothing."""
    found = _closer_ones(report)
    return next((one for one in found if one.key == key), found[0])


def render_nothing(widgets: Widgets, language: Language) -> Updates:
    """No judge has said anything: what to run."""
    return {widgets.summary: say(language, "eval_nothing"), widgets.panel: gr.update(visible=False)}


def render_board(widgets: Widgets, evaluated: Evaluated, choice: Choice, language: Language) -> Updates:
    """All but radar and reading."""
    report = evaluated.report
    closer = closer_of(report, choice.pair)
    readings = readings_of(evaluated.rows, closer.model, closer.baseline)
    return {
        widgets.summary: headline(report, closer.pair, language, heard=any(row.reply for row in evaluated.rows)),
        widgets.panel: gr.update(visible=True),
        **_choices(widgets, evaluated, closer, choice, language),
        widgets.pairs: pairs_table(report, language),
        widgets.rules: rules(report, closer.pair, language),
        widgets.files: _files(_query(evaluated, closer, choice), language),
        widgets.by_category: category_table(report, closer.pair, closer.model, language),
        widgets.trust: trust(report, language),
        widgets.people: people(report, evaluated.agreement, language),
        **_reading_filters(widgets, readings, closer, language),
    }


def render_radar(widgets: Widgets, evaluated: Evaluated, choice: Choice, language: Language) -> Updates:
    closer = closer_of(evaluated.report, choice.pair)
    buttons = "".join(
        f'<button type="button" data-picture="{form}" data-name="paddock-radar">{form.upper()}</button>'
        for form in PICTURES
    )
    page = _link("radar.html", _query(evaluated, closer, choice), say(language, "page_file"))
    return {
        widgets.plot: draw(evaluated.report, closer.pair, language),
        widgets.plot_files: f"<span>{escape(say(language, 'picture'))}</span>{buttons}{page}",
    }


def render_reading(
    widgets: Widgets, closer: Closer, found: Sequence[Reading], place: int, texts: Sequence[JudgedTexts],
    language: Language,
) -> Updates:  # fmt: skip
    """The judgment at `place` (from 1) of those found, with the texts of each of its orders."""
    several = closer.baseline is not None
    if not found:
        return _no_reading(widgets, found, place, say(language, "eval_place_none"), language)
    reading = found[place - 1]
    model_is_a = reading.orders[0].a == closer.model
    baseline, model = conversations(texts[0], model_is_a=model_is_a)
    return {
        widgets.place: _slider(found, place, language),
        widgets.title: title(reading, closer.names, language),
        widgets.baseline_pane: gr.update(
            value=baseline, label=heading(closer.names.get("baseline", ""), reading.score_baseline), visible=several
        ),
        widgets.model_pane: gr.update(
            value=model, label=heading(closer.names["model"], reading.score_model), visible=True
        ),
        widgets.said: said(reading, texts, language),
    }


def render_withheld(widgets: Widgets, found: Sequence[Reading], place: int, language: Language) -> Updates:
    """In the place of a judgment of answers that the visitor is yet to vote on: why it is not shown."""
    return _no_reading(widgets, found, place, say(language, "eval_withheld"), language)


def _no_reading(widgets: Widgets, found: Sequence[Reading], place: int, why: str, language: Language) -> Updates:
    empty = gr.update(value=[], label="", visible=False)
    return dict(zip(widgets.reading, (_slider(found, place, language), why, empty, empty, ""), strict=True))


def _slider(found: Sequence[Reading], place: int, language: Language) -> Any:
    return gr.update(
        maximum=max(len(found), 2), value=max(place, 1), visible=len(found) > 1,
        label=say(language, "eval_place", place=place, count=len(found)),
    )  # fmt: skip


def _closer_ones(report: JudgeReport) -> list[Closer]:
    pairs = [
        Closer(
            f"{pair.model}:{pair.baseline}", pair, pair.model,
            {"model": pair.model_name, "baseline": pair.baseline_name},
        )
        for pair in report.pairs
    ]  # fmt: skip
    return pairs or [Closer(one.contestant, None, one.contestant, {"model": one.name}) for one in report.singles]


def _choices(widgets: Widgets, evaluated: Evaluated, closer: Closer, choice: Choice, language: Language) -> Updates:
    """What each dropdown offers: forms are the judge's, sets those of judge and form."""
    part, parts = evaluated.part, evaluated.parts
    forms = dict.fromkeys(one.form for one in parts if one.judge == part.judge)
    sets = dict.fromkeys(set_of(one) for one in parts if (one.judge, one.form) == (part.judge, part.form))
    baseline = choice.baseline if choice.baseline in evaluated.baselines else ""
    pairs = [(_closer_label(one, language), one.key) for one in _closer_ones(evaluated.report)]
    single = part.form == "single"
    return {
        widgets.judge: gr.update(choices=_named({one.judge: one.judge_name for one in parts}), value=part.judge),
        widgets.form: gr.update(choices=[(say(language, f"form_{one}"), one) for one in forms], value=part.form),
        widgets.set: gr.update(choices=[(set_name(one, language), one) for one in sets], value=set_of(part)),
        widgets.baseline: gr.update(
            choices=[(say(language, "eval_any_baseline"), ""), *_named(evaluated.baselines)], value=baseline,
            visible=not single,
        ),
        widgets.pair: gr.update(choices=pairs, value=closer.key),
    }  # fmt: skip


def _closer_label(closer: Closer, language: Language) -> str:
    return say(language, "eval_versus", **closer.names) if closer.pair else closer.names["model"]


def _reading_filters(widgets: Widgets, readings: Sequence[Reading], closer: Closer, language: Language) -> Updates:
    everything = (say(language, "all"), "")
    categories = Counter(one.category for one in readings)
    ways = Counter(one.way for one in readings)
    by_category = [(f"{category_name(name, language)} ({count})", name) for name, count in categories.items()]
    by_way = [(f"{_way(way, closer, language)} ({ways[way]})", way) for way in WAYS if ways[way]]
    return {
        widgets.category: gr.update(choices=[everything, *by_category], value=""),
        widgets.way: gr.update(choices=[everything, *by_way], value=""),
    }


def _way(way: str, closer: Closer, language: Language) -> str:
    return say(language, f"eval_outcome_{way}", **closer.names)


def _named(names: Mapping[str, str]) -> Choices:
    """Fingerprints by their names; where several share one, with the beginning of theirs."""
    shared = Counter(names.values())
    return [(name if shared[name] == 1 else f"{name} ({one[:8]})", one) for one, name in names.items()]


def _query(evaluated: Evaluated, closer: Closer, choice: Choice) -> str:
    part = evaluated.part
    baseline = choice.baseline if choice.baseline in evaluated.baselines else ""
    return Choice(part.judge, part.form, set_of(part), baseline, closer.key).query


def _files(query: str, language: Language) -> str:
    return f"<span>{escape(say(language, 'download'))}</span>" + "".join(_link(name, query, name) for name in FILES)


def _link(name: str, query: str, words: str) -> str:
    return f'<a href="/download/{escape(name)}{escape(query)}" download>{escape(words)}</a>'
