"""One HTTP request for each attempt, as cursor-agents made them: method, headers, JSON body, success by status."""

import codecs
import json
import re
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from datetime import UTC, datetime, timedelta
from email.message import Message
from http import HTTPStatus
from typing import Any, Final, Protocol

from accounts import secret_values
from personalq.lib import http, strict_json
from personalq.lib.errors import MalformedBody
from personalq.lib.redaction import redact
from tasks.runners.base import CheckRequest, Outcome, Piece, Request, RunFailed
from tasks.runners.web import templates
from tasks.runners.web.config import has_body, method_of
from tasks.runners.web.failures import failure_of, refusals_as_failures
from tasks.runners.web.prompts import whole_prompt

LARGEST_ANSWER_BYTES: Final = 16 * 1024 * 1024
ERROR_BYTES: Final = 65_536
CONDITION_CHARACTERS: Final = 200
DETAIL_LENGTH: Final = 100
SHORTEST_DELAY, LONGEST_DELAY = timedelta(seconds=1), timedelta(days=1)
GRACE_SECONDS: Final = 5.0
"""The attempt's own time limit ends it first, and says so in better words."""
CHECK_LIMITS: Final = http.Limits(total_seconds=10, response_bytes=LARGEST_ANSWER_BYTES)
_NOTHING_TO_SEE: Final = frozenset({HTTPStatus.METHOD_NOT_ALLOWED, HTTPStatus.NOT_IMPLEMENTED})
_WITHOUT_TEMPLATE: Final = {"prompt": "{{prompt}}", "input": "{{input}}", "task": "{{task}}"}
_TEXT: Final = re.compile(r"text/.*|application/(?:.*\+)?(?:json|xml)|application/(?:x-)?(?:ndjson|jsonlines|yaml)")
_JSON: Final = re.compile(r"application/(?:.*\+)?json")
# As Python names them. Others that it knows, such as idna or unicode_escape, are not for whole texts of strangers.
_CHARSET: Final = re.compile(
    r"utf-8|ascii|utf-16(?:-[bl]e)?|iso8859-\d+|cp\d+|koi8-[rut]|gb\w+|big5\w*|shift_jis\w*|euc_\w+"
)


class Answer(Protocol):
    """What is needed of an answer whose body is still to come."""

    @property
    def status_code(self) -> int: ...

    @property
    def headers(self) -> Mapping[str, str]: ...

    def aiter_bytes(self) -> AsyncIterator[bytes]: ...


async def run(request: Request) -> AsyncGenerator[Piece, None]:
    """Make the request and yield the text of its answer as it comes. Raises RunFailed."""
    limits = http.Limits(
        read_seconds=request.timeout_seconds + GRACE_SECONDS,
        total_seconds=request.timeout_seconds + GRACE_SECONDS,
        response_bytes=LARGEST_ANSWER_BYTES,
    )
    config, content = request.config, _content(request)
    headers = _headers(config, request.secret, has_content=content is not None)
    headers["idempotency-key"] = f"{request.task}-{request.attempt}"
    with refusals_as_failures():
        async with (
            http.client(limits=limits) as client,
            client.stream(method_of(config), config["target_url"], headers=headers, content=content) as answer,
        ):
            await _refuse_failure(answer, config)
            async for piece in _text(answer, request.output_limit_bytes):
                yield piece
    yield Outcome(facts={"status": answer.status_code})


async def check(request: CheckRequest) -> str:
    """Reach the address without sending a prompt. Raises RunFailed."""
    headers = _headers(request.config, request.secret, has_content=False)
    method = "HEAD" if method_of(request.config) == "GET" else "OPTIONS"
    with refusals_as_failures():
        answer = await http.fetch(method, request.config["target_url"], headers=headers, limits=CHECK_LIMITS)
        if method == "HEAD" and answer.status in _NOTHING_TO_SEE:
            method = "GET"
            answer = await http.fetch(method, request.config["target_url"], headers=headers, limits=CHECK_LIMITS)
    if method == "OPTIONS" and answer.status < HTTPStatus.INTERNAL_SERVER_ERROR:
        if answer.status == HTTPStatus.UNAUTHORIZED:
            raise failure_of(answer.status, answer.headers)
        return f"The address was asked for its options and answered with status {answer.status}. No prompt was sent."
    if not _is_success(answer.status, request.config):
        raise failure_of(answer.status, answer.headers)
    return f"The address answered {method} with status {answer.status}. No prompt was sent."


def _content(request: Request) -> bytes | None:
    if not has_body(request.config):
        return None
    prompt = whole_prompt(request)
    values = {"prompt": prompt, "input": request.input, "task": str(request.task), "attempt": request.attempt}
    template = request.config.get("body")
    if template is None:
        template = _WITHOUT_TEMPLATE
    return json.dumps(templates.fill(template, values), ensure_ascii=False).encode()


def _headers(config: Mapping[str, Any], secret: str | None, *, has_content: bool) -> dict[str, str]:
    """In small letters, so that each is there once: ours, those of the agent, those of its credential."""
    ours = {"accept": "application/json, text/*;q=0.9, */*;q=0.1"}
    if has_content:
        ours["content-type"] = "application/json"
    given = {**config.get("headers", {}), **({} if secret is None else _secret_headers(secret))}
    return ours | {name.lower(): value for name, value in given.items()}


def _secret_headers(secret: str) -> Mapping[str, str]:
    try:
        return secret_values.headers_in(secret)
    except ValueError:
        raise RunFailed("credential_unreadable", "the credential holds no headers") from None


def _is_success(status: int, config: Mapping[str, Any]) -> bool:
    wanted = config.get("success_statuses")
    return status in wanted if wanted else HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES


async def _refuse_failure(answer: Answer, config: Mapping[str, Any]) -> None:
    if _is_success(answer.status_code, config):
        return
    beginning = b""
    async for piece in answer.aiter_bytes():
        beginning += piece
        if len(beginning) > ERROR_BYTES:
            break
    is_cut = len(beginning) > ERROR_BYTES
    raise failure_of(answer.status_code, _small(answer.headers), beginning[:ERROR_BYTES], is_cut=is_cut)


async def _text(answer: Answer, limit_bytes: int) -> AsyncIterator[str]:
    """The text in pieces; raises RunFailed when it is none, too long, or a wish to be asked again later."""
    content_type, charset = _form(_small(answer.headers).get("content-type", ""))
    if content_type and not _TEXT.fullmatch(content_type):
        raise RunFailed("bad_answer", f"the answer is {content_type[:DETAIL_LENGTH]}, which is no text")
    decoder = codecs.getincrementaldecoder(charset)("replace")
    pieces = _within(answer.aiter_bytes(), limit_bytes)
    if _JSON.fullmatch(content_type):
        whole = b"".join([piece async for piece in pieces])
        _refuse_later(whole)
        yield decoder.decode(whole, final=True)
        return
    async for piece in pieces:
        if text := decoder.decode(piece):
            yield text
    if rest := decoder.decode(b"", final=True):
        yield rest


async def _within(pieces: AsyncIterator[bytes], limit_bytes: int) -> AsyncIterator[bytes]:
    """The same pieces; one more than allowed is the last: whoever keeps the output cuts it and says so."""
    async for piece in pieces:
        yield piece[: limit_bytes + 1]
        limit_bytes -= len(piece)
        if limit_bytes < 0:
            return


def _form(content_type: str) -> tuple[str, str]:
    """Media type and charset of a Content-Type; raises RunFailed `bad_answer` for a charset that we do not read."""
    header = Message()
    header["content-type"] = content_type
    named = header.get_content_charset("utf-8")
    try:
        charset = codecs.lookup(named).name
    except (LookupError, ValueError):
        charset = ""
    if not _CHARSET.fullmatch(charset):
        raise RunFailed("bad_answer", "the charset of the answer is not known")
    return (header.get_content_type() if content_type else ""), charset


def _refuse_later(body: bytes) -> None:
    """cursor-agents' answer `{"requeue": true, "delay": milliseconds, "condition": why}`."""
    if b'"requeue"' not in body:
        return
    try:
        said = strict_json.parse(body)
    except MalformedBody:
        return
    if isinstance(said, dict) and said.get("requeue") is True:
        condition = redact(str(said.get("condition", "")))[:CONDITION_CHARACTERS]
        raise RunFailed("target_try_later", condition, retry_at=_after(said.get("delay")))


def _after(delay: object) -> datetime | None:
    if type(delay) not in {int, float}:
        return None
    longest = LONGEST_DELAY.total_seconds() * 1000
    milliseconds = min(float(delay), longest)  # type: ignore[arg-type]
    return datetime.now(UTC) + max(timedelta(milliseconds=milliseconds), SHORTEST_DELAY)


def _small(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}
