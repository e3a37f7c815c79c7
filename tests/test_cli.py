from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest
from arenas import ANT, BEE, NOW, begin, database_with, ready_battle, vote
from pyarrow import parquet
from typer import Exit
from typer.testing import CliRunner

from arena.cli import app
from arena.commands.opened import stop
from db.outcome import Outcome
from db.session import writer_lock
from db.voters import remember_voter

ROOT = Path(__file__).parents[1]
HEAVY = ("gradio", "torch", "transformers", "xllamacpp", "plotly", "pandas")
VERBS = (
    ["--help"], ["settings"], ["leaderboard"], ["speed"], ["export", "votes", "--out", "v.csv"],
    ["export", "preferences", "--out", "p.jsonl"], ["import", "others.csv"], ["label"],
)  # fmt: skip
LIGHT = (["--help"], ["settings"], ["judge", "questions"], ["judge", "--help"])
FIELDS = {"rank", "rank_lower", "rank_upper", "model", "rating", "lower", "upper", "votes", "elo", "provisional"}
OTHERS = "model_a,model_b,winner\nant,owl,model_a\nant,bee,tie\n"
CATALOG = "\n".join(
    f"""[[model]]
id = "{spec.id}"
name = "{spec.name}"
engine = "scripted"
quantization = "{spec.quantization}"
license = "{spec.license}"
makers = ["us"]
url = "{spec.url}"
script = {{ replies = ["{spec.id} speaks"] }}
"""
    for spec in (ANT, BEE)
)


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of an arena between the ant and the bee."""
    for name in os.environ:
        if name.startswith("ARENA_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "catalog.toml").write_text(CATALOG)
    monkeypatch.setenv("ARENA_CATALOG", str(tmp_path / "catalog.toml"))
    monkeypatch.setenv("ARENA_DATA", str(tmp_path / "data"))
    return tmp_path / "data"


@pytest.fixture
def voted(data: Path) -> Path:
    """The same after three votes, two of them for the ant, and a battle nobody has voted on."""
    (data.parent / "others.csv").write_text(OTHERS)
    with closing(database_with(data, ANT, BEE)) as database:
        for number, outcome in enumerate((Outcome.A, Outcome.A, Outcome.B)):
            database.write(partial(ready_battle, battle_id=f"b{number}", voter=f"v{number}"))
            database.write(partial(vote, battle_id=f"b{number}", voter=f"v{number}", outcome=outcome))
        database.write(partial(begin, battle_id="unfinished"))
    return data


def said(*arguments: str) -> str:
    """What the command told the person at the screen."""
    result = CliRunner().invoke(app, list(arguments))
    assert result.exit_code == 0, result.output
    assert result.stdout == ""
    return result.stderr


def ran(*arguments: str, fails: bool = False) -> str:
    """What the command printed; if it `fails`, what it said on stderr."""
    result = CliRunner().invoke(app, list(arguments))
    assert result.exit_code == (1 if fails else 0), result.output
    if fails:
        assert result.stdout == ""
        assert "Traceback" not in result.stderr
    return result.stderr if fails else result.stdout


# -- the leaderboard -------------------------------------------------------------------------------


@pytest.mark.slow
def test_before_the_first_vote_everybody_is_on_the_leaderboard(data: Path) -> None:
    rows = json.loads(ran("leaderboard", "--format", "json"))
    assert [row["model"] for row in rows] == ["ant", "bee"]
    for row in rows:
        assert set(row) >= FIELDS
        assert (row["votes"], row["elo"]) == (0, 1000)
    assert "The Ant" in ran("leaderboard")
    assert len(list(csv.DictReader(io.StringIO(ran("leaderboard", "--format", "csv"))))) == 2


def test_after_votes_the_better_one_leads_in_every_format(voted: Path) -> None:
    rows = json.loads(ran("leaderboard", "--format", "json"))
    assert [(row["rank"], row["model"], row["votes"]) for row in rows] == [(1, "ant", 3), (2, "bee", 3)]
    assert rows[0]["rating"] > rows[1]["rating"]
    assert rows[0]["lower"] < rows[0]["rating"] < rows[0]["upper"]
    table = ran("leaderboard")
    assert table.index("The Ant") < table.index("The Bee")
    read = list(csv.DictReader(io.StringIO(ran("leaderboard", "--format", "csv"))))
    assert [row["model"] for row in read] == ["ant", "bee"]
    assert float(read[0]["rating"]) == pytest.approx(rows[0]["rating"])


@pytest.mark.parametrize("form", ["table", "json", "csv", "markdown", "lmarena"])
def test_a_file_holds_what_the_screen_would_show(voted: Path, form: str, tmp_path: Path) -> None:
    out = tmp_path / "board"
    assert ran("leaderboard", "--format", form, "--out", str(out)) == ""
    assert out.read_bytes().decode() == ran("leaderboard", "--format", form)


def test_a_format_that_is_none_is_refused() -> None:
    result = CliRunner().invoke(app, ["leaderboard", "--format", "xml"])
    assert result.exit_code == 2
    assert "'xml' is not one of" in result.stderr


def test_elo_and_its_spread_stand_in_for_the_rating_when_asked_for(voted: Path) -> None:
    rows = json.loads(ran("leaderboard", "--format", "json", "--method", "elo"))
    fitted = json.loads(ran("leaderboard", "--format", "json"))
    assert [(row["rank"], row["model"], row["rating"]) for row in rows] == [
        (place, row["model"], row["elo"]) for place, row in enumerate(fitted, 1)
    ]
    assert {row["interval"] for row in rows} == {"spread_over_random_orders"}
    assert {row["interval"] for row in fitted} == {"confidence_95"}


def test_a_selection_chooses_the_votes(voted: Path) -> None:
    for options, votes in (
        ([], 3),
        (["--since", "2030-01-01"], 0),
        (["--turns", "several"], 0),
        (["--until", "2030-01-01"], 3),
    ):
        rows = json.loads(ran("leaderboard", "--format", "json", *options))
        assert [row["votes"] for row in rows] == [votes, votes], options
    free, held = (json.loads(ran("leaderboard", "--format", "json", "--prior", prior))[0] for prior in ("0", "5"))
    assert held["rating"] < free["rating"]


@pytest.mark.parametrize(
    ("options", "part"),
    [
        (["--prior", "many"], "prior='many'"),
        (["--prior", "-1"], "prior=-1"),
        (["--since", "yesterday"], "since='yesterday'"),
        (["--turns", "few"], "turns='few'"),
        (["--ties", "gone"], "ties='gone'"),
        (["--both-bad", "gone"], "both_bad='gone'"),
        (["--format", "parquet"], "--format parquet needs --out FILE"),
        (["--format", "lmarena", "--method", "elo"], "--format lmarena holds confidence intervals"),
    ],
)
def test_what_can_not_be_selected_is_said_in_a_sentence(voted: Path, options: list[str], part: str) -> None:
    sentence = ran("leaderboard", *options, fails=True)
    assert part in sentence
    assert sentence.count("\n") == 1


def test_the_leaderboard_comes_as_parquet_and_in_lmarena_s_form(voted: Path, tmp_path: Path) -> None:
    ran("leaderboard", "--format", "parquet", "--out", str(tmp_path / "l.parquet"))
    rows = json.loads(ran("leaderboard", "--format", "json"))
    assert parquet.read_table(tmp_path / "l.parquet").to_pylist() == rows
    catalog = json.loads(ran("leaderboard", "--format", "lmarena"))
    assert list(catalog["full"]) == ["ant", "bee"]
    ant = catalog["full"]["ant"]
    assert ant["rating_q025"] < ant["rating"] < ant["rating_q975"]


def test_the_leaderboard_of_verified_voters_has_only_their_votes(data: Path) -> None:
    with closing(database_with(data, ANT, BEE)) as database:
        database.write(partial(remember_voter, voter="ann", source="proxy", verified=True, now=NOW))
        for voter in ("ann", "bob"):
            database.write(partial(ready_battle, battle_id=voter, voter=voter))
            database.write(partial(vote, battle_id=voter, voter=voter, outcome=Outcome.A))
    for options, votes in (((), 2), (("--verified",), 1)):
        rows = json.loads(ran("leaderboard", "--format", "json", *options))
        assert {row["votes"] for row in rows} == {votes}


def test_the_leaderboard_is_read_beside_a_running_server(voted: Path) -> None:
    with writer_lock(f"sqlite:///{voted}/arena.db"):
        assert len(json.loads(ran("leaderboard", "--format", "json"))) == 2


def test_a_first_look_beside_a_starting_server_is_refused_in_a_sentence(data: Path) -> None:
    with writer_lock(f"sqlite:///{data}/arena.db"):
        assert "is in use by a running arena; stop it first" in ran("leaderboard", fails=True)


# -- speeds ----------------------------------------------------------------------------------------


def test_speeds_are_those_of_battles_that_have_their_vote(voted: Path) -> None:
    rows = json.loads(ran("speed", "--format", "json"))
    assert [(row["model"], row["engine"], row["answers"], row["tokens"]) for row in rows] == [
        ("ant", "scripted", 3, 2),
        ("bee", "scripted", 3, 2),
    ]
    assert "The Ant" in ran("speed")
    assert len(list(csv.DictReader(io.StringIO(ran("speed", "--format", "csv"))))) == 2


@pytest.mark.slow
def test_before_the_first_vote_the_table_of_speeds_is_empty(data: Path) -> None:
    assert json.loads(ran("speed", "--format", "json")) == []


def test_the_file_of_speeds_holds_what_the_screen_would_show(voted: Path, tmp_path: Path) -> None:
    assert ran("speed", "--format", "csv", "--out", str(tmp_path / "speed.csv")) == ""
    assert (tmp_path / "speed.csv").read_bytes().decode() == ran("speed", "--format", "csv")


# -- votes -----------------------------------------------------------------------------------------


def test_votes_are_exported_without_their_voters(voted: Path, tmp_path: Path) -> None:
    for name in ("votes.jsonl", "votes.csv"):
        ran("export", "votes", "--out", str(tmp_path / name))
    lines = [json.loads(line) for line in (tmp_path / "votes.jsonl").read_text().splitlines()]
    with (tmp_path / "votes.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(lines) == len(rows) == 3
    assert {"v0", "v1", "v2"}.isdisjoint(str(value) for line in lines for value in line.values())
    assert "conversation" not in lines[0]


def test_texts_are_exported_when_asked_for(voted: Path, tmp_path: Path) -> None:
    for name in ("votes.jsonl", "votes.csv"):
        ran("export", "votes", "--texts", "--out", str(tmp_path / name))
        assert "an answer" in (tmp_path / name).read_text()
        assert "first_token_seconds_b" in (tmp_path / name).read_text()


@pytest.mark.parametrize(
    ("out", "said"),
    [
        ("votes.xml", "--out votes.xml: the name must end in .csv, .jsonl or .parquet."),
        ("nowhere/votes.csv", "nowhere"),
        ("folder.csv", "folder.csv"),
    ],
)
def test_a_file_that_can_not_be_written_is_said_in_a_sentence(voted: Path, tmp_path: Path, out: str, said: str) -> None:
    (tmp_path / "folder.csv").mkdir()
    sentence = ran("export", "votes", "--out", out, fails=True)
    assert said in sentence
    assert sentence.count("\n") == 1


# -- battles, preferences, data sets ---------------------------------------------------------------


def test_battles_and_pairs_are_written_and_what_is_left_out_is_told(voted: Path, tmp_path: Path) -> None:
    out = tmp_path / "b.jsonl"
    assert said("export", "battles", "--out", str(out)) == f"Wrote 3 battles to {out}.\n"
    assert json.loads(out.read_text().splitlines()[0])["messages_a"][0] == {"role": "user", "content": "Why?"}
    # Both sides of these battles gave the same answer.
    pairs = said("export", "preferences", "--out", str(tmp_path / "p.parquet"))
    assert pairs == f"Wrote 0 pairs to {tmp_path / 'p.parquet'}; left out: 3 twice the same answer.\n"


@pytest.mark.parametrize("what", ["battles", "preferences"])
def test_battles_and_pairs_come_in_no_form_that_loses_something(voted: Path, what: str) -> None:
    sentence = ran("export", what, "--out", "x.csv", fails=True)
    assert sentence == "--out x.csv: the name must end in .jsonl or .parquet.\n"


def test_a_data_set_is_a_folder_with_its_card(voted: Path, tmp_path: Path) -> None:
    folder = tmp_path / "set"
    assert said("export", "dataset", str(folder), "--license", "MIT").startswith("Wrote 3 rows of votes, 2 rows of lea")
    assert (folder / "README.md").read_text().startswith('---\nlicense: "mit"\n')
    assert "is not empty" in ran("export", "dataset", str(folder), fails=True)


# -- imports ---------------------------------------------------------------------------------------


def test_votes_of_others_are_on_the_leaderboard_once(voted: Path) -> None:
    told = said("import", "others.csv")
    assert "Imported 2 votes of others.csv; 0 were there before." in told
    assert "each vote counts as another voter's; --voter names" in told
    rows = {row["model"]: row for row in json.loads(ran("leaderboard", "--format", "json"))}
    assert {model: row["votes"] for model, row in rows.items()} == {"ant": 5, "bee": 4, "owl": 1}
    assert (rows["owl"]["engine"], rows["owl"]["provisional"]) == ("imported", True)
    assert "Imported 0 votes of others.csv; 2 were there before." in said("import", "others.csv")


def test_columns_are_named_by_options(voted: Path, tmp_path: Path) -> None:
    (tmp_path / "named.csv").write_text("l,r,w,who,anony\nant,bee,LEFT,x,true\nant,bee,right,x,false\n")
    told = said("import", "named.csv", "--model-a", "l", "--model-b", "r", "--winner", "w", "--voter", "who")
    assert told == (
        "Imported 1 votes of named.csv; 0 were there before; "
        "1 whose voters saw the names (anony is false) were left out.\n"
    )


@pytest.mark.parametrize(
    ("content", "part"),
    [("model_a,model_b,winner\nant,bee,?\n", "bad.csv, line 2: '?' is no outcome"), ("a,b\n", "no column 'model_a'")],
)
def test_a_file_that_can_not_be_imported_is_said_in_a_sentence(
    voted: Path, tmp_path: Path, content: str, part: str
) -> None:
    (tmp_path / "bad.csv").write_text(content)
    sentence = ran("import", "bad.csv", fails=True)
    assert part in sentence
    assert sentence.count("\n") == 1


@pytest.mark.parametrize("verb", [["import", "others.csv"], ["label"]])
def test_nothing_is_written_beside_a_running_server(voted: Path, verb: list[str]) -> None:
    with writer_lock(f"sqlite:///{voted}/arena.db"):
        assert "is in use by a running arena; stop it first" in ran(*verb, fails=True)


def test_turns_without_labels_are_labelled(voted: Path) -> None:
    assert said("label") == "Labelled 3 turns.\n"
    assert said("label") == "Labelled 0 turns.\n"
    assert said("label", "--all") == "Labelled 3 turns.\n"
    assert len(json.loads(ran("leaderboard", "--format", "lmarena"))) == 2, "all of them, and the category of theirs"


# -- settings --------------------------------------------------------------------------------------


def test_settings_are_listed_and_the_secret_is_masked(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARENA_SECRET", "hunter2-hunter2-hunter2")
    listed = ran("settings")
    assert "hunter2-hunter2-hunter2" not in listed
    assert "ARENA_SECRET=**" in listed
    assert f"ARENA_DATA={data}" in listed
    assert not data.exists(), "looking makes nothing"


@pytest.mark.parametrize("verb", [["settings"], ["leaderboard"], ["speed"], ["export", "votes", "--out", "votes.csv"]])
@pytest.mark.parametrize(
    ("name", "value", "parts"),
    [
        ("ARENA_PORT", "abc", ("ARENA_PORT='abc'", "valid integer")),
        ("ARENA_FOO", "1", ("ARENA_FOO is not a setting",)),
    ],
)
def test_a_wrong_setting_ends_every_verb_in_a_sentence(
    data: Path, monkeypatch: pytest.MonkeyPatch, verb: list[str], name: str, value: str, parts: tuple[str, ...]
) -> None:
    monkeypatch.setenv(name, value)
    sentence = ran(*verb, fails=True)
    assert all(part in sentence for part in parts)
    assert sentence.count("\n") == 1


def test_a_catalogue_that_is_not_there_is_said_in_a_sentence(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARENA_CATALOG", "/nowhere/catalog.toml")
    assert "/nowhere/catalog.toml can't be read" in ran("leaderboard", fails=True)


def test_a_sentence_with_a_server_s_words_in_it_orders_a_terminal_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(Exit):
        stop("It answered 429: \x1b]0;a title\x07\x9b2J, 慢一点.")
    assert capsys.readouterr().err == "It answered 429: \ufffd]0;a title\ufffd\ufffd2J, 慢一点.\n"


# -- what is imported ------------------------------------------------------------------------------


RUN = "import sys\nfrom arena.cli import app\ntry: app(sys.argv[1:])\nexcept SystemExit as end: assert not end.code"


def imported(program: str, *arguments: str) -> set[str]:
    """The packages that a process of its own has loaded after running `program`."""
    program += "\nprint('LOADED', *sorted({name.split('.')[0] for name in sys.modules}), file=sys.stderr)"
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        capture_output=True, text=True, check=True, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    return set(done.stderr.rsplit("LOADED", 1)[1].split())


@pytest.mark.slow
@pytest.mark.parametrize("verb", VERBS)
def test_no_verb_loads_pages_or_engines(voted: Path, verb: list[str]) -> None:
    loaded = imported(RUN, *verb)
    assert "arena" in loaded
    assert loaded.isdisjoint(HEAVY)


@pytest.mark.parametrize("verb", LIGHT)
def test_what_reckons_nothing_loads_nothing_to_reckon_with(data: Path, verb: list[str]) -> None:
    loaded = imported(RUN, *verb)
    assert "arena" in loaded
    assert loaded.isdisjoint({*HEAVY, "scipy", "numpy", "pyarrow"})


@pytest.mark.slow
def test_the_web_door_loads_no_engine() -> None:
    loaded = imported(f"import sys\nsys.path.insert(0, {str(ROOT)!r})\nimport app")
    assert "gradio" in loaded
    assert loaded.isdisjoint({"torch", "transformers", "xllamacpp"})


@pytest.mark.slow
def test_the_module_answers_as_a_command(data: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "arena", "settings"],
        capture_output=True, text=True, check=False, env={**os.environ, "PYTHONPATH": str(ROOT), "ARENA_PORT": "abc"},
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.startswith("ARENA_PORT='abc': ")
