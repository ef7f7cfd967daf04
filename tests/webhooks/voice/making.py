"""Doors of voice agents, and calls of their tools."""

import json
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from accounts.models import User
from tasks import lifecycle
from tasks.claims import Claim
from tasks.models import Agent, Task
from tests.clients import fresh_client
from tests.makers import claim_next, make_agent, make_queue
from webhooks.doors import keeping
from webhooks.models import Door
from webhooks.voice.agent_tools import ADDRESS


@dataclass
class Voice:
    """A door of a voice agent, with its secret and the agent behind it."""

    door: Door
    secret: str
    agent: Agent

    def call(self, tool: str, conversation: str | None = None, **arguments: Any) -> Any:
        body: dict[str, Any] = {"tool": tool, "args": arguments}
        if conversation is not None:
            body["conversation_id"] = conversation
        return self.post(body)

    def post(self, body: Any, **headers: str | None) -> Any:
        """One request through the whole stack, without a socket; a header of None is left out."""
        named = {"X-EL-Secret": self.secret, **{name.replace("_", "-"): value for name, value in headers.items()}}
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        given = {name: value for name, value in named.items() if value is not None}
        content_type = given.pop("Content-Type", "application/json")
        return fresh_client().post(ADDRESS, data, content_type=content_type, headers=given, secure=True)

    def ask(self, tool: str, conversation: str | None = None, **arguments: Any) -> dict[str, Any]:
        """The body of an answer that has to be a good one."""
        answer = self.call(tool, conversation, **arguments)
        body: dict[str, Any] = answer.json()
        assert (answer.status_code, body["ok"], set(body)) == (200, True, {"ok", "say", "result"}), body
        return body

    def add(self, prompt: str = "buy milk", conversation: str | None = None, **arguments: Any) -> Task:
        told = self.ask("add_task", conversation, prompt=prompt, **arguments)
        return Task.objects.get(uuid=told["result"]["task"]["id"])


def make_voice(owner: User, *, agent: Agent | None = None, **fields: Any) -> Voice:
    agent = agent or make_agent(owner, queue=make_queue(owner))
    made = keeping.create(
        actor=owner, name=fields.pop("name", f"door-{uuid4().hex[:8]}"), kind="agent-tools", agent=agent, **fields
    )
    return Voice(door=made.door, secret=made.secret, agent=agent)


def work(task: Task, result: str) -> None:
    """Carry a task of an otherwise empty queue out."""
    assert task.queue is not None
    claimed = claim_next(task.queue)
    assert claimed.pk == task.pk
    lifecycle.complete(claim=Claim.of(claimed), result=result)
