"""Rotation of encryption keys while people change their secrets, workers read them, and another rotation runs."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import pytest
from django.core.cache import cache
from django.db import connections
from pytest_django import Settings

from accounts import credentials, key_rotation
from accounts.credentials import CredentialInUse, reveal
from accounts.key_rotation import Progress, SealedColumn, rotate
from accounts.models import Credential, User
from personalq.embedded.env_file import make_secret
from tasks.models import Agent
from tests.concurrency.racing import ROUNDS, failures, race
from tests.makers import make_agent, make_credential, make_user

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.security]

COLUMN = SealedColumn(Credential, "sealed_secret")
ROWS = 40
WRITERS = 4


@pytest.fixture(autouse=True)
def uncounted() -> None:
    cache.clear()


@pytest.fixture
def alice() -> User:
    return make_user("alice")


def silent(_progress: Progress) -> None:
    pass


def secret_of(number: int, version: int) -> str:
    return f"secret-{number:03}-{version:06}"


def test_what_people_write_meanwhile_is_never_lost_nor_undone(alice: User, settings: Settings) -> None:
    old, new = make_secret(), make_secret()
    settings.PERSONALQ_ENCRYPTION_KEYS = [old]
    rows = [make_credential(alice, secret=secret_of(number, 0)) for number in range(ROWS)]
    latest = dict.fromkeys(range(ROWS), 0)
    done = threading.Event()

    def write(writer: int) -> None:
        version = 0
        while not done.is_set():
            version += 1
            for number in range(writer, ROWS, WRITERS):
                credentials.change(actor=alice, credential=rows[number], secret=secret_of(number, version))
                latest[number] = version

    def read() -> None:
        while not done.is_set():
            for number, row in enumerate(rows):
                assert reveal(Credential.objects.get(pk=row.pk)).startswith(f"secret-{number:03}-")

    def turn_keys() -> None:
        keys = [old]
        try:
            for turn in range(10):
                keys = [make_secret() if turn < 9 else new, *keys]
                settings.PERSONALQ_ENCRYPTION_KEYS = keys
                found = rotate(COLUMN, silent)
                assert (found.unreadable_count, found.overtaken) == (0, 0)
        finally:
            done.set()

    run_all(turn_keys, read, *(partial(write, writer) for writer in range(WRITERS)))
    settings.PERSONALQ_ENCRYPTION_KEYS = [new]
    found = [reveal(Credential.objects.get(pk=row.pk)) for row in rows]
    assert found == [secret_of(number, latest[number]) for number in range(ROWS)]


def test_a_write_between_reading_and_writing_wins(
    alice: User, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new = make_secret(), make_secret()
    settings.PERSONALQ_ENCRYPTION_KEYS = [old]
    row = make_credential(alice, secret="the-old-secret")
    settings.PERSONALQ_ENCRYPTION_KEYS = [new, old]
    replace = key_rotation._replace

    def write_meanwhile(*arguments: Any) -> bool:
        credentials.change(actor=alice, credential=row, secret="the-new-secret")
        return replace(*arguments)

    monkeypatch.setattr(key_rotation, "_replace", write_meanwhile)
    found = rotate(COLUMN, silent)
    assert (found.rotated, found.overtaken) == (0, 0)
    assert reveal(Credential.objects.get()) == "the-new-secret"


def test_two_rotations_at_once_do_each_row_once(alice: User, settings: Settings) -> None:
    keys = [make_secret()]
    settings.PERSONALQ_ENCRYPTION_KEYS = keys
    rows = {make_credential(alice, secret=secret_of(number, 0)).pk: secret_of(number, 0) for number in range(20)}
    for _ in range(10):
        keys = [make_secret(), *keys[:1]]
        settings.PERSONALQ_ENCRYPTION_KEYS = keys
        found = race(partial(rotate, COLUMN, silent), partial(rotate, COLUMN, silent))
        assert failures(found) == []
        assert sum(each.rotated for each in found) == len(rows)
        assert sum(each.unreadable_count + each.overtaken for each in found) == 0
    assert {each.pk: reveal(each) for each in Credential.objects.all()} == rows


def test_deleting_and_taking_into_use_at_once_never_leaves_an_agent_without_its_credential(alice: User) -> None:
    for _ in range(ROUNDS):
        credential = make_credential(alice)
        deleted, made = race(
            partial(credentials.delete, actor=alice, credential=credential),
            partial(make_agent, alice, credential=credential),
        )
        exists = Credential.objects.filter(pk=credential.pk).exists()
        assert exists == Agent.objects.filter(credential_id=credential.pk).exists()
        assert isinstance(deleted, CredentialInUse) == exists
        assert isinstance(made, Agent) == exists


def test_two_of_one_name_at_once_make_one(alice: User) -> None:
    for number in range(ROUNDS):
        results = race(*(partial(make_credential, alice, name=f"name-{number}") for _ in range(2)))
        assert [type(error).__name__ for error in failures(results)] == ["NameTaken"]


def test_the_quota_holds_for_many_at_once(alice: User, settings: Settings) -> None:
    settings.PERSONALQ_CREDENTIALS_PER_USER = 5
    results = race(*(partial(make_credential, alice) for _ in range(12)))
    assert {type(error).__name__ for error in failures(results)} == {"QuotaReached"}
    assert Credential.objects.count() == 5


def run_all(*works: Callable[[], None]) -> None:
    def run(work: Callable[[], None]) -> None:
        try:
            work()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(len(works)) as pool:
        for future in [pool.submit(run, work) for work in works]:
            future.result(timeout=120)
