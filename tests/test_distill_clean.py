"""The verb `distill clean` from files to files, stopped and gone on with."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conversations import ids, said, sentence
from support import REPO
from typer.testing import CliRunner, Result

from arena.cli import app
from models.distill.clean.folder import was_cleaned
from models.distill.clean.judging import Chunk, Gone, Judged
from models.distill.clean.memory import Remembered
from models.distill.clean.standard import RULES
from models.distill.conversation import Conversation, Origin
from models.distill.files import read_conversations, write_conversations

RNG = random.Random(11)


def various(count: int, words: int = 30) -> list[Conversation]:
    return [
        said(
            sentence(RNG, words), sentence(RNG, words), name=f"v{at:05d}", origin=Origin("a|b.jsonl", "owl", "CC0-1.0")
        )
        for at in range(count)
    ]


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, ["distill", "clean", *map(str, arguments)])


@pytest.fixture
def collected(tmp_path: Path) -> Path:
    """Forty that are worth learning and one for some of the rules."""
    bad = [
        said("Why?", "I'm sorry, but I can't help with that.", name="refusal"),
        said("Who?", "It's `|` jane.doe@gmail.com, I think.", name="mail"),
        said(
            "Say it in Chinese",
            "\u597d\u7684\uff0c\u8fd9\u662f\u4e00\u4e2a\u5f88\u957f\u7684\u56de\u7b54\u3002" * 3,
            name="zh",
        ),
        said("one", sentence(RNG, 50), "two", sentence(RNG, 50), name="long"),
        said("Is it <b>so</b>?", "Yes | \n# no", "Oh?", name="trailing"),
    ]
    path = tmp_path / "collected.jsonl"
    write_conversations(path, [*various(40), *bad, bad[1]])
    return path


def test_files_become_a_training_set_one_to_measure_on_and_a_report(collected: Path, tmp_path: Path) -> None:
    out = tmp_path / "data"
    assert not was_cleaned(collected)
    assert not was_cleaned(out)
    done = run(collected, "--out", out, "--held-out", "0.1", "--context", "150")
    assert done.exit_code == 0, done.output
    assert "46 conversations gave 41 to train on and 4 held out; 2 were dropped." in done.stderr
    train, held_out = (list(read_conversations(out / f"{name}.jsonl")) for name in ("train", "held_out"))
    assert (len(train), len(held_out)) == (41, 4)
    assert {"mail", "long#round-1", "long#round-2", "trailing"} <= {*ids(train), *ids(held_out)}
    (mail,) = (one for one in (*train, *held_out) if one.id == "mail")
    assert mail.messages[1].text == "It's `|` [email], I think."
    dropped = [json.loads(line) for line in (out / "dropped.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [(row["id"], row["rule"], row["begins"]) for row in dropped] == [
        ("mail", "exact", "Who?"), ("refusal", "refused", "Why?"),
    ]  # fmt: skip
    assert sorted(path.name for path in out.iterdir()) == [
        "dropped.jsonl", "held_out.jsonl", "report.json", "report.md", "train.jsonl",
    ]  # fmt: skip
    assert was_cleaned(out)
    assert was_cleaned(out / "train.jsonl")
    assert not was_cleaned(out / "dropped.jsonl")


def test_the_report_tells_programs_and_people_the_same(collected: Path, tmp_path: Path) -> None:
    out = tmp_path / "data"
    assert run(collected, "--out", out, "--off", "html,near", "--off", "cut", "--context", "150").exit_code == 0
    told = json.loads((out / "report.json").read_text(encoding="utf-8"))
    assert told["read"] == 46
    assert told["train"]["conversations"] + told["held_out"]["conversations"] == 45
    assert told["rules"].keys() == RULES.keys()
    assert told["rules"]["personal"] == {"changed": 2, "dropped": {}}
    assert told["rules"]["refused"] == {"changed": 0, "dropped": {"refused answer": 1}}
    assert told["origins"][0] == {"source": "a|b.jsonl", "teacher": "owl", "license": "CC0-1.0", "rows": 40}
    assert told["settings"]["off"] == "cut, html, near"
    text = (out / "report.md").read_text(encoding="utf-8")
    assert "46 conversations gave" in text
    assert "| near (off) |" in text
    assert "| refused | drops refusals and what an AI says of itself | 0 | 1 |" in text
    assert "- refusal: message 2: I'm sorry, but I can't help with that.: “Why?”" in text
    assert "| a\\|b.jsonl | owl | CC0-1.0 | 40 |" in text
    assert "four bytes of UTF-8 each, an estimate" in text
    cells = {line.count(" | ") for line in text.splitlines() if line.startswith("| ") and "rule" not in line.lower()}
    assert cells <= {3}


def test_languages_and_personal_data_are_chosen_from(collected: Path, tmp_path: Path) -> None:
    assert run(collected, "--out", tmp_path / "zh", "--languages", "ZH").exit_code == 0
    assert [one.id for one in read_conversations(tmp_path / "zh" / "train.jsonl")][-1] == "zh"
    assert run(collected, "--out", tmp_path / "en", "--personal", "drop").exit_code == 0
    dropped = (tmp_path / "en" / "dropped.jsonl").read_text(encoding="utf-8")
    assert "jane.doe" not in dropped
    assert '"rule": "personal"' in dropped


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--off", "typo"], "There is no rule 'typo' to turn off; there are votes, reasoning"),
        (["--languages", "english"], "'english' is no code of a language that can be told; write some of"),
        (["--languages", "en,xx"], "'xx' is no code of a language that can be told"),
        (["--held-out", "1.5"], "1.5 is no share to hold out"),
        (["--held-out", "0"], "like 0.05, or hold nothing out with `--off held-out`."),
        (["--base", "nobody"], "has no model 'nobody'; it has smollm2"),
        (["--votes", "missing.jsonl"], "missing.jsonl can't be read"),
        (["--context", "10"], "Cleaning left nothing of 46 conversations: the rule split dropped most"),
    ],
)
def test_what_can_not_be_done_is_said_in_a_sentence(
    collected: Path, tmp_path: Path, options: list[str], told: str
) -> None:
    done = run(collected, "--out", tmp_path / "data", *options)
    assert done.exit_code == 1
    assert told in done.stderr
    assert not (tmp_path / "data" / "train.jsonl").exists()


@pytest.mark.parametrize("share", [[], ["--held-out", "0"]])
def test_without_its_rule_nothing_is_held_out_whatever_the_share(
    collected: Path, tmp_path: Path, share: list[str]
) -> None:
    done = run(collected, "--out", tmp_path / "data", "--off", "held-out", *share)
    assert done.exit_code == 0, done.output
    assert " and 0 held out; " in done.stderr
    assert "Nothing could be held out" not in done.stderr


def test_a_cleaning_that_leaves_nothing_takes_nothing_of_an_earlier_one(collected: Path, tmp_path: Path) -> None:
    out = tmp_path / "data"
    assert run(collected, "--out", out).exit_code == 0
    before = {path.name: path.read_bytes() for path in out.glob("[!.]*")}
    assert "train.jsonl" in before
    assert run(collected, "--out", out, "--context", "10").exit_code == 1
    assert {path.name: path.read_bytes() for path in out.glob("[!.]*")} == before


def test_a_training_set_of_before_is_gone_before_another_is_whole(collected: Path, tmp_path: Path) -> None:
    out = tmp_path / "data"
    assert run(collected, "--out", out).exit_code == 0
    (out / "report.md").unlink()
    (out / "report.md").mkdir()
    assert run(collected, "--out", out).exit_code == 1
    assert not (out / "train.jsonl").exists()


def test_the_rules_can_be_listed() -> None:
    done = run("--rules")
    assert done.exit_code == 0
    assert [line.split()[0] for line in done.stdout.splitlines()] == list(RULES)


def test_of_votes_only_what_people_preferred_is_learnt(tmp_path: Path) -> None:
    some = various(6)
    battle = {
        "outcome": "a",
        "messages_a": [{"role": one.role, "content": one.text} for one in some[0].messages],
        "messages_b": [{"role": one.role, "content": one.text} for one in some[1].messages],
    }
    collected, votes = tmp_path / "collected.jsonl", tmp_path / "votes.jsonl"
    write_conversations(collected, some)
    votes.write_text(json.dumps(battle) + "\n", encoding="utf-8")
    assert run(collected, "--out", tmp_path / "data", "--votes", votes, "--off", "held-out").exit_code == 0
    kept = [one.id for one in read_conversations(tmp_path / "data" / "train.jsonl")]
    assert kept == [some[at].id for at in (0, 2, 3, 4, 5)]


def test_what_was_judged_is_remembered_for_the_same_conversations_and_rules_only(tmp_path: Path) -> None:
    chunk: Chunk = tuple(various(3))
    judged = Judged(chunk[:2], (Gone("v2", "cut", "answer cut off", "message 2", "Why?"),), {"html": 1})
    path = tmp_path / "work.jsonl"
    with Remembered(path, "rules") as memory:
        assert memory.recall(chunk) is None
        memory.keep(chunk, judged)
    path.write_bytes(path.read_bytes() + b'{"chunk": "half a li')
    with Remembered(path, "rules") as memory:
        assert memory.recall(chunk[:2]) is None
        assert memory.recall(chunk) == judged
    with Remembered(path, "other rules") as memory:
        assert memory.recall(chunk) is None


@pytest.mark.slow
def test_a_cleaning_that_was_killed_goes_on_where_it_was_and_leaves_no_process(tmp_path: Path) -> None:
    collected, out, whole = tmp_path / "collected.jsonl", tmp_path / "data", tmp_path / "whole"
    write_conversations(collected, various(1500, 150))
    command = [sys.executable, "-m", "arena", "distill", "clean", str(collected), "--workers", "2", "--out"]
    process = subprocess.Popen([*command, str(out)], cwd=REPO, stderr=subprocess.DEVNULL, start_new_session=True)
    until = time.monotonic() + 120
    while not (found := list(out.glob(".cleaning-*"))) or found[0].stat().st_size == 0:
        assert process.poll() is None, "it was done before it could be killed"
        assert time.monotonic() < until
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert not (out / "train.jsonl").exists()
    while _is_alive(process.pid):
        assert time.monotonic() < until, "its workers wait for work for ever"
        time.sleep(0.1)
    remembered = found[0].read_bytes().count(b"\n")
    assert 0 < remembered < 24
    subprocess.run([*command, str(out)], cwd=REPO, check=True, stderr=subprocess.DEVNULL)
    assert run(collected, "--workers", "1", "--out", whole).exit_code == 0
    for name in ("train.jsonl", "held_out.jsonl", "dropped.jsonl", "report.json"):
        assert (out / name).read_bytes() == (whole / name).read_bytes(), name
    assert not list(out.glob(".cleaning-*"))


def _is_alive(session: int) -> bool:
    """Whether any process of the session is left."""
    try:
        os.killpg(session, 0)
    except ProcessLookupError:
        return False
    return True
