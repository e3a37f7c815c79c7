from __future__ import annotations

import threading
import time
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.local.slots import Slot, Slots

TALKS = ["", "battle 1", "battle 2", "battle 3", "battle 4"]


def answered(slots: Slots, conversation: str) -> Slot:
    slot = slots.take(conversation)
    slots.give_back(slot, conversation)
    return slot


def test_the_next_turn_of_a_battle_comes_to_the_slot_that_remembers_it() -> None:
    slots = Slots(3)
    first = answered(slots, "battle 1")
    answered(slots, "battle 2")
    assert not first.remembers
    assert slots.take("battle 1") == Slot(first.number, remembers=True)


def test_another_battle_is_given_the_least_recently_used_slot_and_none_of_its_memory() -> None:
    slots = Slots(2)
    one, other = answered(slots, "battle 1"), answered(slots, "battle 2")
    assert {one.number, other.number} == {0, 1}
    answered(slots, "battle 1")
    assert slots.take("battle 3") == Slot(other.number, remembers=False)


def test_a_question_without_a_conversation_finds_and_leaves_nothing() -> None:
    slots = Slots(1)
    answered(slots, "")
    assert not answered(slots, "").remembers
    assert not answered(slots, "battle 1").remembers


def test_a_slot_with_nothing_of_use_goes_before_one_that_a_battle_may_come_back_to() -> None:
    slots = Slots(2)
    answered(slots, "battle 1")
    answered(slots, "")
    answered(slots, "")
    assert slots.take("battle 1").remembers


def test_a_slot_that_had_not_begun_to_read_is_not_taken_for_the_battle_it_was_meant_for() -> None:
    slots = Slots(1)
    answered(slots, "battle 1")
    slots.give_back(slots.take("battle 2"), "")
    assert not slots.take("battle 2").remembers


def test_a_battle_whose_slot_is_busy_gets_another_without_memory() -> None:
    slots = Slots(2)
    answered(slots, "battle 1")
    busy = slots.take("battle 1")
    assert slots.take("battle 1") == Slot(1 - busy.number, remembers=False)


def test_more_answers_than_slots_are_a_defect_that_is_named() -> None:
    slots = Slots(1)
    slots.take("battle 1")
    with pytest.raises(RuntimeError, match="more answers at a time than slots"):
        slots.take("battle 2")


@given(st.integers(1, 4), st.lists(st.tuples(st.sampled_from(TALKS), st.booleans(), st.booleans()), max_size=60))
def test_whatever_the_order_no_slot_is_shared_and_no_memory_is_anothers(
    count: int, steps: list[tuple[str, bool, bool]]
) -> None:
    slots, held = Slots(count), dict.fromkeys(range(count), "")
    taken: list[tuple[Slot, str]] = []
    for conversation, ends, began in steps:
        if taken and (ends or len(taken) == count):
            slot, asked = taken.pop(0)
            held[slot.number] = asked if began else ""
            slots.give_back(slot, held[slot.number])
        free = set(held) - {slot.number for slot, _ in taken}
        slot = slots.take(conversation)
        assert slot.number in free
        assert slot.remembers == (conversation != "" and conversation in {held[number] for number in free})
        if slot.remembers:
            assert held[slot.number] == conversation
        taken.append((slot, conversation))


def test_threads_never_share_a_slot_nor_a_memory() -> None:
    count = 4
    slots, busy, held = Slots(count), [threading.Lock() for _ in range(count)], [""] * count

    def answer_many(seed: int) -> None:
        rng = Random(seed)
        for _ in range(300):
            conversation = rng.choice(TALKS)
            slot = slots.take(conversation)
            if not busy[slot.number].acquire(blocking=False):
                wrong.append(f"slot {slot.number} is shared")
            if slot.remembers and held[slot.number] != conversation:
                wrong.append(f"slot {slot.number} holds {held[slot.number]!r}, not {conversation!r}")
            held[slot.number] = conversation
            time.sleep(0)
            busy[slot.number].release()
            slots.give_back(slot, conversation)

    wrong: list[str] = []
    threads = [threading.Thread(target=answer_many, args=(seed,)) for seed in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not any(thread.is_alive() for thread in threads)
    assert not wrong
