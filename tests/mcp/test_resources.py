"""Reading tasks, their output and agents by URI."""

import json
from typing import Any

import pytest
from mcp import Client
from mcp.shared.exceptions import MCPError

from accounts.models import User
from tasks import lifecycle
from tasks.claims import Claim
from tasks.models import Agent as TaskAgent
from tests.makers import claim_next, make_running, make_task
from tests.mcp.talking import Agent, token_of

NOBODYS = "123e4567-e89b-42d3-a456-426614174000"
pytestmark = pytest.mark.django_db(transaction=True)


def read(agent: Agent, uri: str) -> Any:
    async def work(client: Client) -> Any:
        (contents,) = (await client.read_resource(uri)).contents
        return contents

    return agent.run(work)


def failure(agent: Agent, uri: str) -> dict[str, Any]:
    """The data of the protocol's error."""

    async def work(client: Client) -> dict[str, Any]:
        with pytest.raises(MCPError) as raised:
            await client.read_resource(uri)
        assert raised.value.error.code in {-32002, -32602}
        data: dict[str, Any] = raised.value.error.data
        return data

    return agent.run(work)


def test_task_is_read_as_json(url: str, alice: User, echo: TaskAgent, mode: str) -> None:
    task = make_task(echo, "look at me")
    found = read(Agent(url, token_of(alice), mode), f"task://{task.uuid}")
    assert found.mime_type == "application/json"
    assert json.loads(found.text)["prompt"] == "look at me"


def test_output_is_that_of_the_present_or_a_given_attempt(as_alice: Agent, echo: TaskAgent) -> None:
    task, claim = make_running(echo)
    lifecycle.record_output(claim=claim, text="first attempt", offset=0)
    lifecycle.fail(claim=claim, code="reported_failed")
    lifecycle.retry(actor=echo.owner, task=task)
    again = Claim.of(claim_next(echo.queue))
    lifecycle.record_output(claim=again, text="second", offset=0)
    assert read(as_alice, f"task://{task.uuid}/output").text == "second"
    assert read(as_alice, f"task://{task.uuid}/output?attempt=1").text == "first attempt"
    assert read(as_alice, f"task://{task.uuid}/output?attempt=9").text == ""


def test_long_output_is_cut_with_a_note(as_alice: Agent, echo: TaskAgent) -> None:
    task, claim = make_running(echo)
    lifecycle.record_output(claim=claim, text="x" * 250_000 + "end", offset=0)
    text = read(as_alice, f"task://{task.uuid}/output").text
    assert text.startswith("[The beginning is left out: these are the last 200000 characters.]\n")
    assert text.endswith("xend")
    assert len(text) < 200_100


def test_older_agent_is_read(as_alice: Agent) -> None:
    as_alice.call("create_agent", name="a 1", targetUrl="https://target.example.org/", oneTime=True)
    assert json.loads(read(as_alice, "agent://a%201").text)["name"] == "a 1"


@pytest.mark.parametrize(
    "uri",
    [
        "task://x", f"task://{NOBODYS}", f"task://{NOBODYS}/output", "task://../agents", "agent://nobody", "agent://a/b",
        "file:///etc/passwd", "x" * 1_000, f"task://{NOBODYS}/output?attempt=x", "",
    ],
)  # fmt: skip
def test_what_is_not_there_is_said_not_to_be(as_alice: Agent, uri: str) -> None:
    assert failure(as_alice, uri)["code"] == "not_found"


@pytest.mark.security
def test_stranger_reads_nothing(as_bob: Agent, echo: TaskAgent) -> None:
    task = make_task(echo, "secret")
    for uri in (f"task://{task.uuid}", f"task://{task.uuid}/output"):
        data = failure(as_bob, uri)
        assert data["code"] == "not_yours"
        assert "secret" not in json.dumps(data)


@pytest.mark.security
def test_resources_need_their_scopes(url: str, alice: User, echo: TaskAgent) -> None:
    uuid = make_task(echo).uuid
    agent = Agent(url, token_of(alice, "budgets:read"))
    for uri in (f"task://{uuid}", f"task://{uuid}/output", "agent://a"):
        assert failure(agent, uri)["code"] == "scope_missing"
