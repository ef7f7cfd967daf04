"""Idempotency-Key on the routes that create something."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, Final

import pytest

from accounts.api.idempotent import IdempotentPost
from accounts.models import IdempotencyKey
from personalq.api_about import openapi_document
from tasks.models import Agent, Queue, Task
from tests.access.matrix import API
from tests.access.routes import Route, all_routes
from tests.tasks.api.client import Api, codes

Capture = Callable[..., AbstractContextManager[list[Callable[[], Any]]]]
TASK: Final = {"agent": "scribe", "prompt": "p"}
REPLAYED: Final = "Idempotency-Replayed"


def what_was_sent(response: Any) -> tuple[int, str, str, bytes]:
    return response.status_code, response.headers["Location"], response.headers["Content-Type"], response.content


@pytest.mark.django_db
class TestRepeatedRequest:
    @pytest.mark.parametrize(
        ("path", "body", "model"),
        [
            ("tasks", TASK, Task),
            ("agents", {"name": "new", "kind": "echo"}, Agent),
            ("queues", {"name": "new"}, Queue),
        ],
    )
    def test_makes_nothing_new_and_gets_the_first_answer(
        self, as_alice: Api, agent: Agent, path: str, body: Any, model: Any
    ) -> None:
        before = model.objects.count()
        first, second = as_alice.post(path, body, key="k"), as_alice.post(path, body, key="k")
        assert what_was_sent(first) == what_was_sent(second)
        assert (first.status_code, first.headers["Location"]) == (201, first.json()["url"])
        assert (REPLAYED in first.headers, second.headers[REPLAYED]) == (False, "true")
        assert model.objects.count() == before + 1

    def test_answer_with_a_key_is_like_one_without(self, as_alice: Api, agent: Agent) -> None:
        plain, keyed = as_alice.post("tasks", TASK), as_alice.post("tasks", TASK, key="k")
        assert plain.headers["Content-Type"] == keyed.headers["Content-Type"]
        assert set(plain.headers) == set(keyed.headers)
        assert plain.json().keys() == keyed.json().keys()

    def test_answer_stays_although_the_object_changed(self, as_alice: Api, agent: Agent) -> None:
        first = as_alice.post("tasks", TASK, key="k")
        as_alice.post(f"tasks/{first.json()['uuid']}/cancel")
        assert as_alice.post("tasks", TASK, key="k").json()["status"] == "ready"

    def test_slash_at_the_end_is_the_same_address(self, as_alice: Api, agent: Agent) -> None:
        as_alice.post("tasks", TASK, key="k")
        assert as_alice.post("tasks/", TASK, key="k").headers[REPLAYED] == "true"

    def test_work_after_the_commit_is_done_once(
        self, as_alice: Api, agent: Agent, django_capture_on_commit_callbacks: Capture
    ) -> None:
        with django_capture_on_commit_callbacks() as first:
            as_alice.post("tasks", TASK, key="k")
        with django_capture_on_commit_callbacks() as second:
            as_alice.post("tasks", TASK, key="k")
        assert len(first) > 0
        assert second == []

    @pytest.mark.parametrize("accept", ["application/json; indent=2", "text/html"])
    def test_form_of_the_first_answer_is_kept(self, as_alice: Api, agent: Agent, accept: str) -> None:
        first = as_alice.send("POST", "tasks", TASK, HTTP_IDEMPOTENCY_KEY="k", HTTP_ACCEPT=accept)
        second = as_alice.send("POST", "tasks", TASK, HTTP_IDEMPOTENCY_KEY="k")
        assert what_was_sent(first) == what_was_sent(second)

    def test_without_a_key_is_a_request_of_its_own(self, as_alice: Api, agent: Agent) -> None:
        assert [as_alice.post("tasks", TASK).headers.get(REPLAYED) for _ in range(2)] == [None, None]
        assert Task.objects.count() == 2
        assert not IdempotencyKey.objects.exists()


@pytest.mark.django_db
class TestOtherRequest:
    @pytest.mark.parametrize(
        ("path", "body"), [("tasks", {**TASK, "prompt": "other"}), ("tasks", b"{"), ("queues", TASK)]
    )
    def test_with_a_used_key_is_refused(self, as_alice: Api, agent: Agent, path: str, body: Any) -> None:
        as_alice.post("tasks", TASK, key="k")
        refused = as_alice.post(path, body, key="k")
        assert (refused.status_code, refused.json()["code"]) == (422, "idempotency_key_reused")
        assert Task.objects.count() == 1

    def test_of_another_user_may_use_the_same_key(self, as_alice: Api, as_bob: Api) -> None:
        body = {"name": "new"}
        answers = [api.post("queues", body, key="k") for api in (as_alice, as_bob)]
        assert [answer.headers.get(REPLAYED) for answer in answers] == [None, None]
        assert Queue.objects.filter(name="new").count() == 2


@pytest.mark.django_db
class TestRefusedRequest:
    @pytest.mark.parametrize("body", [{"agent": "nobody", "prompt": "p"}, {"agent": "scribe"}, b"{", b""])
    def test_leaves_the_key_unused(self, as_alice: Api, agent: Agent, body: Any) -> None:
        assert as_alice.post("tasks", body, key="k").status_code == 400
        assert as_alice.post("tasks", TASK, key="k").status_code == 201
        assert not IdempotencyKey.objects.exclude(status=201).exists()

    def test_makes_nothing_when_a_name_is_taken(self, as_alice: Api) -> None:
        as_alice.post("queues", {"name": "new"})
        refused = as_alice.post("queues", {"name": "new"}, key="k")
        assert (refused.status_code, refused.json()["code"]) == (409, "name_taken")
        assert as_alice.post("queues", {"name": "newer"}, key="k").status_code == 201

    @pytest.mark.parametrize("key", ["", "two words", "é", "x" * 256])
    def test_names_the_header_that_is_wrong(self, as_alice: Api, agent: Agent, key: str) -> None:
        refused = as_alice.post("tasks", TASK, key=key)
        assert (refused.status_code, codes(refused)) == (400, {"Idempotency-Key": "invalid"})
        assert not Task.objects.exists()

    @pytest.mark.security
    def test_of_a_stranger_is_not_looked_at(self, anonymous: Api, as_alice: Api, agent: Agent) -> None:
        as_alice.post("tasks", TASK, key="k")
        for key in ("k", "two words"):
            assert anonymous.post("tasks", TASK, key=key).status_code == 401


def api_views() -> dict[Route, Any]:
    return {route: getattr(route.view, "cls", None) for route in all_routes() if route.name in API}


def documented_post(route: Route) -> dict[str, Any]:
    address = "/" + route.pattern.replace("<uuid:", "{").replace(">", "}")
    operation: dict[str, Any] = openapi_document()["paths"].get(address, {}).get("post", {})
    return operation


def makes_something(route: Route) -> bool:
    """Whether its POST answers 201 or 202, by its description or by its row of the access matrix."""
    promised = {int(status) for status in documented_post(route).get("responses", {})}
    return bool({201, 202} & {*promised, *API[route.name].cells.get("POST", ())})


class TestContract:
    def test_every_route_that_makes_something_takes_the_header(self) -> None:
        making = {route.name: view for route, view in api_views().items() if makes_something(route)}
        assert {"api-tasks", "api-agents", "api-queues"} <= set(making)
        assert [name for name, view in making.items() if not issubclass(view, IdempotentPost)] == []

    def test_every_view_that_takes_the_header_says_so(self) -> None:
        adopters = [route for route, view in api_views().items() if view and issubclass(view, IdempotentPost)]
        for operation in map(documented_post, adopters):
            names = {(each["name"], each["in"]) for each in operation["parameters"]}
            assert ("Idempotency-Key", "header") in names
            assert "idempotency_key_in_flight" in operation["responses"]["409"]["description"]
            assert "idempotency_key_reused" in operation["responses"]["422"]["description"]
            made = next(operation["responses"][status] for status in ("201", "202") if status in operation["responses"])
            assert REPLAYED in made["headers"]

    def test_no_other_operation_says_so(self) -> None:
        others = [
            operation
            for path in openapi_document()["paths"].values()
            for method, operation in path.items()
            if method != "post"
        ]
        assert not [each for each in others if "Idempotency" in str(each)]
