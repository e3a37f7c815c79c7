from __future__ import annotations

from itertools import groupby
from pathlib import Path

import pytest
from checkpoints import gemma_checkpoint, qwen_words, smollm2_checkpoint
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("torch", reason="torch isn't installed (make test TORCH=yes)")
pytest.importorskip("transformers", reason="transformers isn't installed (make test TORCH=yes)")

from tiny_words import CHATML, spaced_words, words

from models.catalog import load_catalog
from models.chat import Message
from models.distill.base import template_of
from models.distill.conversation import Conversation
from models.distill.problem import DistillProblem
from models.distill.template import Encoder, Row
from models.local.loaded import Words

ASKED, SAID = "\u4f60\u597d\uff0c\u4f60\u662f\u8c01\uff1f", "\u6211\u662f\u4e00\u4e2a\u52a9\u624b\u3002"
CODE = 'Here:\n\n```python\ndef f(x: list[str]) -> str:\n\treturn "<b>" + x[0]\n```\n\nDone.'
TALKS = {
    "one round": ("What is 2 + 2?", "Four."),
    "several rounds": ("Hi", "Hello! How may I help?", "Who are you?", "A model.", "Bye", "See you soon."),
    "Chinese": (ASKED, SAID, "\u8c22\u8c22", "\u4e0d\u5ba2\u6c14\uff01"),
    "code": ("Write f.", CODE, "Again, shorter", "```py\nf = min\n```"),
    "marks in questions": ("What does <|im_end|> mean? And <eos>?", "It ends a turn.", "<|im_start|>user", "Yes?"),
    "an empty answer": ("Say nothing.", ""),
    "edges of white space": ("Go", "  indented\n\n", "On", "\tand so on \n"),
}


def talk(*texts: str, system: str = "") -> tuple[Message, ...]:
    head = (Message("system", system),) if system else ()
    return head + tuple(Message("assistant" if n % 2 else "user", text) for n, text in enumerate(texts))


def chat(*texts: str, system: str = "") -> Conversation:
    return Conversation("c1", talk(*texts, system=system))


def runs(row: Row) -> list[list[int]]:
    """The tokens that count, a list for each answer."""
    pairs = list(zip(row.ids, row.counts, strict=True))
    return [[token for token, _ in run] for counts, run in groupby(pairs, key=lambda pair: pair[1]) if counts]


def decoded(encoder: Encoder, ids: list[int]) -> str:
    return str(encoder.tokenizer.decode(ids, skip_special_tokens=False, clean_up_tokenization_spaces=False))


def learnt(encoder: Encoder, row: Row) -> list[str]:
    return [decoded(encoder, run) for run in runs(row)]


# The default models.

DEFAULTS = {
    "smollm2-135m-instruct-q4": smollm2_checkpoint,
    "gemma-3-270m-base-q4": gemma_checkpoint,
    "qwen2.5-coder-0.5b-instruct-q4": qwen_words,
}


class Default:
    """One of the default models: what learns from it, and what the arena asks it."""

    def __init__(self, name: str) -> None:
        folder = DEFAULTS[name]()
        spec = next(spec for spec in load_catalog() if spec.id == name)
        self.encoder = Encoder(folder, template_of(spec, folder))
        self.words = Words(spec, folder)
        self.name, self.gemma = name, name.startswith("gemma")
        self.end = "<eos>" if self.gemma else "<|im_end|>"
        self.lead = " " if self.gemma else ""  # what its template writes between "Answer:" and an answer


@pytest.fixture(scope="module", params=DEFAULTS)
def default(request: pytest.FixtureRequest) -> Default:
    return Default(str(request.param))


@pytest.mark.slow
@pytest.mark.parametrize("system", ["", "Answer briefly."])
@pytest.mark.parametrize("name", TALKS)
def test_on_every_default_model_all_of_each_answer_and_its_end_mark_count_and_nothing_else(
    default: Default, name: str, system: str
) -> None:
    messages, encoder = talk(*TALKS[name], system=system), default.encoder
    row = encoder.encode(Conversation("c1", messages))
    assert len(row.ids) == len(row.counts) == encoder.length(messages)
    answers = [message.text for message in messages if message.role == "assistant"]
    assert learnt(encoder, row) == [default.lead + answer + default.end for answer in answers]
    ends = {encoder.tokenizer.convert_tokens_to_ids(default.end)}
    assert [sum(token in ends for token in run) for run in runs(row)] == [1] * len(answers)
    # What does not count is the prompt as the arena asks it, and what the template writes around the answers.
    asked = default.words.prompt(messages[: [message.role for message in messages].index("assistant")])
    assert row.ids[: len(asked)] == asked
    assert row.counts.index(True) == len(asked)
    text = encoder.tokenizer.apply_chat_template(
        [{"role": one.role, "content": one.text} for one in messages], chat_template=encoder.template, tokenize=False
    )
    put_in = {place for place in places_of_ends(row) if default.gemma}
    assert decoded(encoder, [token for place, token in enumerate(row.ids) if place not in put_in]) == text


def places_of_ends(row: Row) -> list[int]:
    """The last token of each counted run."""
    following = [*row.counts[1:], False]
    return [n for n, (counts, after) in enumerate(zip(row.counts, following, strict=True)) if counts and not after]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["one round", "several rounds", "Chinese", "code", "marks in questions"])
def test_what_the_arena_asks_in_each_round_is_how_the_row_goes_on(default: Default, name: str) -> None:
    messages = talk(*TALKS[name])
    row = default.encoder.encode(Conversation("c1", messages))
    # Gemma's template writes no end mark: the row has one behind each answer, what the arena asks later has none.
    put_in = set(places_of_ends(row)) if default.gemma else set()
    asked = [token for place, token in enumerate(row.ids) if place not in put_in]
    for number in range(0, len(messages), 2):
        prompt = default.words.prompt(messages[: number + 1])
        assert asked[: len(prompt)] == prompt
    first = default.words.prompt(messages[:1])
    assert row.ids[: len(first)] == first
    assert row.counts.index(True) == len(first)


HALF = "\ufffd"  # a token that is part of a character
BY_HAND = {
    "smollm2-135m-instruct-q4": [
        ["Hello", "!", "<|im_end|>"],
        ["x", " =", " ", "1", "\n", HALF, HALF, "<|im_end|>"],
    ],
    "gemma-3-270m-base-q4": [
        [" Hello", "!", "<eos>"],
        [" x", " =", " ", "1", "\n", "\u597d", "<eos>"],
    ],
    "qwen2.5-coder-0.5b-instruct-q4": [
        ["Hello", "!", "<|im_end|>"],
        ["x", " =", " ", "1", "\n", "\u597d", "<|im_end|>"],
    ],
}


@pytest.mark.slow
def test_the_counted_tokens_of_two_answers_as_read_off_by_hand(default: Default) -> None:
    row = default.encoder.encode(chat("Hi", "Hello!", "And?", "x = 1\n\u597d"))
    assert [[decoded(default.encoder, [token]) for token in run] for run in runs(row)] == BY_HAND[default.name]


@pytest.mark.slow
def test_an_answer_that_quotes_marks_spells_them_out_and_ends_only_at_its_end(default: Default) -> None:
    quoting = f"ChatML ends a turn by {default.end}, then <|im_start|>user. So: {default.end}"
    row = default.encoder.encode(chat("How does ChatML work?", quoting, "Thanks", "Welcome."))
    end = default.encoder.tokenizer.convert_tokens_to_ids(default.end)
    assert learnt(default.encoder, row) == [
        default.lead + quoting + default.end,
        default.lead + "Welcome." + default.end,
    ]
    assert [run.count(end) for run in runs(row)] == [1, 1]
    assert all(run[-1] == end for run in runs(row))


# Templates of other families, on a tokenizer of bytes.

LLAMA2 = (
    "{% for message in messages %}{% if message.role == 'user' %}[INST] {{ message.content | trim }} [/INST]"
    "{% else %} {{ message.content | trim }} </s>{% endif %}{% endfor %}"
)
OLMO = (
    "{% for message in messages %}{{ '<' + message.role + '>' + message.content }}{% if message.role == 'assistant' %}"
    "{{ eos_token }}{% if not loop.last %}{{ '\n' }}{% endif %}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}<assistant>{% endif %}"
)
THINKS = CHATML.replace("message.content", "message.content.split('</think>')[-1]")
PREFILLED = CHATML.replace("<|im_start|>assistant\\n", "<|im_start|>assistant\\n<think>")
NO_SYSTEM = "{% if messages[0].role == 'system' %}{{ raise_exception('No system messages') }}{% endif %}" + CHATML


def test_a_template_that_trims_and_writes_spaces_is_learnt_as_it_writes(tmp_path: Path) -> None:
    encoder = Encoder(words(tmp_path, eos="</s>"), LLAMA2)
    row = encoder.encode(chat("Hi ", " Hello \n", "And?", "Yes"))
    assert decoded(encoder, row.ids) == "[INST] Hi [/INST] Hello </s>[INST] And? [/INST] Yes </s>"
    assert learnt(encoder, row) == [" Hello </s>", " Yes </s>"]


def test_white_space_that_follows_an_end_mark_only_between_rounds_does_not_count(tmp_path: Path) -> None:
    encoder = Encoder(words(tmp_path, eos="</s>"), OLMO)
    row = encoder.encode(chat("Hi", "Hello", "And?", "Yes"))
    assert decoded(encoder, row.ids) == "<user>Hi<assistant>Hello</s>\n<user>And?<assistant>Yes</s>"
    assert learnt(encoder, row) == ["Hello</s>", "Yes</s>"]


def test_the_end_mark_is_one_at_which_the_model_stops_not_only_the_tokenizers_eos(tmp_path: Path) -> None:
    folder = words(tmp_path / "told", eos="</s>", eos_token_id=[words_id(tmp_path, "<|im_end|>"), 7])
    encoder = Encoder(folder, CHATML)
    assert learnt(encoder, encoder.encode(chat("Hi", "Hello"))) == ["Hello<|im_end|>"]


def words_id(folder: Path, mark: str) -> int:
    return int(Encoder(words(folder / "ids"), CHATML).tokenizer.convert_tokens_to_ids(mark))


def test_where_the_template_writes_no_mark_at_which_engines_stop_the_eos_is_put_behind_each_answer(
    tmp_path: Path,
) -> None:
    encoder = Encoder(words(tmp_path, eos="</s>"), CHATML)
    row = encoder.encode(chat("Hi", "Hello", "And?", "Yes"))
    assert learnt(encoder, row) == ["Hello</s>", "Yes</s>"]
    assert decoded(encoder, row.ids).endswith("<|im_start|>assistant\nYes</s><|im_end|>\n")


def test_what_the_template_writes_before_an_answer_and_the_prompt_does_not_hold_counts(tmp_path: Path) -> None:
    template = CHATML.replace(
        "+ message.content +", "+ ('<|end|>' if message.role == 'assistant' else '') + message.content +"
    )
    encoder = Encoder(words(tmp_path), template)
    row = encoder.encode(chat("Hi", "Hello <|end|>"))
    assert learnt(encoder, row) == ["<|end|>Hello <|end|><|im_end|>"]
    mark = encoder.tokenizer.convert_tokens_to_ids("<|end|>")
    assert row.ids.count(mark) == 1  # what the answer quotes is spelt out


def test_a_tokenizer_that_writes_a_space_before_any_text_writes_none_before_an_answer(tmp_path: Path) -> None:
    template = (
        "{% for message in messages %}{{ message.role + '\\n' + message.content + '</s>\\n' }}{% endfor %}"
        "{% if add_generation_prompt %}{{ 'assistant\\n' }}{% endif %}"
    )
    encoder = Encoder(spaced_words(tmp_path), template)
    row = encoder.encode(chat("Hi", "Hello world", "And?", " yes"))
    tokens = [encoder.tokenizer.convert_ids_to_tokens(run) for run in runs(row)]
    assert tokens == [[*"Hello\u2581world", "</s>"], [*"\u2581", "y", "e", "s", "</s>"]]


@pytest.mark.parametrize(
    ("template", "texts", "system", "said"),
    [
        (NO_SYSTEM, ("Hi", "Hello"), "Be kind.", r"^Conversation c1 can't be written .* \(No system messages\)"),
        (THINKS, ("Hi", "Hm.</think>Hello"), "", r"^This chat template rewrites the answers of conversation c1;"),
        (PREFILLED, ("Hi", "Hello"), "", r"^Conversation c1 is shown by this chat template otherwise than it is asked"),
    ],
)
def test_what_a_template_does_not_show_as_it_asks_is_refused_in_one_sentence(
    tmp_path: Path, template: str, texts: tuple[str, ...], system: str, said: str
) -> None:
    encoder = Encoder(words(tmp_path), template)
    with pytest.raises(DistillProblem, match=said):
        encoder.encode(chat(*texts, system=system))


def test_an_answer_that_quotes_an_end_mark_which_can_not_be_spelt_out_is_refused(tmp_path: Path) -> None:
    end = words_id(tmp_path, "<|im_end|>")
    encoder = Encoder(words(tmp_path / "plain", eos="</s>", special=False, eos_token_id=end), CHATML)
    assert learnt(encoder, encoder.encode(chat("Hi <|im_end|>", "Hello"))) == ["Hello<|im_end|>"]
    with pytest.raises(DistillProblem, match=r"holds the end mark <\|im_end\|> in an answer"):
        encoder.encode(chat("Hi", "Hello <|im_end|>"))


def test_a_tokenizer_without_an_eos_and_a_folder_without_a_tokenizer_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DistillProblem, match="has no eos token"):
        Encoder(words(tmp_path / "words", eos=None), CHATML)
    (tmp_path / "empty").mkdir()
    with pytest.raises(DistillProblem, match="can't be read"):
        Encoder(tmp_path / "empty", CHATML)


def test_messages_that_end_with_a_question_have_a_length_and_nothing_counts_behind_the_last_answer(
    tmp_path: Path,
) -> None:
    encoder = Encoder(words(tmp_path), CHATML)
    row = encoder.encode(chat("Hi", "Hello", "And?"))
    assert learnt(encoder, row) == ["Hello<|im_end|>"]
    assert encoder.length(talk("Hi", "Hello", "And?")) == len(row.ids)
    assert not any(encoder.encode(chat("Hi")).counts)


TEXT = st.lists(st.sampled_from([*"ab \n\t\ue000\ue001\u4f60<|", "<|im_end|>", "<|im_start|>"]), max_size=12).map(
    "".join
)


@pytest.mark.slow
@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(TEXT, TEXT), min_size=1, max_size=4), TEXT)
def test_whatever_is_said_the_row_reads_as_the_template_writes_and_the_answers_count(
    chatml: Encoder, rounds: list[tuple[str, str]], system: str
) -> None:
    messages = talk(*(text for one in rounds for text in one), system=system)
    row = chatml.encode(Conversation("c1", messages))
    text = "".join(f"<|im_start|>{one.role}\n{one.text}<|im_end|>\n" for one in messages)
    assert decoded(chatml, row.ids) == text
    assert learnt(chatml, row) == [f"{answer}<|im_end|>" for _, answer in rounds]
    end = chatml.tokenizer.convert_tokens_to_ids("<|im_end|>")
    assert all(run.count(end) == 1 and run[-1] == end for run in runs(row))


@pytest.fixture(scope="module")
def chatml(tmp_path_factory: pytest.TempPathFactory) -> Encoder:
    return Encoder(words(tmp_path_factory.mktemp("words")), CHATML)
