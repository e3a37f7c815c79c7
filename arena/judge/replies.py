"""Read a judge's verdict out of its reply, however it is put, and refuse what can be read in two ways.

Which forms judges use is known from Vicuna's 320 published reviews: two numbers in the first line, "Assistant 1: 8"
near the end, a tuple in the last sentence. Newer judges answer in JSON, or with `[[A]]` or `[[8]]` as MT-bench asks.

A judge speaks of answers that name scores and verdicts themselves. So a verdict counts only where judges put theirs,
never between quotation marks, and a reply in which another one can be read as well holds none.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from arena.judge.verdict import HIGHEST, LOWEST, Form, Place, Said, scored

LONGEST_PAIR = 80  # characters of a first line that is nothing but two scores

_THOUGHT = re.compile(r"(?:\s*<think>.*?(?:</think>|\Z))+", re.I | re.S)
_WHO = r"(?:assistant|answer|score|rating|response|助手|回答|答案)[ _-]*'?(?P<who>[12])"
_N = r"\d{1,3}(?:\.\d{1,4})?"
_OF = r"(?:\s*/\s*10|\s+out\s+of\s+10|\s*分)?"
_SCORE = rf"[*_\"'\[(]{{0,3}}(?P<n>{_N}){_OF}"
_END = r"(?=[*_\"'\])]{0,3}\s*(?:$|[(;.。|}—–-]|(?:[,，]|and\b|vs\b)(?!\s*\d)))"
# Where somebody speaks for himself: "The final score is", and not "It asks for the score".
_OWN = r"(?:^|[.,;:!?。，：])[ \t*_#-]*(?:(?:the|my|i|give|so|thus|therefore|overall|final) )*[*_]*"
_LABEL = rf"{_WHO}['s\"*_ ]{{0,5}}(?:score|rating)?[*_\" ]{{0,3}}\s*[:=：][ \t*_]*{_SCORE}{_END}"
_LABELLED = re.compile(_LABEL, re.I)
_LABELLED_LINE = re.compile(rf"[ \t*_#\"-]*(?:(?:scores?|ratings?)[:：*_ ]+)?{_LABEL}", re.I)
_BETWEEN = r"[*\s]*(?:,|;|\s|，|vs\.?)\s*[*]*"
_PAIR = re.compile(
    rf"[*_`\s]*(?:scores?|ratings?)?[:：*_\s]*[(\[]{{0,2}}({_N}){_OF}{_BETWEEN}({_N}){_OF}[)\]]{{0,2}}[*_`\s.]*", re.I
)
# Coordinates and what code gives look the same: a tuple counts where the judge calls it scores.
_TUPLE = re.compile(
    rf"(?:{_OWN}(?:scores?|ratings?|grades?|评分|分数|得分)[^.(]{{0,40}}?|^[*_ ]*output[*_ ]*[:：][*_ ]*)"
    rf"[(\[]\s*({_N}){_OF}\s*,\s*({_N}){_OF}\s*[)\]]",
    re.I | re.M,
)
_BRACKETED = re.compile(r"\[\[\s*([^\[\]]{1,12}?)\s*\]\]")
_BRACKETED_FIRST = re.compile(r"[ \t*_]*\[\[")
_BRACKETED_LAST = re.compile(
    r"(?:^|[.!?:。！：]|\bis|\brating|\bverdict)[ \t*_]*\[\[[^\[\]]{1,16}\]\][ \t*_.!?。]*$", re.I
)
_NUMBER = re.compile(rf"({_N}){_OF}")
_RATED = re.compile(
    rf"{_OWN}(?:score|rating|grade|评分|分数|得分)[*_\" ]{{0,3}}\s*(?:is|[:=：])[ \t*_]*{_SCORE}{_END}", re.I | re.M
)
_CALLED = re.compile(
    rf"{_OWN}(?:verdict|winner|better(?: answer| response)?|outcome|判定|胜者)[*_\" ]{{0,3}}\s*(?:is|[:=：])"
    r"[ \t*_\"']*(?:assistant |answer )?(a|b|tie|c)\b(?: is better)?[*_\"'.}]*\s*$",
    re.I | re.M,
)
# What somebody else said, but for a single word or a name, such as "B", "8/10" or "Assistant 1".
_NO_QUOTE = r"(?:(?:assistant|answer|score|rating|response|助手|回答|答案)[ _-]?)?[\w.]{0,5}(?:/10)?"
_QUOTED = re.compile(
    rf"""\"(?!{_NO_QUOTE}\")(?:[^"\n]|\n(?!\n))*\"|“[^“”]*”|「[^「」]*」|^[ \t]*>.*$|```.*?```(?=\s*\S)"""
    rf"""|(?<!\w)'(?!{_NO_QUOTE}')(?:[^'\n]|(?<=\w)'(?=\w))*'(?!\w)|`(?!{_NO_QUOTE}`)[^`\n]+`""",
    re.I | re.M | re.S,
)
_FENCE = " \t\n`*"
_OBJECT = re.compile(r'^[ \t`*]*(?:json)?[ \t]*(\{\s*")', re.M)
_TAIL: dict[Form, re.Pattern[str]] = {
    "score": re.compile(rf'"score_1": *(?P<score_1>{_N}), *"score_2": *(?P<score_2>{_N})\s*\}}[\s`]*\Z'),
    "pairwise": re.compile(r'"verdict": *"(?P<verdict>A|B|tie)"\s*\}[\s`]*\Z'),
    "single": re.compile(rf'"score": *(?P<score>{_N})\s*\}}[\s`]*\Z'),
}
_PLACES: dict[str, Place] = {
    **dict.fromkeys(("a", "1", "first", "assistant a", "answer a"), "first"),
    **dict.fromkeys(("b", "2", "second", "assistant b", "answer b"), "second"),
    **dict.fromkeys(("c", "tie", "draw", "equal"), "tie"),
}


class Unreadable(ValueError):
    """No verdict, or more than one, can be read out of a reply; the message says which."""


def read_reply(form: Form, reply: str, *, cut: bool = False) -> Said:
    """The verdict by place shown. Raises `Unreadable`, and never guesses: what contradicts itself is none.

    Of a reply that was `cut` off, only a whole JSON object counts, or a first line that is nothing but a verdict:
    what its prose was about to say nobody knows.
    """
    thought = _THOUGHT.match(reply)
    text = reply[thought.end() if thought else 0 :].strip()
    if not text:
        raise Unreadable("the reply is empty")
    found, prose = _objects(form, text, cut=cut)
    found += _first_line(form, text) if cut else _plain(form, _QUOTED.sub("…", prose))
    found = list(dict.fromkeys(found))
    if not found:
        raise Unreadable("the reply holds no verdict")
    if len(found) > 1:
        raise Unreadable("the reply holds verdicts that contradict each other")
    return found[0]


def _objects(form: Form, text: str, *, cut: bool) -> tuple[list[Said], str]:
    """The verdicts in the reply's JSON objects, and the prose around these.

    They count where the reply begins or ends with an object: others may be a quotation. One whose texts break it
    counts by its last fields, if the reply ends with them. What stands inside of an object's texts is no object.
    """
    decoder, end = json.JSONDecoder(strict=False), 0
    found: list[Said] = []
    prose: list[str] = []
    for brace in _OBJECT.finditer(text):
        if brace.start(1) < end:
            continue
        prose.append(text[end : brace.start(1)])
        try:
            value, end = decoder.raw_decode(text, brace.start(1))
        except (ValueError, RecursionError):
            tail = None if cut else _TAIL[form].search(text, brace.start(1))
            value, end = tail.groupdict() if tail else None, len(text)
        if said := _of_object(form, value):
            found.append(said)
    prose.append(text[end:])
    at_an_end = not prose[0].strip(_FENCE) or not prose[-1].strip(_FENCE)
    return found if at_an_end else [], "\n".join(prose)


def _of_object(form: Form, value: object) -> Said | None:
    if not isinstance(value, dict):
        return None
    fields = {re.sub(r"[^a-z0-9]", "", str(name).casefold()): field for name, field in value.items()}

    def first_of(*names: str) -> object:
        return next((fields[name] for name in names if name in fields), None)

    if form == "pairwise":
        place = _PLACES.get(str(first_of("verdict", "winner", "better")).strip("[] ").casefold())
        return Said(None, None, place) if place else None
    if form == "single":
        score = first_of("score", "rating")
        return None if score is None else Said(_score(score), None, None)
    one, two = first_of("score1", "assistant1", "answer1"), first_of("score2", "assistant2", "answer2")
    match first_of("scores", "ratings"):
        case [first, second]:
            one, two = first, second
        case dict() as scores:
            return _of_object(form, scores)
    return None if one is None or two is None else scored(_score(one), _score(two))


def _first_line(form: Form, text: str) -> list[Said]:
    """The verdict that the first line is; none where nothing follows, for then it may not be whole either."""
    line, more, _ = text.partition("\n")
    return [said] if more and (said := _bare(form, line)) else []


def _plain(form: Form, text: str) -> Iterator[Said]:
    """Every verdict in words, from where judges put theirs."""
    if not (lines := [line for line in text.splitlines() if line.strip()]):
        return
    ends = (lines[0], lines[-1])
    if form == "score":
        yield from _two_scores(lines, text.strip())
        return
    for line in ends:
        if said := _bare(form, line):
            yield said
        yield from _named(form, line)
    if _BRACKETED_FIRST.match(lines[0]) or any(_BRACKETED_LAST.search(line) for line in ends):
        yield from filter(None, (_bare(form, name) for name in _BRACKETED.findall(text)))


def _bare(form: Form, line: str) -> Said | None:
    """The verdict that a line is, whole."""
    line = line.strip()
    if form == "score":
        pair = _PAIR.fullmatch(line) if len(line) <= LONGEST_PAIR else None
        return scored(_score(pair[1]), _score(pair[2])) if pair else None
    line = line.strip(" *_.`\"'")
    if form == "single":
        number = _NUMBER.fullmatch(line)
        return Said(_score(number[1]), None, None) if number else None
    place = _PLACES.get(line.casefold())
    return Said(None, None, place) if place and not line.isdigit() else None


def _named(form: Form, line: str) -> Iterator[Said]:
    """What a line calls its score, or the better answer."""
    if form == "single":
        yield from (Said(_score(rated["n"]), None, None) for rated in _RATED.finditer(line))
    else:
        yield from (Said(None, None, _PLACES[name.casefold()]) for name in _CALLED.findall(line))


def _two_scores(lines: list[str], text: str) -> Iterator[Said]:
    """From the first line, from each assistant's label, and from a tuple in the last part that is called scores."""
    if said := _bare("score", lines[0]):
        yield said
    numbers: dict[str, set[float]] = {"1": set(), "2": set()}
    for line in lines:
        if line in (lines[0], lines[-1]) or _LABELLED_LINE.match(line):
            for label in _LABELLED.finditer(line):
                numbers[label["who"]].add(float(label["n"]))
    # A number beyond the scale under a label is a result that the judge reports.
    ones, others = ([number for number in numbers[who] if number <= HIGHEST] for who in "12")
    yield from (scored(one, other) for one in ones for other in others)
    for one, other in _TUPLE.findall(re.split(r"\n\s*\n", text)[-1]):
        yield scored(_score(one), _score(other))


def _score(value: object) -> float:
    """A number from 0 to 10, also as "8", "8.5/10". Raises `Unreadable` for anything else."""
    number = _NUMBER.fullmatch(str(value).strip()) if not isinstance(value, bool) else None
    if number is None or not LOWEST <= float(number[1]) <= HIGHEST:
        raise Unreadable(f"{str(value)[:20]!r} is no score from 1 to 10")
    return float(number[1])
