"""What clients may say: one JSON object per text frame, nothing unknown, nothing of a wrong type."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal
from uuid import UUID

from personalq.lib import strict_json
from personalq.lib.errors import MalformedBody
from realtime.refusals import MALFORMED, TOO_LONG, Refused

MAX_BYTES: Final = 65_536
MAX_TOKEN_LENGTH: Final = 8_192
MAX_EVENT_ID: Final = 2**63 - 1

Target = UUID | Literal["all"]


@dataclass(frozen=True)
class Authenticate:
    """Show who is there; again later, with a fresh token of the same user."""

    token: str = field(repr=False)


@dataclass(frozen=True)
class Subscribe:
    """Hear of all own tasks or of one; `after` asks for what was missed first."""

    to: Target
    after: int | None = None


@dataclass(frozen=True)
class Unsubscribe:
    to: Target


@dataclass(frozen=True)
class Resume:
    """Replay what this socket is subscribed to, from behind an event id."""

    after: int


@dataclass(frozen=True)
class Ping:
    pass


Action = Authenticate | Subscribe | Unsubscribe | Resume | Ping


def parse(frame: str) -> Action:
    """Read a text frame. Raises Refused for whatever the protocol does not know."""
    encoded = frame.encode()
    if len(encoded) > MAX_BYTES:
        raise Refused(TOO_LONG)
    members = _members(encoded)
    action = members.pop("action", None)
    maker = _MAKERS.get(action) if isinstance(action, str) else None
    if maker is None:
        raise Refused(MALFORMED)
    made = maker(members)
    if members:
        raise Refused(MALFORMED)
    return made


def _members(encoded: bytes) -> dict[str, Any]:
    try:
        value = strict_json.parse(encoded, max_depth=4, max_members=16)
    except MalformedBody:
        raise Refused(MALFORMED) from None
    if not isinstance(value, dict):
        raise Refused(MALFORMED)
    return value


# Each maker takes out of the members what it knows; what is left over is a mistake of the client.
def _authenticate(members: dict[str, Any]) -> Authenticate:
    token = members.pop("token", None)
    if not isinstance(token, str) or not 0 < len(token) <= MAX_TOKEN_LENGTH:
        raise Refused(MALFORMED)
    return Authenticate(token)


def _subscribe(members: dict[str, Any]) -> Subscribe:
    after = _event_id(members.pop("after")) if "after" in members else None
    return Subscribe(_target(members.pop("to", None)), after)


def _unsubscribe(members: dict[str, Any]) -> Unsubscribe:
    return Unsubscribe(_target(members.pop("to", None)))


def _resume(members: dict[str, Any]) -> Resume:
    return Resume(_event_id(members.pop("after", None)))


def _ping(_: dict[str, Any]) -> Ping:
    return Ping()


_MAKERS: Final[Mapping[str, Callable[[dict[str, Any]], Action]]] = {
    "auth": _authenticate,
    "subscribe": _subscribe,
    "unsubscribe": _unsubscribe,
    "resume": _resume,
    "ping": _ping,
}


def _target(value: object) -> Target:
    if value == "all":
        return "all"
    if isinstance(value, str):
        try:
            uuid = UUID(value)
        except ValueError:
            raise Refused(MALFORMED) from None
        # UUID() also reads braces, urn: and missing hyphens; one id has one spelling here.
        if str(uuid) == value.lower():
            return uuid
    raise Refused(MALFORMED)


def _event_id(value: object) -> int:
    # bool is an int to Python, not to the protocol.
    if type(value) is not int or not 0 <= value <= MAX_EVENT_ID:
        raise Refused(MALFORMED)
    return value
