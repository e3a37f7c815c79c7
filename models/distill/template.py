"""Conversations as tokens, and which of them are learnt: those the model must produce itself.

A row is what would stand in the context had the model been asked, by this very template, and given these answers:
what the template writes up to each answer is cut into tokens as the arena does when it asks, the answer on its own
behind it. Counted are the answer, whatever the template writes between the prompt and it, and its end mark: the first
token behind it at which an engine stops. Where the template writes none, the tokenizer's eos is put there.

An answer is text: marks of the template that it quotes ("<|im_end|>") are spelt out, so that they end nothing.
Prompts are as they are asked, where such marks mean what they say.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

from jinja2 import TemplateError

from models.chat import Message
from models.distill.conversation import Conversation
from models.distill.problem import DistillProblem

# How templates are known to trim an answer; what a template changes more than that can't be learnt from.
_TRIMS: Final[tuple[Callable[[str], str], ...]] = (str, str.strip, str.lstrip, str.rstrip)
_PROBE: Final = ("user", "assistant", "user", "assistant")


@dataclass(frozen=True)
class Row:
    """One conversation in token ids; `counts` says of each whether the loss counts it. Both have one length."""

    id: str
    ids: list[int]
    counts: list[bool]


class _Ending(NamedTuple):
    """What a template writes behind an answer: perhaps some text, then perhaps a token that ends it."""

    filler: str
    mark: str


class _Answer(NamedTuple):
    """An answer in the rendered conversation: it is asked for by `text[:asked]` and is `text[begin:end]`."""

    asked: int
    begin: int
    end: int
    ending: _Ending


class Encoder:
    """The tokenizer and the template of one base. Rows and lengths are exact, not estimates."""

    def __init__(self, folder: Path, template: str) -> None:
        """Raises `DistillProblem` where the tokenizer can't be read, has no eos, or the template does not run."""
        from transformers import AutoTokenizer

        try:
            self.tokenizer: Any = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
        except (ValueError, OSError) as error:
            raise DistillProblem(f"The tokenizer in {folder} can't be read ({error}); take another base.") from error
        if self.tokenizer.eos_token_id is None:
            raise DistillProblem(f"The tokenizer in {folder} has no eos token to end answers by; take another base.")
        self.template = template
        self._ends = _ends(folder, self.tokenizer)
        added = self.tokenizer.added_tokens_decoder
        self._specials: dict[int, str] = {number: token.content for number, token in added.items() if token.special}
        # Some tokenizers write a space before any text; a part of a conversation is not the beginning of a text.
        line, word = self._cut("\nword"), self._cut("word")
        self._newline = [] if line[-len(word) :] == word else self._cut("\n")
        self._between, self._last = self._endings()

    def encode(self, conversation: Conversation) -> Row:
        """The conversation as the template writes it, whole.

        Raises `DistillProblem` for one that the template refuses, rewrites, or shows otherwise than it asks.
        """
        return self._row(conversation.messages, f"Conversation {conversation.id}", conversation.id)

    def length(self, messages: Sequence[Message]) -> int:
        """Tokens of the row these messages would become. Raises `DistillProblem`."""
        return len(self._row(messages, "A conversation", "").ids)

    def _row(self, messages: Sequence[Message], what: str, name: str) -> Row:
        row, done = Row(name, [], []), 0
        text, answers = self._found(messages, what)
        for number, answer in enumerate(answers):
            before = answers[number - 1].ending if number else None
            self._add_written(row, text[done : answer.asked], before)
            done = answer.end + len(answer.ending.filler)
            said = self._said(text[answer.asked : answer.begin], text[answer.begin : done], what)
            row.ids.extend(said)
            row.counts.extend([True] * len(said))
        self._add_written(row, text[done:], answers[-1].ending if answers else None)
        return row

    def _add_written(self, row: Row, text: str, ending: _Ending | None) -> None:
        """Add what the template writes from behind an answer (or the beginning) on; it begins with the end mark."""
        if ending and not ending.mark:
            row.ids.append(self.tokenizer.eos_token_id)
            row.counts.append(True)
        ids = self._cut_inside(text) if ending else self._cut(text)
        row.ids.extend(ids)
        row.counts.extend(bool(ending and ending.mark) and not place for place in range(len(ids)))

    def _said(self, lead: str, text: str, what: str) -> list[int]:
        """An answer's tokens; `lead` is what the template writes before it and the prompt does not hold."""
        marks = [self._specials[token] for token in self._cut(lead) if token in self._specials]
        head = max((lead.rfind(mark) + len(mark) for mark in marks), default=0)
        ids = self._cut(lead[:head]) + self._cut_inside(lead[head:] + text, spelt_out=True)
        if quoted := next((mark for mark, end in self._ends.items() if end in ids), None):
            raise DistillProblem(
                f"{what} holds the end mark {quoted} in an answer, and this tokenizer can't spell it out; remove it."
            )
        return ids

    def _found(self, messages: Sequence[Message], what: str) -> tuple[str, list[_Answer]]:
        """The rendered conversation and where its answers are."""
        parts, said = self._parts(messages, what)
        text, reached, found = parts[0], 0, list[_Answer]()
        places = [place for place, message in enumerate(messages) if message.role == "assistant"]
        for place, answer, follower in zip(places, said, parts[1:], strict=True):
            prompt = self._render(messages[:place], what, asking=True)
            ending = self._last if place + 1 == len(messages) else self._between
            grows = len(prompt) >= reached and text.startswith(prompt)
            if not grows or not follower.startswith("".join(ending)):
                raise DistillProblem(
                    f"{what} is shown by this chat template otherwise than it is asked for; write a prompt_template "
                    "into the catalogue that only ever adds to what it wrote before."
                )
            found.append(_Answer(len(prompt), len(text), len(text) + len(answer), ending))
            reached = found[-1].end + len(ending.filler)
            text += answer + follower
        return text, found

    def _parts(self, messages: Sequence[Message], what: str) -> tuple[list[str], list[str]]:
        """What the template writes around the answers, and the answers as it writes them."""
        mark = "\ue000"
        while any(mark in message.text for message in messages):
            mark += "\ue001"
        blank = [Message(one.role, mark if one.role == "assistant" else one.text) for one in messages]
        parts = self._render(blank, what).split(mark)
        text, said = self._render(messages, what), [one.text for one in messages if one.role == "assistant"]
        for trim in _TRIMS if len(parts) == len(said) + 1 else ():
            trimmed = [trim(answer) for answer in said]
            if parts[0] + "".join(answer + part for answer, part in zip(trimmed, parts[1:], strict=True)) == text:
                return parts, trimmed
        raise DistillProblem(f"This chat template rewrites the answers of {what.lower()}; leave that one out.")

    def _endings(self) -> tuple[_Ending, _Ending]:
        """What follows an answer before the next question, and at the end."""
        answer = "\ue000"
        asked = [Message(role, answer if role == "assistant" else "Why?") for role in _PROBE]
        parts = self._render(asked, "A conversation").split(answer)
        return self._ending(parts[1]), self._ending(parts[-1])

    def _ending(self, follower: str) -> _Ending:
        marks = [(follower.index(mark), mark) for mark in self._ends if mark in follower]
        if not marks:
            return _Ending("", "")
        place, mark = min(marks)
        return _Ending(follower[:place], mark)

    def _render(self, messages: Sequence[Message], what: str, *, asking: bool = False) -> str:
        turns = [{"role": message.role, "content": message.text} for message in messages]
        try:
            return str(
                self.tokenizer.apply_chat_template(
                    turns, chat_template=self.template, add_generation_prompt=asking, tokenize=False
                )
            )
        except TemplateError as error:
            raise DistillProblem(
                f"{what} can't be written by this chat template ({error}); drop its system message or what else it "
                "refuses, or write a prompt_template into the catalogue."
            ) from error

    def _cut_inside(self, text: str, *, spelt_out: bool = False) -> list[int]:
        """The tokens of a text that stands behind another one."""
        if not self._newline:
            return self._cut(text, spelt_out=spelt_out)
        ids, line = self._cut("\n" + text, spelt_out=spelt_out), self._newline
        return ids[len(line) :] if ids[: len(line)] == line else self._cut(text, spelt_out=spelt_out)

    def _cut(self, text: str, *, spelt_out: bool = False) -> list[int]:
        ids: list[int] = self.tokenizer(text, add_special_tokens=False, split_special_tokens=spelt_out)["input_ids"]
        return ids


def _ends(folder: Path, tokenizer: Any) -> dict[str, int]:
    """The tokens at which an engine ends an answer, the model's and the tokenizer's (`models.local.loaded`)."""
    told: object = None
    for name in ("config.json", "generation_config.json"):  # the second has the last word
        if (folder / name).exists():
            told = json.loads((folder / name).read_text(encoding="utf-8")).get("eos_token_id", told)
    listed = told if isinstance(told, list) else [] if told is None else [told]
    ends = dict.fromkeys([tokenizer.eos_token_id, *listed])
    return {str(text): end for end in ends if (text := tokenizer.convert_ids_to_tokens(end)) is not None}
