"""How an endpoint is spoken to: the `openai` library, and what may go wrong with it as one kind of exception.

The library takes a second to import; so this module is imported when something is asked.
"""

from __future__ import annotations

import logging
import re
import ssl
import time
from collections.abc import AsyncGenerator, AsyncIterator
from email.utils import parsedate_to_datetime

import httpx2
from openai import (
    APIConnectionError,
    APIError,
    APIStatusError,
    APITimeoutError,
    AsyncOpenAI,
    AsyncStream,
    DefaultAsyncHttpxClient,
)

from models.completion import Unusable, listed_models, refused_fields, refused_question, without
from models.spec import Endpoint

# What a request needs. The library adds what it finds in OPENAI_* variables, whosever server it speaks to.
HEADERS = frozenset({"host", "accept", "connection", "content-type", "content-length", "user-agent"})
MOST_BYTES = 64 << 20  # of one response; 32,768 tokens, each an event with its name and number, take a third
BUSY = (408, 409, 429)
UNLISTED = (404, 405, 501)  # some servers have no list of models
SAMPLERS = ("top_k", "repetition_penalty", "repeat_penalty")
QUESTIONS = {"length": "the prompt is too long for it", "filter": "its content filter refuses the question"}


def _discreet(record: logging.LogRecord) -> bool:
    """Whether a line of the transport's log can't hold what a server sent: its headers may repeat our key."""
    return not record.getMessage().startswith(("receive_response", "HTTP Request"))


for _name in ("httpx2", "httpcore2.http11", "httpcore2.http2"):
    logging.getLogger(_name).addFilter(_discreet)


def read_certificates() -> ssl.SSLContext:
    """The authorities this machine trusts; takes 80 ms. Raises `Unusable`."""
    try:
        return httpx2.create_ssl_context()
    except OSError as error:
        raise Unusable(f"the certificates can't be read; check SSL_CERT_FILE ({error})") from None


class Server:
    """An endpoint for the time of one call; to be closed in the event loop that used it.

    One for each call: connections that were kept would belong to a loop and would have to be closed in it. Making
    one takes 0.4 ms, and its new connection less than a first token. All its waiting is for its caller to limit,
    but for that for a connection (`seconds`). The set `refused` is what the server was found to refuse; it grows.
    """

    def __init__(
        self, endpoint: Endpoint, key: str, certificates: ssl.SSLContext, seconds: float, refused: set[str]
    ) -> None:
        self._endpoint = endpoint
        self._key = key
        self._refused = refused
        http = DefaultAsyncHttpxClient(
            verify=certificates,
            timeout=httpx2.Timeout(None, connect=seconds),
            limits=httpx2.Limits(max_keepalive_connections=0),
            follow_redirects=False,  # the key is for this address alone
            event_hooks={"request": [self._dress], "response": [_bound]},
        )
        try:
            self._client = AsyncOpenAI(base_url=endpoint.url, api_key="set in _dress", http_client=http, max_retries=0)
        except httpx2.InvalidURL as error:
            raise Unusable(f"that is no address; correct url in the catalogue ({error})") from None

    async def aclose(self) -> None:
        await self._client.close()

    async def models(self) -> list[str] | None:
        """The names of what it serves; None where it has no such list. Raises `Unusable`."""
        try:
            return listed_models(await self._client.get("/models", cast_to=object))
        except APIStatusError as error:
            if error.status_code in UNLISTED:
                return None
            raise self._unusable(error) from None
        except (APIError, ValueError, RecursionError) as error:
            raise self._unusable(error) from None

    async def events(self, body: dict[str, object]) -> AsyncGenerator[object, None]:
        """Ask for a chat completion and yield the JSON of its events, whatever it is. Raises `Unusable`."""
        try:
            async with await self._open(body) as stream:
                empty = True
                async for event in stream:
                    empty = False
                    yield event
        except (APIError, ValueError, RecursionError) as error:
            raise self._unusable(error) from None
        if empty:
            kind = stream.response.headers.get("content-type", "of no type")
            raise Unusable(f"it answered without a single event; does the address end in /v1? ({kind})")

    async def _open(self, body: dict[str, object]) -> AsyncStream[object]:
        """Send the request; again without what the server refuses, where the answer is the same without it."""
        refused = set(self._refused)
        while True:
            asked = without(body, refused)
            try:
                stream = await self._client.post(
                    "/chat/completions", cast_to=object, body=asked, stream=True, stream_cls=AsyncStream[object]
                )
            except APIStatusError as error:
                new = refused_fields(str(error.body)) - refused if error.status_code in (400, 422) else set()
                if not new:
                    raise
                refused |= new
            else:
                self._refused |= refused
                return stream

    async def _dress(self, request: httpx2.Request) -> None:
        for name in set(request.headers) - HEADERS:
            del request.headers[name]
        request.headers["accept-encoding"] = "identity"
        if self._key:
            request.headers["authorization"] = f"Bearer {self._key}"

    def _unusable(self, error: Exception) -> Unusable:
        """What is wrong, the remedy, and at last what the server says, which may hold anything, the key too."""
        match error:
            case APIStatusError():
                return self._refusal(error)
            case APIConnectionError(__cause__=Unusable() as ours):  # from `_bound`, wrapped by the library
                return ours
            case APITimeoutError():
                return Unusable("no connection came about in time; is it running at this address?", 0)
            case APIConnectionError():
                return Unusable(f"the connection failed; is it running at this address? ({error.__cause__})", 0)
            case APIError():  # in place of an event
                question = refused_question(error.body, None)
                said = QUESTIONS[question] if question else "it failed in the middle of the answer"
                return Unusable(f"{said}: {_remark(error)}", question=question)
        return Unusable("what it sent is not JSON")

    def _refusal(self, error: APIStatusError) -> Unusable:
        status, remark = error.status_code, _remark(error)
        if error.code == "insufficient_quota":  # OpenAI says it with a 429, but no waiting helps
            return Unusable(f"its account has no credit left ({status}); add some there: {remark}")
        if question := refused_question(error.body, status):
            return Unusable(f"{QUESTIONS[question]}; it answered {status}: {remark}", question=question)
        if status in BUSY or status >= 500:
            again = _seconds(error.response.headers.get("retry-after", ""))
            named = f", try again in {again:.0f} s" if again else ""
            return Unusable(f"it answered {status}{named}: {remark}", again, busy=status == 429 or again > 0)
        match status:
            case 401 | 403:
                name = self._endpoint.key
                remedy = f"check the variable {name}" if name else 'name the variable that holds one: key = "…"'
                return Unusable(f"it refuses the key ({status}); {remedy}: {remark}")
            case 400 | 422 if any(name in remark for name in SAMPLERS):
                remedy = "set top_k = 0 and repeat_penalty = 1 for this entry"
                return Unusable(f"it has no such filter ({status}); {remedy}: {remark}")
            case 404:
                return Unusable(f"it knows no such address or model ({status}); does the address end in /v1? {remark}")
            case _ if 300 <= status < 400:
                there = error.response.headers.get("location", "nowhere")
                return Unusable(f"it redirects ({status}), and the key is for this address alone; set url to {there}")
        return Unusable(f"it answered {status}: {remark}")


def _remark(error: APIError) -> str:
    said = error.body
    if isinstance(said, dict):
        said = said.get("message") or said.get("detail") or said
    return " ".join(str(said or error.message).split())


def _seconds(retry_after: str) -> float:
    """The header's seconds or HTTP date as seconds from now; 0 where it is neither."""
    if re.fullmatch(r"\d+(\.\d+)?", retry_after, re.ASCII):
        return float(retry_after)
    try:
        return max(0.0, parsedate_to_datetime(retry_after).timestamp() - time.time())
    except (TypeError, ValueError, OverflowError):
        return 0.0


async def _bound(response: httpx2.Response) -> None:
    # A few compressed bytes may stand for gigabytes. Which form it is stays unsaid: the library would log it.
    encodings = response.headers.get("content-encoding", "").lower().split(",")
    if {encoding.strip() for encoding in encodings} - {"", "identity"}:
        raise Unusable("it compresses what it sends, unasked; switch that off there, or in the proxy in front of it")
    if isinstance(response.stream, httpx2.AsyncByteStream):
        response.stream = _Bounded(response.stream)


class _Bounded(httpx2.AsyncByteStream):
    """A response that ends somewhere: a line without an end would be kept whole in our memory."""

    def __init__(self, stream: httpx2.AsyncByteStream) -> None:
        self._stream = stream

    async def __aiter__(self) -> AsyncIterator[bytes]:
        left = MOST_BYTES
        async for part in self._stream:
            left -= len(part)
            if left < 0:
                raise Unusable(f"it sent more than {MOST_BYTES >> 20} MiB for one answer")
            yield part

    async def aclose(self) -> None:
        await self._stream.aclose()
