"""Who gets what answer from which tool of MCP; the order of actors is that of `tests.access.matrix`.

A number is the HTTP status, for those whom the door does not let in; a word is `ok` or the code of the tool's error.
The tools are called in this order, before the things of one owner.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

OK: Final = "ok"
Expected = tuple[int | str, int | str, int | str, int | str]


@dataclass(frozen=True)
class ToolRow:
    """What a tool answers each actor."""

    expected: Expected
    arguments: Mapping[str, Any] = field(default_factory=dict)
    """With the world's ids in braces."""


_ANYBODY: Final[Expected] = (401, OK, OK, OK)
_OWN: Final[Expected] = (401, "not_yours", OK, OK)
_OWNER: Final[Expected] = (401, "not_yours", OK, "not_yours")
_NAMED: Final[Expected] = (401, "not_found", OK, "not_found")
_OPERATOR: Final[Expected] = (401, "permission_denied", "permission_denied", OK)
_TARGET: Final = "https://target.example.org/run"
_READY: Final = {"task": "{ready}"}
_SCHEDULE: Final = {"timing": "cron", "cron": "0 9 * * *", "agent": "{agent}", "prompt": "p", "name": "nightly"}

MCP: Final[dict[str, ToolRow]] = {
    "create_agent": ToolRow(_ANYBODY, {"name": "newcomer", "targetUrl": _TARGET, "oneTime": True}),
    "list_agents": ToolRow(_ANYBODY),
    "get_agent_status": ToolRow(_NAMED, {"name": "older"}),
    "list_queues": ToolRow(_ANYBODY),
    "get_queue_info": ToolRow(_NAMED, {"queueName": "older-lane"}),
    "delete_queue": ToolRow(_NAMED, {"queueName": "older-lane"}),
    "delete_agent": ToolRow(_NAMED, {"name": "older"}),
    "list_tasks": ToolRow(_ANYBODY),
    "get_task": ToolRow(_OWN, _READY),
    "get_task_events": ToolRow(_OWN, _READY),
    "wait_for_task": ToolRow(_OWN, {"task": "{complete}", "timeout_seconds": 1}),
    "add_task": ToolRow(_OWNER, {"agent": "{agent}", "prompt": "p"}),
    "add_tasks": ToolRow(_OWNER, {"tasks": [{"agent": "{agent}", "prompt": "p"}]}),
    "update_task": ToolRow(_OWN, {"task": "{in_hand}", "attempt": 1, "progress": "p"}),
    "complete_task": ToolRow(_OWN, {"task": "{in_hand}", "attempt": 1, "result": "r"}),
    # The row above has ended the attempt.
    "fail_task": ToolRow(
        (401, "not_yours", "claim_over", "claim_over"), {"task": "{in_hand}", "attempt": 1, "reason": "r"}
    ),
    "next_task": ToolRow(_ANYBODY),
    "cancel_task": ToolRow(_OWN, _READY),
    "retry_task": ToolRow(_OWN, {"task": "{cancelled}"}),
    "list_schedules": ToolRow(_ANYBODY),
    "create_schedule": ToolRow(_OWNER, _SCHEDULE),
    "pause_schedule": ToolRow(_OWN, {"schedule": "{schedule}"}),
    "run_schedule": ToolRow(_OWN, {"schedule": "{schedule}"}),
    "enable_task_operator": ToolRow(_OPERATOR, {"agent": "{operators_agent}"}),
    "disable_task_operator": ToolRow(_OPERATOR),
    "get_usage": ToolRow(_ANYBODY),
    "list_approvals": ToolRow(_OWN, {"approval": "{approval}"}),
    "answer_approval": ToolRow(_OWN, {"approval": "{approval}", "answer": "approve", "text_digest": "{text_digest}"}),
}
