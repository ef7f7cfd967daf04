"""Every operation of the API as every actor: no answer is a failure or unlike the document, nothing crosses owners.

`make test-fuzz` always asks the same; `make fuzz` asks more, and something else each time.
"""

import re
import sys
from collections.abc import Iterator
from datetime import timedelta
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest
from django.core.cache import cache

from accounts.tokens.signed_tokens import AccessToken
from personalq.api_about import openapi_document
from tests.access.matrix import API
from tests.access.world import ACTORS, CANARY, World
from tests.realtime.sockets.serving import WebProcess
from tests.security.fuzzing import snapshot
from tests.security.fuzzing.campaign import ONLY_GIVEN_IDS, Actor, Effort, Found, run
from tests.wire.telegram_server import TelegramServer

pytestmark = [pytest.mark.fuzz, pytest.mark.security, pytest.mark.django_db(transaction=True)]

SERVED = "tests.security.fuzzing.served_settings"
# Enough to reach each operation in every way that its schema tells, and quick.
SEED, EXAMPLES = 7, 5
SHARED = {"anonymous": set(), "stranger": {"users"}}


@pytest.fixture
def effort(request: pytest.FixtureRequest) -> Effort:
    seed = request.config.getoption("--fuzz-seed", None)
    examples = request.config.getoption("--fuzz-examples", None)
    is_quick = bool(request.config.getoption("--fuzz-quick", None))
    return Effort(seed=seed or SEED, examples=examples or EXAMPLES, is_quick=is_quick)


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    cache.clear()
    # A long campaign takes longer than a token of ten minutes lasts.
    monkeypatch.setattr(AccessToken, "lifetime", timedelta(hours=12))
    return World.make()


@pytest.fixture
def server(tmp_path: Path, world: World) -> Iterator[WebProcess]:
    with TelegramServer() as telegram:
        environment = {
            "DJANGO_SETTINGS_MODULE": SERVED,
            "PERSONALQ_TELEGRAM_URL": telegram.url,
            "PERSONALQ_INTERNAL_HOSTS": telegram.target,
        }
        with WebProcess(tmp_path, None, (), **environment) as process:
            yield process


def ids_of(world: World, document: dict[str, Any]) -> dict[str, list[str]]:
    """For each path of the document the owner's ids of that noun."""
    by_noun: dict[str, set[str]] = {}
    for row in API.values():
        for noun, name in re.findall(r"/([\w-]+)/(\{\w+\})", row.address):
            by_noun.setdefault(noun, set()).add(str(world.fill(name)))
    nouns = {path: noun for path in document["paths"] for noun in re.findall(r"/([\w-]+)/\{\w+\}", path)}
    return {path: sorted(by_noun[noun]) for path, noun in nouns.items() if noun in by_noun}


def act(name: str, *, world: World, server: WebProcess, effort: Effort) -> Found:
    document = openapi_document()
    headers = {"Authorization": f"Bearer {world.bearers[name]}"} if name in world.bearers else {}
    forbidden = (CANARY.encode(),) if name in SHARED else ()
    ids = ids_of(world, document)
    if name == "owner":
        others = world.users["stranger"].token_families.values_list("uuid", flat=True)
        ids |= {path: [str(each) for each in others] for path in ids if ONLY_GIVEN_IDS in path}
    found = run(
        actor=Actor(name=name, headers=headers, forbidden=forbidden, is_let_in=bool(headers)),
        base_url=f"http://127.0.0.1:{server.port}",
        document=document,
        ids=ids,
        effort=effort,
    )
    operations = sum(len(methods) for methods in document["paths"].values())
    assert len(found.operations) == operations
    assert is_signed_in(server, headers) == bool(headers)
    return found


def is_signed_in(server: WebProcess, headers: dict[str, str]) -> bool:
    """Whether the API still knows who asks: otherwise a campaign would try one refusal a thousand times."""
    connection = HTTPConnection("127.0.0.1", server.port, timeout=20)
    connection.request("GET", "/api/v1/me", headers=headers)
    status = connection.getresponse().status
    connection.close()
    return status == 200


@pytest.mark.parametrize("name", ACTORS)
def test_nothing_breaks_and_nothing_crosses_owners(
    name: str, world: World, server: WebProcess, effort: Effort, capsys: pytest.CaptureFixture[str]
) -> None:
    # Somebody may end their own sign-ins.
    actor = world.users[name].pk if name == "stranger" else None
    before, owned = snapshot.rows(without=actor), snapshot.counts_by_owner(world.users["owner"].pk)
    found = act(name, world=world, server=server, effort=effort)
    with capsys.disabled():
        sys.stdout.write(f"\n{name}: {found}\n")
    assert sorted(found.problems) == []
    assert not found.count(5)
    assert server.complaints == []
    if name in SHARED:
        after = snapshot.rows(without=actor)
        assert snapshot.changed_tables(before=before, after=after, own=SHARED[name]) == set()
        assert snapshot.counts_by_owner(world.users["owner"].pk) == owned
