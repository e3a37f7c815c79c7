"""Forms of conversations: those of others (forms.py) and, through real exports, those of an arena (paddock.py)."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from voted import CAST, arena_in, battle_id, cast, records

from arena.exchange.exports import battle_rows
from arena.exchange.fields import BATTLE, CONVERSATION, PREFERENCE, VOTE
from arena.exchange.files import write_rows
from arena.exchange.preferences import Wanted, preference_rows
from db.outcome import Outcome
from db.session import Database
from db.voters import exclude_voter
from models.distill.collect.forms import form_of
from models.distill.collect.paddock import FORMS
from models.distill.collect.reading import rows_of
from models.distill.conversation import Conversation, Origin, record
from models.distill.problem import DistillProblem

PLACE, FILE = "chats.json, row 7 (line 7)", "chats.json"


def read(row: Mapping[str, Any]) -> list[Conversation]:
    return list(form_of(row, PLACE, FORMS).read(row, PLACE, FILE))


def one(row: Mapping[str, Any]) -> Conversation:
    (conversation,) = read(row)
    return conversation


def spoken(conversation: Conversation) -> list[tuple[str, str]]:
    return [(message.role, message.text) for message in conversation.messages]


def refused(row: Mapping[str, Any]) -> str:
    with pytest.raises(DistillProblem) as problem:
        read(row)
    said = str(problem.value)
    assert said.startswith(PLACE)
    assert said.endswith(".")
    return said.removeprefix(PLACE)


# -- others ----------------------------------------------------------------------------------------


def test_sharegpt_is_read_with_its_texts_as_they_are() -> None:
    html = '<div class="markdown"><p>a &lt; b</p>\n<pre><code>x</code></pre></div>'
    conversation = one(
        {"id": "QWJhYvA_0", "conversations": [{"from": "human", "value": "a < b?"}, {"from": "gpt", "value": html}]}
    )
    assert conversation.id == "QWJhYvA_0"
    assert spoken(conversation) == [("user", "a < b?"), ("assistant", html)]
    assert (conversation.origin.source, conversation.origin.teacher, conversation.origin.license) == (FILE, "", "")


@pytest.mark.parametrize(
    ("speaker", "role"),
    [("Human", "user"), (" user ", "user"), ("system", "system"), ("assistant", "assistant"), ("model", "assistant")],
)
def test_the_names_of_speakers_that_are_in_use_are_known(speaker: str, role: str) -> None:
    assert spoken(one({"conversations": [{"from": speaker, "value": "x"}]})) == [(role, "x")]


@pytest.mark.parametrize("service", ["claude", "bing", "bard"])
def test_the_name_of_a_service_says_who_taught(service: str) -> None:
    conversation = one({"conversations": [{"from": "user", "value": "q"}, {"from": service, "value": "a"}]})
    assert spoken(conversation) == [("user", "q"), ("assistant", "a")]
    assert conversation.origin.teacher == service


@pytest.mark.parametrize("key", ["conversations", "messages", "conversation"])
def test_a_row_may_name_the_model_that_answered_and_its_license(key: str) -> None:
    assert one({"model": "gpt-4", "license": "MIT", key: []}).origin == Origin(FILE, "gpt-4", "MIT")
    assert one({"model": None, "license": 3, key: []}).origin == Origin(FILE)


def test_openai_s_messages_are_read_with_their_parts_and_their_other_name_of_the_system() -> None:
    conversation = one(
        {
            "messages": [
                {"role": "developer", "content": "Be brief."},
                {"role": "user", "content": [{"type": "text", "text": "He"}, {"type": "text", "text": "llo"}]},
                {"role": "assistant", "content": None},
            ]
        }
    )
    assert spoken(conversation) == [("system", "Be brief."), ("user", "Hello"), ("assistant", "")]


def test_alpaca_s_instruction_and_input_are_what_the_user_says_without_alpaca_s_prompt() -> None:
    with_input = one({"instruction": "Add.", "input": "1 2", "output": "3", "text": "Below is an instruction"})
    assert spoken(with_input) == [("user", "Add.\n\n1 2"), ("assistant", "3")]
    for nothing in ("", "  ", None, "<noinput>"):
        assert spoken(one({"instruction": "Sing.", "input": nothing, "output": "la"}))[0] == ("user", "Sing.")
    assert spoken(one({"instruction": "Sing.", "output": "la", "system": "Be glad."}))[0] == ("system", "Be glad.")


def test_what_has_no_id_gets_one_that_follows_from_what_was_said() -> None:
    row = {"instruction": "Sing.", "output": "la"}
    assert one(row).id == one({**row, "input": ""}).id == one({**row, "id": ""}).id
    assert len(one(row).id) == 16
    assert one(row).id != one({**row, "output": "li"}).id
    assert one({**row, "id": 12}).id == "12"


def test_our_own_form_comes_back_as_it_was() -> None:
    row = {
        "id": "x", "messages": [{"role": "user", "content": "q"}], "source": "ask", "teacher": "t", "license": "MIT",
    }  # fmt: skip
    assert record(one(row)) == row
    assert one({**row, "source": ""}).origin.source == FILE


def test_half_of_a_surrogate_pair_becomes_what_a_file_can_hold() -> None:
    (message,) = one(json.loads('{"messages": [{"role": "user", "content": "a\\ud83d\\u0000"}]}')).messages
    assert message.text == "a\ufffd\ufffd"


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"conversations": [{"from": "wizard", "value": "x"}]}, ": role 'wizard' is unknown; known are system, "),
        ({"messages": [{"role": "tool", "content": "x"}]}, ": role 'tool' is unknown; known are system, "),
        ({"messages": [{"role": "u" * 500, "content": "x"}]}, f": role '{'u' * 58}… is unknown; known are system, "),
        ({"messages": {"role": "user"}}, ": a conversation is a list of messages, not {'role': 'user'}."),
        ({"messages": ["hello"]}, ": 'hello' is no message; it is an object with role and content."),
        ({"messages": [{"role": "user", "text": "x"}]}, ": {'role': 'user', 'text': 'x'} is no message; "),
        ({"conversations": [{"a": "b"}]}, ": {'a': 'b'} is no message; it is an object with from and value."),
        ({"messages": [{"role": "user", "content": 5}]}, ": 5 is no text; "),
        ({"messages": [{"role": "user", "content": [{"type": "file"}]}]}, ": [{'type': 'file'}] is no text; "),
        ({"instruction": ["x"], "output": "y"}, ", instruction: ['x'] is no text; "),
        ({"instruction": "x", "output": "y", "history": [["a", "b"]]}, " has a history, which "),
        ({"question": "x"}, " has none of the forms that can be read, which are Paddock's conversations (messages, "),
        ({}, " has none of the forms that can be read, which are "),
        ({"battle": "b", "outcome": "a", "model_a": "x", "model_b": "y"}, " is a vote without texts; `python -m arena"),
    ],
)  # fmt: skip
def test_what_can_t_be_learnt_from_is_named_with_its_row(row: dict[str, Any], said: str) -> None:
    assert refused(row).startswith(said)


# -- what an arena exported ------------------------------------------------------------------------


@pytest.fixture
def board(tmp_path: Path) -> Iterator[Database]:
    with arena_in(tmp_path) as database:
        yield database


def exported(path: Path, database: Database, what: str, wanted: Wanted) -> list[Conversation]:
    votes = records(database, texts=True)
    if what == "preferences":
        write_rows(path, PREFERENCE, preference_rows(votes, wanted, Counter()))
    elif what == "battles":
        write_rows(path, BATTLE, battle_rows(votes, Counter()))
    else:
        write_rows(path, (*VOTE, CONVERSATION), votes)
    return [
        conversation
        for place, row in rows_of(path)
        for conversation in form_of(row, place, FORMS).read(row, place, path.name)
    ]


@pytest.mark.parametrize("ending", ["jsonl", "parquet"])
@pytest.mark.parametrize("what", ["battles", "votes"])
def test_both_answers_of_a_battle_come_with_who_gave_them_and_how_the_vote_went(
    board: Database, tmp_path: Path, what: str, ending: str
) -> None:
    cast(board, 1, Outcome.B, ("Why?", "bad", "good"), ("And?", "worse", "<think>hm</think>better"))
    cast(board, 2, Outcome.BOTH_BAD)
    cast(board, 3, Outcome.TIE, voter="bob")
    board.write(lambda session: exclude_voter(session, "bob", "spam", CAST))
    path = tmp_path / f"file.{ending}"
    a, b, *others = exported(path, board, what, Wanted())
    assert (a.id, a.origin.teacher, a.origin.source) == (f"{battle_id(1)}-a", "ant", f"file.{ending} (lost)")
    assert (b.id, b.origin.teacher, b.origin.source) == (f"{battle_id(1)}-b", "bee", f"file.{ending} (won)")
    assert spoken(a) == [("user", "Why?"), ("assistant", "bad"), ("user", "And?"), ("assistant", "worse")]
    assert spoken(b)[3] == ("assistant", "<think>hm</think>better")
    ways = ["both bad", "both bad", "tie, not counted", "tie, not counted"]
    assert [one.origin.source for one in others] == [f"file.{ending} ({way})" for way in ways]


@pytest.mark.parametrize("ending", ["jsonl", "parquet"])
def test_of_preferences_the_chosen_conversation_comes_with_who_gave_it(
    board: Database, tmp_path: Path, ending: str
) -> None:
    cast(board, 1, Outcome.B, ("Why?", "bad", "good"), ("And?", "worse", "<think>hm</think>better"))
    cast(board, 2, Outcome.TIE)
    path = tmp_path / f"file.{ending}"
    chosen, tied = exported(path, board, "preferences", Wanted(ties=True, turns="all"))
    assert (chosen.id, chosen.origin.teacher) == (f"{battle_id(1)}-b", "bee")
    assert chosen.origin.source == f"file.{ending} (chosen)"
    assert spoken(chosen) == [("user", "Why?"), ("assistant", "good"), ("user", "And?"), ("assistant", "better")]
    assert (tied.id, tied.origin.source) == (f"{battle_id(2)}-a", f"file.{ending} (tie)")


def test_preferences_of_others_are_read_in_trl_s_other_forms_too() -> None:
    said = [("user", "q"), ("assistant", "good")]
    whole = [{"role": "user", "content": "q"}, {"role": "assistant", "content": "good"}]
    for prompt, chosen in (("q", "good"), (whole[:1], whole[1:]), ("q", whole), (None, whole)):
        assert spoken(one({"prompt": prompt, "chosen": chosen, "rejected": "bad"})) == said
