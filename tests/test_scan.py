"""Before anything is published personal data are masked, in whatever file they would leave the arena."""

from __future__ import annotations

import json
from collections import Counter
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pyarrow import parquet
from support import canary, write_catalog
from typer.testing import CliRunner
from voted import arena_in, battle_id, cast, records

from arena.cli import app
from arena.exchange.exports import battle_rows
from arena.exchange.preferences import Wanted, preference_rows
from arena.privacy.forgetting import forget
from arena.privacy.scan import Scan, sentence
from db.outcome import Outcome
from db.schema import open_database
from models.distill.clean.personal import KINDS, masked

pytestmark = pytest.mark.integrity

MAIL, KEY, ADDRESS = "ottilie.quackenbush@paddocks.net", "sk-proj-Ab3dEf6hIj9kLm2nOp5qRs8t", "198.41.0.4"
PROMPT = f"Write to {MAIL} from {ADDRESS}"
SECRETS = (MAIL, KEY, ADDRESS)
FILES = {
    "votes": ("--texts", "--out", "votes.jsonl"),
    "battles": ("--out", "battles.jsonl"),
    "preferences": ("--out", "preferences.jsonl"),
    "dataset": ("folder", "--texts"),
}


@pytest.fixture
def arena(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in which `python -m arena` finds an arena with one vote that tells personal data."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ARENA_CATALOG", str(write_catalog(tmp_path / "catalog.toml", canary("alder"), canary("birch"))))
    with arena_in(tmp_path / "data") as database:
        cast(database, 1, Outcome.A, (PROMPT, f"Dear {MAIL}", f"Your key is {KEY}."))
    return tmp_path


def written(folder: Path) -> str:
    """Everything in the folder's files, Parquet's cells as JSON."""
    told = ""
    for file in sorted(folder.iterdir()):
        table = file.suffix == ".parquet"
        told += json.dumps(parquet.read_table(file).to_pylist(), default=str) if table else file.read_text("utf-8")
    return told


@pytest.mark.parametrize("what", FILES)
def test_no_file_holds_them_unless_somebody_says_so(what: str, arena: Path) -> None:
    arguments = [one.replace("folder", "out/folder") for one in FILES[what]]
    arguments = [f"out/{one}" if one.endswith(".jsonl") else one for one in arguments]
    folder = arena / "out" / "folder" if what == "dataset" else arena / "out"
    (arena / "out").mkdir()
    done = CliRunner().invoke(app, ["export", what, *arguments])
    assert done.exit_code == 0, done.output
    told = written(folder)
    assert not [secret for secret in SECRETS if secret in told]
    assert "[email]" in told
    assert "email in 2 texts, ip in 1, key in 1" in done.output
    assert MAIL not in done.output
    for file in folder.iterdir():
        file.unlink()
    kept = CliRunner().invoke(app, ["export", what, *arguments, "--keep-personal"])
    assert kept.exit_code == 0, kept.output
    assert all(secret in written(folder) for secret in SECRETS), "the control: they would be there"
    assert "masked" not in kept.output


def test_the_card_says_what_was_done(arena: Path) -> None:
    CliRunner().invoke(app, ["export", "dataset", "masked", "--texts"])
    CliRunner().invoke(app, ["export", "dataset", "kept", "--texts", "--keep-personal"])
    CliRunner().invoke(app, ["export", "dataset", "bare"])
    cards = {
        name: " ".join((arena / name / "README.md").read_text("utf-8").split()) for name in ("masked", "kept", "bare")
    }
    assert "replaced by their kind, such as [email]: email in 2 texts, ip in 1, key in 1." in cards["masked"]
    assert "Personal data were not looked for." in cards["kept"]
    assert "Prompts and answers are not in it." in cards["bare"]
    assert "looked for" not in cards["bare"]


def test_the_same_text_in_two_files_is_one_text() -> None:
    scan = Scan(lambda text: masked(text, KINDS))
    for _ in range(2):
        assert scan(PROMPT) == "Write to [email] from [ip]"
    assert scan("nothing") == "nothing"
    assert scan.found == {"email": 1, "ip": 1}
    assert sentence(scan.found) == "email in 1 texts, ip in 1"
    assert not sentence({})


@example(["+1 212 555 0187", "198.41.0.4"])
@given(st.lists(st.sampled_from([MAIL, KEY, ADDRESS, "+1 212 555 0187", "DE89370400440532013000", " ", "x", "@"])))
def test_what_is_masked_stays_as_it_is(parts: list[str]) -> None:
    once = masked(" ".join(parts), KINDS)[0]
    assert masked(once, KINDS) == (once, [])


def test_what_was_forgotten_is_left_out_and_counted(arena: Path) -> None:
    with closing(open_database(f"sqlite:///{arena}/data/arena.db")) as database:
        forget(database, battle_id(1), b"key", votes=False)
        rows = records(database, texts=True)
    assert [turn["prompt"] for turn in rows[0]["conversation"]] == [""]  # type: ignore[attr-defined]
    for told in (partial(battle_rows, rows), partial(preference_rows, rows, Wanted())):
        left_out: Counter[str] = Counter()
        assert not list(told(left_out=left_out))
        assert left_out == {"forgotten": 1}
