from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("tokenizers", reason="tokenizers isn't installed (make test TORCH=yes)")
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers

from models.local.wording import Wording


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return bytewise()


def bytewise() -> Tokenizer:
    """A token a byte, as every byte-level vocabulary has them; id 256 is a special end mark."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    made = Tokenizer(models.BPE(vocab={char: number for number, char in enumerate(alphabet)}, merges=[]))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    made.add_special_tokens(["<end>"])
    return made


def with_byte_fallback() -> Tokenizer:
    """As Llama 2 and Gemma have them: words with a mark for the space, and every byte as a token of its own."""
    words = ["<unk>", *(f"<0x{number:02X}>" for number in range(256)), "▁", "a", "b", "▁a", "▁ab", "é", "日"]
    made = Tokenizer(
        models.BPE(
            vocab={word: number for number, word in enumerate(words)}, merges=[("▁", "a"), ("▁a", "b")],
            unk_token="<unk>", byte_fallback=True,
        )
    )  # fmt: skip
    made.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    made.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    return made


FALLBACK = with_byte_fallback()


def told(tokenizer: Tokenizer, text: str, stops: tuple[str, ...] = ()) -> tuple[list[str], bool]:
    wording = Wording(tokenizer, stops)
    pieces = []
    for token in tokenizer.encode(text).ids:
        pieces.append(wording.take(token))
        if wording.stopped:
            break
    pieces.append(wording.finish())
    return pieces, wording.stopped


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=60))
def test_the_pieces_are_the_text(text: str) -> None:
    text = text.replace("<end>", "")
    assert "".join(told(bytewise(), text)[0]) == text


@given(st.text(alphabet="ab é日🦙\n", max_size=40))
def test_words_and_bytes_together_are_the_text_too(text: str) -> None:
    right = FALLBACK.decode(FALLBACK.encode(text).ids)
    assert "".join(told(FALLBACK, text)[0]) == right


@given(st.lists(st.integers(min_value=0, max_value=FALLBACK.get_vocab_size() - 1), max_size=60))
def test_whatever_bytes_a_model_says_nothing_breaks_and_no_word_is_lost(ids: list[int]) -> None:
    wording = Wording(FALLBACK, ())
    shown = "".join(wording.take(token) for token in ids) + wording.finish()
    for word in "é日":
        said = [FALLBACK.id_to_token(token) for token in ids].count(word)
        assert shown.count(word) >= said


def test_bytes_that_never_become_a_character_do_not_hold_the_answer_back() -> None:
    wording = Wording(FALLBACK, ())
    assert any(wording.take(1 + 0xF0) for _ in range(40))


def test_no_half_character_is_ever_shown(tokenizer: Tokenizer) -> None:
    pieces, _ = told(tokenizer, "a🦙é日")
    assert [piece for piece in pieces if piece] == ["a", "🦙", "é", "日"]


def test_an_answer_that_ends_within_a_character_shows_what_decode_shows(tokenizer: Tokenizer) -> None:
    ids = tokenizer.encode("ab🦙").ids[:-2]
    wording = Wording(tokenizer, ())
    shown = "".join(wording.take(token) for token in ids) + wording.finish()
    assert shown == tokenizer.decode(ids)


def test_special_tokens_are_not_text(tokenizer: Tokenizer) -> None:
    assert "".join(told(tokenizer, "yes<end>")[0]) == "yes"


@pytest.mark.parametrize(
    ("text", "stops", "shown"),
    [
        ("one\nQuestion: two", ("\nQuestion",), "one"),
        ("one\nQuest two", ("\nQuestion",), "one\nQuest two"),
        ("one\nQues", ("\nQuestion",), "one\nQues"),
        ("aab", ("ab",), "a"),
        ("x END y STOP", ("STOP", "END"), "x "),
        ("ababac", ("abac",), "ab"),
        ("no stop", ("",), "no stop"),
    ],
)
def test_a_stop_string_ends_the_answer_and_nothing_of_it_is_shown(
    tokenizer: Tokenizer, text: str, stops: tuple[str, ...], shown: str
) -> None:
    pieces, stopped = told(tokenizer, text, stops)
    assert "".join(pieces) == shown
    assert stopped == any(stop and stop in text for stop in stops)


@given(st.text(alphabet="ab", max_size=30), st.lists(st.text(alphabet="ab", min_size=1, max_size=4), max_size=3))
def test_whatever_the_stops_the_text_before_the_first_is_shown(text: str, stops: list[str]) -> None:
    first = min((place for stop in stops if (place := text.find(stop)) >= 0), default=len(text))
    shown = "".join(told(bytewise(), text, tuple(stops))[0])
    # A token at a time, the stop that is complete first counts, and it may begin before another one ends.
    assert text.startswith(shown)
    assert len(shown) >= first
    assert not any(stop in shown for stop in stops)
