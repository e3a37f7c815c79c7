"""Cleaning for a base whose tokenizer is there: its tokens are counted as its training will see them."""

from __future__ import annotations

import random
from itertools import pairwise
from pathlib import Path

import pytest
from conversations import ids, said, sentence
from tiny_words import CHATML, words

from models.distill.clean.cleaning import Choice, clean
from models.distill.clean.rounds import part_of
from models.distill.clean.standard import Standard
from models.distill.clean.workers import processes
from models.distill.template import Encoder

RNG = random.Random(8)
LONG = said(*(sentence(RNG, 12) for _ in range(12)), name="long")
SHORT = said(sentence(RNG, 5), sentence(RNG, 5), name="short")


def test_parts_are_as_long_as_the_base_s_own_tokens_allow(tmp_path: Path) -> None:
    folder, context = words(tmp_path), 500
    encoder = Encoder(folder, CHATML)
    cleaned = clean([LONG, SHORT], Standard(context=context, folder=folder, template=CHATML), Choice(held_out=None))
    parts = [one for one in cleaned.train if part_of(one.id)[0] == "long"]
    assert len(parts) > 1
    assert all(len(encoder.encode(one).ids) <= context for one in cleaned.train)
    assert tuple(message for part in parts for message in part.messages) == LONG.messages
    for part, following in pairwise(parts):
        assert encoder.length([*part.messages, *following.messages[:2]]) > context


@pytest.mark.slow
def test_processes_make_the_tokenizer_for_themselves(tmp_path: Path) -> None:
    standard = Standard(context=500, folder=words(tmp_path), template=CHATML)
    with processes(1) as mapper:
        assert clean([LONG, SHORT], standard, Choice(), mapper) == clean([LONG, SHORT], standard, Choice())


def test_what_the_base_s_template_refuses_is_dropped_with_the_reason(tmp_path: Path) -> None:
    template = "{% if messages[0].role == 'system' %}{{ raise_exception('no system, please') }}{% endif %}" + CHATML
    standard = Standard(context=500, folder=words(tmp_path), template=template)
    cleaned = clean([SHORT, said("Why?", "So.", name="told", system="Be kind.")], standard, Choice())
    assert ids(cleaned.train) == ["short"]
    ((gone),) = cleaned.dropped
    assert (gone.id, gone.rule, gone.reason) == ("told", "split", "refused by the template")
    assert "no system, please" in gone.detail
