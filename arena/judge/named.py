"""Which contestants a command line means: of the catalogue, or known to the database alone (imported ones)."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence

from arena.judge.problem import JudgeProblem
from db.tables import Contestant
from models.spec import ModelSpec


class Unknown(JudgeProblem):
    """Nobody goes by this name; the message says who goes by one like it."""


def judge_named(name: str, specs: Sequence[ModelSpec]) -> ModelSpec:
    """The model of the catalogue with this id or name, in any case. Raises `Unknown`."""
    for spec in specs:
        if name.casefold() in (spec.id.casefold(), spec.name.casefold()):
            return spec
    raise Unknown(_nobody("model of the catalogue", name, [spec.id for spec in specs]))


class Contestants:
    """Contestants by their names: an id, a name, or the beginning of a fingerprint (8 letters or more).

    Where several have one id, it means the one of the catalogue, else the newest.
    """

    def __init__(self, stored: Sequence[Contestant], specs: Sequence[ModelSpec]) -> None:
        self._ids = {row.fingerprint: row.model_id for row in stored} | {spec.fingerprint: spec.id for spec in specs}
        known = [(row.fingerprint, row.model_id, row.name) for row in sorted(stored, key=lambda row: row.created_at)]
        known += [(spec.fingerprint, spec.id, spec.name) for spec in specs]
        self._oldest_first = known
        ids, today = {spec.id for spec in specs}, {spec.fingerprint for spec in specs}
        ours = [row for row in stored if row.engine != "imported" and row.model_id in ids]
        self._earlier = frozenset(row.fingerprint for row in ours) - today
        self._today = frozenset(today)
        self._names = {name.casefold(): one for one, _, name in known}
        self._names |= {model_id.casefold(): one for one, model_id, _ in known}

    def id_of(self, fingerprint: str) -> str:
        return self._ids.get(fingerprint, fingerprint[:12])

    def find(self, name: str) -> str:
        """The fingerprint of who is meant. Raises `Unknown`."""
        found = self._found(name)
        if found is None:
            raise Unknown(_nobody("contestant", name, self._ids.values()))
        return found

    def versions(self, name: str) -> tuple[str, ...]:
        """Everybody who goes by this id or name: who is meant, then the others, newest first. Raises `Unknown`."""
        called = name.strip().casefold()
        others = [one for one, *names in reversed(self._oldest_first) if called in map(str.casefold, names)]
        return tuple(dict.fromkeys([self.find(name), *others]))

    def is_of_today(self, fingerprint: str) -> bool:
        """Whether this is an entry of the catalogue as it is now, so that it can be asked."""
        return fingerprint in self._today

    def is_earlier(self, fingerprint: str) -> bool:
        """Whether this is what an entry of the catalogue was before it changed; who was imported is nobody's past."""
        return fingerprint in self._earlier

    def pair(self, text: str) -> tuple[str, str]:
        """The two that "A:B" means, the smaller fingerprint first; an id may hold a colon itself. Raises `Unknown`."""
        parts = text.split(":")
        if len(parts) < 2:
            raise Unknown(f"'{text}' is no pair; write two contestants with a colon between them, A:B.")
        halves = [(":".join(parts[:cut]), ":".join(parts[cut:])) for cut in range(1, len(parts))]
        known = [(a, b) for a, b in halves if self._found(a) and self._found(b)]
        a, b = map(self.find, (known or halves)[0])
        if a == b:
            raise Unknown(f"'{text}' names one contestant twice; a pair takes two.")
        return ordered(a, b)

    def _found(self, name: str) -> str | None:
        name = name.strip().casefold()
        if name in self._names:
            return self._names[name]
        begun = [one for one in self._ids if len(name) >= 8 and one.startswith(name)]
        return begun[0] if len(begun) == 1 else None


def ordered(a: str, b: str) -> tuple[str, str]:
    """Two contestants as judgments hold them: the smaller fingerprint first."""
    return (a, b) if a < b else (b, a)


def suspect(judge: ModelSpec, contestants: Iterable[ModelSpec]) -> list[str]:
    """Why the judge may favour some contestants: sentences about itself, its own weights and its makers' models."""
    said = []
    makers = {maker.casefold() for maker in judge.makers}
    for one in contestants:
        if one.fingerprint == judge.fingerprint or _same_weights(one, judge):
            said.append(f"{judge.name} judges its own answers ({one.id}); models tend to prefer themselves.")
        elif makers & {maker.casefold() for maker in one.makers}:
            said.append(f"{judge.name} judges a model of its own makers ({one.id}); models tend to prefer their kin.")
    return said


def _same_weights(one: ModelSpec, other: ModelSpec) -> bool:
    return one.identity["weights"] is not None and one.identity["weights"] == other.identity["weights"]


def _nobody(what: str, name: str, known: Iterable[str]) -> str:
    ids = sorted(set(known))
    near = difflib.get_close_matches(name.strip().casefold(), ids, 5, 0.4) or ids[:5]
    return f"There is no {what} '{name}'; near it: {', '.join(near) or 'nobody'}."
