"""How far a judge can be trusted, as sections for people."""

from __future__ import annotations

from collections.abc import Iterator

from arena.judge.agreement import Agreement
from arena.judge.bias import PositionBias
from arena.judge.length import LengthBias
from arena.judge.report import JudgeReport
from arena.judge.section import UNKNOWN, Section, interval, percent, percents, sure

# By code and whether it makes the judge useless.
_FLAGS = {
    ("always_first", True): "Useless: all {count} verdicts go to the answer that was shown first.",
    ("always_second", True): "Useless: all {count} verdicts go to the answer that was shown second.",
    ("always_tie", True): "Useless: all {count} verdicts are ties.",
    ("same_score", True): "Useless: all {count} verdicts give the same score.",
    ("chance", True): "Useless: its two orders agree in {share} of {count} questions, which is about what chance does.",
    ("failed", True): "Useless: of {count} judgments none has a verdict: no reply came, or none that could be read.",
    ("always_first", False): "All {count} verdicts go to the answer shown first, always the same contestant's.",
    ("always_second", False): "All {count} verdicts go to the answer shown second, always the same contestant's.",
    ("unsure", False): "Its two orders agree in {share} of {count} questions: too few to show that it is no chance.",
    ("one_order", False): "Only one order was asked: how far the place decides is not known.",
    (
        "unfinished",
        False,
    ): "{count} questions were judged in one order only, others of the same pair in both: run it on.",
    ("first_place", False): "It leans to a place: of its decisions {share} go to the answer that was shown first.",
    ("longer_wins", False): "Longer answers win more often with it, strength held equal.",
    ("failed", False): "{count} of its judgments failed ({share}): no reply came, or none that could be read.",
    ("self_judged", False): "It judged answers of its own in {count} judgments; models tend to prefer themselves.",
    ("few", False): "Only {count} questions were judged: intervals are wide, and those of ratios still too narrow.",
}


def flag_sentences(part: JudgeReport) -> tuple[str, ...]:
    """What speaks against the judge, a sentence each."""
    return tuple(
        _FLAGS[flag.code, flag.useless].format(count=flag.count, share=percent(flag.share)) for flag in part.flags
    )


def trust_sections(part: JudgeReport) -> Iterator[Section]:
    """Place, length, and its ratings beside people's."""
    if part.position is not None:
        yield _place(part.position)
    if part.length is not None:
        yield _length(part.length)
    if part.ratings:
        yield _ratings(part)


def agreement_section(agreement: Agreement) -> Section:
    """Agreement with people, over all and by category, with and without ties."""
    rows = [("all", agreement.with_ties), *agreement.by_category]
    decided = [("all", agreement.without_ties), *agreement.by_category_without_ties]
    lines = tuple(
        (
            f"{name}{without}",
            str(one.battles),
            percent(one.raw.value),
            percents(one.raw),
            UNKNOWN if one.kappa is None else f"{one.kappa.value:.2f}",
            UNKNOWN if one.kappa is None else interval(one.kappa.low, one.kappa.high),
        )
        for without, concords in (("", rows), (" without ties", decided))
        for name, one in concords
        if one is not None
    )
    said = [
        f"Of all that people voted on and {agreement.judge_name} judged in the {agreement.form} form, of any set.",
        "Both answers bad counts as a tie, and so do two orders that disagree.",
        "Kappa: 0 is chance, 1 is agreement.",
    ]
    if agreement.failed:
        said.append(f"{agreement.failed} battles have votes, but no verdict: their judgments failed.")
    headers = ("Battles", "Number", "Agreement", "95 %", "Kappa", "95 %")
    return Section(3, "Agreement with people", tuple(said), headers, lines, tuple(range(1, len(headers))))


def _place(place: PositionBias) -> Section:
    consistent = f"Asked in both orders, it says the same of {sure(place.consistency)} of the pairs of answers"
    followed = f"{place.to_first} times the first place in both orders, {place.to_second} times the second"
    said = [
        f"{consistent}; a judge that does not look would of {percent(place.chance)}.",
        f"Its verdict follows the place in {sure(place.follows)}: {followed}.",
    ]
    if place.first_place is not None:
        said.append(f"Of its decisions {sure(place.first_place)} go to the first place; 50 % is fair.")
    return Section(3, "The place of an answer", tuple(said))


def _length(length: LengthBias) -> Section:
    slope = "Its verdicts leave open how much length counts with strength held equal."
    if length.slope is not None:
        between = interval(length.slope.low, length.slope.high)
        slope = (
            f"With strength held equal, twice the length adds {length.slope.value:.2f} ({between}) "
            "to the log odds of winning; 0 is fair."
        )
    lines = tuple(
        (
            f"{one.low:g} to {one.high:g} ×" if one.high else f"over {one.low:g} ×",
            percent(one.longer_wins.value),
            percents(one.longer_wins),
        )
        for one in length.bins
    )
    longer = f"The longer answer gets {sure(length.longer_wins)} of the points; it may well be the better one."
    headers = ("As long as the other", "Its points", "95 %")
    return Section(3, "The length of an answer", (longer, slope), headers, lines, (1, 2))


def _ratings(part: JudgeReport) -> Section:
    lines = tuple(
        (
            one.name,
            f"{one.rating:.0f}",
            interval(one.lower, one.upper, 0),
            str(one.judged),
            UNKNOWN if one.people is None else f"{one.people.rating:.0f}",
            UNKNOWN if one.people is None else interval(one.people.lower, one.people.upper, 0),
            "0" if one.people is None else str(one.people.votes),
        )
        for one in part.ratings
    )
    said = "Either column has a scale of its own: compare differences and order, not heights."
    headers = ("Model", "Judge's rating", "95 %", "Judged", "People's rating", "95 %", "Votes")
    return Section(3, "Ratings by the judge and by people", (said,), headers, lines, tuple(range(1, len(headers))))
