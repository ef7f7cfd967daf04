"""How an older agent or prompt stands."""

from typing import Any, Final

from django.db.models import OuterRef, QuerySet, Subquery

from tasks.models import OlderAgent, Task
from tasks.older_tools.belongings import existing_schedule
from tasks.older_tools.making import EMPTY_BODY
from tasks.older_tools.words import job_of_run, job_of_schedule, moment
from tasks.states import UNFINISHED, Status

HIDDEN: Final = "***"


def with_last_run(rows: QuerySet[OlderAgent]) -> QuerySet[OlderAgent]:
    """The rows with what is known of the last task of each, so that no list asks for each by itself."""
    of_agent = Task.objects.filter(agent=OuterRef("agent")).order_by("-pk")
    of_schedule = Task.objects.filter(schedule=OuterRef("schedule")).order_by("-pk")
    last = of_agent.values("createdat")[:1]
    return rows.annotate(
        last_task_at=Subquery(last),
        last_status=Subquery(of_agent.values("status")[:1]),
        last_run_at=Subquery(of_agent.filter(started_at__isnull=False).values("started_at")[:1]),
        last_fired_run_at=Subquery(of_schedule.filter(started_at__isnull=False).values("started_at")[:1]),
    )


def of_agent(older: Any) -> dict[str, Any]:
    """What `GET /agents/:name` says. `older` comes from `with_last_run`."""
    config, agent = older.agent.config, older.agent
    said = {**_run_of(older, older.last_run_at), "jobId": _job_of(older), "queue": agent.queue.name}
    said |= {"targetUrl": config["target_url"], "method": config.get("method", "POST"), "headers": _headers_of(older)}
    if config.get("body") not in (None, EMPTY_BODY):
        said["body"] = config["body"]
    if existing_schedule(older) is not None:
        said["schedule"] = older.schedule_text
    return {"name": agent.name, **said, "timeout": older.timeout_milliseconds}


def of_prompt(older: Any) -> dict[str, Any]:
    """What `GET /prompts/:name` says. `older` comes from `with_last_run`."""
    name = older.schedule.name
    return {"name": name, **_run_of(older, older.last_fired_run_at), "jobId": f"recurring:{name}"}


def _run_of(older: Any, last_run_at: Any) -> dict[str, Any]:
    schedule = existing_schedule(older)
    is_paused = older.agent.is_paused or (schedule is not None and schedule.is_paused)
    if schedule is None:
        is_active = older.last_status is not None and Status(older.last_status) in UNFINISHED
    else:
        is_active = not is_paused and schedule.next_due_at is not None
    said: dict[str, Any] = {"isActive": is_active}
    if last_run_at is not None:
        said["lastRun"] = moment(last_run_at)
    if is_active and schedule is not None and schedule.next_due_at is not None:
        said["nextRun"] = moment(schedule.next_due_at)
    return said


def _job_of(older: Any) -> str:
    schedule = existing_schedule(older)
    if schedule is not None:
        return job_of_schedule(schedule)
    return job_of_run(older.agent.name, older.last_task_at or older.created_at)


def _headers_of(older: Any) -> dict[str, Any]:
    credential = older.agent.credential
    has_secrets = credential is not None and credential.uuid == older.made_credential
    hidden = dict.fromkeys(older.secret_headers, HIDDEN) if has_secrets else {}
    return {**older.agent.config.get("headers", {}), **hidden}
