from __future__ import annotations

from pathlib import Path

import pytest
from published import folder_of, write

from arena.judge.problem import JudgeProblem
from arena.judge.published import read_published


def refused(folder: Path) -> str:
    with pytest.raises(JudgeProblem) as caught:
        read_published(folder, "tests")
    return str(caught.value)


def test_a_folder_is_read_whole(tmp_path: Path) -> None:
    found = read_published(folder_of(tmp_path), "tests")
    assert found.names == {"ant:v1": "ant", "bee:v1": "bee"}
    assert [(one.number, one.category, one.set) for one in found.questions] == [("1", "coding", "tests")]
    (review,) = found.reviews
    assert (review.first.model, review.second.model, review.scores) == ("ant:v1", "bee:v1", (8, 7))
    assert (review.reviewer, review.prompt, review.file) == ("owl-1", "coding", "ant_bee.jsonl")


def test_the_published_files_are_of_one_reviewer(shared_data: Path) -> None:
    found = read_published(shared_data / "vicuna-eval", "vicuna")
    assert (len(found.questions), len(found.answers), len(found.reviews)) == (80, 400, 320)
    assert {one.reviewer for one in found.reviews} == {"gpt-4-0328"}
    assert set(found.names.values()) == {"vicuna-13b", "llama-13b", "alpaca-13b", "bard", "gpt-3.5-turbo"}


def test_scores_that_the_authors_could_not_read_are_none(tmp_path: Path) -> None:
    (review,) = read_published(folder_of(tmp_path, score=[-1, -1]), "tests").reviews
    assert review.scores is None


def test_two_versions_of_a_model_go_by_their_ids(tmp_path: Path) -> None:
    names = ({"model_id": "ant:v1", "model_name": "insect"}, {"model_id": "bee:v1", "model_name": "insect"})
    write(folder_of(tmp_path) / "model.jsonl", *names)
    assert read_published(tmp_path, "tests").names == {"ant:v1": "ant:v1", "bee:v1": "bee:v1"}


def test_without_a_list_of_models_they_go_by_their_ids(tmp_path: Path) -> None:
    (folder_of(tmp_path) / "model.jsonl").unlink()
    assert read_published(tmp_path, "tests").names == {"ant:v1": "ant:v1", "bee:v1": "bee:v1"}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"question_id": 2}, "question.jsonl has no question 2"),
        ({"answer1_id": "z"}, "no answer to question 1 has the answer1_id z"),
        ({"answer2_id": None}, "the answer2_id is missing"),
        ({"answer2_id": "x"}, "both answers are of ant:v1"),
        ({"reviewer_id": ""}, "the reviewer_id is missing"),
        ({"score": None}, "the score is missing"),
        ({"score": [8]}, "the score is missing"),
        ({"score": ["8", "7"]}, "the score is missing"),
        ({"score": [True, False]}, "the score is missing"),
        ({"score": [8, 70]}, "does not lie between 0 and 10"),
    ],
)
def test_what_is_wrong_with_a_review_is_named_with_its_line(
    tmp_path: Path, changes: dict[str, object], said: str
) -> None:
    message = refused(folder_of(tmp_path, **changes))
    assert said in message
    assert "ant_bee.jsonl, line 1" in message


def test_a_folder_that_is_none_is_named(tmp_path: Path) -> None:
    assert "is no folder" in refused(tmp_path / "nowhere")
    assert "question.jsonl" in refused(tmp_path)
    write(tmp_path / "question.jsonl", {"question_id": 1, "text": "Why?", "category": "coding"})
    assert f"{tmp_path / 'answer'} holds no .jsonl file" in refused(tmp_path)


def test_a_broken_line_and_a_repeated_answer_are_named(tmp_path: Path) -> None:
    answers = folder_of(tmp_path) / "answer" / "ant.jsonl"
    whole = answers.read_text(encoding="utf-8")
    answers.write_text(whole + whole, encoding="utf-8")
    assert "ant.jsonl, line 2: the answer_id x was there before" in refused(tmp_path)
    answers.write_text(whole + "{", encoding="utf-8")
    assert "ant.jsonl, line 2: it is no JSON" in refused(tmp_path)
    answers.write_text(whole + "[]", encoding="utf-8")
    assert "ant.jsonl, line 2: it is no JSON object" in refused(tmp_path)
    answers.write_bytes(b"\xff")
    assert "ant.jsonl can't be read" in refused(tmp_path)
