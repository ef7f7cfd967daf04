"""What the older scripts were seen to do, and what ours are known to do differently.

`older_scripts.json` holds 72 runs of the eleven scripts against the older service, in their order: arguments, exit
code, both outputs.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

FILE: Final = Path(__file__).with_name("older_scripts.json")
ALWAYS_A_QUEUE: Final = "The default queue is always there."
NOT_FOUND_IS_404: Final = "What is not there is 404; the older service answered 500."
REASON_AND_STATUS: Final = "Refused with the reason and 400 or 409; the older service answered 500."
INTERVALS_TOO: Final = "Intervals are understood; the older service answered 500."
ONE_FORM: Final = "Every error is one line of JSON; the older script printed plain text or a traceback."
COLONS_TOO: Final = "Names may hold a colon; the older service answered 500."
NO_SLASH: Final = "Names hold no slash, and the refusal says what they may hold."
LISTS_WORK: Final = "Shown; the older service missed agents in its list and when asked for them by name."
SPACES_WORK: Final = "Asked for at the server; the older script could not send a name with a space."
DELETED_IS_GONE: Final = "Deleted is gone, and the last agent takes its queue with it; the older service fired on."
NOTHING_RAN_YET: Final = "lastRun comes with the first task that ran; here none had."
HELP_HELPS: Final = "--help explains; the older script ignored it and did its work."


@dataclass(frozen=True, kw_only=True)
class Run:
    """One run of a script: what it was called with and what came of it."""

    case: str
    script: str
    arguments: tuple[str, ...]
    code: int
    out: Any
    """The JSON of standard output, or its text."""
    err: Any
    """The JSON of standard error, or its text."""

    @property
    def verb(self) -> str:
        return self.script.removesuffix(".py")

    @property
    def needs_server_down(self) -> bool:
        return self.case.startswith("server_down:")


USAGE: Final = 2
USAGE_TEXT: Final = "(argparse usage text)"

DIFFERENCES: Final[Mapping[str, str]] = {
    "list_queues_empty": ALWAYS_A_QUEUE,
    "delete_agent_missing": NOT_FOUND_IS_404,
    "delete_queue_missing": NOT_FOUND_IS_404,
    "create_recurring_bad_cron": INTERVALS_TOO,
    "create_no_schedule": ONE_FORM,
    "create_bad_headers_json": ONE_FORM,
    "create_headers_not_object": ONE_FORM,
    "create_bad_body_json": ONE_FORM,
    "create_name_with_colon": COLONS_TOO,
    "create_name_with_slash_space": NO_SLASH,
    "create_queue_with_colon": REASON_AND_STATUS,
    "list_agents": LISTS_WORK,
    "get_agent_cron": LISTS_WORK,
    "get_agent_boom_failed": LISTS_WORK,
    "get_agent_name_space": SPACES_WORK,
    "delete_queue_default": REASON_AND_STATUS,
    "delete_queue_busy": REASON_AND_STATUS,
    "delete_agent_once_again": DELETED_IS_GONE,
    "get_agent_cron2_after_delete": DELETED_IS_GONE,
    "get_queue_hourly_after": DELETED_IS_GONE,
    "get_agent_task_operator": NOTHING_RAN_YET,
    "server_down:enable_task_operator.py": ONE_FORM,
    "server_down:disable_task_operator.py": ONE_FORM,
    "server_down:check_task_operator_lock.py": ONE_FORM,
    "server_down:clear_task_operator_lock.py": ONE_FORM,
    "help:list_agents.py": HELP_HELPS,
    "help:list_queues.py": HELP_HELPS,
}
"""Which runs end differently on purpose, and why: of the client, and of the commands unless they need no server."""


def recorded_runs() -> list[Run]:
    """All of them, in the order in which they were made."""
    return [
        Run(
            case=each["case"],
            script=each["script"],
            arguments=tuple(each["argv"]),
            code=each["exit"],
            out=each["stdout"],
            err=each["stderr"],
        )
        for each in json.loads(FILE.read_text())
    ]


def outline(run: Run) -> tuple[Any, ...]:
    """What has to be the same: exit code, what stands where in the output, and an error's form and status."""
    return run.code, shape_of(run.out), _outline_of_error(run)


def shape_of(value: Any) -> Any:
    """The names and types in a JSON value. Of a list the first item stands for all."""
    if isinstance(value, dict):
        return {name: shape_of(item) for name, item in sorted(value.items())}
    if isinstance(value, list):
        return [shape_of(item) for item in value[:1]]
    return value if value == "" else type(value).__name__


def _outline_of_error(run: Run) -> Any:
    if run.code == USAGE or not run.err:
        return "usage" if run.code == USAGE else ""
    return {"status": run.err.get("status")} if isinstance(run.err, dict) else "text"
