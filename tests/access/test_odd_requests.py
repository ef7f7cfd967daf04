"""What no route may take, asked of all of them: members that are not its own, and ids that would lead elsewhere."""

import json
import re
from typing import Any, Final

import pytest
from django.core.cache import cache
from django.db import transaction

from tests.access.matrix import ADMIN, API, MATRIX, Row
from tests.access.world import World

pytestmark = [pytest.mark.django_db, pytest.mark.security]

# What nobody may decide about themselves, and what belongs to no form.
FOREIGN: Final = {"is_staff": True, "is_superuser": True, "owner_id": 1, "pk": 1, "password_hash": "x"}
WRITES: Final = [(name, method) for name, row in API.items() for method in ("POST", "PATCH") if method in row.cells]
LEADING_ELSEWHERE: Final = (
    "..",
    "../../etc/passwd",
    "%2e%2e%2f%2e%2e%2fx",
    "/etc/passwd",
    "a%00b",
    "..\\..\\x",
    "%252e%252e",
    "größe",
    "\N{RIGHT-TO-LEFT OVERRIDE}gnp",
    "x" * 3000,
    "CON",
    "nul.txt",
    ".git",
    ".",
)


@pytest.fixture(autouse=True)
def uncounted(settings: Any) -> None:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    settings.PERSONALQ_TELEGRAM_URL = "http://127.0.0.1:1"
    for name in ("READ", "TASK_CREATE", "TASK_BATCH", "TASK_CHANGE", "AGENT_CHANGE", "QUEUE_CHANGE"):
        setattr(settings, f"PERSONALQ_RATE_{name}", "1000000/m")


@pytest.fixture
def world() -> World:
    return World.make()


def ask(world: World, method: str, address: str, body: Any = None) -> Any:
    """As the owner of everything, after which everything is as it was before."""
    cache.clear()
    client, headers = world.client_of("owner", with_token=address.startswith(("/api", "/cursor-agents")))
    with transaction.atomic():
        answer = client.generic(
            method, address, b"" if body is None else body, "application/json", secure=True, headers=headers
        )
        transaction.set_rollback(True)
    return answer


def takes_foreign_members(world: World, row: Row, method: str) -> bool:
    """Whether a good body with members that no form has does anything but name them."""
    body = {**world.fill(row.bodies.get(method, {})), **FOREIGN}
    answer = ask(world, method, world.fill(row.address), json.dumps(body))
    named = {each["field"] for each in answer.json().get("errors", ())} if answer.status_code == 400 else set()
    # Refused for another reason before the body is looked at: by right, or because there is no such thing.
    return answer.status_code not in {403, 404} and not set(FOREIGN) <= named


def test_no_route_takes_members_that_are_not_its_own(world: World) -> None:
    """A-69, V8.2.3: mass assignment."""
    assert len(WRITES) > 60
    taking = [(name, method) for name, method in WRITES if takes_foreign_members(world, API[name], method)]
    assert taking == []


def test_no_id_of_an_address_leads_elsewhere(world: World) -> None:
    """A-73, A-179, V1.1.1: in each place of each route where an id stands."""
    assert sum("{" in row.address for row in MATRIX.values()) > 100
    found = dict[tuple[str, str], int]()
    for name, row in MATRIX.items():
        for odd in LEADING_ELSEWHERE if "{" in row.address else ():
            answer = ask(world, "GET", re.sub(r"\{\w+\}", odd.replace("\\", r"\\"), row.address).replace("|", ""))
            right = {302, 400, 403, 404} if name in ADMIN else {400, 404, 405}
            found |= {} if answer.status_code in right else {(name, odd): answer.status_code}
    assert found == {}
