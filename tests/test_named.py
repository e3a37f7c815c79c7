"""Which contestants and judges a command line means."""

from __future__ import annotations

from datetime import timedelta

import pytest
from arenas import ANT, BEE, CAT, NOW

from arena.judge.named import Contestants, Unknown, judge_named, suspect
from db.tables import Contestant
from models.spec import ModelSpec


def stored(model_id: str, fingerprint: str, days: int = 0) -> Contestant:
    return Contestant(
        fingerprint=fingerprint, model_id=model_id, name=f"The {model_id}", created_at=NOW + timedelta(days)
    )


REVIEWED = stored("vicuna-13b:20230322-clean-lang", "0" * 64)
KNOWN = Contestants([REVIEWED, stored("gpt35", "1" * 64), stored("ant", "2" * 64)], [ANT, BEE])


def hosted(model: str, maker: str) -> ModelSpec:
    return ModelSpec.model_validate(
        {
            "id": model,
            "name": model.upper(),
            "engine": "endpoint",
            "quantization": "none",
            "license": "x",
            "makers": [maker],
            "endpoint": {"url": "http://127.0.0.1:1/v1", "model": model},
        }
    )


def test_a_judge_goes_by_its_id_or_its_name_in_any_case() -> None:
    assert judge_named("BEE", [ANT, BEE]) == judge_named("the bee", [ANT, BEE]) == BEE


def test_an_unknown_judge_is_named_with_those_near_it() -> None:
    with pytest.raises(Unknown, match="no model of the catalogue 'antt'; near it: ant,"):
        judge_named("antt", [ANT, BEE, CAT])


def test_a_contestant_of_the_catalogue_goes_before_an_older_one_of_the_same_id() -> None:
    assert KNOWN.find("ant") == ANT.fingerprint
    assert KNOWN.find("2" * 12) == "2" * 64
    assert Contestants([stored("x", "3" * 64, 1), stored("x", "4" * 64)], []).find("x") == "3" * 64


def test_versions_of_an_entry_are_the_one_meant_and_then_the_newest_first() -> None:
    old, newer = stored("ant", "2" * 64), stored("ant", "3" * 64, 1)
    assert Contestants([newer, old, REVIEWED], [ANT, BEE]).versions("ANT") == (
        ANT.fingerprint, newer.fingerprint, old.fingerprint,
    )  # fmt: skip
    assert KNOWN.versions("The gpt35") == ("1" * 64,)


def test_what_an_entry_was_before_it_changed_is_told_from_who_is_in_no_catalogue_or_was_imported() -> None:
    reviewed = stored("bee", "6" * 64)
    reviewed.engine = "imported"
    known = Contestants([REVIEWED, stored("ant", "2" * 64), reviewed], [ANT, BEE])
    told = [known.is_earlier(one) for one in ("2" * 64, ANT.fingerprint, REVIEWED.fingerprint, "6" * 64)]
    assert told == [True, False, False, False]


def test_an_unknown_contestant_is_named_with_those_near_it() -> None:
    with pytest.raises(Unknown, match="no contestant 'gpt-35'; near it: gpt35"):
        KNOWN.find("gpt-35")
    with pytest.raises(Unknown, match="no contestant 'wasp'"):
        KNOWN.pair("ant:wasp")


def test_a_pair_is_the_same_in_either_order_even_where_an_id_holds_a_colon() -> None:
    assert KNOWN.pair("ant:bee") == KNOWN.pair("bee:ant")
    assert KNOWN.pair("gpt35:vicuna-13b:20230322-clean-lang") == ("0" * 64, "1" * 64)
    assert KNOWN.pair("vicuna-13b:20230322-clean-lang:gpt35") == ("0" * 64, "1" * 64)


@pytest.mark.parametrize(("text", "said"), [("ant", "no pair"), ("ant:ant", "twice"), ("ant:", "no contestant ''")])
def test_what_is_no_pair_is_said_to_be_none(text: str, said: str) -> None:
    with pytest.raises(Unknown, match=said):
        KNOWN.pair(text)


def test_a_judge_of_its_own_answers_or_of_its_kin_is_warned_of() -> None:
    judge, kin, other = hosted("gpt-4", "OpenAI"), hosted("gpt-3.5", "openai"), hosted("bard", "Google")
    own, of_makers = suspect(judge, [judge, kin, other])
    assert "GPT-4 judges its own answers (gpt-4)" in own
    assert "of its own makers (gpt-3.5)" in of_makers
    again = judge.model_copy(update={"id": "gpt-4-hot", "makers": ("Somebody",)})
    assert "judges its own answers" in suspect(judge, [again])[0]
