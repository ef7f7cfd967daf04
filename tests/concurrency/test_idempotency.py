"""Many requests with one Idempotency-Key at the same moment: the work is done once."""

import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import pytest
from django.core.cache import cache
from django.db import connections

from accounts.idempotency import Answer, answer_once, fingerprint_of
from accounts.models import IdempotencyKey, User
from tasks.models import Agent, Task
from tests.concurrency.racing import failures, race
from tests.makers import make_agent, make_user
from tests.tasks.api.client import Api

pytestmark = pytest.mark.django_db(transaction=True)
CONTENDERS = 20
ROUNDS = 20
PATH = "/api/v1/tasks"


@pytest.fixture(autouse=True)
def uncounted() -> None:
    cache.clear()


@pytest.fixture
def alice() -> User:
    return make_user("alice")


@pytest.fixture
def agent(alice: User) -> Agent:
    return make_agent(alice, name="scribe")


def outcome(answer: Any) -> str:
    if answer.status_code == 201:
        return "replayed" if "Idempotency-Replayed" in answer.headers else "made"
    return str(answer.json()["code"])


def test_of_many_requests_with_one_key_exactly_one_makes_a_task(alice: User, agent: Agent) -> None:
    clients = [Api(alice) for _ in range(CONTENDERS)]
    for number in range(ROUNDS):
        body = {"agent": "scribe", "prompt": f"round {number}"}
        answers = race(*(partial(api.post, "tasks", body, key=f"k{number}") for api in clients))
        outcomes = Counter(outcome(answer) for answer in answers)
        assert outcomes.pop("made") == 1
        assert set(outcomes) <= {"replayed", "idempotency_key_in_flight"}
        assert Task.objects.filter(prompt=f"round {number}").count() == 1
        assert len({answer.content for answer in answers if answer.status_code == 201}) == 1


def test_patient_requests_all_get_the_one_answer(alice: User) -> None:
    done = []

    def work() -> Answer:
        done.append(1)
        return Answer(status=302, headers={"Location": f"/{len(done)}"})

    for number in range(ROUNDS):
        ask = partial(answer_once, actor=alice, key=f"k{number}", fingerprint="f", work=work, is_patient=True)
        answers = race(*[ask] * 8)
        assert failures(answers) == []
        assert {answer.headers["Location"] for answer in answers} == {f"/{number + 1}"}
        assert [answer.is_replayed for answer in answers].count(False) == 1


class Slow:
    """Work that goes on until it is told to end."""

    def __init__(self) -> None:
        self.has_begun = threading.Event()
        self.may_end = threading.Event()
        self.ending: Callable[[], Answer] = lambda: Answer(status=201, headers={}, body=b"{}")

    def __call__(self) -> Answer:
        self.has_begun.set()
        assert self.may_end.wait(30)
        return self.ending()


def begin(pool: ThreadPoolExecutor, work: Slow, user: User, body: bytes) -> Any:
    fingerprint = fingerprint_of(method="POST", path=PATH, body=body)

    def run() -> Any:
        try:
            return answer_once(actor=user, key="k", fingerprint=fingerprint, work=work)
        finally:
            connections.close_all()

    future = pool.submit(run)
    assert work.has_begun.wait(30)
    return future


def test_request_that_meets_the_first_one_is_told_to_wait(alice: User, agent: Agent) -> None:
    slow, body = Slow(), b'{"agent": "scribe", "prompt": "p"}'
    with ThreadPoolExecutor(1) as pool:
        first = begin(pool, slow, alice, body)
        meanwhile = Api(alice).post("tasks", body, key="k")
        of_another = Api(make_user("bob")).post("queues", {"name": "q"}, key="k")
        slow.may_end.set()
        first.result(30)
    assert (meanwhile.status_code, meanwhile.json()["code"]) == (409, "idempotency_key_in_flight")
    assert int(meanwhile.headers["Retry-After"]) >= 1
    assert of_another.status_code == 201
    assert Api(alice).post("tasks", body, key="k").content == b"{}"


def test_first_request_that_fails_frees_the_key_at_once(alice: User, agent: Agent) -> None:
    slow, body = Slow(), b'{"agent": "scribe", "prompt": "p"}'
    slow.ending = partial(_fail, ConnectionError("the process died"))
    with ThreadPoolExecutor(1) as pool:
        first = begin(pool, slow, alice, body)
        slow.may_end.set()
        assert isinstance(first.exception(30), ConnectionError)
    assert Api(alice).post("tasks", body, key="k").status_code == 201


def test_expired_key_is_used_anew_by_one_of_many(alice: User, agent: Agent) -> None:
    clients = [Api(alice) for _ in range(4)]
    body = {"agent": "scribe", "prompt": "p"}
    for number in range(ROUNDS):
        IdempotencyKey.objects.update(created_at="2020-01-01T00:00:00Z")
        answers = race(*(partial(api.post, "tasks", body, key="k") for api in clients))
        assert [outcome(answer) for answer in answers].count("made") == 1
        assert Task.objects.count() == number + 1


def _fail(error: Exception) -> Answer:
    raise error
