"""From checked bodies to what `tasks.lifecycle` takes."""

from collections.abc import Mapping
from typing import Any, Final

from tasks.lifecycle import Submission
from tasks.models import Agent, Queue

_OTHERWISE_NAMED: Final = {"agent", "queue", "backlogged"}


def submission_of(body: Mapping[str, Any], *, agent: Agent, queue: Queue | None) -> Submission:
    """What a body of `TaskForm` asks for; agent and queue are the ones that it names."""
    same = {name: value for name, value in body.items() if name not in _OTHERWISE_NAMED}
    return Submission(agent=agent, queue=queue, is_backlogged=body.get("backlogged", False), **same)
