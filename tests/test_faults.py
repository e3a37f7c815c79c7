from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.chat import Message
from models.distill.clean.faults import cut, echoed, empty, looping, noticed, refused
from models.distill.clean.rule import Dropped, Rule
from models.distill.conversation import Conversation

RULES: tuple[Rule, ...] = (refused, empty, noticed, cut, looping, echoed)

REFUSED = (
    "As an AI language model, I don't have personal opinions.",
    "As an AI, I cannot predict the future.",
    "As a large language model, I do not have access to your files.",
    "Hello! As an AI assistant, my knowledge ends in 2021.",
    "That is a good question. As an AI language model I cannot know.",
    "I'm sorry, but I can't assist with that request.",
    "I’m sorry, but I can’t help with that.",
    "I am very sorry, but as an AI language model, I am not able to browse the internet.",
    "Sorry, I cannot provide medical advice.",
    "I apologize, but I cannot fulfill this request.",
    "My apologies, but I won't write that.",
    "I'm sorry for the confusion, but I am unable to view images.",
    "Unfortunately, I cannot access the link.",
    "I cannot fulfill this request.",
    "I won't be able to do so. I don't have access to real-time data.",
    "I don't have the ability to open files.",
    "作为一个人工智能语言模型，我无法预测未来。",
    "作為一個AI語言模型，我沒有個人觀點。",
    "您好，作为一个AI助手，我不能提供医疗建议。",
    "很抱歉，我无法回答这个问题。",
    "抱歉，我不能帮您写这封信。",
    "I'm sorry, but I can't share that.",
    "非常抱歉，作为一个语言模型，我不能访问互联网。",
    "对不起，但是我不能帮助您做这件事。",
    "我无法提供这方面的信息。",
)
NOT_REFUSED = (
    "I'm sorry to hear that! Have you tried turning it off and on again?",
    "I can't help but admire your garden.",
    "As an AI researcher, I would start with the data.",
    "As a language teacher, I use songs.",
    "Sorry, that was a typo: the answer is 4.",
    "Cannot is one word. I cannot is how one says it.",
    "The door was locked. I can't open it without the key, she thought.",
    "Unfortunately, the train was late.",
    "Here is the essay. " + "Robots write well. " * 20 + "As an AI language model, I cannot agree.",
    "I could not find a mistake; your proof is right.",
    "抱歉让您久等了，答案是四。",
    "作为一个老师，我会先讲例子。",
    "人工智能无法取代老师，因为教育需要情感。",
    "I don't have access to real-time weather data, so I can't know that. Usual in October: 3 to 8 °C, often rain.",
    " ".join(map(str, range(75))) + ". I don't have access to real-time data. " + " ".join(map(str, range(75))),
    "Hi Tom! I'm so sorry, but I can't make it on Friday, since my sister visits. Can we meet next week instead?",
    "Dear Ms. Smith,\n\nthank you. Unfortunately, we are unable to offer you the position at this time.",
    "I cannot provide a full list, but here are the ten largest: Asia, Africa, and so on, each with its area.",
    "抱歉，我无法知道您小区的情况。可以问物业或拨打供电公司的热线。",
    "王经理，您好，很抱歉，明天上午我无法到岗，下午在家办公。",
    "尊敬的客户：\n非常抱歉，我们无法按时发货。我们会在周五前发出。",
)
NOTICED = (
    "network error",
    "Network error.",
    "The first step is to\n\n**NETWORK ERROR DUE TO HIGH TRAFFIC. PLEASE REGENERATE OR REFRESH THIS PAGE.**",
    "An error occurred. Either the engine you requested does not exist or there was another issue.",
    "Here is a story.\n\nThis content may violate our content policy. If you believe this to be in error, tell us.",
    "Too many requests in 1 hour. Try again later.",
    "Hmm...something seems to have gone wrong. Maybe try me again in a little bit.",
    "You've reached the current usage cap for GPT-4. You can continue with the default model now.",
    "YOUR INPUT VIOLATES OUR CONTENT MODERATION GUIDELINES.",
    "服务器繁忙，请稍后再试。",
    "网络错误",
)
NOT_NOTICED = (
    "A network error means that a request never arrived.",
    "Common causes are:\n\n- a firewall\n- a network error\n- a full disk",
    'Write `raise OSError("network error")` there.',
    'The message you see is "Too many requests": wait an hour.',
    "网络错误是指请求没有到达服务器。",
)
CUT = (
    "Here is the code:\n\n```python\ndef f(x):\n    return x +",
    "First:\n\n```\na\n```\n\nThen:\n\n~~~js\nlet x = 1\n```\n",
    "You can do it in three steps:",
    "步骤如下：",
    "The capital of France is Paris, that of Italy is Rome, that of Spain is Madrid,",
)
NOT_CUT = (
    "Here is the code:\n\n```python\nx = 1\n```",
    "It is done\n",
    "Dear all,\n\nthank you.\n\nBest regards,",
    "- item\n\n  ```sh\n  ls\n  ```",
    "Use ```x``` for code",
)
LOOPING = (
    "The answer is simple. " + "I am happy to help you. " * 20,
    "好的。" + "我很高兴能帮助你。" * 40,
    "ha" * 150,
    "It goes on and on. " + "First we go up the hill, and then we go down the hill, and then we rest. " * 4,
    "\n".join(f"{number}. Make a list of what you need." for number in range(1, 12)),
    "Intro\n" + "- Check the configuration file\n" * 9 + "The end",
)
NOT_LOOPING = (
    "x" * 30,
    "Row, row, row your boat\n" * 3,
    "0, " * 200,
    "Title\n" + "-" * 300,
    "| a | b |\n| --- | --- |\n" + "| 1 | 2 |\n" * 30,
    "```\n" + "call_it_again()\n" * 50 + "```\nThis calls it fifty times.",
    "\n".join(f"{number}. Step {number} is to do thing {number * 7}." for number in range(1, 40)),
)  # fmt: skip


def talk(*texts: str) -> Conversation:
    return Conversation(
        "c", tuple(Message("assistant" if number % 2 else "user", text) for number, text in enumerate(texts))
    )


def cases(rule: Rule, reason: str, dropped: tuple[str, ...], kept: tuple[str, ...]) -> list[tuple[Rule, str, str]]:
    return [(rule, text, reason) for text in dropped] + [(rule, text, "") for text in kept]


@pytest.mark.parametrize(
    ("rule", "answer", "reason"),
    [
        *cases(refused, "refused answer", REFUSED, NOT_REFUSED),
        *cases(noticed, "notice in place of an answer", NOTICED, NOT_NOTICED),
        *cases(cut, "answer cut off", CUT, NOT_CUT),
        *cases(looping, "answer that repeats itself", LOOPING, NOT_LOOPING),
        *cases(empty, "empty message", ("", " \n\t", "...", "。。。", "\u200b"), ("4", "👍", "好", "+")),
    ],
)
def test_a_faulty_answer_drops_its_conversation_and_no_other(rule: Rule, answer: str, reason: str) -> None:
    given = talk("Hello", "Hi there.", "What do you think?", answer)
    verdict = rule(given)
    if reason:
        assert isinstance(verdict, Dropped)
        assert verdict.reason == reason
        assert "message 4" in verdict.detail
    else:
        assert verdict is given


@pytest.mark.parametrize("answer", [*NOT_REFUSED, *NOT_NOTICED, *NOT_CUT])
def test_a_good_answer_passes_every_rule(answer: str) -> None:
    given = talk("What do you think?", answer)
    assert [rule(given) for rule in RULES] == [given] * len(RULES)


def test_what_users_say_is_no_fault_of_the_answers() -> None:
    given = talk("I'm sorry, but I can't do that. Network error, see: ```x", "Tell me more.")
    assert [rule(given) for rule in RULES] == [given] * len(RULES)


def test_a_question_said_back_is_no_answer_but_a_short_one_is() -> None:
    question = "What is the best way to learn how to play the piano?"
    verdict = echoed(talk("Hi", "Hi", question, question.replace(" ", "  ")))
    assert isinstance(verdict, Dropped)
    assert verdict.detail.startswith("message 4: What is the best")
    assert not isinstance(echoed(talk("Hello!", "Hello!")), Dropped)


def test_the_detail_shows_the_beginning_and_the_end_of_the_answer() -> None:
    verdict = cut(talk("Write it", "Here  is\nthe code " + "x" * 5000 + "\n```py\nlast_line = 1"))
    assert isinstance(verdict, Dropped)
    assert verdict.detail.startswith("message 2: Here is the code")
    assert verdict.detail.endswith("```py last_line = 1")


@pytest.mark.slow
@given(st.lists(st.text(), max_size=4))
def test_a_rule_gives_the_conversation_itself_or_a_reason(texts: list[str]) -> None:
    given = talk(*texts)
    for rule in RULES:
        verdict = rule(given)
        assert verdict is given or (isinstance(verdict, Dropped) and verdict.reason)


@pytest.mark.slow
@pytest.mark.parametrize(
    "part", ["a", "As an ", "sorry ", "```\n", "`", " ", "作为一个大", "抱歉", "\n", "ab, ", "1. x\n"]
)
def test_a_long_text_of_any_kind_is_judged_at_once(part: str) -> None:
    """Time that grows with the square of a megabyte would be hours."""
    given = talk(part * (1_000_000 // len(part)), part * (1_000_000 // len(part)) + "!")
    for rule in RULES:
        rule(given)
