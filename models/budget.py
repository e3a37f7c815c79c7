"""Who may be in memory at the same time, and who waits for whom. Pure: no thread, no clock, no process.

A model takes its footprint from the moment it begins to load until its process is gone. Who wants to generate
claims its models and stands in one line; the first in line has what it lacks loaded, and whoever is in its way
and idle ends for it, the least recently used first. Later ones pass it only on models that it does not need gone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import combinations, count
from typing import Literal

from models.local.engine import Footprint

# What a model may be: `hoping` to be loaded while there is room, without anybody's asking; `resting`, to be loaded
# when somebody claims it; `loading`; `up`; `leaving` to make room. A model of no phase can't be had.
Phase = Literal["hoping", "resting", "loading", "up", "leaving"]

SHARE_OF_RAM = 0.7  # the system, the pages and the files' cache live there too
SHARE_OF_DEVICE = 0.9


class Wait(Enum):
    """What a pair is not to be had without: nothing; a load, or what others wait for anyhow; the end of answers."""

    NOT = 0
    FOR_LOADING = 1
    FOR_OTHERS = 2


class Budget:
    """What models take and what devices have, in bytes. A model whose footprint is unknown takes nothing."""

    def __init__(self, limit: int = 0) -> None:
        """`limit` is what models may take of each device; 0: most of what it has."""
        self._limit = limit
        self._needs: dict[str, Footprint] = {}
        self._rooms: dict[str, int] = {}

    def learn(self, name: str, need: Footprint) -> None:
        share = SHARE_OF_RAM if need.device == "cpu" else SHARE_OF_DEVICE
        self._rooms[need.device] = self._limit or int(need.capacity * share)
        self._needs[name] = need

    def room(self, device: str) -> int:
        """What models may take of a device that one of them has named."""
        return self._rooms[device]

    def short(self, names: Iterable[str]) -> set[str]:
        """The devices that are too small for all of these models together."""
        taken: Counter[str] = Counter()
        for name in set(names) & self._needs.keys():
            taken[self._needs[name].device] += self._needs[name].bytes
        return {device for device, size in taken.items() if size > self.room(device)}

    def fits(self, names: Iterable[str]) -> bool:
        return not self.short(names)

    def lies_on(self, name: str, devices: Collection[str]) -> bool:
        return name in self._needs and self._needs[name].device in devices

    def most_together(self, names: Iterable[str]) -> int:
        """How many of these models there can be in memory at most: the smallest of each device."""
        together: list[str] = []
        for name in sorted(names, key=lambda name: self._needs[name].bytes if name in self._needs else 0):
            if self.fits([*together, name]):
                together.append(name)
        return len(together)


@dataclass(eq=False)
class Claim:
    """Models that somebody wants at the same time: in line until `granted`, or `lost` where they can't be had."""

    names: tuple[str, ...]
    granted: bool = False
    lost: bool = False


class Seating:
    """Every model's phase, every claim, and what follows from them; `settle` is called after each change."""

    def __init__(self, budget: Budget) -> None:
        self.budget = budget
        self._phases: dict[str, Phase] = {}
        self._line: list[Claim] = []
        self._leases: Counter[str] = Counter()
        self._used: dict[str, int] = {}
        self._uses = count(1)
        self._doomed: frozenset[str] = frozenset()

    def phase(self, name: str) -> Phase | None:
        return self._phases.get(name)

    @property
    def overfull(self) -> bool:
        """Whether those who take memory now take too much of it."""
        return not self.budget.fits(self._seated())

    def enter(self, name: str, phase: Phase) -> None:
        """A model's next phase. Those that hope are considered in the order in which they came."""
        self.drop(name)
        self._phases[name] = phase
        if phase == "up":
            self._used[name] = next(self._uses)

    def drop(self, name: str) -> None:
        """The model can't be had any more and takes nothing."""
        self._phases.pop(name, None)

    def claim(self, names: Sequence[str]) -> Claim:
        self._line.append(Claim(tuple(names)))
        return self._line[-1]

    def leave(self, claim: Claim) -> None:
        """Give back what was granted, or step out of line; safe to call twice."""
        if claim.granted:
            self._leases.subtract(claim.names)
            claim.granted = False
        if claim in self._line:
            self._line.remove(claim)

    def settle(self) -> list[str]:
        """Grant what can be granted, send to rest who finds no room, and return whose process ends now."""
        self._serve_line()
        while (first := self._first_hoping()) and "loading" not in self._phases.values():
            if self.budget.fits({*self._seated(), *self._claimed(), first}):
                break
            self.enter(first, "resting")
        ending = [name for name in self._doomed if not self._leases[name]]
        for name in ending:
            self._phases[name] = "leaving"
        return ending

    def next_load(self) -> str | None:
        """Who begins to load now, one at a time: it takes every core's bandwidth and a peak of memory."""
        if "loading" in self._phases.values():
            return None
        for name in self._line[0].names if self._line else ():
            if self._phases.get(name) == "resting" and self.budget.fits({*self._seated(), name}):
                return name
        return self._first_hoping()

    def pairs(self, names: Sequence[str]) -> dict[tuple[str, str], Wait]:
        """Every two of these models that fit into memory together, and what who asks for them now waits for."""
        found: dict[tuple[str, str], Wait] = {}
        there = {name for name in names if self._is_there(name)}
        busy = {name for name in self._seated() if self._leases[name] or self._phases[name] == "loading"}
        busy |= self._claimed()
        for pair in combinations(names, 2):
            if not self.budget.fits(pair):
                continue
            if there.issuperset(pair):
                found[pair] = Wait.NOT
            elif self.budget.fits({*busy, *pair}) or any(set(pair) <= set(claim.names) for claim in self._line):
                found[pair] = Wait.FOR_LOADING
            else:
                found[pair] = Wait.FOR_OTHERS
        return found

    def _serve_line(self) -> None:
        """Grant what can be had; then let the first who still waits say who must go for it.

        Who already stood in line when that one became the first may pass it once: they are served together.
        """
        waiting: list[Claim] = []
        for claim in self._line:
            if not self._phases.keys() >= set(claim.names) or not self.budget.fits(claim.names):
                claim.lost = True
            elif all(self._is_there(name) for name in claim.names):
                claim.granted = True
                self._leases.update(claim.names)
                self._used.update((name, next(self._uses)) for name in claim.names)
            else:
                waiting.append(claim)
        self._line = waiting
        self._doomed = self._in_the_way(waiting[0].names if waiting else ())

    def _is_there(self, name: str) -> bool:
        return self._phases.get(name) == "up" and name not in self._doomed

    def _in_the_way(self, wanted: Collection[str]) -> frozenset[str]:
        """Who must go for the wanted ones: idle before used, least recently claimed first.

        A model in use goes when its last answer ends. Until then it is claimed by nobody else and stays the
        least recent one, so that the first in line is served however many come after it.
        """
        staying = {*wanted, *(name for name in self._seated() if self._phases[name] != "leaving")}
        going: set[str] = set()
        might_go = [name for name in self._phases if self._phases[name] == "up" and name not in wanted]
        for name in sorted(might_go, key=lambda name: (self._leases[name] > 0, self._used[name])):
            short = self.budget.short(staying - going)
            if not short:
                break
            if self.budget.lies_on(name, short):
                going.add(name)
        return frozenset(going)

    def _seated(self) -> set[str]:
        """Who takes memory now."""
        return {name for name, phase in self._phases.items() if phase in ("loading", "up", "leaving")}

    def _claimed(self) -> set[str]:
        return {name for claim in self._line for name in claim.names}

    def _first_hoping(self) -> str | None:
        return next((name for name, phase in self._phases.items() if phase == "hoping"), None)
