"""Files of questions: the published forms, one's own, and what is wrong with a file that can't be used."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arena.judge.problem import JudgeProblem
from arena.judge.questions import Question, chosen, load_questions

WHY = {"question_id": 1, "category": "knowledge", "text": "Why is the sky blue?"}


def write(folder: Path, *rows: object, name: str = "mine.jsonl") -> Path:
    path = folder / name
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def test_vicuna_s_questions_are_read(shared_data: Path) -> None:
    questions = load_questions(shared_data / "vicuna-eval" / "question.jsonl", "vicuna")
    assert len(questions) == 80
    assert questions[0] == Question(
        "vicuna", "1", "generic", None, ("How can I improve my time management skills?",), None
    )
    assert [question.number for question in questions if question.category == "math"] == ["68", "69", "70"]


def test_mt_bench_s_turns_and_references_are_read(tmp_path: Path) -> None:
    row = {"question_id": 81, "category": "math", "turns": ["Add 2 and 2.", "Double it."], "reference": ["4", "8"]}
    (question,) = load_questions(write(tmp_path, row, name="mt-bench.jsonl"))
    assert question == Question("mt-bench", "81", "math", None, ("Add 2 and 2.", "Double it."), ("4", "8"))


def test_a_text_in_several_languages_is_a_question_in_each(tmp_path: Path) -> None:
    row = {"question_id": "a", "category": "x", "text": {"en": "Why?", "zh": "为什么？"}, "reference": {"en": "So."}}
    english, chinese = load_questions(write(tmp_path, row))
    assert (english.language, english.turns, english.reference) == ("en", ("Why?",), ("So.",))
    assert (chinese.language, chinese.turns, chinese.reference) == ("zh", ("为什么？",), None)
    assert english.id != chinese.id


def test_a_table_is_read_with_line_ends_and_commas_inside_of_quotes(tmp_path: Path) -> None:
    path = tmp_path / "mine.CSV"
    text = 'question_id,category,text,reference,language\n1,x,"One, or\ntwo?",Two.,en\n2,y,Why?,,\n'
    path.write_bytes(b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode())
    assert load_questions(path) == (
        Question("mine", "1", "x", "en", ("One, or\ntwo?",), ("Two.",)),
        Question("mine", "2", "y", None, ("Why?",), None),
    )


def test_a_file_s_empty_lines_and_unknown_fields_are_passed_over(tmp_path: Path) -> None:
    path = write(tmp_path, WHY | {"source": "me"})
    path.write_text("\n" + path.read_text() + "\n\n")
    assert len(load_questions(path)) == 1


BAD_LINES: dict[str, tuple[object, str]] = {
    "no id": ({"category": "x", "text": "Why?"}, "the question_id is missing"),
    "an empty id": (WHY | {"question_id": " "}, "the question_id is missing"),
    "a truth for an id": (WHY | {"question_id": True}, "the question_id is missing"),
    "the same id": (WHY | {"text": "Why not?"}, "the question_id 1 was there before"),
    "no category": ({"question_id": 2, "text": "Why?"}, "the category is missing"),
    "no text": ({"question_id": 2, "category": "x"}, "the text is missing"),
    "an empty text": ({"question_id": 2, "category": "x", "text": " \n"}, "the text is missing or empty"),
    "a number for a text": ({"question_id": 2, "category": "x", "text": 7}, "the text is missing or empty, or no text"),
    "no turns": ({"question_id": 2, "category": "x", "turns": []}, "the turns is missing or empty"),
    "an empty turn": ({"question_id": 2, "category": "x", "turns": ["Why?", ""]}, "the turns is missing or empty"),
    "no languages": ({"question_id": 2, "category": "x", "text": {}}, "the text is missing"),
    "a NUL": ({"question_id": 2, "category": "x", "text": "Why\0?"}, "the text holds a NUL"),
    "half a character": ({"question_id": 2, "category": "x", "text": "Why\ud800?"}, "half a character"),
    "a number for a reference": (WHY | {"question_id": 2, "reference": 7}, "the reference is missing or empty, or no"),
    "a number for a language": (WHY | {"question_id": 2, "language": 7}, "the language is no text"),
    "a list": ([1, 2], "it is no JSON object"),
}


@pytest.mark.parametrize(("row", "said"), BAD_LINES.values(), ids=list(BAD_LINES))
def test_a_bad_line_is_named_with_its_file_and_what_is_wrong(tmp_path: Path, row: object, said: str) -> None:
    path = write(tmp_path, WHY, row)
    with pytest.raises(JudgeProblem) as caught:
        load_questions(path)
    sentence = str(caught.value)
    assert sentence.startswith(f"The questions {path}, line 2: ")
    assert said in sentence
    assert sentence.endswith(".")


BAD_FILES: dict[str, tuple[str, bytes, str]] = {
    "no questions": ("mine.jsonl", b"\n\n", "holds no questions; write one into each line"),
    "only column names": ("mine.csv", b"question_id,category,text\n", "holds no questions"),
    "another form": ("mine.txt", b"Why?\n", "is no file of questions; give one that ends in .jsonl or .csv"),
    "not UTF-8": ("mine.jsonl", b'{"question_id": 1, "text": "\xff"}', "are not in UTF-8 (byte 28)"),
    "broken JSON": ("mine.jsonl", b'{"question_id": 1', "line 1: it is no JSON ("),
    "deep JSON": ("mine.jsonl", b"[" * 100_000, "line 1: it is no JSON ("),
    "no column": ("mine.csv", b"question_id,text\n1,Why?\n", "line 1: there is no column category"),
    "an empty cell": ("mine.csv", b"question_id,category,text\n1,x,Why?\n2,x,\n", "line 3: the text is missing"),
    "no end of a quote": ("mine.csv", b'question_id,category,text\n1,x,"Why?\n', "line 2: it is no CSV ("),
}


@pytest.mark.parametrize(("name", "content", "said"), BAD_FILES.values(), ids=list(BAD_FILES))
def test_a_file_that_can_not_be_used_is_refused_in_a_sentence(
    tmp_path: Path, name: str, content: bytes, said: str
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(JudgeProblem) as caught:
        load_questions(path)
    assert str(path) in str(caught.value)
    assert said in str(caught.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(JudgeProblem, match=r"none\.jsonl can't be read \(No such file or directory\); check the path"):
        load_questions(tmp_path / "none.jsonl")


def test_questions_are_chosen_by_language_and_category_and_those_of_no_language_stay(tmp_path: Path) -> None:
    rows = [
        WHY | {"question_id": 1, "language": "en"},
        WHY | {"question_id": 2, "language": "zh"},
        WHY | {"question_id": 3, "category": "coding"},
    ]
    questions = load_questions(write(tmp_path, *rows))
    assert [question.number for question in chosen(questions, "en")] == ["1", "3"]
    assert [question.number for question in chosen(questions, "all")] == ["1", "2", "3"]
    assert [question.number for question in chosen(questions, "zh", ["knowledge"])] == ["2"]
    with pytest.raises(JudgeProblem, match="No question has the category cooking; there are knowledge, coding"):
        chosen(questions, "en", ["coding", "cooking"])
    with pytest.raises(JudgeProblem, match="is in the language fr; try --language all"):
        chosen(questions, "fr", ["knowledge"])


@given(st.text(), st.text(), st.text(), st.text())
def test_what_differs_in_any_field_is_another_question(one: str, two: str, three: str, four: str) -> None:
    base = Question(one, two, three, four, (one, two), None)
    others = [
        Question(one + "x", two, three, four, (one, two), None),
        Question(one, two + "x", three, four, (one, two), None),
        Question(one, two, three + "x", four, (one, two), None),
        Question(one, two, three, None, (one, two), None),
        Question(one, two, three, four, (one + two,), None),
        Question(one, two, three, four, (one, two), (three,)),
    ]
    assert len({question.id for question in (base, *others)}) == 7
    assert base.id == Question(one, two, three, four, (one, two), None).id
    assert len(base.id) == 64


@pytest.mark.parametrize("name", ["question.jsonl", "questions.JSONL"])
def test_files_that_are_called_alike_everywhere_go_by_their_folders(tmp_path: Path, name: str) -> None:
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / name).write_text('{"question_id": 1, "category": "x", "text": "Why?"}', encoding="utf-8")
    sets = [load_questions(tmp_path / folder / name)[0].set for folder in ("one", "two")]
    assert sets == ["one", "two"]


@pytest.mark.parametrize("name", ["paddock.jsonl", "battles.csv"])
def test_no_file_takes_the_name_of_our_own_set_or_of_battles(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("question_id,category,text\n1,x,Why?\n", encoding="utf-8")
    with pytest.raises(JudgeProblem, match="rename the file"):
        load_questions(tmp_path / name)
