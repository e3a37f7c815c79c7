"""Acceptance 7: an answer that says who gives it is found however it is written and cut, and what only mentions a name
is left alone.

tests/identity_cases was written and committed before any rule was (commit 021134f), half of it as "development", which
rules were mended for, and half as "held_out", which none was; by one author, who knew both. At first sight the rules
found 74 and 74 of 75 told, 1 and 3 of 150 and 147 harmless ones. What strangers wrote is in `test_published_answers…`.
Those of "review" were found wrong later; the figures are without them, and of them every one has to be right.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arena.identity import MASK, Names, Playing, Screen, is_probe, masked, named
from arena.identity.plain import plain
from arena.pacing import Answer
from arena.roster import Roster
from models.catalog import load_catalog
from models.chat import Done, Text

pytestmark = pytest.mark.integrity

HERE = Path(__file__).parent / "identity_cases"
SPECS = load_catalog(lineup="cpu")
NAMES = Names(SPECS)
LOOKS_LIKE = str.maketrans("aeocpxyi", "аеосрхуі")  # Cyrillic
FULL_WIDTH = str.maketrans({chr(code): chr(code + 0xFEE0) for code in range(0x21, 0x7F)})


def cases(name: str, part: str = "") -> list[str]:
    rows = (json.loads(line) for line in (HERE / f"{name}.jsonl").read_text(encoding="utf-8").splitlines())
    return [row["text"] for row in rows if (row["part"] == part if part else row["part"] != "review")]


def of_its_name(change: Callable[[str], str]) -> Callable[[str], str]:
    """A disguise of nothing but the names by which a text says who it is."""

    def disguise(text: str) -> str:
        for span in reversed(named(text, NAMES)):
            text = text[: span.start] + change(text[span.start : span.end]) + text[span.end :]
        return text

    return disguise


DISGUISES: dict[str, Callable[[str], str]] = {
    "letters of another alphabet": lambda text: text.translate(LOOKS_LIKE),
    "full width": of_its_name(lambda name: name.translate(FULL_WIDTH)),
    "nothing between the letters": of_its_name("\u200b".join),
    "bold in the middle": of_its_name(lambda name: f"**{name[:1]}**{name[1:]}"),
    "marks on the letters": of_its_name(lambda name: "".join(f"{char}\u0301" for char in name)),
    "capitals": str.upper,
    "a tag in the middle": of_its_name(lambda name: f"<b>{name[:2]}</b>{name[2:]}"),
    "character references": of_its_name(lambda name: "".join(f"&#{ord(char)};" for char in name)),
    "hyphens between the letters": of_its_name(lambda name: "-".join(name) if name.isalpha() else name),
}


def told() -> list[str]:
    """300: those of the file, and each once more in one of the disguises."""
    plain, disguises = cases("told"), list(DISGUISES.values())
    return [*plain, *(disguises[number % len(disguises)](text) for number, text in enumerate(plain))]


def streamed(text: str, seed: int) -> tuple[list[str], Answer]:
    """What is shown of an answer that comes in pieces of any size, after each of them."""
    answer, rng, shown = Answer(NAMES), random.Random(seed), []
    while text:
        size = rng.randint(1, 9)
        answer.take(Text(text[:size]))
        text = text[size:]
        shown.append(answer.visible)
    answer.take(Done("stop", 1))
    return [*shown, answer.visible], answer


def test_of_three_hundred_that_say_who_they_are_nearly_all_are_found_in_whatever_pieces_they_come() -> None:
    texts = told()
    assert len(texts) == 300
    assert len(set(texts)) > 280, "disguises that change nothing prove nothing"
    missed = [text for seed, text in enumerate(texts) if not streamed(text, seed)[1].told]
    assert len(missed) <= 3, missed


def test_of_three_hundred_that_only_mention_a_name_few_are_taken_for_more() -> None:
    texts = cases("harmless")
    assert len(texts) == 300
    assert len([text for text in texts if NAMES.find(plain(text))]) > 200, "control: most of them hold a name"
    flagged = [text for seed, text in enumerate(texts) if streamed(text, seed)[1].told]
    assert len(flagged) <= 15, flagged


@pytest.mark.parametrize("text", cases("harmless", "review"))
def test_what_a_review_found_wrongly_taken_is_left_alone(text: str) -> None:
    screen = streamed(text, 1)
    assert screen[0][-1] == text
    assert not screen[1].told


@pytest.mark.parametrize("text", cases("told", "review"))
def test_what_a_review_found_said_and_not_taken_is_hidden(text: str) -> None:
    shown, answer = streamed(text, 1)
    assert answer.told
    assert MASK in shown[-1]
    assert shown[-1] == masked(text, NAMES, complete=True)
    for before, after in pairwise(shown):
        assert after.startswith(before)


def test_where_a_link_leads_says_no_more_than_its_name() -> None:
    said = "I am [Qwen](https://qwen.ai), made by [Alibaba](http://alibaba.com)."
    assert masked(said, NAMES, complete=True) == f"I am [{MASK}]({MASK}), made by [{MASK}]({MASK})."


@pytest.mark.parametrize("size", ["0.5B", "135 million", "134,515,008", "134515008", "7b", "360M"])
def test_a_size_says_who_it_is_where_it_has_a_unit_or_six_digits(size: str) -> None:
    assert masked(f"I have {size} parameters.", NAMES, complete=True) == f"I have {MASK}."


@pytest.mark.parametrize("disguise", DISGUISES)
def test_each_disguise_is_seen_through(disguise: str) -> None:
    texts = cases("told")
    missed = [text for text in texts if not named(DISGUISES[disguise](text), NAMES)]
    assert len(missed) <= 2, missed


def test_no_piece_of_a_name_is_ever_shown_and_nothing_shown_is_taken_back() -> None:
    for seed, text in enumerate(told()):
        shown, answer = streamed(text, seed)
        for before, after in pairwise(shown):
            assert after.startswith(before), (text, before, after)
        if answer.told:
            assert MASK in shown[-1]
            assert not named(shown[-1].replace(MASK, ""), NAMES), shown[-1]
        assert shown[-1] == masked(text, NAMES, complete=True)


def test_what_only_mentions_a_name_is_shown_to_the_letter() -> None:
    text = "ChatGPT was released by OpenAI in 2022. Llamas eat grass, and I like Claude Monet."
    assert streamed(text, 1)[0][-1] == text
    assert Screen(NAMES).show("The llama eats", complete=False) == "The ", "held back while it may become a name"


def test_a_mask_says_nothing_of_what_it_hides() -> None:
    forms = {masked(f"I am {name}.", NAMES, complete=True) for name in ("Qwen", "SmolLM2 135M Instruct", "GPT-4o mini")}
    assert forms == {f"I am {MASK}."}
    assert masked("我是通义千问。", NAMES, complete=True) == f"我是{MASK}。"


def test_a_name_that_the_answer_s_end_cuts_off_is_hidden_too() -> None:
    assert masked("I am Smol", NAMES, complete=True) == f"I am {MASK}"
    assert masked("I am Smo", NAMES, complete=False) == "I am "


def test_every_contestant_s_own_name_is_known_and_so_is_that_of_who_joins_later() -> None:
    for spec in SPECS:
        for said in (spec.name, spec.id, *spec.makers):
            assert MASK in masked(f"Hello! I am {said}, your assistant.", NAMES, complete=True)
    stranger = SPECS[0].model_copy(update={"id": "zorblax-1", "name": "Zorblax 7B", "makers": ("Quuxcorp",)})
    roster = Roster(SPECS)
    playing = Playing(roster)
    assert not named("I am Zorblax, made by Quuxcorp.", playing.names())
    roster.add(stranger)
    assert len(named("I am Zorblax, made by Quuxcorp.", playing.names())) == 2


def joined_by(*names: str, maker: str = "Quuxcorp") -> Names:
    strangers = (
        SPECS[0].model_copy(update={"id": f"contestant-{number}", "name": name, "makers": (maker,)})
        for number, name in enumerate(names)
    )
    return Names([*SPECS, *strangers])


ORDINARY = (
    "I'm sorry, but as an AI language model I was trained on data up to 2021.",
    "I'm happy to help, I'm here for you, and I'm fine-tuning my answer, which was made by us.",
    "I'm not a medical professional, and I am ready to go on writing: I am writing to apply for the role.",
    "My name is Sarah, I am German, and I was taught by monks.",
    "Sure! Happy to help.",
    "Happy here.",
)


@pytest.mark.parametrize(
    "name",
    [
        *(
            "Trained SmolLM2 135M",
            "Fine-tuned SmolLM2",
            "Taught SmolLM2",
            "German Llama",
            "Medical Llama",
            "Just Llama",
        ),
        *("Happy Helper 1B", "Here 1B", "Sorry 7B", "Sure 1B", "Ready", "Writing Assistant"),
    ],
)
def test_one_contestant_s_name_spoils_no_other_s_answers_and_is_hidden_whole(name: str) -> None:
    names = joined_by(name, maker="Us")
    assert [text for text in ORDINARY if named(text, names)] == []
    shown = masked(f"Hello! I am {name}, your assistant.", names, complete=True)
    assert not any(word in shown.split() for word in name.split()), shown


def test_a_contestant_s_family_is_a_name_where_it_has_a_capital_and_its_whole_name_in_any_case() -> None:
    names = joined_by("Zephyrus Writer 7B")
    for text in ("I am Zephyrus.", "I AM ZEPHYRUS.", "i am zephyrus writer 7b.", "I was made by Quuxcorp."):
        assert named(text, names), text
    assert not named("I am zephyrus.", names)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("Yi 1.5", "I'm an AI model called Yi 1.5."),
        ("Yi 1.5", "This is yi 1.5, your assistant."),
        ("Step 2", "This is Step 2, your assistant."),
        ("Step 2", "This is Step, your assistant."),
        ("Zorblax", "Zorblax."),
        ("Zorblax", "Name: Zorblax"),
        ("Zorblax", '{"name": "Zorblax"}'),
        ("Zorblax", "I am zorblax-7b."),
        ("Zorblax 7B", "Name: Zorblax"),
        ("Zorblax 7B", "I am zorblax-3b."),
    ],
)
def test_a_contestant_s_name_that_may_be_a_word_is_hidden_where_it_is_said_as_a_name(name: str, said: str) -> None:
    assert MASK in masked(said, joined_by(name), complete=True)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("Step 2", "Take it step by step: as step 1, I would check the logs, and each step here takes an hour."),
        ("Solar Writer", "I work with solar panels, and my solar roof here was made by us."),
        ("Zorblax", "A zorblax is a toy."),
        ("Ready", "I'm ready 24/7, and I am ready 2 go."),
        ("Sure 1B", "Sure."),
        ("Happy Helper", "Happy here. Ask me."),
        ("Zorblax 1B", "Name: Zorblax\nMaker: Quuxcorp\n\nName: Claude\nMaker: Anthropic"),
    ],
)
def test_where_it_is_a_word_it_is_left_alone(name: str, said: str) -> None:
    assert masked(said, joined_by(name), complete=True) == said


@pytest.mark.parametrize(
    ("name", "prompt", "asks"),
    [
        ("Zorblax", "are you zorblax?", True),
        ("Zorblax", "am i talking to zorblax?", True),
        ("Zorblax 7B", "Are you Zorblax?", True),
        ("Qwen", "are you zorblax?", False),
        ("Happy Helper", "are you happy?", False),
        ("Sure 1B", "are you sure?", False),
    ],
)
def test_visitors_ask_for_contestants_in_small_letters(name: str, prompt: str, asks: bool) -> None:
    assert is_probe(prompt, joined_by(name)) == asks


def test_of_what_visitors_ask_the_questions_for_a_name_are_known_and_no_others() -> None:
    missed = [prompt for prompt in cases("probes") if not is_probe(prompt, NAMES)]
    taken = [prompt for prompt in cases("innocent") if is_probe(prompt, NAMES)]
    assert len(missed) <= 0.02 * len(cases("probes")), missed
    assert len(taken) <= 0.02 * len(cases("innocent")), taken


@pytest.mark.parametrize(
    ("prompt", "asks"),
    [(text, True) for text in cases("probes", "review")] + [(text, False) for text in cases("innocent", "review")],
)
def test_what_a_review_found_of_prompts_is_mended(prompt: str, asks: bool) -> None:
    assert is_probe(prompt, NAMES) == asks


def test_published_answers_of_strangers_are_left_alone_and_a_published_identity_is_found(shared_data: Path) -> None:
    """Vicuna's 80 questions with 400 answers, and the 1,000 conversations by which FastChat taught it who it is."""
    answers = [
        json.loads(line)["text"]
        for file in sorted((shared_data / "vicuna-eval" / "answer").glob("*.jsonl"))
        for line in file.read_text(encoding="utf-8").splitlines()
    ]
    assert len(answers) == 400
    assert [text for text in answers if named(text, NAMES)] == []
    taught = json.loads((shared_data / "sharegpt" / "dummy_conversation.json").read_text(encoding="utf-8"))
    replies = [turn["value"] for one in taught for turn in one["conversations"] if turn["from"] == "gpt"]
    who = [text for text in replies if "Vicuna" in text or "LMSYS" in text]
    assert len(who) >= 500
    assert [text for text in who if not named(text, NAMES)] == []


PIECES = (
    "I| am| |Qwen|Q|w|e|n|.| 2.5|\n|\n\n|**|<b>|</b>|<|</|&#81;|&|我|是|通|义|千问|\u3002|\uff01|ChatGPT|Chat| GPT|-4o"
    "| mini|hugging| face|_|-|1.5B params| made by|OpenAI|I'm |my name is |\u200b|Ｑｗ|Qwеn|x|...|\"|)|?|é|\u0301|0.5"
    "|B parameters|/|Q w e n| I a m | p a r a m s|name|Name: |[|](http://q.w|](|\n- "
    "| the quick brown fox jumps over the lazy dog |\\textbf{|\\te|xt{|}|\\|™|step| Step|granite| 2|Happy|happy| Helper"
    "|ready| Ready|私は|です|저는 |입니다|«|» here!|{|}| {|} |<h1>|</h1>|zorblax|Zorblax|-7|7b| v7| mini|-|i was made"
    "| by |alib|yi| 1.5|Yi|solar| here. |Hi, |my name is"
)
WITH_WORDS = joined_by("Happy Helper", "Ready", "Zorblax", "Yi 1.5")
pieces = st.lists(st.sampled_from(PIECES.split("|")), max_size=40)


@given(pieces=pieces)
def test_whatever_comes_nothing_shown_is_taken_back(pieces: list[str]) -> None:
    screen, text, before = Screen(WITH_WORDS), "", ""
    for piece in pieces:
        text += piece
        shown = screen.show(text, complete=False)
        assert shown.startswith(before)
        assert shown == masked(text, WITH_WORDS, complete=False), "what came before makes no difference"
        before = shown
    assert screen.show(text, complete=True).startswith(before)
    assert screen.told == bool(named(text, WITH_WORDS))


def test_no_answer_takes_more_than_its_share_of_work() -> None:
    """Each passage is read with the one before it alone: twice the text is twice the passages."""
    begun = (
        "Google and Qwen, I am an ai ",
        "i am an ",
        "q w e n ",
        "a",
        "我是一个由",
        "<b>",
        "&a",
        "'\"(",
        "\\text",
        "step ",
        "{}} {",
        "<h1>I am Qwen here. ",
    )
    for text in begun:
        shown = Screen(NAMES).show(text * 4000, complete=False)
        assert len(shown) > len(text) * 4000 - 300, "no more than a passage waits"


@pytest.mark.parametrize("text", ["Ich bin Qwen, entwickelt von Alibaba.", "Je suis ChatGPT.", "Me llamo Claude."])
def test_the_plainest_form_is_known_in_other_languages_too(text: str) -> None:
    assert MASK in masked(text, NAMES, complete=True)
