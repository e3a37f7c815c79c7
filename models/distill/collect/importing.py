"""Files of others → one file in our form: each conversation with an id of its own and what is known of its origin."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from models.chat import storable
from models.distill.collect.forms import form_of
from models.distill.collect.paddock import FORMS
from models.distill.collect.reading import Told, rows_of
from models.distill.conversation import Conversation, Origin, name_of
from models.distill.files import read_conversations, write_conversations
from models.distill.licenses import restrictions, student_license
from models.distill.problem import DistillProblem


@dataclass(frozen=True)
class Stated:
    """What holds where a file does not say it itself; `contestants`: who they are and their licenses, by their ids.

    `asked`: sources whose answers were asked for, and maybe paid.
    """

    teacher: str = ""
    license: str = ""
    contestants: Mapping[str, Origin] = field(default_factory=dict)
    asked: tuple[str, ...] = ()


@dataclass(frozen=True)
class Imported:
    """How many conversations came from each form, how many of each origin, and what was left out, by its reason.

    `presumed`: how many have a teacher whom nobody stated, by the teacher; it is the usual one of their form.
    """

    forms: Counter[str] = field(default_factory=Counter)
    origins: Counter[Origin] = field(default_factory=Counter)
    left_out: Counter[str] = field(default_factory=Counter)
    presumed: Counter[str] = field(default_factory=Counter)


def import_files(paths: Sequence[Path], out: Path, stated: Stated, told: Told = lambda _: None) -> Imported:
    """Write every conversation of `paths` to `out`, which is replaced when all is read, and not touched before.

    Left out are conversations without messages and those that were there before with the same id and messages.
    `told` hears the share that is read. Raises `DistillProblem`, also where nothing is left, and where `out` holds
    answers that were asked for and are not in `paths`.
    """
    if out.resolve() in {path.resolve() for path in paths}:
        raise DistillProblem(f"{out} is read, so it can't be written too; give another --out.")
    imported = Imported()
    write_conversations(out, _losing_none(out, stated.asked, _all(paths, stated, imported, told)))
    return imported


def summary(imported: Imported, out: Path) -> str:
    """What was written, what was left out, and what that means for the license of a student."""
    left_out = f"; left out: {_counted(imported.left_out)}" if imported.left_out else ""
    said = [f"Wrote {imported.forms.total():,} conversations to {out} ({_counted(imported.forms)}{left_out})."]
    said.append(f"The license of a student of all of them: {student_license('that of its base', imported.origins)}.")
    silent = sum(count for origin, count in imported.origins.items() if not origin.license)
    for teacher, count in (+imported.presumed).items():
        said.append(f"{count:,} of them do not name their teacher and count as {teacher}'s; --teacher states another.")
    if silent:
        said.append(f"{silent:,} of them name no license; --license states it.")
    return "\n".join(said)


def _losing_none(out: Path, asked: Collection[str], conversations: Iterable[Conversation]) -> Iterator[Conversation]:
    """The same; refused at their end where an answer that was asked for, and is in `out`, is not among them."""
    answers: dict[str, str] = {}
    # What can't be read ends it: a line that a kill cut off, or a file of another kind, where none is lost.
    with suppress(DistillProblem):
        answers.update((one.id, name_of(one.messages)) for one in read_conversations(out) if one.origin.source in asked)
    for one in conversations:
        if one.id in answers and answers[one.id] == name_of(one.messages):
            del answers[one.id]
        yield one
    if answers:
        raise DistillProblem(
            f"{out} holds {len(answers)} answers that a teacher was asked for, which this would replace; give another "
            "--out."
        )


def _all(paths: Sequence[Path], stated: Stated, imported: Imported, told: Told) -> Iterator[Conversation]:
    ids: dict[str, str] = {}
    for number, path in enumerate(paths):

        def part(share: float, done: int = number) -> None:
            told((done + share) / len(paths))

        for form, conversation, usual in _read(path, part):
            unique = _unique(conversation, ids) if conversation.messages else None
            if unique is None:
                imported.left_out["already there" if conversation.messages else "without messages"] += 1
                continue
            whole = replace(unique, origin=_known(unique.origin, stated, usual))
            imported.forms[form] += 1
            imported.presumed[usual] += bool(usual and not (unique.origin.teacher or stated.teacher))
            imported.origins[whole.origin] += 1
            yield whole
    if not imported.forms:
        named = ", ".join(map(str, paths))
        raise DistillProblem(f"There is no conversation in {named}; nothing was written, name files that hold some.")


def _read(path: Path, told: Told) -> Iterator[tuple[str, Conversation, str]]:
    """Each conversation after the name of its form, and before who taught it where nobody says so."""
    for place, row in rows_of(path, told):
        form = form_of(row, place, FORMS)
        for conversation in form.read(row, place, path.name):
            yield form.name, conversation, form.usual(row) if conversation.messages else ""


def _unique(conversation: Conversation, ids: dict[str, str]) -> Conversation | None:
    """The conversation under an id that nobody had before; None for one that was there."""
    content = name_of(conversation.messages)
    for name in (storable(conversation.id), f"{storable(conversation.id)}-{content}"):
        if name not in ids:
            ids[name] = content
            return replace(conversation, id=name)
        if ids[name] == content:
            break
    return None


def _known(origin: Origin, stated: Stated, usual: str) -> Origin:
    teacher = origin.teacher or stated.teacher or usual
    # An older contestant of the same id is called "id@fingerprint".
    name = teacher if teacher in stated.contestants else teacher.partition("@")[0]
    if (found := stated.contestants.get(name)) is not None:
        teacher = found.teacher + teacher.removeprefix(name)
    terms = origin.license or _stricter(stated.license, found.license if found else "")
    return Origin(*map(storable, (origin.source, teacher, terms)))


def _stricter(stated: str, found: str) -> str:
    """What was stated, of many files maybe, frees nothing of a contestant whose license we know; nor the other way."""
    restrict = [one for one in dict.fromkeys((stated, found)) if one and restrictions(Origin(license=one))]
    return " and ".join(restrict) or stated or found


def _counted(counts: Counter[str]) -> str:
    return ", ".join(f"{count:,} {name}" for name, count in counts.most_common())
