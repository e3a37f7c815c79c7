from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from published import TABLE, folder_of
from support import write_catalog
from typer.testing import CliRunner, Result
from verdicts import judgment

from arena.cli import app

pytestmark = pytest.mark.slow

NAMES = ("owl-1", "ant", "bee")


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setenv("ARENA_DATA", str(tmp_path / "data"))
    return Run()


class Run:
    """Verbs of the judge on a database of their own."""

    def __call__(self, *arguments: str) -> Result:
        return CliRunner().invoke(app, ["judge", *arguments])

    def pairs(self, *arguments: str) -> list[dict[str, object]]:
        done = self("report", "--format", "json", *arguments)
        assert done.exit_code == 0, done.output
        found: list[dict[str, object]] = json.loads(done.stdout)
        return found


def test_files_imported_are_the_announcements_table_as_json(run: Run, shared_data: Path) -> None:
    done = run("import-reviews", str(shared_data / "vicuna-eval"))
    assert done.exit_code == 0
    assert "80 questions, 400 answers and 320 reviews are new" in done.stderr
    found = {
        str(pair["baseline"]): (
            pair["total_baseline"], pair["total_model"], pair["baseline_wins"], pair["model_wins"], pair["ties"],
        )
        for pair in run.pairs()
    }  # fmt: skip
    assert found == TABLE
    (pair,) = run.pairs("--baseline", "gpt-3.5-turbo", "--judge", "gpt-4-0328", "--set", "vicuna", "--form", "score")
    assert pair["ratio"] == pytest.approx(0.9206, abs=5e-5)


def test_reparsing_names_the_two_contradictions(run: Run, shared_data: Path) -> None:
    done = run("import-reviews", str(shared_data / "vicuna-eval"), "--reparse")
    assert done.stderr.count("question 70: stored are 10 and 2, the text gives 10 and 4") == 2
    totals = {str(pair["baseline"]): pair["total_model"] for pair in run.pairs()}
    assert (totals["bard"], totals["llama-13b"]) == (657.5, 696)


def test_json_of_pairs_says_where_the_scores_of_single_answers_are(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("import-reviews", str(folder_of(tmp_path / "reviews")), "--set", "ours")
    single = replace(judgment((8.0, 0.0), form="single"), b=None, name_b=None)
    monkeypatch.setattr("db.judging.judged", lambda *_, **__: [single, judgment()])
    done = run("report", "--format", "json")
    assert [one["form"] for one in json.loads(done.stdout)] == ["score"]
    assert "--form single lists the scores of single answers" in done.stderr


def test_a_report_is_printed_or_written(run: Run, tmp_path: Path) -> None:
    run("import-reviews", str(folder_of(tmp_path / "reviews")), "--set", "ours")
    printed = run("report")
    assert printed.exit_code == 0
    assert "bee reaches 87.5 % of ant's total; ant wins 1, bee 0, ties 0." in printed.stdout
    out = tmp_path / "report.md"
    assert run("report", "--format", "markdown", "--out", str(out)).exit_code == 0
    assert out.read_text(encoding="utf-8").startswith("# What the judge says\n")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--judge", "owl-2"], "There is no contestant 'owl-2'; near it: owl-1"),
        (["--baseline", "ants"], "There is no contestant 'ants'; near it: "),
        (["--baseline", "owl-1"], "'owl-1' is in none of these judgments; ant, bee are."),
        (["--set", "theirs"], "of these sets there are: ours"),
        (["--form", "single"], "There are no judgments of that kind"),
    ],
)
def test_what_there_is_not_is_named(run: Run, tmp_path: Path, options: list[str], said: str) -> None:
    run("import-reviews", str(folder_of(tmp_path / "reviews")), "--set", "ours")
    done = run("report", *options)
    assert done.exit_code == 1
    assert said in done.stderr
    assert "Traceback" not in done.output


def test_after_a_change_of_an_entry_reports_are_of_the_version_that_was_judged(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("import-reviews", str(folder_of(tmp_path / "reviews")), "--set", "ours")
    of_today = {
        "engine": "scripted", "quantization": "none", "license": "none", "makers": ["us"], "script": {"replies": ["x"]},
    }  # fmt: skip
    catalog = write_catalog(tmp_path / "catalog.toml", *({"id": one, "name": one, **of_today} for one in NAMES))
    monkeypatch.setenv("ARENA_CATALOG", str(catalog))
    done = run("report", "--judge", "owl-1", "--baseline", "bee", "--format", "json")
    (pair,) = json.loads(done.stdout)
    assert (pair["judge"], pair["baseline"], pair["total_baseline"]) == ("owl-1", "bee", 7)
    for name in ("owl-1", "bee"):
        assert (
            f"There are no judgments with {name} as it is now; these are with an earlier version of it" in done.stderr
        )


def test_before_the_first_judgment_it_says_what_brings_some(run: Run) -> None:
    done = run("report")
    assert (done.exit_code, done.stdout) == (1, "")
    assert "`judge run` and `judge import-reviews` bring them" in done.stderr


def test_a_bad_folder_ends_in_a_sentence(run: Run, tmp_path: Path) -> None:
    done = run("import-reviews", str(folder_of(tmp_path / "reviews", score=[8, 70])))
    assert done.exit_code == 1
    assert "ant_bee.jsonl, line 1: the score [8.0, 70.0] does not lie between 0 and 10." in done.stderr
