from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.distill.conversation import Origin
from models.distill.licenses import Restriction, notes, restrictions, student_license

FREE = (
    "Apache-2.0", "MIT", "cc-by-4.0", "CC0-1.0", "CC0 1.0 Universal", "BSD-3-Clause", "BSD 2-Clause License", "0BSD",
    "odc-by", "ODC-By-1.0", "CDLA-Permissive-2.0", "ISC License", "CC BY 4.0", "Apache License 2.0",
)  # fmt: skip
LICENSES: tuple[tuple[str, set[Restriction]], ...] = (
    ("CC-BY-NC-4.0", {"non-commercial"}),
    ("cc by-nc-sa 4.0", {"non-commercial", "share-alike"}),
    ("Creative Commons Attribution-NonCommercial 4.0", {"non-commercial"}),
    ("CC-BY-NC-ND-4.0", {"non-commercial", "unknown"}),
    ("Qwen Research", {"non-commercial"}),
    ("CC-BY-SA-3.0", {"share-alike"}),
    ("GPL-3.0-only", {"share-alike"}),
    ("ODbL-1.0", {"share-alike"}),
    ("Gemma", {"share-alike"}),
    ("llama3.1", {"share-alike"}),
    ("llama2", {"no-competing"}),
    ("Meta Llama 3 Community License", {"no-competing"}),
    ("OpenAI Terms of Use", {"no-competing"}),
    ("", {"unknown"}),
    ("other", {"unknown"}),
    ("proprietary", {"unknown"}),
    ("MIT for the code alone", {"unknown"}),
    ("ODC-BY; all rights reserved for answers", {"unknown"}),
    ("CC0 prompts, answers proprietary", {"unknown"}),
    ("isc but not for trade", {"unknown"}),
)
SERVICES = (
    "gpt-3.5-turbo", "GPT-4o", "openai/gpt-4.1", "text-davinci-003", "chatgpt", "o3-mini", "claude-3-opus-20240229",
    "google/gemini-2.5-pro", "bard", "bing", "grok-3",
)  # fmt: skip
OPEN_TEACHERS = ("", "qwen2.5-coder-0.5b", "openai/gpt-oss-20b", "gpt-neo-2.7b", "gpt2", "TinyLlama", "open_llama_3b")

teachers = st.sampled_from((*SERVICES, *OPEN_TEACHERS, "Llama-2-7b-chat", "gemma-3-270m"))
licenses = st.sampled_from((*FREE, *(name for name, _ in LICENSES)))
origins = st.builds(Origin, st.sampled_from(("", "a.json", "b.jsonl")), teachers, licenses)


@pytest.mark.parametrize("name", FREE)
def test_a_license_that_asks_for_a_name_at_most_restricts_nothing(name: str) -> None:
    assert restrictions(Origin(license=name)) == set()


@pytest.mark.parametrize(("name", "marks"), LICENSES)
def test_a_license_marks_what_it_forbids(name: str, marks: set[Restriction]) -> None:
    assert restrictions(Origin(license=name)) == marks


@pytest.mark.parametrize("teacher", SERVICES)
def test_the_terms_of_a_service_forbid_competing_models_whatever_license_the_file_has(teacher: str) -> None:
    assert restrictions(Origin(teacher=teacher, license="MIT")) == {"no-competing"}


@pytest.mark.parametrize("teacher", OPEN_TEACHERS)
def test_an_open_teacher_with_a_similar_name_is_not_taken_for_a_service(teacher: str) -> None:
    assert restrictions(Origin(teacher=teacher, license="MIT")) == set()


@pytest.mark.parametrize(
    ("teacher", "marks"),
    [
        ("meta-llama/Llama-2-13b-chat", {"no-competing"}),
        ("Meta-Llama-3-8B-Instruct", {"no-competing"}),
        ("Llama-3.3-70B-Instruct", {"share-alike"}),
        ("gemma-3-270m-it", {"share-alike"}),
    ],
)
def test_terms_of_open_weights_go_along_with_what_they_taught(teacher: str, marks: set[Restriction]) -> None:
    assert restrictions(Origin(teacher=teacher, license="Apache-2.0")) == marks


def test_proprietary_says_no_more_than_the_terms_of_a_teacher_that_we_know() -> None:
    assert restrictions(Origin(teacher="gpt-4", license="proprietary")) == {"no-competing"}


def test_a_student_of_free_data_has_the_license_of_its_base() -> None:
    assert student_license("Gemma", [Origin("a.jsonl", "qwen2.5", "Apache-2.0"), Origin(license="MIT")]) == "Gemma"
    assert student_license("MIT", []) == "MIT"


def test_a_student_taught_as_alpaca_was_says_that_it_is_neither_commercial_nor_a_competitor() -> None:
    alpaca = Origin("alpaca_data.json", "text-davinci-003", "CC-BY-NC-4.0")
    assert student_license("Apache-2.0", [alpaca, alpaca, Origin(license="MIT")]) == (
        "Apache-2.0; data: non-commercial (CC-BY-NC-4.0), no competing models (taught by text-davinci-003)"
    )


def test_data_without_a_license_is_named_by_its_file() -> None:
    assert student_license("MIT", [Origin("sharegpt.json")]) == "MIT; data: unknown license (of sharegpt.json)"


def test_the_line_stays_short_however_many_and_however_long_the_reasons_are() -> None:
    many = [Origin(f"{number:03}.json") for number in range(500)]
    assert (
        student_license("MIT", many)
        == "MIT; data: unknown license (of 000.json, of 001.json, of 002.json and 497 more)"
    )
    assert len(student_license("MIT", [Origin(license="our own\nterms " * 1000)])) < 120


def test_a_student_that_teaches_hands_its_marks_on_by_its_name() -> None:
    first = student_license("Apache-2.0", [Origin("a.json", "gpt-4", "CC-BY-NC-4.0")])
    assert student_license("MIT", [Origin("b.jsonl", "my-student", first)]) == (
        "MIT; data: non-commercial (taught by my-student), no competing models (taught by my-student)"
    )


def test_a_base_that_was_a_student_repeats_nothing() -> None:
    data = [Origin("a.json", "gpt-4", "CC-BY-NC-4.0")]
    once = student_license("Apache-2.0", data)
    assert student_license(once, data) == once


@given(st.lists(origins, min_size=1, max_size=6))
def test_no_mark_gets_lost_from_teacher_to_student_to_student(data: list[Origin]) -> None:
    marks = frozenset[Restriction]().union(*map(restrictions, data))
    student = student_license("Apache-2.0", data)
    assert (student == "Apache-2.0") == (not marks)
    assert restrictions(Origin(license=student)) >= marks
    assert student_license("Apache-2.0", reversed(data)) == student


def test_the_notes_for_a_card_name_the_terms_and_where_they_stand() -> None:
    gemma, openai = notes([Origin(teacher="gpt-4"), Origin(license="Gemma"), Origin(teacher="gemma-3", license="MIT")])
    assert openai == "OpenAI, Terms of Use: no competing models (https://openai.com/policies/terms-of-use/)"
    assert gemma == "Google, Gemma Terms of Use: share-alike (https://ai.google.dev/gemma/terms)"
    assert notes([Origin(license="MIT")]) == ()
