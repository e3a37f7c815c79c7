"""The parts of the page that are sentences and small tables: the rules, what speaks for the judge, what people say."""

from __future__ import annotations

from arena.exchange.listings import UNKNOWN
from arena.judge.agreement import Agreement
from arena.judge.report import JudgeReport, PairReport
from arena.ui.evaluation.tables import agreement_table, ratings_table, trust_table
from arena.ui.evaluation.words import percent, score
from arena.ui.markup import plain
from arena.ui.texts import Language, say

MOST_LISTED = 12


def rules(report: JudgeReport, pair: PairReport | None, language: Language) -> str:
    """How verdicts are joined, who reaches how much of whom by way of another, and stored scores that can't be."""
    told = [] if pair is None else [say(language, "eval_joined")]
    return "\n\n".join([*told, *_chained(report, language), *_contradictions(pair, language)])


def trust(report: JudgeReport, language: Language) -> str:
    took = [say(language, "eval_took", done=report.done, failed=report.failed)]
    if report.tokens is not None:
        took.append(say(language, "eval_took_tokens", tokens=_at_least(f"{report.tokens:,}", report.unknown_tokens)))
    if report.cost is not None:
        took.append(say(language, "eval_took_dollars", dollars=_at_least(f"{report.cost:.2f}", report.unknown_cost)))
    if report.outdated:
        took.append(say(language, "eval_took_outdated", outdated=report.outdated))
    parts = [say(language, "eval_trust"), trust_table(report, language), " ".join(took)]
    return "\n\n".join(filter(None, parts))


def people(report: JudgeReport, agreement: Agreement | None, language: Language) -> str:
    """How often people and the judge agree, and both ratings side by side."""
    judge = plain(report.judge_name)
    parts = [say(language, "eval_people")]
    if agreement is None:
        parts.append(say(language, "eval_no_agreement", judge=judge))
    else:
        of = agreement.with_ties
        kappa = UNKNOWN if of.kappa is None else f"{of.kappa.value:.2f}"
        raw, low, high = (percent(value, 0) for value in (of.raw.value, of.raw.low, of.raw.high))
        parts.append(
            say(language, "eval_agreement", battles=of.battles, judge=judge, raw=raw, low=low, high=high, kappa=kappa)
        )
        parts.append(agreement_table(agreement, language))
    if report.ratings:
        parts += [ratings_table(report.ratings, language), say(language, "eval_ratings_note")]
    return "\n\n".join(parts)


def _at_least(sum_of_known: str, unknown: int) -> str:
    return f"≥ {sum_of_known}" if unknown else sum_of_known


def _chained(report: JudgeReport, language: Language) -> list[str]:
    """A sentence for each contestant that others were compared with by way of a third only."""
    told = []
    chain = [one for one in report.chain if one.via is not None]
    for reference, name in {one.reference: one.reference_name for one in chain}.items():
        listed = [
            say(
                language, "eval_chain_one", name=plain(one.contestant_name), ratio=percent(one.ratio.value, 0),
                low=percent(one.ratio.low, 0), high=percent(one.ratio.high, 0),
            )
            for one in chain if one.reference == reference
        ][:MOST_LISTED]  # fmt: skip
        told.append(say(language, "eval_chained", reference=plain(name), listed="; ".join(listed)))
    return told


def _contradictions(pair: PairReport | None, language: Language) -> list[str]:
    if pair is None or not pair.contradictions:
        return []
    listed = [
        say(
            language,
            "eval_contradiction",
            number=plain(one.number),
            stored=" : ".join(map(score, one.stored)),
            text=" : ".join(map(score, one.text)) if one.text else UNKNOWN,
        )
        for one in pair.contradictions
    ][:MOST_LISTED]
    names = {"baseline": plain(pair.baseline_name), "model": plain(pair.model_name)}
    return [say(language, "eval_contradictions", listed="; ".join(listed), **names)]
