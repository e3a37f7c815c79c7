"""One reading as the page shows it: its title, both answers as conversations, and the judge's words."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from html import escape

from arena.judge.replies import Unreadable, read_reply
from arena.judge.verdict import FORMS, Form
from arena.privacy.scan import Scan
from arena.ui.evaluation.readings import Reading, explanation_of
from arena.ui.evaluation.words import category_name, score
from arena.ui.markup import plain, readable
from arena.ui.texts import Language, say
from db.judging import JudgedRow, JudgedTexts

Messages = list[dict[str, str]]


def without_personal(texts: JudgedTexts) -> JudgedTexts:
    """The same with personal data masked, in the judge's reply too: it may quote what it read."""
    # Not while the module is loaded: most pages show no battle.
    from models.distill.clean.personal import KINDS, masked

    scan = Scan(lambda text: masked(text, KINDS))
    prompts, answers_a, answers_b = (
        tuple(map(scan, said)) for said in (texts.prompts, texts.answers_a, texts.answers_b)
    )
    return JudgedTexts(prompts, answers_a, answers_b, texts.reference, _masked_reply(texts.reply, scan))


def title(reading: Reading, names: Mapping[str, str], language: Language) -> str:
    """Which question it is, and what the judge's orders come to together; Markdown."""
    row = reading.orders[0]
    of = (
        say(language, "eval_question", number=plain(row.number or ""))
        if row.battle_id is None
        else say(language, "eval_battle", number=plain(row.battle_id[:8]))
    )
    together = say(
        language, f"eval_together_{reading.way}", score=score(reading.score_model),
        model=plain(names["model"]), baseline=plain(names.get("baseline", "")),
    )  # fmt: skip
    return f"**{of}** · {plain(category_name(reading.category, language))} · {together}"


def conversations(texts: JudgedTexts, *, model_is_a: bool) -> tuple[Messages, Messages]:
    """What the baseline and what the model answered, each as the conversation it had."""
    a, b = _conversation(texts.prompts, texts.answers_a), _conversation(texts.prompts, texts.answers_b)
    return (b, a) if model_is_a else (a, b)


def said(reading: Reading, replies: Sequence[JudgedTexts], language: Language) -> str:
    """What the judge said in each order, and the reference answer; HTML in which every foreign word stays a word."""
    cards = "".join(_card(row, texts.reply, language) for row, texts in zip(reading.orders, replies, strict=True))
    reference = "\n\n".join(replies[0].reference or ())
    kept = (
        f"<details><summary>{escape(say(language, 'eval_reference'))}</summary>{_text(reference)}</details>"
        if reference
        else ""
    )
    return f'{kept}<div class="orders">{cards}</div>'


def heading(name: str, total: float | None) -> str:
    """The label of a pane."""
    return name if total is None else f"{name} · {score(total)}"


def _conversation(prompts: Sequence[str], answers: Sequence[str]) -> Messages:
    messages: Messages = []
    for place, prompt in enumerate(prompts):
        messages.append({"role": "user", "content": readable(prompt)})
        messages.append({"role": "assistant", "content": readable((answers[place : place + 1] or ("",))[0]) or "…"})
    return messages


def _masked_reply(reply: str, mask: Callable[[str], str]) -> str:
    """Of JSON each text by itself: an escape would hide a find in it, and a mask could tear an escape."""

    def within(value: object) -> object:
        match value:
            case str():
                return mask(value)
            case list():
                return [within(one) for one in value]
            case dict():
                return {mask(name): within(one) for name, one in value.items()}
        return value

    try:
        read = json.loads(reply)
        return json.dumps(within(read), ensure_ascii=False) if isinstance(read, dict | list) else mask(reply)
    except (ValueError, RecursionError):
        return mask(reply)


def _card(row: JudgedRow, reply: str, language: Language) -> str:
    facts = [row.judge_name, _order(row, language), _verdict(row, reply, language)]
    head = " · ".join(escape(fact) for fact in facts if fact)
    return f"<section><h4>{head}</h4>{_text(explanation_of(reply))}</section>"


def _order(row: JudgedRow, language: Language) -> str:
    if row.name_b is None:
        return ""
    return say(language, "eval_shown_first", name=row.name_a if row.first == "a" else row.name_b)


def _failed(row: JudgedRow, reply: str, language: Language) -> str:
    """What is wrong with the reply. The stored failure may be a server's, with its address: not for visitors."""
    try:
        if reply:
            read_reply(_form(row), reply)
    except Unreadable as problem:
        return say(language, "eval_said_failed", failure=problem)
    return say(language, "eval_said_nothing")


def _form(row: JudgedRow) -> Form:
    return next(form for form in FORMS if form == row.form)


def _verdict(row: JudgedRow, reply: str, language: Language) -> str:
    if row.status != "done":
        return _failed(row, reply, language)
    if row.name_b is None:
        return say(language, "eval_graded", score=score(row.score_a))
    better = {"a": row.name_a, "b": row.name_b}.get(row.outcome or "")
    verdict = say(language, "eval_said_better", name=better) if better else say(language, "eval_said_tie")
    if row.score_a is None or row.score_b is None:
        return verdict
    return f"{row.name_a} {score(row.score_a)}, {row.name_b} {score(row.score_b)} · {verdict}"


def _text(words: str) -> str:
    return f'<div class="words">{escape(words)}</div>'
