"""The seeds that are shipped, and prompts from files of one's own."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path

import pytest

from arena.judge.questions import own_questions
from models.distill.collect.novelty import Novelty, tokens_of
from models.distill.collect.seeds import Prompt, in_language, own_seeds, prompt_of, read_prompts
from models.distill.collect.tasks import LANGUAGES, can_be_shown
from models.distill.problem import DistillProblem

SEEDS = own_seeds()


def test_there_are_many_seeds_of_many_kinds_in_both_languages() -> None:
    count = Counter(seed.language for seed in SEEDS)
    assert set(count) == set(LANGUAGES)
    assert count["en"] >= 60
    assert count["zh"] >= 40
    for language in LANGUAGES:
        kinds = Counter(seed.kind for seed in SEEDS if seed.language == language)
        assert len(kinds) >= 20
        assert max(kinds.values()) <= 8
    assert len({seed.id for seed in SEEDS}) == len(SEEDS)


def test_no_seed_comes_near_a_question_of_the_judge() -> None:
    judges = Novelty([text for question in own_questions() for text in question.turns])
    assert {seed.id: near for seed in SEEDS if (near := judges.nearest(seed.text)).similarity >= 0.45} == {}


def test_no_two_seeds_come_near_each_other() -> None:
    known = Novelty()
    for seed in SEEDS:
        near = known.nearest(seed.text)
        assert near.similarity < 0.45, (seed.id, near)
        known.add(seed.text)


def test_each_seed_is_in_the_language_that_it_names_and_nothing_is_half_width_in_chinese() -> None:
    for seed in SEEDS:
        tokens = tokens_of(seed.text)
        chinese = sum("\u3400" <= token <= "\u9fff" for token in tokens) / len(tokens)
        assert chinese > 0.5 if seed.language == "zh" else chinese == 0, seed.id
        assert not re.search("[\u3400-\u9fff][,.?!:;()]", seed.text), seed.id


def test_most_seeds_can_be_shown_as_examples() -> None:
    for language in LANGUAGES:
        shown = [can_be_shown(seed.text) for seed in SEEDS if seed.language == language]
        assert sum(shown) / len(shown) > 0.7


def test_seeds_are_chosen_by_their_language() -> None:
    assert {seed.language for seed in in_language(SEEDS, "zh")} == {"zh"}
    assert in_language(SEEDS, "all") == SEEDS
    silent = Prompt("1", "Who?")
    assert in_language([silent], "zh") == (silent,)
    with pytest.raises(DistillProblem, match="in the language de; try --language all"):
        in_language(SEEDS, "de")


def test_a_text_file_has_a_prompt_in_each_line_and_repeats_count_once(tmp_path: Path) -> None:
    file = tmp_path / "mine.txt"
    file.write_text("\ufeffWhy?\n\n  How?  \nWhy?\n", encoding="utf-8")
    assert read_prompts(file) == (prompt_of("Why?"), prompt_of("How?"))


def test_the_same_prompt_under_two_ids_is_asked_once(tmp_path: Path) -> None:
    file = tmp_path / "mine.jsonl"
    rows = [{"id": "a", "prompt": "Why?"}, {"id": "b", "prompt": " Why? "}, {"prompt": "Why?"}]
    file.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    assert read_prompts(file) == (Prompt("a", "Why?"),)


def test_a_file_of_lines_may_name_ids_languages_and_kinds_or_hold_conversations(tmp_path: Path) -> None:
    file = tmp_path / "mine.jsonl"
    rows = [
        {"id": "a", "prompt": "Why?", "language": "en", "kind": "doubt", "other": 1},
        {"prompt": "How?"},
        {"id": "c", "messages": [{"role": "user", "content": "When?"}, {"role": "assistant", "content": "Now."}]},
    ]
    file.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    assert read_prompts(file) == (Prompt("a", "Why?", "en", "doubt"), prompt_of("How?"), Prompt("c", "When?"))


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("none.jsonl", "", "none.jsonl holds no prompts; write one into each line."),
        ("empty.txt", "\n \n", "empty.txt holds no prompts"),
        ("blank.jsonl", '{"prompt": " "}', "blank.jsonl, line 1 has no prompt; write one such as"),
        ("other.jsonl", '{"prompt": "Why?"}\n{"text": "Why?"}', "other.jsonl, line 2 has no prompt"),
        ("number.jsonl", '{"id": 3, "prompt": "Why?"}', "number.jsonl, line 1: id is no text."),
        ("cut.jsonl", '{"prompt": "Why', "cut.jsonl, line 1 is cut off"),
        ("twice.jsonl", '{"id": "a", "prompt": "Why?"}\n{"id": "a", "prompt": "How?"}', "two different prompts of the"),
        ("table.csv", "Why?", "table.csv is no file of prompts; give one that ends in .jsonl or .txt."),
    ],
)
def test_a_file_that_is_no_use_is_named_with_its_line(tmp_path: Path, name: str, text: str, said: str) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")
    with pytest.raises(DistillProblem) as raised:
        read_prompts(tmp_path / name)
    assert said in str(raised.value)


def test_a_file_that_can_not_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(DistillProblem, match=r"absent\.txt can't be read \(No such file"):
        read_prompts(tmp_path / "absent.txt")
    (tmp_path / "latin.txt").write_bytes(b"caf\xe9")
    with pytest.raises(DistillProblem, match=r"latin\.txt is no UTF-8 text"):
        read_prompts(tmp_path / "latin.txt")
