"""A chat completion in OpenAI's form: what is asked, and what the events of its stream say. Sends nothing itself."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping, Sequence
from typing import Annotated

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


class Unusable(Exception):
    """What the server did is no answer; the message says why, for the log.

    `again`: seconds after which to ask again may help; None where it won't. `busy`: too much was asked of it.
    """

    def __init__(self, message: str, again: float | None = None, *, busy: bool = False) -> None:
        super().__init__(message)
        self.again = again
        self.busy = busy


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
            case "content_filter":
                raise Unusable("the server's content filter ended the answer")
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
