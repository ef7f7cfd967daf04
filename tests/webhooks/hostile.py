"""Hostile requests: one table of mutations, applied to a good request of every door.

A room adds its doors by a module among `MODULES` with `DOORS`: name → a function that makes a `DoorUnderTest` for an
owner. Each mutation takes such a door and returns what is sent over a real socket, and the statuses that are right.
Whatever comes of it, no task and no remembered request may be written.
"""

import importlib
import importlib.util
import socket
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from accounts.models import User
from tasks.models import Task, TaskEvent
from webhooks.models import InboundRequest

MODULES: Final = (
    "tests.webhooks.doors.hostile_doors",
    "tests.webhooks.telegram.hostile_doors",
    "tests.webhooks.voice.hostile_doors",
)
SECONDS: Final = 20
NO_ANSWER: Final = 0
"""The server closed the connection without an answer, which is one to a body that does not come."""


@dataclass(frozen=True, kw_only=True)
class Sent:
    """One request. Headers are a list, because some come twice."""

    path: str
    headers: tuple[tuple[str, str], ...]
    body: bytes = b"{}"
    method: str = "POST"
    framing: str = "length"
    """`length`, `chunked`, or the lines that announce the body, as they are."""
    stops: bool = False
    """Whether the sender says that nothing more will come, which servers take for having left."""

    def without(self, name: str) -> "Sent":
        return replace(self, headers=tuple(each for each in self.headers if each[0].lower() != name.lower()))

    def with_header(self, name: str, value: str) -> "Sent":
        """The header in the place of those of the same name."""
        return self.without(name).adding(name, value)

    def adding(self, name: str, value: str) -> "Sent":
        return replace(self, headers=(*self.headers, (name, value)))

    def value(self, name: str) -> str:
        return next(value for each, value in self.headers if each.lower() == name.lower())

    def raw(self) -> bytes:
        lines = [f"{self.method} {self.path} HTTP/1.1", "Host: 127.0.0.1", "Connection: close"]
        lines += [f"{name}: {value}" for name, value in self.headers]
        if self.framing == "chunked":
            lines.append("Transfer-Encoding: chunked")
        else:
            lines.append(f"Content-Length: {len(self.body)}" if self.framing == "length" else self.framing)
        # As curl and others send what is no ASCII.
        head = ("\r\n".join(lines) + "\r\n\r\n").encode("utf-8")
        return head + (b"".join(_chunks(self.body)) if self.framing == "chunked" else self.body)


@dataclass(frozen=True, kw_only=True)
class DoorUnderTest:
    """A door, and how to make good requests for it."""

    name: str
    proof_header: str
    """The header that the proof stands in."""
    good: Callable[[], Sent]
    """A request that is let in; each call makes another one."""
    other: Callable[[], Sent]
    """A request that is let in by another door of the same kind."""
    prove: Callable[[Sent], Sent] = field(default=lambda sent: sent)
    """The request with the right proof for its body; for doors with a plain secret it is the request itself."""
    shifted: Callable[[float], Sent] | None = None
    """A rightly signed request of so many seconds ago; None for doors that know no time."""
    oldest_seconds: float = 300
    id_header: str = ""
    """The header with the id that nobody has signed, or that is part of what was signed."""
    limit_bytes: int = 1024 * 1024
    mends_text: bool = False
    """Whether characters that cannot be stored are replaced instead of refused."""
    has_address_of_its_own: bool = True
    counts_once: bool = True
    """Whether a repeated request is answered 200 and does nothing."""
    malformed: Mapping[str, bytes] = field(default_factory=dict)
    """Bodies that this door alone refuses with 400, by what is wrong with them."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What came of one hostile request."""

    door: str
    mutation: str
    status: int
    expected: frozenset[int]
    tasks: int
    requests: int
    events: int

    @property
    def is_right(self) -> bool:
        return self.status in self.expected and not (self.tasks or self.requests or self.events)

    @property
    def line(self) -> str:
        status = self.status or "closed"
        return f"| {self.door} | {self.mutation} | {status} | {self.tasks} | {self.requests} |"


Mutation = Callable[[DoorUnderTest], Sent | None]
REFUSED: Final = frozenset({401})
MALFORMED: Final = frozenset({400})
NO_PLACE: Final = frozenset({404})
TOO_LARGE: Final = frozenset({413, NO_ANSWER})
NOT_JSON: Final = frozenset({415})


def _proof(change: Callable[[str], str]) -> Mutation:
    def mutate(door: DoorUnderTest) -> Sent:
        sent = door.good()
        return sent.with_header(door.proof_header, change(sent.value(door.proof_header)))

    return mutate


def _body(change: Callable[[bytes], bytes], *, unless_mended: bool = False) -> Mutation:
    def mutate(door: DoorUnderTest) -> Sent | None:
        if unless_mended and door.mends_text:
            return None
        sent = door.good()
        return door.prove(replace(sent, body=change(sent.body)))

    return mutate


def _headers(change: Callable[[DoorUnderTest, Sent], Sent]) -> Mutation:
    return lambda door: change(door, door.good())


def _path(change: Callable[[str], str]) -> Mutation:
    return _headers(lambda _door, sent: replace(sent, path=change(sent.path)))


def _shifted(direction: int) -> Mutation:
    def mutate(door: DoorUnderTest) -> Sent | None:
        # Half a minute beyond, so that a slow machine cannot make it good.
        return None if door.shifted is None else door.shifted(direction * (door.oldest_seconds + 30))

    return mutate


def _of_other_door(door: DoorUnderTest) -> Sent:
    other = door.other()
    if not door.has_address_of_its_own:
        return door.good().with_header(door.proof_header, other.value(door.proof_header)[::-1])
    return replace(other, path=door.good().path)


def _of_nobodys_door(door: DoorUnderTest) -> Sent | None:
    sent = door.good()
    return replace(sent, path=_with_other_uuid(sent.path)) if door.has_address_of_its_own else None


def _with_other_uuid(path: str) -> str:
    parts = path.split("/")
    place = next(number for number, part in enumerate(parts) if part.count("-") == 4)
    return "/".join([*parts[:place], "00000000-0000-4000-8000-000000000000", *parts[place + 1 :]])


def _twin_instead(door: DoorUnderTest) -> Sent | None:
    if "-" not in door.proof_header:
        return None
    sent = door.good()
    return sent.without(door.proof_header).adding(_twin(door.proof_header), sent.value(door.proof_header))


def _first_member(body: bytes, member: bytes) -> bytes:
    """The object with one more member at its beginning."""
    return b"{" + member + b"," + body[1:] if body.strip() != b"{}" else b"{" + member + b"}"


def _wrong(proof: str) -> str:
    return proof[:-1] + ("0" if proof[-1] != "0" else "1")


def _twin(name: str) -> str:
    return name.replace("-", "_")


DEEP: Final = 100_000
MUTATIONS: Final[Mapping[str, tuple[Mutation, frozenset[int]]]] = {
    "no proof": (_headers(lambda door, sent: sent.without(door.proof_header)), REFUSED),
    "empty proof": (_proof(lambda _: ""), REFUSED),
    "blank proof": (_proof(lambda _: "   "), REFUSED),
    "the word None": (_proof(lambda _: "None"), REFUSED),
    "the word null": (_proof(lambda _: "null"), REFUSED),
    "wrong by one character": (_proof(_wrong), REFUSED),
    "without its last character": (_proof(lambda proof: proof[:-1]), REFUSED),
    "with one character more": (_proof(lambda proof: f"{proof}0"), REFUSED),
    "non-ASCII proof": (_proof(lambda proof: f"é{proof[1:]}"), REFUSED),
    "proof of 2,000 characters": (_proof(lambda _: "x" * 2_000), REFUSED),
    "proof of another door": (_of_other_door, REFUSED),
    "proof sent twice": (
        _headers(lambda door, sent: sent.adding(door.proof_header, sent.value(door.proof_header))),
        REFUSED,
    ),
    "right proof, then a wrong one": (_headers(lambda door, sent: sent.adding(door.proof_header, "wrong")), REFUSED),
    "wrong proof, then the right one": (
        _headers(
            lambda door, sent: sent.with_header(door.proof_header, "wrong").adding(
                door.proof_header, sent.value(door.proof_header)
            )
        ),
        REFUSED,
    ),
    "underscore twin instead": (_twin_instead, REFUSED),
    "underscore twin beside": (_headers(lambda door, sent: sent.adding(_twin(door.proof_header), "wrong")), REFUSED),
    "address of nobody's door": (_of_nobodys_door, REFUSED),
    "secret in a query": (_path(lambda path: f"{path}?secret=abc"), MALFORMED | REFUSED),
    "empty query value": (_path(lambda path: f"{path}?a="), MALFORMED | REFUSED),
    "older than it may be": (_shifted(-1), REFUSED),
    "from the future": (_shifted(1), REFUSED),
    "GET": (_headers(lambda _, sent: replace(sent, method="GET", body=b"")), frozenset({405})),
    "PUT": (_headers(lambda _, sent: replace(sent, method="PUT")), frozenset({405})),
    "GET that says it is a POST": (
        _headers(lambda _, sent: replace(sent, method="GET", body=b"").adding("X-HTTP-Method-Override", "POST")),
        frozenset({405}),
    ),
    "text/plain": (_headers(lambda _, sent: sent.with_header("Content-Type", "text/plain")), NOT_JSON),
    "a form": (
        _headers(lambda _, sent: sent.with_header("Content-Type", "application/x-www-form-urlencoded")),
        NOT_JSON,
    ),
    "no type": (_headers(lambda _, sent: sent.without("Content-Type")), NOT_JSON),
    "UTF-16": (
        _headers(lambda _, sent: sent.with_header("Content-Type", "application/json; charset=utf-16")),
        NOT_JSON,
    ),
    "two types": (_headers(lambda _, sent: sent.adding("Content-Type", "text/plain")), NOT_JSON | MALFORMED),
    "length too short": (
        _headers(lambda _, sent: replace(sent, framing=f"Content-Length: {len(sent.body) - 1}")),
        MALFORMED | REFUSED,
    ),
    "length too long": (
        _headers(lambda _, sent: replace(sent, framing=f"Content-Length: {len(sent.body) + 5}", stops=True)),
        MALFORMED | frozenset({NO_ANSWER}),
    ),
    "two lengths": (
        _headers(lambda _, sent: replace(sent, framing=f"Content-Length: {len(sent.body)}\r\nContent-Length: 2")),
        MALFORMED,
    ),
    "length and chunks": (
        _headers(
            lambda _, sent: replace(
                sent, framing=f"Content-Length: {len(sent.body)}\r\nTransfer-Encoding: chunked", body=b"0\r\n\r\n"
            )
        ),
        MALFORMED,
    ),
    "negative length": (_headers(lambda _, sent: replace(sent, framing="Content-Length: -1")), MALFORMED),
    "chunked, wrong proof": (lambda door: replace(_proof(_wrong)(door) or door.good(), framing="chunked"), REFUSED),
    "chunked, beyond the limit": (
        lambda door: replace(door.good(), framing="chunked", body=b" " * (door.limit_bytes + 1)),
        TOO_LARGE,
    ),
    "one byte beyond the limit": (
        lambda door: door.prove(replace(door.good(), body=b" " * (door.limit_bytes + 1))),
        TOO_LARGE,
    ),
    "20 MB": (_headers(lambda _, sent: replace(sent, body=b"x" * 20_000_000)), TOO_LARGE),
    "20 MB that are only announced": (
        _headers(lambda _, sent: replace(sent, framing="Content-Length: 20000000")),
        TOO_LARGE,
    ),
    "100,000 levels": (_body(lambda _: b'{"a":' * DEEP + b"1" + b"}" * DEEP), MALFORMED | TOO_LARGE),
    "100,000 open brackets": (_body(lambda _: b"[" * 60_000), MALFORMED | TOO_LARGE),
    "NUL as an escape": (_body(lambda body: _first_member(body, rb'"x":"\u0000"'), unless_mended=True), MALFORMED),
    "NUL byte": (_body(lambda body: _first_member(body, b'"x":"\x00"')), MALFORMED),
    "half a surrogate pair": (_body(lambda body: _first_member(body, rb'"x":"\ud800"'), unless_mended=True), MALFORMED),
    "NaN": (_body(lambda body: _first_member(body, b'"x":NaN')), MALFORMED),
    "Infinity": (_body(lambda body: _first_member(body, b'"x":1e400')), MALFORMED),
    "5,000 digits": (_body(lambda body: _first_member(body, b'"x":' + b"9" * 5_000)), MALFORMED),
    "the same key twice": (_body(lambda body: _first_member(body, b'"x":1,"x":2')), MALFORMED),
    "an array": (_body(lambda body: b"[" + body + b"]"), MALFORMED),
    "a string": (_body(lambda _: b'"x"'), MALFORMED),
    "null": (_body(lambda _: b"null"), MALFORMED),
    "empty body": (_body(lambda _: b""), MALFORMED),
    "no JSON": (_body(lambda _: b"a=b"), MALFORMED),
    "bytes that are no UTF-8": (_body(lambda body: _first_member(body, b'"x":"\xff"')), MALFORMED),
    "byte order mark": (_body(lambda body: b"\xef\xbb\xbf" + body), MALFORMED),
    "slash at the end": (_path(lambda path: f"{path}/"), NO_PLACE),
    "two slashes": (_path(lambda path: f"/{path}"), NO_PLACE),
    "dot segment": (_path(lambda path: path.replace("/", "/./", 1)), NO_PLACE),
    "encoded slash": (_path(lambda path: f"{path}%2f"), NO_PLACE),
    "matrix parameter": (_path(lambda path: f"{path};a=b"), NO_PLACE),
    "capitals": (_path(lambda path: path.upper()), NO_PLACE),
}


def doors_under_test() -> Iterator[tuple[str, Callable[[User], DoorUnderTest]]]:
    """All doors that a room has added."""
    for name in MODULES:
        if importlib.util.find_spec(name.rpartition(".")[0]) and importlib.util.find_spec(name):
            yield from importlib.import_module(name).DOORS.items()


def try_out(door: DoorUnderTest, port: int) -> list[Outcome]:
    """Send every hostile request to a door of the product that listens at the port."""
    outcomes = [
        _observed(door.name, name, sent, expected, port)
        for name, (mutate, expected) in MUTATIONS.items()
        if (sent := mutate(door)) is not None
    ]
    own = [
        _observed(door.name, name, door.prove(replace(door.good(), body=body)), MALFORMED, port)
        for name, body in door.malformed.items()
    ]
    return [*outcomes, *own, *_repeated(door, port)]


def send(port: int, sent: Sent) -> tuple[int, bytes]:
    """One request over a socket of its own; status 0 when the server answers nothing."""
    with socket.create_connection(("127.0.0.1", port), timeout=SECONDS) as connection:
        try:
            connection.sendall(sent.raw())
            if sent.stops:
                connection.shutdown(socket.SHUT_WR)
        except OSError:
            # Who does not read the whole request has answered already, or never will.
            pass
        answer = _read_all(connection)
    head, _, body = answer.partition(b"\r\n\r\n")
    return (int(head.split(b" ")[1]), body) if head else (NO_ANSWER, b"")


def _repeated(door: DoorUnderTest, port: int) -> list[Outcome]:
    if not door.counts_once:
        return []
    sent = door.good()
    assert send(port, sent)[0] == 200
    outcomes = [_observed(door.name, "sent again", sent, frozenset({200}), port)]
    if door.id_header:
        other_id = sent.with_header(door.id_header, "another-id-of-the-same-body")
        outcomes.append(_observed(door.name, "sent again under another id", other_id, frozenset({200, 401}), port))
    return outcomes


def _observed(door: str, mutation: str, sent: Sent, expected: frozenset[int], port: int) -> Outcome:
    before = _counted()
    status, _ = send(port, sent)
    written = [after - earlier for earlier, after in zip(before, _counted(), strict=True)]
    tasks, requests, events = written
    return Outcome(
        door=door, mutation=mutation, status=status, expected=expected, tasks=tasks, requests=requests, events=events
    )


def _counted() -> list[int]:
    return [model.objects.count() for model in (Task, InboundRequest, TaskEvent)]


def _read_all(connection: socket.socket) -> bytes:
    answer = bytearray()
    try:
        while piece := connection.recv(65_536):
            answer += piece
    except ConnectionError:
        pass
    return bytes(answer)


def _chunks(body: bytes) -> Iterator[bytes]:
    for start in range(0, len(body), 50_000):
        piece = body[start : start + 50_000]
        yield f"{len(piece):x}\r\n".encode() + piece + b"\r\n"
    yield b"0\r\n\r\n"
