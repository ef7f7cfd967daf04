"""The door of voice agents, for the table of hostile requests: its secret in either header."""

import itertools
import json
from collections.abc import Callable, Mapping
from typing import Final

from django.conf import settings

from accounts.models import User
from tests.webhooks.hostile import DoorUnderTest, Sent
from tests.webhooks.voice.making import make_voice
from webhooks.voice.agent_tools import ADDRESS

_numbers: Final = itertools.count(1)


def _by_own_header(owner: User) -> DoorUnderTest:
    return _door("agent-tools, own header", owner, "X-EL-Secret", "")


def _by_bearer(owner: User) -> DoorUnderTest:
    return _door("agent-tools, bearer", owner, "Authorization", "Bearer ")


def _door(name: str, owner: User, header: str, mark: str) -> DoorUnderTest:
    mine, other = make_voice(owner), make_voice(owner)
    return DoorUnderTest(
        name=name,
        proof_header=header,
        good=lambda: _request(header, f"{mark}{mine.secret}"),
        other=lambda: _request(header, f"{mark}{other.secret}"),
        limit_bytes=settings.PERSONALQ_BODY_LIMITS["/agent-tools"],
        has_address_of_its_own=False,
    )


def _request(header: str, proof: str) -> Sent:
    body = {"tool": "add_task", "args": {"prompt": "buy milk", "request_id": f"r-{next(_numbers)}"}}
    headers = (("Content-Type", "application/json"), (header, proof))
    return Sent(path=ADDRESS, headers=headers, body=json.dumps(body).encode())


DOORS: Final[Mapping[str, Callable[[User], DoorUnderTest]]] = {
    "agent-tools, own header": _by_own_header,
    "agent-tools, bearer": _by_bearer,
}
