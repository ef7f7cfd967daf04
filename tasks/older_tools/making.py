"""Making an older agent: everything that it consists of, in one transaction of the caller."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from accounts.models import Credential, User
from personalq.lib.constraints import NameTaken
from tasks import access, agents, lifecycle, schedules
from tasks.models import PROMPT_LENGTH, OlderAgent, OlderKind, Queue
from tasks.older_tools.belongings import (
    Headers,
    existing_schedule,
    forget_secrets,
    hold_names,
    keep_secrets,
    older_agents_of,
    put_schedule,
    queue_for,
)
from tasks.older_tools.timing import When, read_schedule
from tasks.older_tools.words import job_of_run, job_of_schedule
from tasks.runners.web.config import METHODS_WITH_BODY, PLAIN

KIND: Final = "http"
ATTEMPTS: Final = 1
"""The older service sent each request once. Whoever wants more changes the agent."""
EMPTY_BODY: Final[Mapping[str, Any]] = {}
"""What is sent when no body was asked for; without it our runner would send the prompt."""
_MADE_ELSEWHERE: Final = (
    "You have an agent of this name that these tools did not make. Choose another name, or change that one by "
    "PATCH /api/v1/agents."
)


@dataclass(frozen=True, kw_only=True)
class AgentWish:
    """An agent that is to be there, in our words."""

    name: str
    target_url: str
    method: str
    headers: Headers
    body: Any
    schedule: Any
    when: When | None
    """None: once, now."""
    timeout_milliseconds: int
    queue: str

    @classmethod
    def of(cls, asked: Mapping[str, Any]) -> "AgentWish":
        """Of a checked `AgentForm`. Raises InvalidInput that names the schedule."""
        return cls(
            name=asked["name"],
            target_url=asked["target_url"],
            method=asked["method"],
            headers=Headers.of(asked["headers"]),
            body=asked.get("body"),
            schedule=asked.get("schedule"),
            when=None if asked["one_time"] else read_schedule(asked["schedule"]),
            timeout_milliseconds=asked["timeout"],
            queue=asked["queue"],
        )

    @property
    def is_one_time(self) -> bool:
        return self.when is None

    @property
    def config(self) -> dict[str, Any]:
        """Of an agent of the kind `http`."""
        has_body = self.method in METHODS_WITH_BODY
        body = {"body": EMPTY_BODY if self.body is None else self.body} if has_body else {}
        plain = {"protocol": PLAIN, "target_url": self.target_url, "method": self.method}
        return {**plain, "headers": self.headers.plain, **body}

    @property
    def prompt(self) -> str:
        """What its tasks are called: the request says everything itself."""
        said = self.body.get("prompt") if isinstance(self.body, Mapping) else None
        if isinstance(said, str) and said.strip() and len(said) <= PROMPT_LENGTH:
            return said
        return f"{self.method} {self.target_url}"

    @property
    def timeout_seconds(self) -> int:
        return math.ceil(self.timeout_milliseconds / 1000)


@dataclass(frozen=True, kw_only=True)
class Made:
    """What came of it. `left_queue` is one that was made for the agent and that it has left."""

    job_id: str
    queue: Queue
    left_queue: Queue | None


def make_agent(actor: User, wish: AgentWish, *, is_run: bool = True) -> Made:
    """Make or change the agent and run it, if it is one that runs once; see `older_tools.create_agent`."""
    hold_names(actor)
    before = older_agents_of(actor, OlderKind.AGENT).filter(agent__name=wish.name).first()
    if before is None and access.agents_of(actor).filter(name=wish.name).exists():
        raise NameTaken(_MADE_ELSEWHERE)
    left = before.made_queue if before else None
    queue, made_queue = queue_for(actor, wish.queue)
    credential = keep_secrets(actor, wish.name, wish.headers.secret, before)
    older = before or _create(actor, wish, queue, credential)
    # Before the agent is changed, which keeps all claims waiting: nobody may wait for a row then.
    _put_schedule(actor, older, wish)
    if before is not None:
        _change(actor, older, wish, queue, credential)
    older.made_queue = made_queue
    _remember(older, wish, credential)
    older.save()
    job_id = _start(actor, older, wish) if is_run else ""
    return Made(job_id=job_id, queue=queue, left_queue=None if left == made_queue else left)


def _create(actor: User, wish: AgentWish, queue: Queue, credential: Credential | None) -> OlderAgent:
    agent = agents.create(
        actor=actor,
        name=wish.name,
        kind=KIND,
        config=wish.config,
        queue=queue,
        timeout_seconds=wish.timeout_seconds,
        max_attempts=ATTEMPTS,
        credential=credential,
    )
    return OlderAgent(kind=OlderKind.AGENT, agent=agent)


def _change(actor: User, older: OlderAgent, wish: AgentWish, queue: Queue, credential: Credential | None) -> None:
    # A credential that its owner has put there by hand stays while the tools bring none.
    is_made = older.agent.credential is None or older.agent.credential.uuid == older.made_credential
    older.agent = agents.change(
        actor=actor,
        agent=older.agent,
        config=wish.config,
        queue=queue,
        timeout_seconds=wish.timeout_seconds,
        credential=credential if is_made or credential else older.agent.credential,
    )
    if credential is None:
        forget_secrets(actor, older)


def _remember(older: OlderAgent, wish: AgentWish, credential: Credential | None) -> None:
    older.timeout_milliseconds = wish.timeout_milliseconds
    older.schedule_text = wish.schedule
    older.made_credential = credential.uuid if credential else None
    older.secret_headers = sorted(wish.headers.secret)


def _put_schedule(actor: User, older: OlderAgent, wish: AgentWish) -> None:
    before = existing_schedule(older)
    if wish.when is not None:
        older.schedule = put_schedule(
            actor, agent=older.agent, name=wish.name, prompt=wish.prompt, when=wish.when, before=before
        )
        return
    if before is not None:
        schedules.delete(actor=actor, schedule=before)
    older.schedule = None


def _start(actor: User, older: OlderAgent, wish: AgentWish) -> str:
    """Submit the task of an agent without a schedule. The id of the job."""
    if older.schedule is not None:
        return job_of_schedule(older.schedule)
    task = lifecycle.submit(actor=actor, agent=older.agent, prompt=wish.prompt)
    task.refresh_from_db(fields=["createdat"])
    return job_of_run(wish.name, task.createdat)
