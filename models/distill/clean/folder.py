"""Files of conversations → DATA/: train.jsonl, held_out.jsonl, dropped.jsonl, report.json and report.md."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from contextlib import nullcontext
from hashlib import sha256
from pathlib import Path
from typing import Final

from models.distill.clean.cleaning import EXACT, NEARLY, Choice, Cleaned, Told, clean
from models.distill.clean.judging import VOTES
from models.distill.clean.memory import Remembered
from models.distill.clean.report import report_json, report_markdown
from models.distill.clean.standard import HELD_OUT, Standard
from models.distill.clean.workers import inline, processes
from models.distill.files import cannot_write, read_conversations, write_conversations, write_rows, write_text
from models.distill.problem import DistillProblem

TRAIN_FILE: Final = "train.jsonl"
HELD_OUT_FILE: Final = "held_out.jsonl"
DROPPED_FILE: Final = "dropped.jsonl"
REPORT: Final = "report"
# Of a run that was stopped; one for other rules is no use any more.
_WORK: Final = ".cleaning-{}.jsonl"
# Below that a process costs more to begin than it does.
_FEW = 1000


def clean_into(
    out: Path, files: Sequence[Path], standard: Standard, choice: Choice, workers: int, told: Told = lambda _: None
) -> Cleaned:
    """Clean what is in `files` (our form) and write what comes of it to the folder `out`; `told` hears the share done.

    What a stopped run has judged of the same conversations by the same rules is taken over. What is in `out` stays as
    it was until another choice is made, also where nothing is left to choose; the training set goes first then and
    comes last, so that one that is there is always whole and of the files beside it. Raises `DistillProblem`.
    """
    choice = _without_off(choice, standard.off)
    conversations = [one for file in files for one in read_conversations(file)]
    settings = _settings(files, standard, choice)
    rules = json.dumps(_of_rules(standard), ensure_ascii=False)
    work = out / _WORK.format(sha256(rules.encode()).hexdigest()[:16])
    for stale in set(out.glob(_WORK.format("*"))) - {work}:
        _remove(stale)
    workers = workers if len(conversations) > _FEW else 1
    with (
        Remembered(work, rules) as memory,
        nullcontext(inline) if workers == 1 else processes(workers) as mapper,
    ):
        cleaned = clean(conversations, standard, choice, mapper, memory, told)
    _remove(out / TRAIN_FILE)
    write_rows(out / DROPPED_FILE, (vars(one) for one in cleaned.dropped))
    write_text(out / f"{REPORT}.json", json.dumps(report_json(cleaned, settings), ensure_ascii=False, indent=2) + "\n")
    write_text(out / f"{REPORT}.md", report_markdown(cleaned, settings, sorted(standard.off)))
    write_conversations(out / HELD_OUT_FILE, cleaned.held_out)
    write_conversations(out / TRAIN_FILE, cleaned.train)
    _remove(work)
    return cleaned


def was_cleaned(data: Path) -> bool:
    """Whether `data`, a folder or a file to train on, is what `clean_into` wrote: a training set beside its report."""
    train = data / TRAIN_FILE if data.is_dir() else data
    return train.name == TRAIN_FILE and train.with_name(f"{REPORT}.json").is_file()


def _without_off(choice: Choice, off: frozenset[str]) -> Choice:
    return Choice(
        None if VOTES in off else choice.votes,
        EXACT not in off and choice.exact,
        None if NEARLY in off else choice.near,
        None if HELD_OUT in off else choice.held_out,
    )


def _of_rules(standard: Standard) -> dict[str, object]:
    """What decides how each conversation is judged."""
    return {
        "off": ", ".join(sorted(standard.off)) or "none",
        "languages": ", ".join(standard.languages) or "all",
        "personal data": standard.personal,
        "context": standard.context,
        "tokens counted by": _counted_by(standard),
    }


def _counted_by(standard: Standard) -> str:
    if standard.folder is None:
        return "four bytes of UTF-8 each, an estimate"
    template = sha256(standard.template.encode()).hexdigest()
    return f"the tokenizer of {standard.base} (in {standard.folder.name}), its template's SHA-256 {template[:16]}…"


def _settings(files: Iterable[Path], standard: Standard, choice: Choice) -> dict[str, object]:
    """What was asked for, as the report states it."""
    votes, held_out = choice.votes, choice.held_out
    told = f"{len(votes.counted)} conversations have some, ties {'stay' if votes.ties else 'go'}" if votes else "none"
    return {
        "files": ", ".join(map(str, files)),
        **_of_rules(standard),
        "votes": told,
        "nearly the same from": choice.near,
        "share to hold out": held_out and held_out.share,
        "most to hold out": held_out and held_out.most,
        "seed": held_out and held_out.seed,
    }


def _remove(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise DistillProblem(cannot_write(path, error)) from error
