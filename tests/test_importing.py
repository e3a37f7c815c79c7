from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from models.distill.collect.importing import Imported, Stated, import_files, summary
from models.distill.conversation import Conversation, Origin
from models.distill.files import read_conversations
from models.distill.licenses import restrictions
from models.distill.problem import DistillProblem


def said(question: str, answer: str, **more: str) -> dict[str, Any]:
    spoken = [{"from": "human", "value": question}, {"from": "gpt", "value": answer}]
    return {**more, "conversations": spoken}


def written(path: Path, *rows: object) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def imported(paths: Sequence[Path], stated: Stated = Stated()) -> tuple[Imported, list[Conversation]]:  # noqa: B008
    out = paths[0].with_name("out.jsonl")
    return import_files(paths, out, stated), list(read_conversations(out))


def test_the_whole_of_vicuna_s_example_is_imported(shared_data: Path, tmp_path: Path) -> None:
    path = shared_data / "sharegpt" / "dummy_conversation.json"
    rows = json.loads(path.read_text())
    told, out = import_files([path], tmp_path / "out.jsonl", Stated("people", "Apache-2.0")), tmp_path / "out.jsonl"
    read = list(read_conversations(out))
    assert (told.forms, told.origins) == ({"ShareGPT": len(rows)}, {read[0].origin: len(rows)})
    assert not told.left_out
    assert not +told.presumed
    assert read[0].origin == Origin("dummy_conversation.json", "people", "Apache-2.0")
    speakers = {"user": "human", "assistant": "gpt"}
    assert [
        {"id": one.id, "conversations": [{"from": speakers[m.role], "value": m.text} for m in one.messages]}
        for one in read
    ] == rows


def test_files_of_several_forms_become_one(tmp_path: Path) -> None:
    chats = written(tmp_path / "chats.json", said("q", "a", id="x"))
    tasks = written(tmp_path / "tasks.jsonl", {"instruction": "Sing.", "output": "la"})
    told, read = imported([chats, tasks])
    assert told.forms == {"ShareGPT": 1, "Alpaca": 1}
    assert [one.origin.source for one in read] == ["chats.json", "tasks.jsonl"]


def test_what_was_imported_is_imported_again_as_it_is(tmp_path: Path) -> None:
    chats = written(tmp_path / "chats.json", said("q", "a", id="x"), said("q", "b", model="gpt-4"))
    _, first = imported([chats], Stated(license="MIT"))
    again = tmp_path / "again.jsonl"
    import_files([tmp_path / "out.jsonl"], again, Stated("nobody", "none"))
    assert again.read_text() == (tmp_path / "out.jsonl").read_text()
    assert [one.origin.teacher for one in first] == ["chatgpt", "gpt-4"]


@pytest.mark.parametrize("speaker", ["gpt", "ChatGPT"])
def test_a_gpt_of_sharegpt_s_is_chatgpt_unless_the_file_or_somebody_states_another(
    tmp_path: Path, speaker: str
) -> None:
    def asked(answerer: str, **more: str) -> dict[str, Any]:
        return {"conversations": [{"from": "human", "value": "q"}, {"from": answerer, "value": "a"}], **more}

    path = written(tmp_path / "c.json", asked(speaker, id="x"), asked("bing", id="y"), asked(speaker, model="qwen"))
    told, read = imported([path], Stated(license="CC-BY-4.0"))
    assert [one.origin.teacher for one in read] == ["chatgpt", "bing", "qwen"]
    said = summary(told, tmp_path / "out.jsonl")
    assert "no competing models (taught by bing, taught by chatgpt)" in said
    assert "1 of them do not name their teacher and count as chatgpt's; --teacher states another." in said
    told, read = imported([path], Stated("alpaca", "CC-BY-4.0"))
    assert [one.origin.teacher for one in read] == ["alpaca", "bing", "qwen"]
    assert "--teacher" not in summary(told, tmp_path / "out.jsonl")


def test_every_conversation_has_an_id_of_its_own(tmp_path: Path) -> None:
    one = written(tmp_path / "one.json", said("q", "a", id="x"), said("q", "b", id="x"), said("q", "b", id="x"))
    other = written(
        tmp_path / "other.json", said("q", "a", id="x"), said("q", "a"), said("q", "a"), said("q", "c", id="x")
    )
    told, read = imported([one, other])
    assert told.left_out == {"already there": 3}
    assert [conversation.messages[1].text for conversation in read] == ["a", "b", "a", "c"]
    assert len({conversation.id for conversation in read}) == 4
    assert read[0].id == "x"
    assert read[1].id.startswith("x-")


def test_conversations_without_messages_are_left_out_and_counted(tmp_path: Path) -> None:
    empty = {"messages": [], "source": "", "teacher": "", "license": ""}
    told, read = imported(
        [written(tmp_path / "c.json", {"conversations": []}, said("q", "a"), {"messages": []}, empty)]
    )
    assert told.left_out == {"without messages": 3}
    assert len(read) == 1


def test_what_is_stated_fills_in_what_a_file_does_not_say(tmp_path: Path) -> None:
    ours = {"messages": [{"role": "user", "content": "q"}], "source": "s", "teacher": "t", "license": "MIT"}
    _, read = imported([written(tmp_path / "c.json", said("q", "a"), ours)], Stated("gpt-4", "CC-BY-4.0"))
    assert [(one.origin.teacher, one.origin.license) for one in read] == [("gpt-4", "CC-BY-4.0"), ("t", "MIT")]


def test_contestants_are_known_by_their_makers_names_and_what_is_stated_frees_nothing_of_theirs(
    tmp_path: Path,
) -> None:
    def battle(model: str) -> dict[str, Any]:
        spoken = [{"role": "user", "content": model}]
        return {
            "battle": model, "model_a": model, "model_b": "bee", "outcome": "a", "messages_a": spoken,
            "messages_b": spoken,
        }  # fmt: skip

    path = written(tmp_path / "b.jsonl", battle("ant"), battle("house@0123abcd"), battle("owl"))
    student = "Apache-2.0; data: non-commercial (CC-BY-NC-4.0)"
    known = {
        "ant": Origin("", "ant", student),
        "bee": Origin("", "bee", "MIT"),
        "house": Origin("", "gpt-4o (house)", "proprietary"),
    }
    _, read = imported([path], Stated(contestants=known))
    assert [one.origin.teacher for one in read] == ["ant", "bee", "gpt-4o (house)@0123abcd", "bee", "owl", "bee"]
    assert [one.origin.license for one in read] == [student, "MIT", "proprietary", "MIT", "", "MIT"]
    assert restrictions(read[2].origin) == {"no-competing"}
    _, read = imported([path], Stated(license="CC0-1.0", contestants=known))
    licenses = [one.origin.license for one in read]
    assert licenses == [student, "CC0-1.0", "proprietary", "CC0-1.0", "CC0-1.0", "CC0-1.0"]
    _, read = imported([path], Stated(license="CC-BY-SA-4.0", contestants=known))
    assert restrictions(read[0].origin) == {"share-alike", "non-commercial"}
    assert restrictions(read[2].origin) == {"share-alike", "no-competing"}
    assert read[1].origin.license == "CC-BY-SA-4.0"


@pytest.mark.parametrize("text", ["", "[]", '[{"conversations": []}]'])
def test_files_without_a_conversation_are_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "none.json"
    path.write_text(text)
    with pytest.raises(DistillProblem, match=r"There is no conversation in .*none\.json; nothing was written"):
        import_files([path, path], tmp_path / "out.jsonl", Stated())
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_that_ends_too_early_leaves_what_was_there_before_untouched(tmp_path: Path) -> None:
    path = written(tmp_path / "chats.json", said("q", "a"), said("q", "b"))
    _, before = imported([path])
    path.write_text(path.read_text()[:-20])
    with pytest.raises(DistillProblem, match=r"chats\.json, row 2 \(line 2\) is cut off"):
        imported([path])
    assert list(read_conversations(tmp_path / "out.jsonl")) == before
    assert sorted(one.name for one in tmp_path.iterdir()) == ["chats.json", "out.jsonl"]


def test_names_that_utf_8_can_t_hold_are_mended(tmp_path: Path) -> None:
    row = {**said("q", "a"), "id": "\ud83d", "model": "t\udc00"}
    _, (read,) = imported([written(tmp_path / "c.json", row)])
    assert (read.id, read.origin.teacher) == ("\ufffd", "t\ufffd")


def test_the_share_that_is_read_grows_to_one_over_all_files(tmp_path: Path) -> None:
    paths = [written(tmp_path / f"{number}.json", said("q", str(number))) for number in range(3)]
    shares: list[float] = []
    import_files(paths, tmp_path / "out.jsonl", Stated(), shares.append)
    assert shares == sorted(shares)
    assert shares[-1] == 1


def test_a_file_that_is_read_is_never_written(tmp_path: Path) -> None:
    tasks = written(tmp_path / "tasks.jsonl", {"instruction": "Sing.", "output": "la"})
    before = tasks.read_bytes()
    with pytest.raises(DistillProblem, match="is read, so it can't be written too; give another --out"):
        import_files([tasks], tmp_path / "." / "tasks.jsonl", Stated())
    assert tasks.read_bytes() == before
