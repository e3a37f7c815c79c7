"""The report → sections for people: who does better, and what there is to know of the judge."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from arena.judge.joined import BATTLES
from arena.judge.report import JudgeReport, PairReport, Report
from arena.judge.section import UNKNOWN, Section, interval, percent, percents, score, sure
from arena.judge.trust import agreement_section, flag_sentences, trust_sections


def sections(report: Report) -> Iterator[Section]:
    """The report as people read it, in English."""
    yield Section(1, "What the judge says")
    told = set()
    titles = Counter(title_of(part) for part in report.parts)
    for part in report.parts:
        # After its entry in the catalogue was changed a judge is another one of the same name.
        which = f" ({part.judge[:8]})" if titles[title_of(part)] > 1 else ""
        yield Section(2, title_of(part) + which, (*flag_sentences(part), _spent(part)))
        yield from _pairs(part)
        yield from _singles(part)
        yield from trust_sections(part)
        # It is of all sets and battles together, so it stands below the first of them alone.
        if (part.judge, part.form) not in told and (agreement := report.agreement_with(part)) is not None:
            told.add((part.judge, part.form))
            yield agreement_section(agreement)


def title_of(part: JudgeReport) -> str:
    of = "people's battles" if part.set == BATTLES else f"the questions of {part.set}"
    return f"{part.judge_name} on {of}, {part.form} form"


def reach_sentence(pair: PairReport) -> str:
    """The sentence "A reaches 92.1 % of B's total …", or who wins how often where there are no totals."""
    total = pair.total
    wins = f"{pair.baseline_name} wins {total.baseline_wins}, {pair.model_name} {total.model_wins}, ties {total.ties}"
    if total.ratio is None:
        return f"Of {total.judged} questions {wins}."
    reached = sure(pair.ratio) if pair.ratio else percent(total.ratio)
    return f"{pair.model_name} reaches {reached} of {pair.baseline_name}'s total; {wins}."


def _spent(part: JudgeReport) -> str:
    """What was asked and what it took: what is known in part only is a lower bound."""
    tokens, cost = "", ""
    if part.tokens is not None:
        tokens = f", {'at least ' if part.unknown_tokens else ''}{part.tokens:,} tokens"
    if part.cost is not None:
        cost = f", {'at least ' if part.unknown_cost else ''}{part.cost:.2f} dollars"
    outdated = (
        f" {part.outdated} of them are of questions whose text has changed since, and count in no other figure."
        if part.outdated
        else ""
    )
    return f"{part.done} judgments, {part.failed} failed{tokens}{cost}.{outdated}"


def _pairs(part: JudgeReport) -> Iterator[Section]:
    if part.pairs:
        yield _table_of_pairs(part)
    # Ratios of pairs that were judged themselves are in the table of pairs.
    if any(one.via for one in part.chain):
        lines = tuple(
            (one.contestant_name, one.via_name or UNKNOWN, percent(one.ratio.value), percents(one.ratio))
            for one in part.chain
        )
        title = f"What the others reach of {part.chain[0].reference_name}"
        yield Section(3, title, (), ("Model", "By way of", "Ratio", "95 %"), lines, (2, 3))
    for pair in part.pairs:
        yield _by_category(pair)
    if found := tuple(_contradictions(part)):
        said = "Scores of these imported reviews are not those that their texts give (baseline, model):"
        yield Section(3, "Contradictions", (said,), ("File", "Question", "Stored", "In the text"), found)


def _table_of_pairs(part: JudgeReport) -> Section:
    headers = ("Baseline", "Model", "Baseline total", "Model total", "Ratio", "95 %",
               "Baseline wins", "Model wins", "Ties", "Win rate", "95 %", "Judged", "Failed")  # fmt: skip
    lines = tuple(
        (
            pair.baseline_name,
            pair.model_name,
            score(pair.total.total_baseline),
            score(pair.total.total_model),
            percent(pair.total.ratio),
            percents(pair.ratio),
            str(pair.total.baseline_wins),
            str(pair.total.model_wins),
            str(pair.total.ties),
            percent(pair.total.win_rate),
            percents(pair.win_rate),
            str(pair.total.judged),
            str(pair.total.failed),
        )
        for pair in part.pairs
    )
    return Section(3, "Pairs", tuple(map(reach_sentence, part.pairs)), headers, lines, tuple(range(2, len(headers))))


def _by_category(pair: PairReport) -> Section:
    headers = ("Category", "Baseline total", "Model total", "Ratio",
               "Baseline wins", "Model wins", "Ties", "Judged", "Failed")  # fmt: skip
    lines = tuple(
        (
            category,
            score(tally.total_baseline),
            score(tally.total_model),
            percent(tally.ratio),
            *map(str, (tally.baseline_wins, tally.model_wins, tally.ties, tally.judged, tally.failed)),
        )
        for category, tally in pair.by_category.items()
    )
    title = f"{pair.model_name} against {pair.baseline_name}, by category"
    return Section(3, title, (), headers, lines, tuple(range(1, len(headers))))


def _contradictions(part: JudgeReport) -> Iterator[tuple[str, ...]]:
    for pair in part.pairs:
        for one in pair.contradictions:
            text = "none" if one.text is None else f"{one.text[0]:g}, {one.text[1]:g}"
            yield one.source, f"{one.number} ({one.category})", f"{one.stored[0]:g}, {one.stored[1]:g}", text


def _singles(part: JudgeReport) -> Iterator[Section]:
    if not part.singles:
        return
    categories = tuple(dict.fromkeys(name for one in part.singles for name in one.by_category))
    lines = tuple(
        (
            one.name,
            UNKNOWN if one.mean is None else f"{one.mean.value:.2f}",
            UNKNOWN if one.mean is None else interval(one.mean.low, one.mean.high),
            *(f"{one.by_category[name]:.2f}" if name in one.by_category else UNKNOWN for name in categories),
            str(one.judged),
            str(one.failed),
        )
        for one in part.singles
    )
    headers = ("Model", "Mean score", "95 %", *categories, "Judged", "Failed")
    yield Section(3, "Scores of single answers", (), headers, lines, tuple(range(1, len(headers))))
