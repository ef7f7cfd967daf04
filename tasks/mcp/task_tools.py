"""The tools about tasks: to give them, to follow them, and to carry them out."""

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

from personalq.lib.errors import InvalidInput
from tasks.api import documents
from tasks.api.filters import EventQuery, TaskQuery
from tasks.api.forms import Cancellation, TaskChanges, TaskForm
from tasks.api.outside_forms import Completion, Failing, NextTask, Progress
from tasks.api.task_batch import MOST_TASKS
from tasks.mcp.catalogue import (
    CURSOR,
    IDEMPOTENCY_KEY,
    LONGEST_LISTED_TEXT,
    PAGE_SIZE,
    Arguments,
    Tool,
    an_id,
)
from tasks.mcp.rest import Rest
from tasks.mcp.schemas import Schema, closed, of_document, of_form
from tasks.mcp.waits import DEFAULT_WAIT_SECONDS, LONGEST_WAIT_SECONDS
from tasks.states import WORDS

KEEPING: Final = (
    "You hold this task until lease_expires_at. Before that, call update_task with this attempt (and progress) to "
    "renew the lease; at the end call complete_task or fail_task with this attempt. If you stay silent, somebody else "
    "gets it."
)
NOTHING_WAITS: Final = (
    "No task of your agents of the kind Outside worker (external) may start now. Ask again later; without such an agent"
    " there is never one."
)
_TASK: Final = an_id("The task's id.")
_PAGED: Final[Mapping[str, Schema]] = {"cursor": CURSOR, "page_size": PAGE_SIZE}
NEXT_CURSOR: Final[Schema] = {
    "type": ["string", "null"],
    "description": "For the next page; null on the last one.",
}
# What the caller has just sent, or can read of one task.
_NOT_REPEATED: Final = ("prompt", "input", "untrusted_text", "suspicion", "result")


def with_cursor(page: Mapping[str, Any]) -> dict[str, Any]:
    """A page of REST with the cursor of the next one beside its address."""
    following = page["next"] and parse_qs(urlsplit(page["next"]).query).get("cursor", [None])[0]
    return {**page, "next_cursor": following}


def _add_task(rest: Rest, arguments: Arguments) -> dict[str, Any]:
    key = arguments.pop("idempotency_key", None)
    return dict(rest.post("/tasks", arguments, idempotency_key=key))


def _add_tasks(rest: Rest, arguments: Arguments) -> dict[str, Any]:
    key = arguments.pop("idempotency_key", None)
    made = rest.post("/tasks/batch", arguments, idempotency_key=key)["tasks"]
    return {"tasks": [{name: task[name] for name in task if name not in _NOT_REPEATED} for task in made]}


def _get_task(rest: Rest, arguments: Arguments) -> dict[str, Any]:
    return dict(rest.get(f"/tasks/{arguments['task']}"))


def _list_tasks(rest: Rest, arguments: Arguments) -> dict[str, Any]:
    return with_cursor(rest.get("/tasks", **arguments))


def _next_task(rest: Rest, arguments: Arguments) -> dict[str, Any]:
    task = rest.post("/tasks/next", arguments)
    if task is None:
        return {"task": None, "attempt": None, "lease_expires_at": None, "advice": NOTHING_WAITS}
    claim = {name: task.pop(name) for name in ("attempt", "lease_expires_at")}
    return {"task": task, **claim, "advice": KEEPING}


def _complete_task(rest: Rest, arguments: Arguments) -> dict[str, Any]:
    return dict(rest.post(f"/tasks/{arguments.pop('task')}/complete", arguments))


def _fail_task(rest: Rest, arguments: Arguments) -> dict[str, Any]:
    return dict(rest.post(f"/tasks/{arguments.pop('task')}/fail", arguments))


def _cancel_task(rest: Rest, arguments: Arguments) -> dict[str, Any]:
    return dict(rest.post(f"/tasks/{arguments.pop('task')}/cancel", arguments))


def _retry_task(rest: Rest, arguments: Arguments) -> dict[str, Any]:
    return dict(rest.post(f"/tasks/{arguments['task']}/retry"))


def _update_task(rest: Rest, arguments: Arguments) -> dict[str, Any]:
    task = arguments.pop("task")
    if "attempt" not in arguments:
        _refuse(
            arguments, ("progress", "lease_seconds"), "Send the attempt, too: only who works on a task may say this."
        )
        return dict(rest.patch(f"/tasks/{task}", arguments))
    _refuse(arguments, _EDITABLE, "A task in work keeps what it is. Leave this out, or leave the attempt out.")
    if "progress" in arguments:
        arguments["text"] = arguments.pop("progress")
    return dict(rest.post(f"/tasks/{task}/progress", arguments))


def _refuse(arguments: Arguments, names: tuple[str, ...], message: str) -> None:
    for name in names:
        if name in arguments:
            raise InvalidInput.for_field(name, "invalid", message)


def _get_task_events(rest: Rest, arguments: Arguments) -> dict[str, Any]:
    task, after = arguments.pop("task"), arguments.get("after", 0)
    arguments.setdefault("page_size", 50)
    page = rest.get(f"/tasks/{task}/events", **arguments)
    last = page["results"][-1]["id"] if page["results"] else after
    return {"results": page["results"], "last_event_id": last, "has_more": page["next"] is not None}


_EDITABLE: Final = tuple(TaskChanges().fields)
_NAMED: Final[Schema] = of_form(TaskForm)
_STATUSES: Final[Schema] = {
    "type": "array",
    "items": {"type": "string", "enum": list(WORDS)},
    "minItems": 1,
    "uniqueItems": True,
    "description": "Only tasks in one of these states.",
}
_OF_TASK: Final[Schema] = of_document(documents.Task)
_IN_HAND: Final[Schema] = of_document(documents.TaskInHand)
_EVENTS_OUT: Final[Schema] = {
    "type": "object",
    "properties": {
        "results": {"type": "array", "items": of_document(documents.TaskEvent)},
        "last_event_id": {"type": "integer", "description": "Send it as `after` to get what comes next."},
        "has_more": {"type": "boolean", "description": "Whether there is more already."},
    },
    "required": ["results", "last_event_id", "has_more"],
}
_NEXT_OUT: Final[Schema] = {
    "type": "object",
    "properties": {
        "task": {"anyOf": [_OF_TASK, {"type": "null"}], "description": "Null when nothing may start now."},
        "attempt": {"type": ["integer", "null"], "description": "Your right to write about the task."},
        "lease_expires_at": {"type": ["string", "null"], "format": "date-time"},
        "advice": {"type": "string", "description": "What to do next, in words."},
    },
    "required": ["task", "attempt", "lease_expires_at", "advice"],
}
_WAIT_OUT: Final[Schema] = {
    "type": "object",
    "properties": {
        "task": _OF_TASK,
        "is_finished": {"type": "boolean", "description": "Whether it has ended: complete, failed or cancelled."},
        "needs_approval": {"type": "boolean", "description": "Whether it waits until somebody approves it."},
        "output": {"type": "string", "description": "Output since `after`, its end if it is long."},
        "is_output_cut": {"type": "boolean"},
        "last_event_id": {"type": "integer", "description": "Send it as `after` of the next wait."},
        "advice": {"type": "string", "description": "What to do next, in words."},
    },
    "required": ["task", "is_finished", "needs_approval", "output", "is_output_cut", "last_event_id", "advice"],
}


def _update_schema() -> Schema:
    changes, progress = of_form(TaskChanges)["properties"], of_form(Progress)["properties"]
    said = {**progress["text"], "description": "What to add to the task's output. Needs `attempt`."}
    lease = {**progress["lease_seconds"], "description": "Hold it so long from now; 600 without it. Needs `attempt`."}
    return closed(
        {"task": _TASK, **changes, "attempt": progress["attempt"], "progress": said, "lease_seconds": lease},
        required=["task"],
    )


TASK_TOOLS: Final = (
    Tool(
        name="add_task",
        title="Add a task",
        description="Queue a prompt for one of your agents. It runs as soon as the limits allow, unless it is "
        "backlogged or not yet due. Follow it with wait_for_task. Send an idempotency_key if you may have to repeat "
        "the call.",
        scopes=("tasks:write",),
        input_schema=of_form(TaskForm, more={"idempotency_key": IDEMPOTENCY_KEY}),
        output_schema=_OF_TASK,
        effect="adds",
        is_open_world=True,
        work=_add_task,
    ),
    Tool(
        name="add_tasks",
        title="Add several tasks",
        description=f"Queue up to {MOST_TASKS} prompts at once, all or none, in this order. An error names the place, "
        "such as tasks[3].prompt. The answer leaves out the prompts.",
        scopes=("tasks:write",),
        input_schema=closed(
            {
                "idempotency_key": IDEMPOTENCY_KEY,
                "tasks": {"type": "array", "items": _NAMED, "minItems": 1, "maxItems": MOST_TASKS},
            },
            required=["tasks"],
        ),
        effect="adds",
        is_open_world=True,
        work=_add_tasks,
    ),
    Tool(
        name="get_task",
        title="Read a task",
        description="Everything about one task: its status, result or error, and why a ready task does not run yet.",
        scopes=("tasks:read",),
        input_schema=closed({"task": _TASK}, required=["task"]),
        output_schema=_OF_TASK,
        effect="reads",
        work=_get_task,
    ),
    Tool(
        name="list_tasks",
        title="List tasks",
        description="Your tasks, newest first, perhaps only those in some states, of an agent or with some words. "
        "Long prompts are cut; results are left out (get_task has them).",
        scopes=("tasks:read",),
        input_schema=of_form(TaskQuery, without=["status"], more={"status": _STATUSES, **_PAGED}),
        output_schema=of_document(documents.TaskPage, next_cursor=NEXT_CURSOR),
        effect="reads",
        work=_list_tasks,
    ),
    Tool(
        name="next_task",
        title="Take the next task",
        description="Claim the next task of your agents of the kind Outside worker, to carry it out yourself. You get "
        "the task, an attempt number and the end of your lease. Before the lease ends call update_task with the "
        "attempt; at the end call complete_task or fail_task with it. Nobody else gets the task meanwhile.",
        scopes=("tasks:work",),
        input_schema=of_form(NextTask),
        output_schema=_NEXT_OUT,
        effect="changes",
        work=_next_task,
    ),
    Tool(
        name="wait_for_task",
        title="Wait for a task",
        description="Wait until a task has ended, or needs an approval, or the time is up (is_finished is false then: "
        "call again with after set to last_event_id). Tells its progress meanwhile if you send a progressToken.",
        scopes=("tasks:read",),
        input_schema=closed(
            {
                "task": _TASK,
                "timeout_seconds": {
                    "type": "integer",
                    "minimum": 1,
                    "maximum": LONGEST_WAIT_SECONDS,
                    "default": DEFAULT_WAIT_SECONDS,
                    "description": "How long to wait at most. Stay below the limit of your client.",
                },
                "after": {
                    "type": "integer",
                    "minimum": 0,
                    "maximum": 2**63 - 1,
                    "description": "last_event_id of an earlier wait: output up to there is not repeated.",
                },
            },
            required=["task"],
        ),
        output_schema=_WAIT_OUT,
        effect="reads",
    ),
    Tool(
        name="complete_task",
        title="Complete a task",
        description="Bring back the result of a task that you took with next_task. Refused with claim_over when the "
        "attempt is not the present one any more.",
        scopes=("tasks:work",),
        input_schema=of_form(Completion, more={"task": _TASK}, required=["task"]),
        output_schema=_IN_HAND,
        effect="changes",
        work=_complete_task,
    ),
    Tool(
        name="fail_task",
        title="Give up a task",
        description="Say that you could not carry out a task that you took with next_task. It is tried again while "
        "attempts are left, unless it is final.",
        scopes=("tasks:work",),
        input_schema=of_form(Failing, more={"task": _TASK}, required=["task"]),
        output_schema=_IN_HAND,
        effect="changes",
        work=_fail_task,
    ),
    Tool(
        name="cancel_task",
        title="Cancel a task",
        description="Stop a task for good, also while it runs. Repeating it changes nothing; a task that has ended is "
        "refused with illegal_transition.",
        scopes=("tasks:write",),
        input_schema=of_form(Cancellation, more={"task": _TASK}, required=["task"]),
        output_schema=_OF_TASK,
        effect="destroys",
        is_idempotent=True,
        work=_cancel_task,
    ),
    Tool(
        name="retry_task",
        title="Try a task again",
        description="Let a failed or cancelled task run again, with a fresh set of attempts.",
        scopes=("tasks:write",),
        input_schema=closed({"task": _TASK}, required=["task"]),
        output_schema=_OF_TASK,
        effect="changes",
        is_open_world=True,
        work=_retry_task,
    ),
    Tool(
        name="update_task",
        title="Change a task, or report progress",
        description="With attempt: you work on it; renews your lease and adds progress to its output (needs the scope "
        "tasks:work). Without attempt: changes title, prompt, order or queue of a task that is neither running nor "
        "archived (needs tasks:write).",
        scopes=("tasks:write",),
        other_scopes=("tasks:work",),
        input_schema=_update_schema(),
        output_schema=_OF_TASK,
        effect="destroys",
        work=_update_task,
    ),
    Tool(
        name="get_task_events",
        title="Read a task's history",
        description="What happened to a task, oldest first, with its output in pieces. To go on reading send "
        "last_event_id as after; to wait for the end use wait_for_task.",
        scopes=("tasks:read",),
        input_schema=of_form(EventQuery, more={"task": _TASK}, required=["task"]),
        output_schema=_EVENTS_OUT,
        effect="reads",
        longest_text=LONGEST_LISTED_TEXT,
        work=_get_task_events,
    ),
)
