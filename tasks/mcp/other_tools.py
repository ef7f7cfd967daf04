"""The tools about schedules, the task operator, usage and approvals."""

from typing import Any, Final

from personalq.lib.errors import InvalidInput
from personalq.lib.identifiers import as_uuid
from tasks import access
from tasks.api import approval_forms, budget_forms, documents, schedule_documents
from tasks.api.schedule_forms import ScheduleForm, ScheduleQuery
from tasks.api.task_operator_views import TaskOperatorForm
from tasks.mcp.catalogue import (
    CURSOR,
    IDEMPOTENCY_KEY,
    PAGE_SIZE,
    Arguments,
    Tool,
    an_id,
)
from tasks.mcp.rest import Rest
from tasks.mcp.schemas import Schema, closed, of_document, of_form
from tasks.mcp.task_tools import NEXT_CURSOR, with_cursor
from tasks.names import NAME_LENGTH

APPROVE: Final = "approve"
DENY: Final = "deny"
_PAGED: Final[dict[str, Schema]] = {"cursor": CURSOR, "page_size": PAGE_SIZE}
_SCHEDULE: Final[Schema] = {
    "type": "string",
    "minLength": 1,
    "maxLength": NAME_LENGTH,
    "description": "The schedule's id, or the name of one of yours.",
}


def _address_of_schedule(rest: Rest, name: str) -> str:
    uuid = as_uuid(name) or access.schedule_named(rest.caller.user, name).uuid
    return f"/schedules/{uuid}"


def _list_schedules(rest: Rest, arguments: Arguments) -> dict[str, Any]:
    return with_cursor(rest.get("/schedules", **arguments))


def _create_schedule(rest: Rest, arguments: Arguments) -> dict[str, Any]:
    key = arguments.pop("idempotency_key", None)
    return dict(rest.post("/schedules", arguments, idempotency_key=key))


def _pause_schedule(rest: Rest, arguments: Arguments) -> dict[str, Any]:
    return dict(rest.post(f"{_address_of_schedule(rest, arguments['schedule'])}/pause"))


def _run_schedule(rest: Rest, arguments: Arguments) -> dict[str, Any]:
    address = _address_of_schedule(rest, arguments["schedule"])
    return dict(rest.post(f"{address}/run", idempotency_key=arguments.get("idempotency_key")))


def _enable_task_operator(rest: Rest, arguments: Arguments) -> dict[str, Any]:
    return dict(rest.post("/task-operator", arguments))


def _disable_task_operator(rest: Rest, arguments: Arguments) -> dict[str, Any]:  # noqa: ARG001 - as all tools
    return dict(rest.delete("/task-operator"))


def _get_usage(rest: Rest, arguments: Arguments) -> dict[str, Any]:
    whose = {"owner": arguments["owner"]} if "owner" in arguments else {}
    budgets = rest.get("/budgets", page_size=100, **whose)
    return {**rest.get("/usage", **arguments), "budgets": budgets["results"]}


def _list_approvals(rest: Rest, arguments: Arguments) -> dict[str, Any]:
    if "approval" not in arguments:
        return with_cursor(rest.get("/approvals", **arguments))
    if len(arguments) > 1:
        raise InvalidInput.for_field("approval", "invalid", "Send the id of one approval alone.")
    one = rest.get(f"/approvals/{arguments['approval']}")
    return {"results": [one], "next": None, "previous": None, "next_cursor": None}


def _answer_approval(rest: Rest, arguments: Arguments) -> dict[str, Any]:
    address = f"/approvals/{arguments.pop('approval')}"
    answer = arguments.pop("answer")
    if answer == DENY:
        arguments.pop("text_digest", None)
    return dict(rest.post(f"{address}/{answer}", arguments))


_OPERATOR: Final = of_document(documents.TaskOperator)
_PAGE_OF_SCHEDULES: Final = of_document(schedule_documents.SchedulePage, next_cursor=NEXT_CURSOR)
_USAGE: Final = of_document(budget_forms.Usage, budgets={"type": "array", "items": of_document(budget_forms.Budget)})
_PAGE_OF_APPROVALS: Final[Schema] = {
    "type": "object",
    "properties": {"results": {"type": "array", "items": {"type": "object"}}, "next_cursor": NEXT_CURSOR},
    "required": ["results", "next_cursor"],
}
_ANSWER_IN: Final = closed(
    {
        "approval": an_id("The approval's id."),
        "answer": {"type": "string", "enum": [APPROVE, DENY]},
        **of_form(approval_forms.ApproveForm)["properties"],
    },
    required=["approval", "answer"],
)

OTHER_TOOLS: Final = (
    Tool(
        name="list_schedules",
        title="List schedules",
        description="Your schedules, newest first, with their next five times and what went wrong lately.",
        scopes=("schedules:read",),
        input_schema=of_form(ScheduleQuery, more=_PAGED),
        output_schema=_PAGE_OF_SCHEDULES,
        effect="reads",
        work=_list_schedules,
    ),
    Tool(
        name="create_schedule",
        title="Create a schedule",
        description="Let a prompt become a task again and again, or once at a time. timing says which fields count: "
        "cron (five fields, or six that begin with seconds, in an IANA zone), interval (every_seconds) or once "
        "(starts_at).",
        scopes=("schedules:write",),
        input_schema=of_form(ScheduleForm, more={"idempotency_key": IDEMPOTENCY_KEY}),
        output_schema=of_document(schedule_documents.Schedule),
        effect="adds",
        is_open_world=True,
        work=_create_schedule,
    ),
    Tool(
        name="pause_schedule",
        title="Pause a schedule",
        description="Let a schedule bring in no more tasks. Those that are there go on.",
        scopes=("schedules:write",),
        input_schema=closed({"schedule": _SCHEDULE}, required=["schedule"]),
        output_schema=of_document(schedule_documents.Schedule),
        effect="changes",
        is_idempotent=True,
        work=_pause_schedule,
    ),
    Tool(
        name="run_schedule",
        title="Run a schedule now",
        description="Bring in a task of a schedule at once, also of a paused one. Its next times stay what they are.",
        scopes=("schedules:write",),
        input_schema=closed({"schedule": _SCHEDULE, "idempotency_key": IDEMPOTENCY_KEY}, required=["schedule"]),
        output_schema=of_document(documents.Task),
        effect="adds",
        is_open_world=True,
        work=_run_schedule,
    ),
    Tool(
        name="enable_task_operator",
        title="Turn the task operator on",
        description="For operators: tasks without an agent, such as rows written by SQL, go one at a time to the "
        "default agent.",
        scopes=("operator:write",),
        input_schema=of_form(TaskOperatorForm),
        output_schema=_OPERATOR,
        effect="changes",
        is_idempotent=True,
        is_open_world=True,
        work=_enable_task_operator,
    ),
    Tool(
        name="disable_task_operator",
        title="Turn the task operator off",
        description="For operators: no further task without an agent is handed out. One that runs goes on to its end.",
        scopes=("operator:write",),
        input_schema=closed({}),
        output_schema=_OPERATOR,
        effect="changes",
        is_idempotent=True,
        work=_disable_task_operator,
    ),
    Tool(
        name="get_usage",
        title="Read what was used",
        description="Tokens and US dollars by agent and month, the latest first, and your budgets with what is left "
        "of them.",
        scopes=("budgets:read",),
        input_schema=of_form(budget_forms.UsageQuery),
        output_schema=_USAGE,
        effect="reads",
        work=_get_usage,
    ),
    Tool(
        name="list_approvals",
        title="List approvals",
        description="Tasks that wait until somebody lets them run, and what was answered. With approval you get that "
        "one in full, with the text_digest that answer_approval needs.",
        scopes=("approvals:read",),
        input_schema=of_form(
            approval_forms.ApprovalQuery, more={"approval": an_id("Only this one, in full."), **_PAGED}
        ),
        output_schema=_PAGE_OF_APPROVALS,
        effect="reads",
        work=_list_approvals,
    ),
    Tool(
        name="answer_approval",
        title="Answer an approval",
        description="Let a task run (approve) or cancel it (deny), in your name. approve needs the text_digest of the "
        "approval as you have read it in full: the answer holds for exactly that text.",
        scopes=("approvals:write",),
        input_schema=_ANSWER_IN,
        effect="destroys",
        is_idempotent=True,
        is_open_world=True,
        work=_answer_approval,
    ),
)
