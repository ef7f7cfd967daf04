#!/usr/bin/env python3
"""personalq-cli: Personal-Q from a shell, in one file that needs nothing but Python 3.8 or newer.

Address     --url or PERSONALQ_URL, such as https://queue.example.org
Token       PERSONALQ_TOKEN, or a file that only you can read: PERSONALQ_TOKEN_FILE, else ~/.config/personalq/token
Output      JSON on standard output; errors as one line of JSON on standard error: error, code, status
Exit codes  0 done   1 refused or failed   2 wrong usage   3 nothing waits, or time is up
            4 the watched task failed   5 it was cancelled   130 interrupted

The token is sent over https only (to this machine itself also over http) and never along a redirect. Proxies of the
environment are not used. An own certificate authority is named by SSL_CERT_FILE. docs/cli.md explains each verb.
"""

from __future__ import annotations

import argparse
import http.client
import ipaddress
import json
import os
import shlex
import socket
import ssl
import stat
import sys
import time
import uuid
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, Mapping, Sequence
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

VERSION = "0.1.0"
TIMEOUT_SECONDS = 30.0
# A longer Retry-After is for the caller to decide about.
LONGEST_PAUSE_SECONDS = 30.0
ATTEMPTS = 4
# Nearly two minutes: whoever watches a task outlives a restart of the server.
PATIENT_ATTEMPTS = 30
LONGEST_USUAL_PAUSE_SECONDS = 4.0
POLL_SECONDS = 1.0
# An answer holds at most an agent's output, which may be 10 MiB and longer when escaped.
ANSWER_BYTES = 64 * 1024 * 1024
# A prompt may have 200,000 characters, other texts more; the server has the last word.
TEXT_BYTES = 12 * 1024 * 1024
TOKEN_BYTES = 4096
REDIRECTS = range(300, 400)
# What reading an answer meets whose members are missing or of other types than ours.
MALFORMED = (AttributeError, KeyError, TypeError, ValueError)
# What proxies say, and our server, while what is behind them is not there.
AWAY = {HTTPStatus.BAD_GATEWAY, HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.GATEWAY_TIMEOUT}

DONE, FAILED, NOTHING_YET, TASK_FAILED, TASK_CANCELLED, INTERRUPTED = 0, 1, 3, 4, 5, 130
ARCHIVED = "archived"
# By what a task's status is, and what its last event of these was when it has been archived since.
ENDINGS = {"complete": "task_completed", "failed": "task_failed", "cancelled": "task_cancelled", "archived": ARCHIVED}
ENDED_BY = {"task_completed": DONE, "task_failed": TASK_FAILED, "task_cancelled": TASK_CANCELLED}

Json = Dict[str, Any]


class CliError(Exception):
    """Why a call ends without success: a sentence that says what to do, and a code for programs."""

    def __init__(self, code: str, message: str, **more: Any) -> None:
        super().__init__(message)
        self.code = code
        self.report: Json = {"error": message, **more, "code": code}


class Unreachable(CliError):
    """No connection came about, so nothing was sent."""


class AnswerLost(CliError):
    """The request was sent, and what became of it is not known."""


# --- Where to, and as whom ---------------------------------------------------------------------------------


def find_address(options: argparse.Namespace, environment: Mapping[str, str]) -> str:
    """The base of the address, without a slash at its end; older verbs have their own below it."""
    own = options.url or environment.get("PERSONALQ_URL", "")
    older = environment.get("CURSOR_AGENTS_URL", "") if options.is_older else ""
    if own:
        return own.rstrip("/") + ("/cursor-agents" if options.is_older else "/api/v1")
    if older:
        return older.rstrip("/")
    raise CliError("no_address", "Set PERSONALQ_URL to the address of Personal-Q, such as https://queue.example.org.")


def find_token(environment: Mapping[str, str]) -> str:
    """The token; raises CliError when there is none or when others could read its file."""
    token = environment.get("PERSONALQ_TOKEN", "").strip()
    if not token:
        named = environment.get("PERSONALQ_TOKEN_FILE", "")
        token = read_token_file(Path(named) if named else Path.home() / ".config" / "personalq" / "token")
    if not (token.isascii() and token.isprintable() and " " not in token):
        raise CliError("bad_token", "The token holds characters that no token has. Copy it once more.")
    return token


def read_token_file(path: Path) -> str:
    """The token in a file that belongs to the caller and that nobody else may read."""
    try:
        # Without O_NONBLOCK a pipe of this name would hold the call up for ever.
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    except FileNotFoundError:
        raise CliError("no_token", f"Set PERSONALQ_TOKEN, or write a token into {path} (mode 0600).") from None
    except OSError as error:
        raise CliError("no_token", f"{path} cannot be read: {error.strerror}.") from None
    try:
        check_token_file(path, os.fstat(descriptor))
        token = os.read(descriptor, TOKEN_BYTES + 1).strip()
    finally:
        os.close(descriptor)
    if not 0 < len(token) <= TOKEN_BYTES:
        raise CliError("no_token", f"{path} holds no token. Write one into it.")
    return token.decode("utf-8", "replace")


def check_token_file(path: Path, found: os.stat_result) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise CliError("unsafe_token_file", f"{path} is not a file.")
    if not hasattr(os, "geteuid"):
        return
    shown = shlex.quote(str(path))
    if found.st_uid != os.geteuid():
        raise CliError("unsafe_token_file", f"{path} belongs to another user. Make one of your own; chmod 600 it.")
    if found.st_mode & 0o077:
        mode = stat.S_IMODE(found.st_mode)
        raise CliError("unsafe_token_file", f"Others may use {path} (mode {mode:04o}). Run: chmod 600 {shown}")


def is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


# --- Calls -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Answer:
    """A whole answer of the server."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes

    def document(self) -> Json | None:
        """Its JSON object; None when it is something else."""
        try:
            found = json.loads(self.body)
        except (ValueError, RecursionError):
            return None
        return found if isinstance(found, dict) else None

    def pause_seconds(self) -> float | None:
        """How long to wait before the same request is worth sending again; None when it is not."""
        is_in_flight = (
            self.status == HTTPStatus.CONFLICT and (self.document() or {}).get("code") == "idempotency_key_in_flight"
        )
        text = self.headers.get("Retry-After", "")
        if not (self.status == HTTPStatus.TOO_MANY_REQUESTS or is_in_flight) or not (text.isascii() and text.isdigit()):
            return None
        return float(text[:9])


class Server:
    """Where calls go. Nothing but the request itself decides what is sent: no proxy, no cookie, no redirect."""

    def __init__(self, base: str, token: str, *, allows_http: bool = False) -> None:
        try:
            url = urlsplit(base)
            port, host = url.port, url.hostname or ""
        except ValueError:
            raise CliError("bad_address", "The address of Personal-Q is not a URL.") from None
        is_whole = url.scheme in {"http", "https"} and host and not (url.query or url.fragment or "@" in url.netloc)
        if not is_whole or not (base.isascii() and base.isprintable() and " " not in base):
            raise CliError("bad_address", "Write the address as https://host[:port][/path], without user or query.")
        if url.scheme == "http" and not (allows_http or is_loopback(host)):
            raise CliError("insecure_address", "The token is not sent over plain http. Use https, or --insecure-http.")
        self._host, self._port, self._path = host, port, url.path
        self._is_secure = url.scheme == "https"
        self._origin = f"{url.scheme}://{url.netloc}"
        self._token = token

    def call(
        self, method: str, path: str, body: Json | None = None, *, key: str = "", is_patient: bool = False
    ) -> Json | None:
        """The answer's JSON object; None for 204.

        What can be repeated without doing it twice (GET, or a request with a key) is sent again when its answer was
        lost; whatever was turned away by 429 as well. `is_patient` goes on while the server cannot be reached.
        """
        may_repeat = method == "GET" or bool(key)
        attempts = PATIENT_ATTEMPTS if is_patient else ATTEMPTS
        for attempt in range(1, attempts + 1):
            usual = min(0.5 * 2 ** (attempt - 1), LONGEST_USUAL_PAUSE_SECONDS)
            try:
                answer = self._exchange(method, path, body, key)
            except (AnswerLost, Unreachable) as error:
                is_worth_it = may_repeat if isinstance(error, AnswerLost) else is_patient
                if not is_worth_it or attempt == attempts:
                    raise
                time.sleep(usual)
                continue
            pause = usual if may_repeat and answer.status in AWAY else answer.pause_seconds()
            if pause is None or pause > LONGEST_PAUSE_SECONDS or attempt == attempts:
                break
            time.sleep(pause)
        return self._read(answer)

    def _exchange(self, method: str, path: str, body: Json | None, key: str) -> Answer:
        connection = self._connect()
        try:
            wire = connection.sock
            content = None if body is None else json.dumps(body).encode("ascii")
            connection.request(method, self._path + path, content, self._headers(key, has_body=content is not None))
            response = connection.getresponse()
            return Answer(response.status, response.headers, self._hide(receive(response, wire)))
        except (OSError, http.client.HTTPException) as error:
            raise AnswerLost("answer_lost", f"The connection to {self._origin} broke: {describe(error)}.") from None
        finally:
            connection.close()

    def _connect(self) -> http.client.HTTPConnection:
        connection: http.client.HTTPConnection
        if self._is_secure:
            context = ssl.create_default_context()
            connection = http.client.HTTPSConnection(self._host, self._port, timeout=TIMEOUT_SECONDS, context=context)
        else:
            connection = http.client.HTTPConnection(self._host, self._port, timeout=TIMEOUT_SECONDS)
        try:
            connection.connect()
        except ssl.SSLCertVerificationError as error:
            reason = f"The certificate of {self._origin} is not accepted: {error.verify_message}."
            raise CliError("tls_failed", reason) from None
        except ssl.SSLError as error:
            raise CliError("tls_failed", f"{self._origin} does not speak TLS: {error.reason}.") from None
        except (OSError, UnicodeError) as error:
            raise Unreachable("unreachable", f"{self._origin} cannot be reached: {describe(error)}.") from None
        return connection

    def _headers(self, key: str, *, has_body: bool) -> dict[str, str]:
        return {
            "Authorization": f"Bearer {self._token}",
            "Accept": "application/json",
            "User-Agent": f"personalq-cli/{VERSION}",
            "Connection": "close",
            **({"Content-Type": "application/json"} if has_body else {}),
            **({"Idempotency-Key": key} if key else {}),
        }

    def _hide(self, body: bytes) -> bytes:
        # A wrong address may be that of something that says back what it was sent.
        return body.replace(self._token.encode("ascii"), b"[the token]")

    def _read(self, answer: Answer) -> Json | None:
        if answer.status in REDIRECTS:
            raise CliError(
                "redirected",
                f"{self._origin} answers with a redirect, along which no token is sent. Set PERSONALQ_URL to the final"
                " address, or CURSOR_AGENTS_URL to that with /cursor-agents at its end.",
                status=answer.status,
            )
        if answer.status == HTTPStatus.NO_CONTENT:
            return None
        document = answer.document()
        if document is None:
            kind = answer.headers.get_content_type()
            what = (
                f"{self._origin} answers, but not as Personal-Q does ({answer.status}, {kind}). Is the address right?"
            )
            raise CliError("not_personalq", what, status=answer.status)
        if answer.status >= HTTPStatus.BAD_REQUEST:
            raise refusal_of(answer, document)
        return document


def receive(response: http.client.HTTPResponse, wire: socket.socket) -> bytes:
    """The body, whole, within the time and size of an answer; raises OSError or HTTPException when it is cut off."""
    deadline = time.monotonic() + TIMEOUT_SECONDS
    announced = response.headers.get("Content-Length", "")
    expected = int(announced) if announced.isdigit() and not response.chunked else None
    pieces, size = [], 0
    while expected is None or size < expected:
        wire.settimeout(max(0.001, deadline - time.monotonic()))
        piece = response.read1(64 * 1024)
        if not piece:
            break
        size += len(piece)
        if size > ANSWER_BYTES:
            raise CliError("answer_too_large", "The answer is longer than any of Personal-Q.")
        pieces.append(piece)
    if expected is not None and size < expected:
        raise http.client.IncompleteRead(b"", expected - size)
    return b"".join(pieces)


def refusal_of(answer: Answer, document: Json) -> CliError:
    """The server's own words about why it refused."""
    status = answer.status
    said = " ".join(str(document[name]) for name in ("title", "detail") if document.get(name))
    message = said or str(document.get("error") or f"The server answered {status}.")
    if status == HTTPStatus.UNAUTHORIZED:
        message = "The server does not accept the token. Make a new one and set PERSONALQ_TOKEN or its file."
    more = {name: document[name] for name in ("errors", "request_id") if document.get(name)}
    if answer.headers.get("Retry-After", "").isdigit():
        more["retry_after_seconds"] = int(answer.headers["Retry-After"][:9])
    return CliError(str(document.get("code") or f"http_{status}"), message, status=status, **more)


def describe(error: Exception) -> str:
    if isinstance(error, socket.timeout):
        return f"no answer within {TIMEOUT_SECONDS:g} seconds"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return type(error).__name__


# --- What is written, and what is read ---------------------------------------------------------------------


def show(document: Json | None) -> int:
    print(json.dumps(document or {}, indent=2))
    return DONE


def complain(error: CliError) -> int:
    print(json.dumps(error.report), file=sys.stderr)
    return FAILED


def text_of(argument: str) -> str:
    """The argument itself, or for `-` what comes on standard input."""
    if argument != "-":
        return argument
    read = sys.stdin.buffer.read(TEXT_BYTES + 1)
    if len(read) > TEXT_BYTES:
        raise CliError("too_long", "Standard input holds more than a task can take.")
    try:
        return read.decode("utf-8")
    except UnicodeDecodeError:
        raise CliError("not_utf8", "Standard input is not text in UTF-8.") from None


def json_of(option: str, text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise CliError("bad_json", f"Invalid JSON in {option}: {error}") from None


def segment(name: str) -> str:
    """A name as one part of a path. Proxies would take `..` for the way up."""
    if name in {"", ".", ".."}:
        raise CliError("bad_name", f'"{name}" is not a name.')
    return quote(name, safe="")


def known(**members: Any) -> Json:
    """Without the members that were not given."""
    return {name: value for name, value in members.items() if value is not None}


def seconds(text: str) -> float:
    number = float(text)
    if not 0 <= number < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds")
    return number


def task_id(text: str) -> str:
    try:
        return str(uuid.UUID(text))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not the id of a task") from None


# --- The older tools' verbs --------------------------------------------------------------------------------


def wanted_agent(options: argparse.Namespace) -> Json:
    """What the flags of create_agent say, as the older service takes it."""
    headers = json_of("--headers", options.headers) if options.headers else {}
    if not isinstance(headers, dict):
        raise CliError("bad_json", "Headers must be a JSON object")
    if not (options.one_time or options.schedule):
        raise CliError("no_schedule", "Either --one-time must be true or --schedule must be provided")
    return {
        "name": options.name,
        "targetUrl": options.target_url,
        "method": options.method,
        "headers": headers,
        "oneTime": options.one_time,
        "timeout": options.timeout,
        **({"body": json_of("--body", options.body)} if options.body else {}),
        **known(schedule=options.schedule or None, queue=options.queue or None),
    }


def create_agent(server: Server, options: argparse.Namespace) -> int:
    return show(server.call("POST", "/agents", wanted_agent(options), key=str(uuid.uuid4())))


def older_call(method: str, path: str, named: str = "") -> Callable[[Server, argparse.Namespace], int]:
    def run(server: Server, options: argparse.Namespace) -> int:
        name = f"/{segment(getattr(options, named))}" if named else ""
        return show(server.call(method, path + name))

    return run


def enable_task_operator(server: Server, options: argparse.Namespace) -> int:
    return show(server.call("POST", "/task-operator", {"queue": options.queue}))


def add_new_agent(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-n", "--name", required=True, help="its name")
    parser.add_argument("-u", "--target-url", required=True, help="where its requests go")
    parser.add_argument("-m", "--method", default="POST", choices=["GET", "POST", "PUT", "DELETE", "PATCH"])
    parser.add_argument("-H", "--headers", default="", metavar="JSON", help="headers that hold no secret")
    parser.add_argument("-b", "--body", default="", metavar="JSON", help="what to send")
    parser.add_argument("-s", "--schedule", default="", metavar="CRON", help="when: five or six fields")
    parser.add_argument("-o", "--one-time", action="store_true", help="once, now")
    parser.add_argument("-t", "--timeout", type=int, default=30000, metavar="MS", help="in milliseconds (30000)")
    parser.add_argument("-q", "--queue", default="", help="its queue (default)")


def add_agent_name(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-n", "--name", required=True, help="the agent's name")


def add_queue_name(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-q", "--queue-name", required=True, help="the queue's name")


def add_operator_queue(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-q", "--queue", default="task-operator", help="the queue to use (task-operator)")


def add_nothing(parser: argparse.ArgumentParser) -> None:
    """Most take no option."""


# --- The verbs for tasks -----------------------------------------------------------------------------------


def add(server: Server, options: argparse.Namespace) -> int:
    """Sent again with the same key after a lost answer, a task is made once."""
    key = str(uuid.uuid4()) if options.key is None else options.key
    if not (key.isascii() and key.isprintable() and " " not in key and key):
        raise CliError("bad_key", "A key is visible ASCII without spaces, such as a UUID or 2030-01-31-report.")
    body = known(
        prompt=text_of(options.prompt),
        agent=options.agent,
        queue=options.queue,
        title=options.title,
        order=options.order,
        not_before_at=options.not_before,
    )
    try:
        return show(server.call("POST", "/tasks", body, key=key))
    except AnswerLost as error:
        error.report.update(key=key, error=f"{error} Send the same with --key {key}: the task is made at most once.")
        raise


def list_tasks(server: Server, options: argparse.Namespace) -> int:
    query = known(
        status=options.status,
        agent=options.agent,
        queue=options.queue,
        search=options.search,
        page_size=options.limit,
        cursor=options.cursor,
    )
    page = server.call("GET", f"/tasks?{urlencode(query)}") or {}
    # An address would lead around --url; what --cursor takes is all that is needed of it.
    cursor = dict(parse_qsl(urlsplit(page.get("next") or "").query)).get("cursor")
    return show({"tasks": page.get("results", []), "next_cursor": cursor})


def show_task(server: Server, options: argparse.Namespace) -> int:
    return show(server.call("GET", f"/tasks/{options.task}"))


def take_next(server: Server, options: argparse.Namespace) -> int:
    """Claim a task for a worker outside; whoever has it reports with its attempt, or loses it with its lease."""
    worker = options.worker or f"personalq-cli@{socket.gethostname()}"
    body = known(worker=worker[:64], agent=options.agent, queue=options.queue, lease_seconds=options.lease_seconds)
    deadline = time.monotonic() + options.wait
    while True:
        task = server.call("POST", "/tasks/next", body)
        if task is not None:
            return show(task)
        if time.monotonic() >= deadline:
            return NOTHING_YET
        time.sleep(min(POLL_SECONDS, max(0.0, deadline - time.monotonic())))


def report(verb: str, text_name: str) -> Callable[[Server, argparse.Namespace], int]:
    """The verbs of whoever claimed the task: each names its attempt, so a late one is refused."""

    def run(server: Server, options: argparse.Namespace) -> int:
        body = known(
            attempt=options.attempt,
            lease_seconds=getattr(options, "lease_seconds", None),
            final=getattr(options, "final", False) or None,
        )
        if options.text is not None:
            body[text_name] = text_of(options.text)
        return show(server.call("POST", f"/tasks/{options.task}/{verb}", body))

    return run


def cancel(server: Server, options: argparse.Namespace) -> int:
    return show(server.call("POST", f"/tasks/{options.task}/cancel", known(reason=options.reason)))


def retry(server: Server, options: argparse.Namespace) -> int:
    return show(server.call("POST", f"/tasks/{options.task}/retry", {}))


def watch(server: Server, options: argparse.Namespace) -> int:
    """Write a task's output as it comes, until the task has ended or time is up."""
    after, ended = options.after, ""
    deadline = time.monotonic() + options.wait if options.wait is not None else None
    while True:
        # Read before the events: whatever led to an ending is among them then.
        task = server.call("GET", f"/tasks/{options.task}", is_patient=True) or {}
        for event in events_after(server, options.task, after):
            after = int(event["id"])
            ended = event["event"] if event["event"] in ENDED_BY else ended
            write_event(event, as_json=options.json)
        ending = ENDINGS.get(task.get("status", ""), "")
        if ending:
            return end_of(task, ended if ending == ARCHIVED else ending)
        if deadline is not None and time.monotonic() >= deadline:
            return NOTHING_YET
        time.sleep(POLL_SECONDS)


def events_after(server: Server, task: str, after: int) -> Iterator[Json]:
    has_more = True
    while has_more:
        page = server.call("GET", f"/tasks/{task}/events?after={after}", is_patient=True) or {}
        for event in page.get("results", []):
            after = int(event["id"])
            yield event
        has_more = bool(page.get("next"))


def end_of(task: Json, ended: str) -> int:
    code = ENDED_BY.get(ended, DONE)
    if code == TASK_FAILED:
        complain(CliError(task.get("error_code") or "task_failed", task.get("error") or "The task failed."))
    if code == TASK_CANCELLED:
        complain(CliError("cancelled", "The task was cancelled. To have it done after all, use retry."))
    return code


def write_event(event: Json, *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(event), flush=True)
    elif event["event"] == "task_output":
        write_text(str((event.get("data") or {}).get("text", "")))


def write_text(text: str) -> None:
    if sys.stdout.isatty():
        # What an agent says must not steer the terminal it is shown in.
        text = "".join(each for each in text if each in "\n\t" or each.isprintable())
    sys.stdout.buffer.write(text.encode("utf-8", "replace"))
    sys.stdout.buffer.flush()


def add_task(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("task", type=task_id, metavar="TASK", help="the task's id")


def add_claim(parser: argparse.ArgumentParser) -> None:
    add_task(parser)
    parser.add_argument("--attempt", type=int, required=True, metavar="N", help="the attempt that `next` told")


def add_new_task(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("prompt", metavar="PROMPT", help="what to do; - reads it from standard input")
    parser.add_argument("--agent", help="an agent's name or id")
    parser.add_argument("--queue", help="a queue's name or id; else the agent's")
    parser.add_argument("--title")
    parser.add_argument("--order", type=int, help="lower runs first")
    parser.add_argument("--not-before", metavar="TIME", help="such as 2030-01-01T08:00:00Z")
    parser.add_argument("--key", help="an Idempotency-Key; else a new one for each call")


def add_list(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--status", help="one or more with commas: ready,running")
    parser.add_argument("--agent")
    parser.add_argument("--queue")
    parser.add_argument("--search", help="part of the title or prompt")
    parser.add_argument("--limit", type=int, default=25, help="1 to 100 (25)")
    parser.add_argument("--cursor", help="the next_cursor of the page before")


def add_next(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--agent", help="only tasks of this one")
    parser.add_argument("--queue", help="only tasks in this one")
    parser.add_argument("--worker", help="what to be called in the task's history (this machine's name)")
    parser.add_argument("--lease-seconds", type=int, metavar="N", help="how long the claim holds without a report")
    parser.add_argument("--wait", type=seconds, default=0.0, metavar="SECONDS", help="how long to wait for one (0)")


def add_progress(parser: argparse.ArgumentParser) -> None:
    add_claim(parser)
    parser.add_argument("--text", help="output to add; - reads it from standard input")
    parser.add_argument("--lease-seconds", type=int, metavar="N", help="how long the claim holds from now on")


def add_done(parser: argparse.ArgumentParser) -> None:
    add_claim(parser)
    parser.add_argument("text", metavar="RESULT", help="the result; - reads it from standard input")


def add_fail(parser: argparse.ArgumentParser) -> None:
    add_claim(parser)
    parser.add_argument("text", metavar="REASON", help="why; - reads it from standard input")
    parser.add_argument("--final", action="store_true", help="do not try again")


def add_cancel(parser: argparse.ArgumentParser) -> None:
    add_task(parser)
    parser.add_argument("--reason")


def add_watch(parser: argparse.ArgumentParser) -> None:
    add_task(parser)
    parser.add_argument("--after", type=int, default=0, metavar="ID", help="only events after this one")
    parser.add_argument("--wait", type=seconds, metavar="SECONDS", help="give up after (never)")
    parser.add_argument("--json", action="store_true", help="each event as one line of JSON")


# --- Links with the older scripts' names -------------------------------------------------------------------


def install_links(options: argparse.Namespace) -> int:
    """Symbolic links to this file under each name that prompts may call. None is made unless all can be."""
    target, directory = Path(__file__).resolve(), Path(options.directory)
    wanted = [directory / name for verb in OLDER for name in (verb, f"{verb}.py")]
    try:
        directory.mkdir(parents=True, exist_ok=True)
        strange = [link for link in wanted if os.path.lexists(link) and link.resolve() != target]
        if strange and not options.replace:
            raise CliError("exists", f"{strange[0]} is something else. Use --replace to put the links in its place.")
        for link in wanted:
            fresh = link.with_name(f".{link.name}.{os.getpid()}")
            fresh.symlink_to(target)
            fresh.replace(link)
    except OSError as error:
        what = f"{error.filename or directory}: {error.strerror}. Name a directory that you may write to."
        raise CliError("no_links", what) from None
    return show({"links": [str(link) for link in wanted], "target": str(target)})


# --- The command line --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Verb:
    """What a verb says of itself, takes and does."""

    help: str
    add_arguments: Callable[[argparse.ArgumentParser], None]
    run: Callable[[Server, argparse.Namespace], int]


OLDER: dict[str, Verb] = {
    "create_agent": Verb("make an agent that sends HTTP requests", add_new_agent, create_agent),
    "list_agents": Verb("all agents", add_nothing, older_call("GET", "/agents")),
    "get_agent_status": Verb("one agent", add_agent_name, older_call("GET", "/agents", "name")),
    "delete_agent": Verb("delete an agent", add_agent_name, older_call("DELETE", "/agents", "name")),
    "list_queues": Verb("all queues", add_nothing, older_call("GET", "/queues")),
    "get_queue_info": Verb("one queue", add_queue_name, older_call("GET", "/queues", "queue_name")),
    "delete_queue": Verb("delete a queue", add_queue_name, older_call("DELETE", "/queues", "queue_name")),
    "enable_task_operator": Verb("switch the task operator on", add_operator_queue, enable_task_operator),
    "disable_task_operator": Verb("switch it off", add_nothing, older_call("DELETE", "/task-operator")),
    "check_task_operator_lock": Verb("is it busy?", add_nothing, older_call("GET", "/task-operator/lock")),
    "clear_task_operator_lock": Verb("free it", add_nothing, older_call("DELETE", "/task-operator/lock")),
}
TASKS: dict[str, Verb] = {
    "add": Verb("queue a task", add_new_task, add),
    "list": Verb("tasks, newest first", add_list, list_tasks),
    "show": Verb("one task in full", add_task, show_task),
    "next": Verb("claim the next task as an outside worker; exit 3 when none waits", add_next, take_next),
    "progress": Verb("keep a claimed task, and add output", add_progress, report("progress", "text")),
    "watch": Verb("follow a task to its end: exit 0 complete, 4 failed, 5 cancelled", add_watch, watch),
    "done": Verb("complete a claimed task", add_done, report("complete", "result")),
    "fail": Verb("report that a claimed task failed", add_fail, report("fail", "reason")),
    "cancel": Verb("stop a task for good", add_cancel, cancel),
    "retry": Verb("try a failed or cancelled task again", add_task, retry),
}


def parser_of_all() -> argparse.ArgumentParser:
    words = {"description": __doc__, "formatter_class": argparse.RawDescriptionHelpFormatter}
    parser = argparse.ArgumentParser(prog="personalq-cli", **words)  # type: ignore[arg-type]
    parser.add_argument("--version", action="version", version=f"personalq-cli {VERSION}")
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    for name, verb in [*TASKS.items(), *OLDER.items()]:
        add_verb(verbs.add_parser(name, help=verb.help, description=verb.help), verb, is_older=name in OLDER)
    links = verbs.add_parser("install-links", help="links with the older scripts' names")
    links.add_argument("directory", metavar="DIR")
    links.add_argument("--replace", action="store_true", help="put them in the place of what has these names")
    return parser


def add_verb(parser: argparse.ArgumentParser, verb: Verb, *, is_older: bool) -> argparse.ArgumentParser:
    verb.add_arguments(parser)
    parser.add_argument("--url", default="", help="the address of Personal-Q; else PERSONALQ_URL")
    parser.add_argument("--insecure-http", action="store_true", help="send the token over plain http all the same")
    parser.set_defaults(run=verb.run, is_older=is_older)
    return parser


def read_command_line(arguments: Sequence[str]) -> argparse.Namespace:
    """Under an older script's name it is that script."""
    name = Path(arguments[0]).name
    verb = name[:-3] if name.endswith(".py") else name
    if verb in OLDER:
        parser = argparse.ArgumentParser(prog=name, description=OLDER[verb].help)
        return add_verb(parser, OLDER[verb], is_older=True).parse_args(arguments[1:])
    return parser_of_all().parse_args(arguments[1:])


def run(options: argparse.Namespace) -> int:
    if getattr(options, "verb", "") == "install-links":
        return install_links(options)
    base = find_address(options, os.environ)
    server = Server(base, find_token(os.environ), allows_http=options.insecure_http)
    return int(options.run(server, options))


def main(arguments: Sequence[str]) -> int:
    """Returns the exit code."""
    options = read_command_line(arguments)
    try:
        return run(options)
    except CliError as error:
        return complain(error)
    except UnicodeError:
        return complain(CliError("not_utf8", "An argument is not text in UTF-8."))
    except MALFORMED:
        return complain(CliError("not_personalq", "The answer is not one of Personal-Q. Is the address right?"))
    except KeyboardInterrupt:
        complain(CliError("interrupted", "Interrupted."))
        return INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has gone; Python would complain once more when it flushes at the end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED


if __name__ == "__main__":
    sys.exit(main(sys.argv))
