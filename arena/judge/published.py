"""A folder of published reviews in Vicuna's form → records that are checked.

`question.jsonl` (`question_id`, `text`, `category`), `answer/*.jsonl` (`answer_id`, `model_id`, `question_id`, `text`),
`review/*.jsonl` (`question_id`, `answer1_id`, `answer2_id`, `reviewer_id`, `text`, `score`), and `model.jsonl`
(`model_id`, `model_name`) where it is there. Published as lm-sys/vicuna-blog-eval.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from arena.judge.problem import JudgeProblem
from arena.judge.questions import Question, load_questions
from arena.judge.verdict import HIGHEST, LOWEST
from models.chat import storable

# What its authors wrote where they could read no scores.
_UNREAD = (-1.0, -1.0)
# One reviewer has an id for each of its prompts: gpt-4-0328-coding.
_PROMPTS = {"default": "general", "generic": "general", "general": "general", "coding": "coding", "math": "math"}


@dataclass(frozen=True)
class PublishedAnswer:
    model: str
    question: Question
    text: str


@dataclass(frozen=True)
class Review:
    """One review; `scores` are those of the answers shown first and second, None where the authors could read none.

    `prompt` is which of the reviewer's prompts it answers: general, coding, math.
    """

    file: str
    question: Question
    first: PublishedAnswer
    second: PublishedAnswer
    reviewer: str
    prompt: str
    text: str
    scores: tuple[float, float] | None


@dataclass(frozen=True)
class Published:
    """`names`: of the models that answered, by their ids."""

    questions: tuple[Question, ...]
    names: Mapping[str, str]
    answers: tuple[PublishedAnswer, ...]
    reviews: tuple[Review, ...]


def read_published(folder: Path, set_name: str) -> Published:
    """Read a folder; its questions become the set `set_name`.

    Raises `JudgeProblem` that names file and line: a missing file or field, text that is no JSON or not UTF-8, an
    answer that nobody gave or that answers another question, scores that are none.
    """
    if not folder.is_dir():
        raise JudgeProblem(f"{folder} is no folder; give the one that holds question.jsonl, answer/ and review/.")
    questions = {question.number: question for question in load_questions(folder / "question.jsonl", set_name)}
    answers: dict[str, PublishedAnswer] = {}
    for line in _all_lines(folder / "answer"):
        if answers.setdefault(line.text("answer_id"), found := _answer(line, questions)) is not found:
            raise line.problem(f"the answer_id {line.text('answer_id')} was there before")
    models = dict.fromkeys(answer.model for answer in answers.values())
    named = {line.text("model_id"): line.text("model_name") for line in _lines_if_there(folder / "model.jsonl")}
    times = Counter(named.get(model, model) for model in models)
    # Two versions of a model have one name: then the ids tell them apart.
    names = {model: name if times[name := named.get(model, model)] == 1 else model for model in models}
    reviews = tuple(_review(line, questions, answers) for line in _all_lines(folder / "review"))
    return Published(tuple(questions.values()), names, tuple(answers.values()), reviews)


@dataclass(frozen=True)
class _Line:
    """One object of a file and where it stands."""

    path: Path
    number: int
    fields: Mapping[str, object]

    def problem(self, what: str) -> JudgeProblem:
        return JudgeProblem(f"{self.path}, line {self.number}: {what}.")

    def text(self, name: str, *, may_be_empty: bool = False) -> str:
        """A field that is a text, or a number as one."""
        value = self.fields.get(name)
        if not isinstance(value, str | int) or isinstance(value, bool) or not (may_be_empty or str(value).strip()):
            raise self.problem(f"the {name} is missing")
        return storable(str(value))


def _answer(line: _Line, questions: Mapping[str, Question]) -> PublishedAnswer:
    return PublishedAnswer(line.text("model_id"), _question(line, questions), line.text("text", may_be_empty=True))


def _review(line: _Line, questions: Mapping[str, Question], answers: Mapping[str, PublishedAnswer]) -> Review:
    question = _question(line, questions)
    first, second = (_shown(line, field, question, answers) for field in ("answer1_id", "answer2_id"))
    if first.model == second.model:
        raise line.problem(f"both answers are of {first.model}; a review compares two models")
    reviewer, _, prompt = line.text("reviewer_id").rpartition("-")
    if prompt not in _PROMPTS or not reviewer:
        reviewer, prompt = line.text("reviewer_id"), "general"
    text = line.text("text", may_be_empty=True)
    return Review(line.path.name, question, first, second, reviewer, _PROMPTS[prompt], text, _scores(line))


def _shown(line: _Line, field: str, question: Question, answers: Mapping[str, PublishedAnswer]) -> PublishedAnswer:
    answer = answers.get(line.text(field))
    if answer is None or answer.question != question:
        raise line.problem(f"no answer to question {question.number} has the {field} {line.text(field)}")
    return answer


def _question(line: _Line, questions: Mapping[str, Question]) -> Question:
    number = line.text("question_id").strip()
    if number not in questions:
        raise line.problem(f"question.jsonl has no question {number}")
    return questions[number]


def _scores(line: _Line) -> tuple[float, float] | None:
    given = line.fields.get("score")
    if not isinstance(given, list) or len(given) != 2 or not all(type(score) in (int, float) for score in given):
        raise line.problem("the score is missing; it is a list of two numbers")
    scores = float(given[0]), float(given[1])
    if scores == _UNREAD:
        return None
    if not all(LOWEST <= score <= HIGHEST for score in scores):
        raise line.problem(f"the score {list(scores)} does not lie between {LOWEST:g} and {HIGHEST:g}")
    return scores


def _all_lines(folder: Path) -> Iterator[_Line]:
    files = sorted(folder.glob("*.jsonl"))
    if not files:
        raise JudgeProblem(f"{folder} holds no .jsonl file; published reviews have answer/ and review/ full of them.")
    for path in files:
        yield from _lines(path)


def _lines_if_there(path: Path) -> Iterator[_Line]:
    if path.exists():
        yield from _lines(path)


def _lines(path: Path) -> Iterator[_Line]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise JudgeProblem(f"{path} can't be read ({error}); it must be a file in UTF-8.") from error
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            fields = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise JudgeProblem(f"{path}, line {number}: it is no JSON ({error}).") from error
        if not isinstance(fields, dict):
            raise JudgeProblem(f"{path}, line {number}: it is no JSON object.")
        yield _Line(path, number, fields)
