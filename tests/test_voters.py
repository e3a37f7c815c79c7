from __future__ import annotations

import hashlib
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from itsdangerous import Signer

from arena.voters import COOKIE, Voters
from arena.web import read_cookie

SECRET = b"a secret of this test"


@pytest.fixture
def voters() -> Voters:
    return Voters(SECRET)


def test_a_cookie_names_its_voter_again_and_again(voters: Voters) -> None:
    cookie = voters.issue()
    voter = voters.recognise(cookie)
    assert voter is not None
    assert re.fullmatch(r"[0-9a-f]{32}", voter)
    assert Voters(SECRET).recognise(cookie) == voter, "after a restart too"


def test_every_voter_is_another(voters: Voters) -> None:
    assert len({voters.issue() for _ in range(1000)}) == 1000


def test_a_cookie_can_travel_as_it_is(voters: Voters) -> None:
    assert re.fullmatch(r"[0-9a-f]{32}\.[A-Za-z0-9_-]+", voters.issue())


def test_another_secret_makes_everybody_a_stranger(voters: Voters) -> None:
    assert Voters(b"another").recognise(voters.issue()) is None


def test_every_changed_character_is_noticed(voters: Voters) -> None:
    cookie = voters.issue()
    for place, char in enumerate(cookie[:-1]):  # the last one carries bits that base64 leaves unused
        forged = cookie[:place] + ("x" if char != "x" else "y") + cookie[place + 1 :]
        assert voters.recognise(forged) is None, place


@pytest.mark.parametrize("cookie", [None, "", ".", "x" * 32, "0" * 32 + ".", "\u00e9" * 32 + ".sig", "a.b.c", "\x00"])
def test_what_was_never_issued_is_nobody(voters: Voters, cookie: str | None) -> None:
    assert voters.recognise(cookie) is None


@given(st.text())
def test_no_text_is_a_voter(cookie: str) -> None:
    assert Voters(SECRET).recognise(cookie) is None


@pytest.mark.parametrize("value", ["", "short", "x" * 33])
def test_a_rightly_signed_value_of_another_length_is_nobody(voters: Voters, value: str) -> None:
    signer = Signer(SECRET, salt="voter-cookie", digest_method=hashlib.sha256)
    assert voters.recognise(signer.sign(value).decode()) is None


def test_a_signature_for_another_purpose_is_no_cookie(voters: Voters) -> None:
    signer = Signer(SECRET, salt="something else")
    assert voters.recognise(signer.sign("0" * 32).decode()) is None


def test_the_key_of_pseudonyms_hangs_on_the_secret_and_does_not_tell_it(voters: Voters) -> None:
    assert voters.pseudonym_key == Voters(SECRET).pseudonym_key
    assert voters.pseudonym_key != Voters(b"another").pseudonym_key
    assert SECRET not in voters.pseudonym_key
    assert len(voters.pseudonym_key) == 32


@pytest.mark.parametrize("neighbor", ['prefs={"a":1}', "a b=1", "x=\u00e9", 't="', "=", ";;", "paddock=1"])
def test_other_applications_cookies_on_this_host_do_not_hide_ours(voters: Voters, neighbor: str) -> None:
    cookie = voters.issue()
    assert read_cookie(f"{neighbor}; {COOKIE}={cookie}") == cookie
    assert read_cookie(f"{COOKIE}={cookie}; {neighbor}") == cookie
    assert read_cookie(neighbor) is None


def test_who_has_signed_in_is_one_voter_and_no_other_is(voters: Voters) -> None:
    ann = voters.known("huggingface", "ann")
    assert re.fullmatch(r"[0-9a-f]{32}", ann)
    assert ann == Voters(SECRET).known("huggingface", "ann")
    others = [
        voters.known("proxy", "ann"),
        voters.known("huggingface", "anna"),
        Voters(b"x").known("huggingface", "ann"),
    ]
    # The same letters, cut elsewhere.
    others += [voters.known("huggingfac", "eann"), voters.known("huggingfacea", "nn")]
    assert len({ann, *others}) == 6
