"""Prompts for a teacher: our own seeds in English and Chinese, and files of one's own.

A .txt file has a prompt in each line. A line of a .jsonl file is an object with `prompt`, perhaps `id`, `language` and
`kind`; or a conversation in our form, whose first user message is asked again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from models.chat import Message, storable
from models.distill.conversation import conversation_of, name_of
from models.distill.files import read_rows
from models.distill.problem import DistillProblem

_OWN_FILE = Path(__file__).with_name("seeds.jsonl")


@dataclass(frozen=True)
class Prompt:
    """What a teacher is asked. `language` ("en", "zh", …) and `kind` of task are empty where nobody said."""

    id: str
    text: str
    language: str = ""
    kind: str = ""


def prompt_of(text: str, language: str = "", kind: str = "") -> Prompt:
    """A prompt whose id follows from its text."""
    return Prompt(name_of([Message("user", text)]), text, language, kind)


def own_seeds() -> tuple[Prompt, ...]:
    """The shipped ones: no two alike, none near the judge's questions."""
    return read_prompts(_OWN_FILE)


def read_prompts(path: Path) -> tuple[Prompt, ...]:
    """The prompts of a file in its order; one that is there again word by word counts once.

    Raises `DistillProblem`: a file that can't be read or holds none, a line without a prompt, an id for two prompts.
    """
    match path.suffix.lower():
        case ".txt":
            read = _lines(path)
        case ".jsonl":
            read = (_prompt(row, f"{path}, line {number}") for number, row in read_rows(path))
        case _:
            raise DistillProblem(f"{path} is no file of prompts; give one that ends in .jsonl or .txt.")
    prompts = _once(path, read)
    if not prompts:
        raise DistillProblem(f"{path} holds no prompts; write one into each line.")
    return prompts


def in_language(prompts: Sequence[Prompt], language: str) -> tuple[Prompt, ...]:
    """Those in a language ("all": in any); one that does not name its own is in each. Raises `DistillProblem`."""
    found = tuple(one for one in prompts if language == "all" or one.language in (language, ""))
    if not found:
        raise DistillProblem(f"None of {len(prompts)} prompts is in the language {language}; try --language all.")
    return found


def _once(path: Path, prompts: Iterable[Prompt]) -> tuple[Prompt, ...]:
    by_id: dict[str, Prompt] = {}
    by_text: dict[str, Prompt] = {}
    for one in prompts:
        if by_id.setdefault(one.id, one).text != one.text:
            raise DistillProblem(f"{path} has two different prompts of the id {one.id}; give each its own.")
        by_text.setdefault(one.text, one)
    return tuple(by_text.values())


def _lines(path: Path) -> Iterator[Prompt]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise DistillProblem(f"{path} can't be read ({error.strerror}).") from error
    except UnicodeDecodeError as error:
        raise DistillProblem(f"{path} is no UTF-8 text; save it as UTF-8.") from error
    return (prompt_of(storable(line.strip())) for line in text.split("\n") if line.strip())


def _prompt(row: Mapping[str, Any], where: str) -> Prompt:
    told = {key: row.get(key) or "" for key in ("id", "language", "kind")}
    for key, value in told.items():
        if not isinstance(value, str):
            raise DistillProblem(f"{where}: {key} is no text.")
    text = row.get("prompt")
    if text is None and "messages" in row:
        text = next((one.text for one in conversation_of(row, where).messages if one.role == "user"), None)
    if not isinstance(text, str) or not text.strip():
        raise DistillProblem(f'{where} has no prompt; write one such as {{"prompt": "Why is the sky blue?"}}.')
    named = prompt_of(storable(text.strip()), told["language"], told["kind"])
    return Prompt(told["id"], named.text, named.language, named.kind) if told["id"] else named
