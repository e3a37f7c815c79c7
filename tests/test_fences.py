from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.distill.clean.fences import outside_code, pieces

MARKDOWN = st.lists(st.sampled_from(["```", "~~~", "````", "```py", "a", "\n", "  ", "> ", "x `y` z", "\r\n", "`"]))


def code(text: str) -> list[str]:
    return [piece.text for piece in pieces(text) if piece.code]


@given(MARKDOWN.map("".join))
def test_the_pieces_of_a_text_give_it_back(text: str) -> None:
    assert "".join(piece.text for piece in pieces(text)) == text
    assert all(piece.closed or piece.code for piece in pieces(text))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("no code", []),
        ("a\n```py\nx\n```\nb", ["```py\nx\n```\n"]),
        ("~~~\n```\n~~~\n", ["~~~\n```\n~~~\n"]),
        ("````\n```\nx\n```\n````", ["````\n```\nx\n```\n````"]),
        ("- item\n\n      ```\n      x\n      ```\n", ["      ```\n      x\n      ```\n"]),
        ("> ```\n> x\n> ```\n", ["> ```\n> x\n> ```\n"]),
        ("```inline``` code", []),
        ("```\nx\n```py\ny\n```", ["```\nx\n```py\ny\n```"]),
    ],
)
def test_code_is_found_as_commonmark_has_it(text: str, found: list[str]) -> None:
    assert code(text) == found


def test_a_fence_that_is_never_closed_is_told() -> None:
    last = list(pieces("a\n```py\nx = 1\n"))[-1]
    assert last.code
    assert not last.closed


def test_only_what_is_not_code_is_changed() -> None:
    assert outside_code("a\n```\na\n```\na", str.upper) == "A\n```\na\n```\nA"
