"""A chat completion in OpenAI's form: what is asked, and what the events of its stream say. Sends nothing itself."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping, Sequence
from typing import Annotated, Literal

from pydantic import BaseModel, Field, ValidationError

from models.chat import Done, Message, Sampling
from models.spec import Endpoint

# What a name may carry at its end: a date, a number of at least three digits, a commit, or no version at all.
_NAME = re.compile(
    r"(?P<name>.+?)(?:[-:@](?P<version>latest|main|(?:preview|exp)(?:-[\d-]+)?|\d{3,}[\d-]*|[0-9a-f]{40}))?"
)
_Count = Annotated[int, Field(ge=0, le=2**31 - 1)]  # what every database's integer holds
# Fields of a request that a server may do without, by what complaints call them: the answer is the same, only less
# is known of it, or its form is not warranted.
_SPARE = {
    "stream_options": r"\bstream_options\b",
    "seed": r"\bseed\b",
    "response_format": r"\bresponse.?format\b|\bjson.?schema\b|\bstructured.output|\bgrammar\b",
}
Question = Literal["length", "filter"]
# What servers refuse because of the question: the statuses they do it with, and the codes or words of their complaints.
# Narrow on purpose: what is taken for the question's fault never makes a wrongly set up server leave the draw.
_REFUSALS: tuple[tuple[Question, tuple[int, ...], tuple[str, ...]], ...] = (
    (
        "length",
        (400, 413, 422, 429, 500),  # a few llama-servers answer 500; OpenAI 429 to more than a minute's tokens
        (
            r"maximum (context|model) length",  # OpenAI, vLLM, SGLang, OpenRouter, Mistral
            r"(exceed|longer than).{0,60}context[ _](length|size|window|limit)",  # llama-server, SGLang, Ollama
            r"context[ _]?(length|size|window).{0,20}exceed",  # OpenAI's code, llama-server, LiteLLM
            r"`inputs` (tokens \+ `max_new_tokens` must be <=|must have less than)",  # TGI
            r"prompt( is)? too long",  # Anthropic, Ollama
            r"token count.{0,40} exceeds the maximum",  # Gemini
            r"range of input length should be",  # DashScope
            r"string_above_max_length|request too large|request entity too large|payload too large|content too large",
        ),
    ),
    (
        "filter",
        (400, 403, 422),
        (
            r"content.?filter|content.(management.)?policy|contentpolicyviolation",  # OpenAI, Azure, Moonshot, LiteLLM
            r"responsibleaipolicyviolation|data_inspection_failed",  # Azure, DashScope
            r"(input|prompt|message|request)s? (was|were|has been) (flagged|rejected as a result of our safety system)",
            r"content exists risk|敏感内容",  # DeepSeek, Zhipu
        ),
    ),
)
_MOST_READ = 10_000  # characters of a complaint


class Unusable(Exception):
    """What the server did is no answer; the message says why, for the log.

    `again`: seconds after which to ask again may help; None where it won't. `busy`: too much was asked of it.
    `question`: what about the question it refuses, where it says so; see `refused_question`.
    """

    def __init__(
        self, message: str, again: float | None = None, *, busy: bool = False, question: Question | None = None
    ) -> None:
        super().__init__(message)
        self.again = again
        self.busy = busy
        self.question = question


class _Delta(BaseModel):
    content: str | None = None
    reasoning: str | None = None
    reasoning_content: str | None = None


class _Choice(BaseModel):
    index: int = 0
    delta: _Delta | None = None
    finish_reason: str | None = None


class _Usage(BaseModel):
    prompt_tokens: _Count | None = None
    completion_tokens: _Count | None = None


class _Listed(BaseModel):
    id: str


class _List(BaseModel):
    data: list[_Listed]


class _Event(BaseModel):
    """The part of an event that is read; servers add fields of their own."""

    model: str | None = None
    choices: list[_Choice] | None = None
    usage: _Usage | None = None


def request_body(model: str, messages: Sequence[Message], sampling: Sampling, seed: int) -> dict[str, object]:
    """The JSON of a request. Filters that OpenAI's form does not know are asked for only where they are switched on."""
    body: dict[str, object] = {
        "model": model,
        "messages": [{"role": message.role, "content": message.text} for message in messages],
        "stream": True,
        "stream_options": {"include_usage": True},
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "max_tokens": sampling.max_tokens,
        "seed": seed,
    }
    if sampling.stop:
        body["stop"] = list(sampling.stop)
    if sampling.top_k:
        body["top_k"] = sampling.top_k
    if sampling.repeat_penalty != 1:  # vLLM and llama.cpp each have a name for it
        body["repetition_penalty"] = body["repeat_penalty"] = sampling.repeat_penalty
    if sampling.schema:
        schema = {"name": "verdict", "strict": True, "schema": json.loads(sampling.schema)}
        body["response_format"] = {"type": "json_schema", "json_schema": schema}
    return body


def without(body: Mapping[str, object], fields: Collection[str]) -> dict[str, object]:
    """The same request without these fields; `max_tokens` goes on under OpenAI's newer name for it."""
    kept = {name: value for name, value in body.items() if name not in fields}
    return kept | ({"max_completion_tokens": body["max_tokens"]} if "max_tokens" in fields else {})


def refused_fields(complaint: str) -> set[str]:
    """The fields a server's complaint names and that the same answer can be had without; see `without`."""
    fields = {field for field, names in _SPARE.items() if re.search(names, complaint, re.I)}
    return fields | ({"max_tokens"} if "max_completion_tokens" in complaint else set())


def refused_question(complaint: object, status: int | None) -> Question | None:
    """What about the question this complaint is of; None: nothing. `status` None: it came in place of an event."""
    words = str(complaint)[:_MOST_READ]
    for question, statuses, signs in _REFUSALS:
        if (status is None or status in statuses) and any(re.search(sign, words, re.I) for sign in signs):
            return question
    return "length" if status == 413 else None  # the status says it already, whatever the words


def listed_models(answer: object) -> list[str]:
    """The names in a server's list of models. Raises `Unusable` for anything else."""
    try:
        return [one.id for one in _List.model_validate(answer).data]
    except ValidationError:
        raise Unusable("what it answers is no list of models; does the address end in /v1?") from None


def same_model(one: str, other: str) -> bool:
    """Whether two names can mean one model: alike but for case, folders in front, and a version that one leaves out."""
    (name, version), (other_name, other_version) = _parts(one), _parts(other)
    short, long = sorted((name, other_name), key=len)
    early, late = sorted((version, other_version), key=len)
    return f"/{long}".endswith(f"/{short}") and late.startswith(early)


def _parts(name: str) -> tuple[str, str]:
    found = _NAME.fullmatch(name.casefold().strip("/"))
    if found is None:
        return name, ""
    version = found["version"] or ""
    return found["name"], "" if version in ("latest", "main") else version


class Completion:
    """One answer as its events arrive, whatever they hold."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.pieces = 0
        self._names = {endpoint.model, endpoint.reported or endpoint.model}
        self._reason = ""
        self._thinking = False
        self._usage = _Usage()

    @property
    def finished(self) -> bool:
        """Whether the server has said why the answer ends; what follows is how many tokens it took."""
        return bool(self._reason)

    def take(self, event: object) -> str:
        """The text that this event adds, reasoning inside `<think>` as local models have it.

        Raises `Unusable` for anything else than an event of a chat completion, and for one of another model.
        """
        try:
            said = _Event.model_validate(event)
        except ValidationError as error:
            first = error.errors(include_input=False, include_url=False)[0]
            place = ".".join(str(part) for part in first["loc"]) or "all of it"
            raise Unusable(f"it sent an event that is none of a chat completion ({place}: {first['msg']})") from None
        self._check_name(said.model)
        self._usage = said.usage or self._usage
        text = ""
        for choice in said.choices or ():
            if choice.index == 0:
                self._reason = choice.finish_reason or self._reason
                text += self._tagged(choice.delta or _Delta())
        self.pieces += bool(text)
        return text

    def end(self) -> Done:
        """What the answer took, once the stream is over. Raises `Unusable` where it did not come to its end."""
        match self._reason:
            case "stop" | "length" as reason:
                # Pieces are no tokens: a server may send hundreds in one.
                return Done(reason, self._usage.completion_tokens, self._usage.prompt_tokens)
            case "":
                raise Unusable("the answer was cut off: the stream ended without a finish reason")
            case "content_filter" | "sensitive":  # Zhipu's name for it
                raise Unusable("the server's content filter ended the answer", question="filter")
            case "tool_calls" | "function_call":
                raise Unusable("the model asked for a tool, and an arena has none")
            case other:
                raise Unusable(f"the answer ended for the unknown reason '{other}'")

    def _tagged(self, delta: _Delta) -> str:
        text = ""
        if reasoning := delta.reasoning_content or delta.reasoning:
            text += reasoning if self._thinking else f"<think>{reasoning}"
            self._thinking = True
        if delta.content:
            text += f"</think>{delta.content}" if self._thinking else delta.content
            self._thinking = False
        return text

    def _check_name(self, name: str | None) -> None:
        if name and not any(same_model(name, ours) for ours in self._names):
            expected = " or ".join(f"'{ours}'" for ours in sorted(self._names))
            raise Unusable(f"the model '{name}' answered where {expected} was asked (reported = \"…\" allows a name)")
        if name:
            self._names.add(name)  # from now on the comparison is one of equals
