from __future__ import annotations

from collections import Counter
from itertools import combinations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from models.budget import SHARE_OF_DEVICE, SHARE_OF_RAM, Budget, Claim, Seating, Wait
from models.local.engine import Footprint

LIMIT = 10


def budget_of(limit: int = LIMIT, **sizes: int) -> Budget:
    budget = Budget(limit)
    for name, size in sizes.items():
        budget.learn(name, Footprint("cuda", size, 100))
    return budget


def seating_of(limit: int = LIMIT, **sizes: int) -> Seating:
    """Everybody rests."""
    seating = Seating(budget_of(limit, **sizes))
    for name in sizes:
        seating.enter(name, "resting")
    return seating


def drive(seating: Seating) -> list[str]:
    """Let processes come and go until nothing moves any more; what began to load, in order."""
    loaded: list[str] = []
    while True:
        ending = seating.settle()
        for name in ending:
            seating.enter(name, "resting")
        if coming := seating.next_load():
            seating.enter(coming, "up")
            loaded.append(coming)
        elif not ending:
            return loaded


def claim(seating: Seating, *names: str) -> Claim:
    """A claim, and what follows from it."""
    made = seating.claim(names)
    drive(seating)
    return made


# -- what fits ---------------------------------------------------------------------------------------


def test_a_device_is_shared_and_another_one_is_not_touched() -> None:
    budget = budget_of(one=6, two=5)
    budget.learn("three", Footprint("cpu", 9, 100))
    assert budget.fits(["one"])
    assert not budget.fits(["one", "two"])
    assert budget.short(["one", "two", "three"]) == {"cuda"}
    assert budget.fits(["one", "three"])
    assert budget.fits(["one", "unknown"])


def test_without_a_limit_most_of_a_device_may_be_taken() -> None:
    budget = budget_of(limit=0, one=1)
    budget.learn("two", Footprint("cpu", 1, 100))
    assert budget.room("cuda") == int(100 * SHARE_OF_DEVICE)
    assert budget.room("cpu") == int(100 * SHARE_OF_RAM)


def test_how_many_there_can_be_at_once_is_counted_by_the_smallest() -> None:
    budget = budget_of(one=6, two=5, three=4, four=1)
    assert budget.most_together(["one", "two", "three", "four"]) == 3
    assert budget.most_together(["one", "two"]) == 1
    assert budget.most_together(["one", "unknown"]) == 2


# -- who is loaded, and who goes ----------------------------------------------------------------------


def test_who_hopes_is_loaded_while_there_is_room_and_rests_otherwise() -> None:
    seating = Seating(budget_of(one=6, two=5, three=4))
    for name in ("one", "two", "three"):
        seating.enter(name, "hoping")
    assert drive(seating) == ["one", "three"]
    assert seating.phase("two") == "resting"


def test_one_loads_at_a_time() -> None:
    seating = seating_of(one=1, two=1)
    seating.claim(["one", "two"])
    seating.settle()
    seating.enter("one", "loading")
    assert seating.next_load() is None
    seating.enter("one", "up")
    assert seating.next_load() == "two"


def test_the_least_recently_claimed_makes_room() -> None:
    seating = seating_of(one=4, two=4, three=4)
    for pair in (("one",), ("two",), ("one",)):
        seating.leave(claim(seating, *pair))
    waiting = seating.claim(["three"])
    assert seating.settle() == ["two"]
    assert (seating.phase("one"), seating.phase("two")) == ("up", "leaving")
    assert seating.next_load() is None, "its memory is not free before its process is gone"
    seating.enter("two", "resting")
    assert drive(seating) == ["three"]
    assert waiting.granted


def test_nobody_goes_for_a_model_of_another_device() -> None:
    seating = seating_of(one=6, three=6)
    seating.budget.learn("two", Footprint("cpu", 1, 100))
    seating.enter("two", "up")
    seating.leave(claim(seating, "one"))
    seating.claim(["three"])
    assert seating.settle() == ["one"]
    assert seating.phase("two") == "up"


def test_a_model_in_use_goes_only_after_its_last_answer() -> None:
    seating = seating_of(one=6, two=6)
    first, second = claim(seating, "one"), claim(seating, "one")
    waiting = claim(seating, "two")
    assert not waiting.granted
    seating.leave(first)
    assert seating.settle() == []
    seating.leave(second)
    assert seating.settle() == ["one"]


def test_an_idle_model_goes_before_one_in_use() -> None:
    seating = seating_of(one=5, two=5, three=5)
    claim(seating, "one")
    seating.leave(claim(seating, "two"))
    assert claim(seating, "three").granted
    assert (seating.phase("one"), seating.phase("two")) == ("up", "resting")


def test_who_hopes_takes_no_memory_that_somebody_waits_for() -> None:
    seating = seating_of(one=5, two=5, three=5)
    claim(seating, "one")
    seating.claim(["two"])
    seating.enter("three", "hoping")
    seating.settle()
    assert seating.phase("three") == "resting"
    assert seating.next_load() == "two"


def test_the_first_in_line_is_served_however_many_come_after_it() -> None:
    seating = seating_of(one=5, two=5, three=5, four=5)
    playing = claim(seating, "one", "two")
    first = claim(seating, "three", "four")
    later = [claim(seating, "one", "two") for _ in range(5)]
    assert not any(one.granted for one in (first, *later)), "they would keep for ever what it waits for"
    seating.leave(playing)
    drive(seating)
    assert first.granted
    assert not any(one.granted for one in later)
    seating.leave(first)
    drive(seating)
    assert all(one.granted for one in later)


def test_those_in_line_for_the_same_pair_are_served_together() -> None:
    seating = seating_of(one=5, two=5, three=5, four=5)
    playing = claim(seating, "one", "two")
    line = [seating.claim(pair) for pair in (("three", "four"), ("one", "four"), ("three", "four"))]
    seating.leave(playing)
    drive(seating)
    assert [one.granted for one in line] == [True, False, True]
    too_late = claim(seating, "three", "four")
    assert not too_late.granted, "who comes after that waits"
    seating.leave(line[0])
    seating.leave(line[2])
    drive(seating)
    assert line[1].granted


def test_who_is_in_nobodys_way_passes() -> None:
    seating = seating_of(one=3, two=3, three=4, four=6)
    playing = claim(seating, "one", "two")
    claim(seating, "three")
    waits = claim(seating, "three", "four")
    assert not waits.granted
    assert claim(seating, "three").granted
    assert not claim(seating, "one", "two").granted
    assert playing.granted


def test_a_claim_that_can_not_be_met_is_lost_at_once_and_holds_nobody_up() -> None:
    seating = seating_of(one=6, two=6, three=1)
    assert claim(seating, "one", "two").lost
    assert claim(seating, "one", "nobody").lost
    assert claim(seating, "one", "three").granted


def test_whoever_waits_for_a_model_that_fails_has_lost() -> None:
    seating = seating_of(one=1, two=1)
    waiting = seating.claim(["one", "two"])
    seating.settle()
    seating.enter("one", "loading")
    seating.drop("one")
    seating.settle()
    assert waiting.lost


def test_who_left_is_not_loaded_for() -> None:
    seating = seating_of(one=1)
    waiting = seating.claim(["one"])
    seating.leave(waiting)
    seating.leave(waiting)
    seating.settle()
    assert seating.next_load() is None


def test_a_model_that_takes_more_than_it_said_makes_an_idle_one_go() -> None:
    seating = seating_of(one=5, two=5)
    seating.leave(claim(seating, "one", "two"))
    held = claim(seating, "two")
    seating.budget.learn("two", Footprint("cuda", 6, 100))
    assert seating.overfull
    assert seating.settle() == ["one"]
    assert held.granted


# -- who may meet -------------------------------------------------------------------------------------


def test_pairs_are_those_that_fit_and_those_in_memory_are_known() -> None:
    seating = seating_of(one=4, two=4, three=5, four=7)
    claim(seating, "one", "two")
    everybody = ["one", "two", "three", "four"]
    assert seating.pairs(everybody) == {
        ("one", "two"): Wait.NOT, ("one", "three"): Wait.FOR_OTHERS, ("two", "three"): Wait.FOR_OTHERS,
    }  # fmt: skip


def test_pairs_whose_loading_harms_nobody_may_meet() -> None:
    seating = seating_of(one=4, two=4, three=5)
    seating.leave(claim(seating, "one", "two"))
    assert seating.pairs(["one", "two", "three"]) == {
        ("one", "two"): Wait.NOT, ("one", "three"): Wait.FOR_LOADING, ("two", "three"): Wait.FOR_LOADING,
    }  # fmt: skip
    claim(seating, "one")
    assert seating.pairs(["two", "three"]) == {("two", "three"): Wait.FOR_OTHERS}
    assert seating.pairs(["one", "three"]) == {("one", "three"): Wait.FOR_LOADING}


def test_what_others_wait_for_is_in_use_already() -> None:
    seating = seating_of(one=5, two=5, three=5)
    seating.leave(claim(seating, "one", "two"))
    held = claim(seating, "one")
    seating.claim(["one", "three"])
    seating.settle()
    assert seating.pairs(["one", "two", "three"]) == {
        ("one", "two"): Wait.FOR_OTHERS, ("one", "three"): Wait.FOR_LOADING, ("two", "three"): Wait.FOR_OTHERS,
    }  # fmt: skip
    assert held.granted


def test_a_pair_that_is_about_to_go_is_not_there() -> None:
    seating = seating_of(one=5, two=5, three=5, four=5)
    claim(seating, "one", "two")
    claim(seating, "three", "four")
    pairs = seating.pairs(["one", "two", "three", "four"])
    assert pairs.pop(("three", "four")) is Wait.FOR_LOADING, "others wait for it anyhow"
    assert set(pairs.values()) == {Wait.FOR_OTHERS}


# -- whatever happens, in whatever order ---------------------------------------------------------------

SIZES = {"ant": 3, "bee": 4, "cat": 5, "dog": 6, "elk": 2, "fox": 10}
ON_CPU = {"elk", "fox"}
picks = st.integers(0, 1000)


class AnyOrder(RuleBasedStateMachine):
    """Never over budget, nobody in use is ended, and whoever waits is served in the end."""

    def __init__(self) -> None:
        super().__init__()
        budget = Budget(LIMIT)
        for name, size in SIZES.items():
            budget.learn(name, Footprint("cpu" if name in ON_CPU else "cuda", size, 100))
        self.seating = Seating(budget)
        self.claims: list[Claim] = []

    def settle(self) -> None:
        held = self.held
        for name in self.seating.settle():
            assert not held[name], "somebody uses it"

    @property
    def held(self) -> Counter[str]:
        return Counter(name for claim in self.claims if claim.granted for name in claim.names)

    def those(self, *phases: str | None) -> list[str]:
        return [name for name in SIZES if self.seating.phase(name) in phases]

    @initialize()
    def all_hope(self) -> None:
        for name in SIZES:
            self.seating.enter(name, "hoping")
        self.settle()

    @rule(pick=picks)
    def somebody_comes(self, pick: int) -> None:
        can = self.those("resting", "up", "leaving")
        pairs = self.seating.pairs(can)
        assert set(pairs) <= set(combinations(can, 2))
        if not pairs:
            return
        pair = list(pairs)[pick % len(pairs)]
        claim = self.seating.claim(pair)
        self.claims.append(claim)
        self.settle()
        assert not claim.lost
        assert claim.granted or pairs[pair] is not Wait.NOT, "what is there is had at once"

    @precondition(lambda self: self.claims)
    @rule(pick=picks)
    def somebody_leaves(self, pick: int) -> None:
        self.seating.leave(self.claims.pop(pick % len(self.claims)))
        self.settle()

    @rule()
    def one_begins_to_load(self) -> None:
        if name := self.seating.next_load():
            self.seating.enter(name, "loading")
            self.settle()

    @precondition(lambda self: self.those("loading"))
    @rule(well=st.booleans())
    def one_has_loaded(self, well: bool) -> None:
        (name,) = self.those("loading")
        if well:
            self.seating.enter(name, "up")
        else:
            self.seating.drop(name)
        self.settle()

    @precondition(lambda self: self.those("leaving"))
    @rule(pick=picks)
    def a_process_is_gone(self, pick: int) -> None:
        leaving = self.those("leaving")
        self.seating.enter(leaving[pick % len(leaving)], "resting")
        self.settle()

    @precondition(lambda self: self.those("up"))
    @rule(pick=picks)
    def a_process_crashes(self, pick: int) -> None:
        up = self.those("up")
        self.seating.drop(up[pick % len(up)])
        self.settle()

    @precondition(lambda self: self.those(None))
    @rule(pick=picks)
    def one_is_tried_again(self, pick: int) -> None:
        failed = self.those(None)
        self.seating.enter(failed[pick % len(failed)], "hoping")
        self.settle()

    @invariant()
    def memory_is_enough(self) -> None:
        for device in (ON_CPU, SIZES.keys() - ON_CPU):
            assert sum(SIZES[name] for name in self.those("loading", "up", "leaving") if name in device) <= LIMIT
        assert len(self.those("loading")) <= 1

    def teardown(self) -> None:
        """Nobody comes any more and everybody ends some time: then all in line are served."""
        for _ in range(len(self.claims) + 1):
            for name in self.those("loading"):
                self.seating.enter(name, "up")
            for name in self.those("leaving"):
                self.seating.enter(name, "resting")
            drive(self.seating)
            for claim in [claim for claim in self.claims if claim.granted or claim.lost]:
                self.seating.leave(claim)
                self.claims.remove(claim)
        assert not self.claims, "somebody waits for ever"
        assert not +self.seating._leases


@pytest.mark.slow
def test_whatever_happens_memory_is_enough_and_everybody_is_served() -> None:
    run_state_machine_as_test(AnyOrder, settings=settings(max_examples=150, stateful_step_count=40, deadline=None))


@pytest.mark.slow
def test_whatever_happens_for_long() -> None:
    run_state_machine_as_test(AnyOrder, settings=settings(max_examples=1000, stateful_step_count=60, deadline=None))
