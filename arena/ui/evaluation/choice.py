"""What is looked at on the Evaluation page: which judge, form, questions, baseline and pair."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from urllib.parse import urlencode

from arena.judge.joined import BATTLES
from db.judges import JudgedPart


@dataclass(frozen=True)
class Choice:
    """Each is "" where nothing is chosen; `judge` and `baseline` are fingerprints, `pair` is "MODEL:BASELINE"."""

    judge: str = ""
    form: str = ""
    set: str = ""
    baseline: str = ""
    pair: str = ""

    @classmethod
    def read(cls, given: Mapping[str, object]) -> Choice:
        """Whatever was sent: what is no text chooses nothing."""
        return cls(**{field.name: text_of(given.get(field.name)) for field in fields(cls)})

    @property
    def query(self) -> str:
        """The choice as the query of an address, "?" included; "" where nothing is chosen."""
        given = {name: value for name, value in asdict(self).items() if value}
        return f"?{urlencode(given)}" if given else ""


def meant(choice: Choice, parts: Sequence[JudgedPart]) -> JudgedPart | None:
    """The part that fits best: its judge first, then its form, then its set; None where there is none at all."""
    found = list(parts)
    for wanted in (
        lambda part: part.judge == choice.judge,
        lambda part: part.form == choice.form,
        lambda part: set_of(part) == choice.set,
    ):
        found = [part for part in found if wanted(part)] or found
    return found[0] if found else None


def set_of(part: JudgedPart) -> str:
    return part.set or BATTLES


def text_of(given: object) -> str:
    return given if isinstance(given, str) else ""
