"""What a report says in front: who reaches how much, and what speaks against believing it."""

from __future__ import annotations

from arena.judge.bootstrap import Estimate
from arena.judge.report import Flag, JudgeReport, PairReport
from arena.ui.evaluation.words import percent, score
from arena.ui.markup import plain
from arena.ui.texts import TEXTS, Language, say


def headline(report: JudgeReport, pair: PairReport | None, language: Language, *, heard: bool = True) -> str:
    """One sentence as a heading, the figures behind it, then the flags. A useless judge's verdicts are not told.

    `heard`: whether the judge replied at all. Where it did not, it was never asked, and nothing speaks against it.
    """
    if not heard:
        return f"### {say(language, 'eval_unheard', judge=plain(report.judge_name))}"
    lines = [f"### {_first(report, pair, language)}", *_figures(report, pair, language)]
    return "\n\n".join([*lines, flags(report, language)])


def flags(report: JudgeReport, language: Language) -> str:
    """A line for each, in the report's order: the gravest first."""
    if not report.flags:
        return f"✓ {say(language, 'eval_no_flags')}" if report.position else ""
    # That there are few questions need not be told where there are none.
    told = (flag for flag in report.flags if flag.code != "few" or flag.count)
    return "\n".join(f"- {_flag(flag, language)}" for flag in told)


def _flag(flag: Flag, language: Language) -> str:
    key = f"flag_{flag.code}_useless"
    if not flag.useless or key not in TEXTS[language]:
        key = f"flag_{flag.code}"
    said = say(language, key, count=flag.count, share=percent(flag.share, 0))
    return f"⛔ **{said}**" if flag.useless else f"⚠️ {said}"


def _first(report: JudgeReport, pair: PairReport | None, language: Language) -> str:
    judge = plain(report.judge_name)
    if report.useless:
        return say(language, "eval_means_nothing", judge=judge)
    if pair is None:
        best = report.singles[0] if report.singles else None
        if best is None or best.mean is None:
            return say(language, "eval_nothing_graded")
        return say(language, "eval_leads", model=plain(best.name), mean=f"{best.mean.value:.2f}", judge=judge)
    names = {"model": plain(pair.model_name), "baseline": plain(pair.baseline_name)}
    if pair.ratio is not None:
        return say(language, "eval_reaches", ratio=percent(pair.ratio.value), judge=judge, **names)
    if pair.win_rate is not None:
        return say(language, "eval_wins_share", share=percent(pair.win_rate.value), judge=judge, **names)
    return say(language, "eval_nothing_judged", **names)


def _figures(report: JudgeReport, pair: PairReport | None, language: Language) -> list[str]:
    if report.useless:
        return []
    if pair is None:
        best = report.singles[0] if report.singles else None
        if best is None or best.mean is None:
            return []
        said = [say(language, "eval_between", low=score(best.mean.low), high=score(best.mean.high))]
        return [
            " ".join([*said, say(language, "eval_of_answers", judged=best.judged), *_failed(best.failed, language)])
        ]
    total = pair.total
    said = [_between(pair.ratio or pair.win_rate, language)]
    said.append(
        say(
            language, "eval_of_questions", judged=total.judged, model=plain(pair.model_name), ties=total.ties,
            model_wins=total.model_wins, baseline=plain(pair.baseline_name), baseline_wins=total.baseline_wins,
        )
    )  # fmt: skip
    return [" ".join(filter(None, [*said, *_failed(total.failed, language)]))]


def _between(estimate: Estimate | None, language: Language) -> str:
    if estimate is None:
        return ""
    return say(language, "eval_between", low=percent(estimate.low), high=percent(estimate.high))


def _failed(count: int, language: Language) -> list[str]:
    return [say(language, "eval_some_failed", failed=count)] if count else []
