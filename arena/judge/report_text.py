"""The report as JSON and as Markdown."""

from __future__ import annotations

import json
from dataclasses import asdict

from arena.judge.report import Agreement, Concord, Estimate, JudgeReport, PairReport, Report, SingleReport, Tally
from arena.judge.sections import sections

_DIGITS = 6

Record = dict[str, object]


# -- JSON ----------------------------------------------------------------------------------------


def report_json(report: Report) -> str:
    """A list with an object for each pair; ends with a newline. Where there are none, for each contestant of the single
    form: whoever reads pairs finds nothing else among them.

    Of a pair: baseline, model, total_baseline, total_model, ratio, baseline_wins, model_wins, ties, judged, failed,
    by_category (the same of each), intervals of 95 % as [low, high], and under `trust` what is known of its judge.
    Numbers are rounded to 0.000001; what is not known is null.
    """
    records = [_pair_record(pair, report, part) for part in report.parts for pair in part.pairs]
    if not records:
        records = [_single_record(one, part) for part in report.parts for one in part.singles]
    return json.dumps(_rounded(records), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _pair_record(pair: PairReport, report: Report, part: JudgeReport) -> Record:
    return {
        "baseline": pair.baseline_name,
        "model": pair.model_name,
        **_tally_record(pair.total),
        "by_category": {category: _tally_record(tally) for category, tally in pair.by_category.items()},
        "ratio_95": _interval(pair.ratio),
        "win_rate_95": _interval(pair.win_rate),
        "judge": pair.judge_name,
        "form": pair.form,
        "set": pair.set,
        "baseline_fingerprint": pair.baseline,
        "model_fingerprint": pair.model,
        "judge_fingerprint": pair.judge,
        "contradictions": [asdict(one) for one in pair.contradictions],
        "chain": [
            {
                "model": one.contestant_name,
                "reference": one.reference_name,
                "by_way_of": one.via_name,
                "ratio": one.ratio.value,
                "ratio_95": _interval(one.ratio),
            }
            for one in part.chain
        ],
        "trust": _trust_record(part, report.agreement_with(part)),
    }


def _tally_record(tally: Tally) -> Record:
    return {
        "total_baseline": tally.total_baseline,
        "total_model": tally.total_model,
        "ratio": tally.ratio,
        "baseline_wins": tally.baseline_wins,
        "model_wins": tally.model_wins,
        "ties": tally.ties,
        "judged": tally.judged,
        "failed": tally.failed,
        "win_rate": tally.win_rate,
    }


def _single_record(one: SingleReport, part: JudgeReport) -> Record:
    return {
        "model": one.name,
        "mean_score": None if one.mean is None else one.mean.value,
        "mean_score_95": _interval(one.mean),
        "by_category": one.by_category,
        "judged": one.judged,
        "failed": one.failed,
        "judge": part.judge_name,
        "form": part.form,
        "set": part.set,
        "model_fingerprint": one.contestant,
        "judge_fingerprint": part.judge,
        "trust": _trust_record(part, None),
    }


def _trust_record(part: JudgeReport, agreement: Agreement | None) -> Record:
    return {
        "useless": part.useless,
        "flags": [asdict(flag) for flag in part.flags],
        "judgments": part.done,
        "failed": part.failed,
        "outdated": part.outdated,
        "tokens": part.tokens,
        "tokens_unknown_of": part.unknown_tokens,
        "dollars": part.cost,
        "dollars_unknown_of": part.unknown_cost,
        "position": None if part.position is None else asdict(part.position),
        "length": None if part.length is None else asdict(part.length),
        "ratings": [asdict(one) for one in part.ratings],
        "agreement": None if agreement is None else _agreement_record(agreement),
    }


def _agreement_record(agreement: Agreement) -> Record:
    return {
        "with_ties": asdict(agreement.with_ties),
        "without_ties": None if agreement.without_ties is None else asdict(agreement.without_ties),
        "by_category": _concords(agreement.by_category),
        "by_category_without_ties": _concords(agreement.by_category_without_ties),
        "failed": agreement.failed,
        "table": agreement.table,
    }


def _concords(concords: tuple[tuple[str, Concord], ...]) -> Record:
    return {category: asdict(one) for category, one in concords}


def _interval(found: Estimate | None) -> list[float] | None:
    return None if found is None else [found.low, found.high]


def _rounded(value: object) -> object:
    match value:
        case float():
            return round(value, _DIGITS)
        case dict():
            return {name: _rounded(one) for name, one in value.items()}
        case list() | tuple():
            return [_rounded(one) for one in value]
    return value


# -- Markdown ------------------------------------------------------------------------------------


def report_markdown(report: Report) -> str:
    """The report as people read it, in GitHub's Markdown; no name can break out of its place."""
    return "\n".join(section.markdown() for section in sections(report))
