"""Questions for a judge: our own set, and files of others in the published forms.

A JSONL line is an object with `question_id`, `category`, and `text` (Vicuna's form) or `turns` (MT-bench's), perhaps a
`reference` and a `language`. Texts in several languages are told apart by tables: `{"en": …, "zh": …}`. A CSV file has
the columns `question_id`, `category` and `text`, perhaps `reference` and `language`. Other fields are passed over.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeGuard

from arena.judge.problem import JudgeProblem
from models.chat import storable

OWN_SET = "paddock"
_TAKEN = (OWN_SET, "battles")  # reports call people's battles so
_ENDINGS = (".jsonl", ".csv")
_OWN_FILE = Path(__file__).with_name("questions.jsonl")


@dataclass(frozen=True)
class Question:
    """One question in one language (None: nobody said which).

    `number` is its id within the set; `reference` holds a right answer for each turn, where there is one.
    """

    set: str
    number: str
    category: str
    language: str | None
    turns: tuple[str, ...]
    reference: tuple[str, ...] | None

    @property
    def id(self) -> str:
        """SHA-256 in hex over every field, as canonical JSON: a changed text is another question."""
        text = json.dumps(
            [self.set, self.number, self.language, self.category, self.turns, self.reference], ensure_ascii=False
        )
        return hashlib.sha256(text.encode()).hexdigest()


def own_questions() -> tuple[Question, ...]:
    """Our own 80, each in English and Chinese."""
    return load_questions(_OWN_FILE, OWN_SET)


def load_questions(path: Path, name: str = "") -> tuple[Question, ...]:
    """Read a file of questions (.jsonl, .csv); the set is called `name`, or as `set_of` says.

    Raises `JudgeProblem` that names file and line: unreadable, not UTF-8, no questions, and in a line a missing id,
    text or category, or an id that was there before in the same language.
    """
    name = name or set_of(path)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise JudgeProblem(f"The questions {path} can't be read ({error.strerror}); check the path.") from error
    except UnicodeDecodeError as error:
        raise JudgeProblem(
            f"The questions {path} are not in UTF-8 (byte {error.start}); save them as UTF-8."
        ) from error
    questions: dict[tuple[str, str | None], Question] = {}
    for line, question in _questions(path, name, text):
        if questions.setdefault((question.number, question.language), question) is not question:
            again = f"the question_id {question.number} was there before; give each question its own"
            raise _problem(path, line, again)
    if not questions:
        raise JudgeProblem(f"The file {path} holds no questions; write one into each line.")
    return tuple(questions.values())


def is_file(name: str) -> bool:
    """Whether a set is named by its file."""
    return name.lower().endswith(_ENDINGS)


def set_of(path: Path) -> str:
    """The set that a file holds: its name without the ending, or its folder's where all such files are called alike.

    Raises `JudgeProblem` for a name that something else has.
    """
    name = path.resolve().parent.name if path.stem.lower() in ("question", "questions") else path.stem
    if name in _TAKEN:
        raise JudgeProblem(f"The questions {path} would be called '{name}' as something else is; rename the file.")
    return name or path.stem


def chosen(
    questions: Sequence[Question], language: str = "all", categories: Collection[str] = ()
) -> tuple[Question, ...]:
    """Those in a language ("all": in any) and of these categories (none: of any), in their order.

    A question whose language nobody knows is asked in any case. Raises `JudgeProblem` for a category or a language
    that no question has.
    """
    known = ", ".join(dict.fromkeys(question.category for question in questions))
    if unknown := set(categories) - {question.category for question in questions}:
        raise JudgeProblem(f"No question has the category {min(unknown)}; there are {known}.")
    found = tuple(
        question
        for question in questions
        if (language == "all" or question.language in (language, None))
        and (not categories or question.category in categories)
    )
    if not found:
        raise JudgeProblem(f"No question of these categories is in the language {language}; try --language all.")
    return found


def _problem(path: Path, line: int, what: object) -> JudgeProblem:
    return JudgeProblem(f"The questions {path}, line {line}: {what}.")


def _questions(path: Path, name: str, text: str) -> Iterator[tuple[int, Question]]:
    """Each question with its line."""
    match path.suffix.lower():
        case ".jsonl":
            rows = _json_lines(path, text)
        case ".csv":
            rows = _csv_lines(path, text)
        case _:
            raise JudgeProblem(f"{path} is no file of questions; give one that ends in .jsonl or .csv.")
    for line, row in rows:
        try:
            for question in _of_row(name, row):
                yield line, question
        except ValueError as error:
            raise _problem(path, line, error) from error


def _json_lines(path: Path, text: str) -> Iterator[tuple[int, Mapping[str, object]]]:
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise _problem(path, number, f"it is no JSON ({error}); write one object into each line") from error
        if not isinstance(row, dict):
            raise _problem(path, number, "it is no JSON object; write one into each line")
        yield number, row


def _csv_lines(path: Path, text: str) -> Iterator[tuple[int, Mapping[str, object]]]:
    rows = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    line = 0
    try:
        for name in ("question_id", "category", "text"):
            if name not in (rows.fieldnames or ()):
                raise _problem(path, 1, f"there is no column {name}; the first line names the columns")
        line = rows.line_num
        for row in rows:
            yield line + 1, {name: cell or None for name, cell in row.items() if name is not None}
            line = rows.line_num
    except csv.Error as error:
        what = f"it is no CSV ({error}); put texts with commas or line ends into quotes"
        raise _problem(path, line + 1, what) from error


def _of_row(name: str, row: Mapping[str, object]) -> Iterator[Question]:
    """The question of a line, or one for each language that its text has. Raises `ValueError` where it has none."""
    number, category, language = row.get("question_id"), row.get("category"), row.get("language")
    if not isinstance(number, str | int) or isinstance(number, bool) or not _is_text(str(number)):
        raise ValueError("the question_id is missing; give each question one of its own")
    if not _is_text(category):
        raise ValueError("the category is missing; any word will do")
    if language is not None and not _is_text(language):
        raise ValueError('the language is no text such as "en"')
    field = "turns" if "turns" in row else "text"
    texts, references = row.get(field), row.get("reference")
    by_language = texts if isinstance(texts, dict) and texts else {language: texts}
    for code, said in by_language.items():
        reference = references.get(code) if isinstance(references, dict) else references
        yield Question(
            set=name,
            number=str(number).strip(),
            category=str(category).strip(),
            language=code,
            turns=_texts(field, said),
            reference=_texts("reference", reference) if reference else None,
        )


def _texts(field: str, said: object) -> tuple[str, ...]:
    """A text, or one for each turn."""
    texts = tuple(said) if isinstance(said, list) else (said,)
    if not texts or not all(_is_text(text) for text in texts):
        raise ValueError(f"the {field} is missing or empty, or no text")
    if any(storable(text) != text for text in texts):
        raise ValueError(f"the {field} holds a NUL or half a character, which no database takes")
    return texts


def _is_text(value: object) -> TypeGuard[str]:
    return isinstance(value, str) and bool(value.strip())
