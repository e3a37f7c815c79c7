from __future__ import annotations

import json
from dataclasses import replace
from typing import get_args

import pytest
from verdicts import both, judgment, voted

from arena.judge.flags import Flag, FlagCode
from arena.judge.report import PeopleRating, Report, build_report
from arena.judge.report_text import report_json, report_markdown
from arena.judge.trust import flag_sentences

KEYS = {
    "baseline", "model", "total_baseline", "total_model", "ratio", "baseline_wins", "model_wins", "ties", "judged",
    "failed", "by_category",
}  # fmt: skip


def scored() -> Report:
    rows = [judgment((8, 6), question=str(n), first=first) for n in range(3) for first in "ab"]
    return build_report([*rows, judgment(None, question="9", failed=True)], baseline="ant")


def test_json_has_what_was_promised_of_each_pair() -> None:
    (pair,) = json.loads(report_json(scored()))
    assert pair.keys() >= KEYS
    assert [pair[key] for key in ("baseline", "model", "total_baseline", "total_model", "ratio")] == [
        "Ant",
        "Bee",
        24,
        18,
        0.75,
    ]
    assert [pair[key] for key in ("baseline_wins", "model_wins", "ties", "judged", "failed")] == [3, 0, 0, 3, 1]
    assert pair["by_category"]["generic"].keys() >= KEYS - {"baseline", "model", "by_category"}
    assert pair["ratio_95"] == [0.75, 0.75]
    assert pair["trust"]["position"]["consistency"]["value"] == 1
    assert {flag["code"] for flag in pair["trust"]["flags"]} >= {"failed", "few"}


def test_json_of_the_pairwise_form_has_null_totals() -> None:
    (pair,) = json.loads(report_json(build_report(both("a b t"), baseline=None)))
    assert [pair[key] for key in ("total_baseline", "total_model", "ratio", "ratio_95")] == [None] * 4


def test_json_of_the_single_form_has_an_object_for_each_contestant() -> None:
    rows = [
        replace(judgment((score, 0.0), question=str(n), form="single"), b=None, name_b=None)
        for n, score in enumerate([8, 6])
    ]
    (one,) = json.loads(report_json(build_report(rows, baseline=None)))
    assert (one["model"], one["mean_score"], one["judged"], one["by_category"]) == ("Ant", 7, 2, {"generic": 7})


def test_json_has_pairs_alone_where_there_are_pairs() -> None:
    single = replace(judgment((8.0, 0.0), form="single"), b=None, name_b=None)
    found = json.loads(report_json(build_report([single, *both("a b")], baseline=None)))
    assert [one["form"] for one in found] == ["pairwise"]


def test_a_table_of_chains_is_shown_where_somebody_was_chained() -> None:
    ant_bee, bee_cat = [
        [judgment((8.0, 6.0), question=str(n), pair=pair) for n in range(3)]
        for pair in (("ant", "bee"), ("bee", "cat"))
    ]
    assert "What the others reach" not in report_markdown(build_report(ant_bee, baseline=None))
    assert "What the others reach of Ant" in report_markdown(build_report([*ant_bee, *bee_cat], baseline="ant"))


def test_agreement_stands_once_and_says_what_it_is_of() -> None:
    rows = both("a b t a")
    rows += [replace(row, set="others") for row in rows]
    text = report_markdown(build_report(rows, baseline=None, votes=[voted("a", "a"), voted("b", "a")]))
    assert text.count("Agreement with people") == 1
    assert "Of all that people voted on and owl judged in the pairwise form, of any set." in text


def test_json_of_nothing_is_an_empty_list() -> None:
    assert json.loads(report_json(Report(()))) == []


def test_markdown_says_who_reaches_what_and_what_it_is_worth() -> None:
    text = report_markdown(scored())
    assert "Bee reaches 75.0 % (75.0–75.0) of Ant's total; Ant wins 3, Bee 0, ties 0." in text
    assert "| Ant | Bee | 24.0 | 18.0 | 75.0 % |" in text
    assert "Only 3 questions were judged" in text
    assert "7 judgments" not in text
    assert "6 judgments, 1 failed, 770 tokens, 3.50 dollars." in text


def test_judges_of_one_name_are_told_apart() -> None:
    rows = [judgment(), replace(judgment(), judge="0123456789abcdef", key="another")]
    text = report_markdown(build_report(rows, baseline=None))
    assert "(01234567)" in text
    assert "(owl)" in text


def test_sums_of_which_a_part_is_unknown_are_lower_bounds() -> None:
    rows = [judgment(), replace(judgment(question="2"), tokens=None, cost=None)]
    report = build_report(rows, baseline=None)
    assert "2 judgments, 0 failed, at least 210 tokens, at least 0.50 dollars." in report_markdown(report)
    (pair,) = json.loads(report_json(report))
    assert (pair["trust"]["tokens_unknown_of"], pair["trust"]["dollars_unknown_of"]) == (1, 1)


def test_markdown_shows_agreement_and_people_beside_the_judge() -> None:
    people = {"ant": PeopleRating(1020.4, 1000.0, 1040.0, 44)}
    votes = [voted("a", "a"), voted("b", "a"), voted("a", "a")]
    text = report_markdown(build_report(both("a b t a"), baseline=None, people=people, votes=votes))
    assert "| 1020 | 1000 … 1040 | 44 |" in text
    assert "| all | 3 | 66.7 % |" in text
    assert "| 0.33 |" in text


def test_a_useless_judge_is_called_so_first() -> None:
    text = report_markdown(build_report(both("f " * 20), baseline=None))
    assert text.index("Useless: all 40 verdicts go to the answer that was shown first.") < text.index("Pairs")


def test_no_name_breaks_out_of_its_place() -> None:
    hostile = "x|y\n# <img src=//evil> [a](b) `\x1b[31m"
    rows = [replace(row, name_a=hostile, judge_name=hostile, category=hostile) for row in both("a b")]
    text = report_markdown(build_report(rows, baseline=None))
    assert "\x1b" not in text
    assert "<img" not in text.replace("\\<", "")
    for line in text.splitlines():
        if line.startswith("|"):
            assert line.replace("\\|", "").count("|") in (5, 8, 10, 14)
        assert not line.startswith("# <")


ALWAYS: tuple[FlagCode, ...] = ("always_first", "always_second", "failed")
USELESS: tuple[FlagCode, ...] = (*ALWAYS, "always_tie", "same_score", "chance")
NAMED: tuple[FlagCode, ...] = (
    *ALWAYS, "unsure", "one_order", "unfinished", "first_place", "longer_wins", "self_judged", "few",
)  # fmt: skip


@pytest.mark.parametrize(("codes", "useless"), [(USELESS, True), (NAMED, False)])
def test_every_flag_has_a_sentence(codes: tuple[FlagCode, ...], useless: bool) -> None:
    (part,) = build_report(both("a b"), baseline=None).parts
    sentences = flag_sentences(replace(part, flags=tuple(Flag(code, useless, 20, 0.5) for code in codes)))
    assert len(set(sentences)) == len(codes)
    assert all(sentence.startswith("Useless") == useless for sentence in sentences)
    assert set(USELESS) | set(NAMED) == set(get_args(FlagCode))


def test_a_judge_whose_server_failed_is_not_said_to_have_written_what_nobody_can_read() -> None:
    text = report_markdown(build_report([judgment(question=str(n), failed=True) for n in range(3)], baseline=None))
    assert "of 3 judgments none has a verdict: no reply came, or none that could be read" in text
