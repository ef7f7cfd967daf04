"""What a voice agent can do by a door: add a task, follow it, cancel it, hear its result.

Anybody may speak to a voice agent, so what is said is never its owner's own word: a new task's text is untrusted. With
an instruction at the door that is the prompt, and what was said comes along as data.

A full id reaches any of the owner's tasks. Everything else - the first characters of an id, or none at all - reaches
only those that came in by the same door within the last 30 days.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from django.db import transaction
from django.db.models import F, QuerySet, Value
from django.db.models.fields import CharField
from django.db.models.functions import Cast, Concat, Now

from accounts.refusals import not_yours
from personalq.lib.constraints import conflicts
from personalq.lib.errors import Conflict, InvalidInput, NotFound
from personalq.lib.fields import StrictSerializer
from personalq.lib.identifiers import as_uuid
from tasks import access, lifecycle
from tasks.api import references
from tasks.failures import sentence_for
from tasks.models import Approval, ApprovalState, Queue, Task
from tasks.models.task import ORIGIN_LENGTH, Source
from tasks.states import Status
from webhooks.doors import replay
from webhooks.models import Door, InboundRequest, Outcome
from webhooks.voice.forms import NewTaskForm, NoArguments, OneTaskForm, read_arguments
from webhooks.voice.spoken import spoken

REPEATED_WITHIN: Final = timedelta(seconds=60)
KEY_LENGTH: Final = 43
"""Of what a repetition is known by: short enough to have a number put behind it."""
MOST_SAID: Final = 600
MOST_LISTED: Final = 5
LABEL_LENGTH: Final = 60
SHORT_ID: Final = 8
_PART_OF_ID: Final = re.compile(r"[0-9a-f]{4,32}", re.ASCII)
_STATES: Final[Mapping[Status, str]] = {
    Status.READY: "waits for its turn",
    Status.RUNNING: "is being worked on",
    Status.BACKLOGGED: "is put aside",
    Status.COMPLETE: "is done",
    Status.FAILED: "has failed",
    Status.CANCELLED: "was cancelled",
    Status.ARCHIVED: "is done and archived",
}


@dataclass(frozen=True, kw_only=True)
class Caller:
    """By which door somebody speaks, and in which conversation."""

    door: Door
    conversation: str = ""


@dataclass(frozen=True)
class Answer:
    """What the voice agent says, and the same for programs."""

    say: str
    result: Mapping[str, Any]


class NoSuchTool(NotFound):
    """A tool by a name that we do not know."""

    code = "unknown_tool"
    title = "There is no such tool."
    advice = "Use add_task, task_state, cancel_task, last_result, list_tasks or help."


class SeveralTasks(Conflict):
    """The beginning of an id fits more than one task."""

    code = "several_tasks"
    title = "Several tasks have an id that begins like this."
    advice = "Say more of the id, or leave it out for the last task."


def use(*, caller: Caller, tool: str, arguments: object) -> Answer:
    """Do what a tool does. Raises AppErrors, and ValidationError that names the argument."""
    found = TOOLS.get(tool)
    if found is None:
        raise NoSuchTool
    form, work = found
    return work(caller, read_arguments(form, arguments))


def _add_task(caller: Caller, wanted: Mapping[str, Any]) -> Answer:
    key = _key_of(caller, wanted)
    queue = _queue_of(caller, wanted.get("queue"))
    gone = Conflict("The agent or the queue was deleted at this moment. Choose another one for the door.")
    with conflicts(gone=gone), transaction.atomic():
        if key:
            _free_when_old(caller.door, key, is_for_ever="request_id" in wanted)
        if key and not replay.first_time(door=caller.door, key=key):
            return _told_before(caller.door, key)
        task = _submit(caller, wanted, queue)
        _remember(caller.door, key or f"task:{task.uuid}", task, is_new=not key)
    return Answer(f"All right. Task {_label(task)} {_state(task)}.", {"task": _facts(task), "repeated": False})


def _submit(caller: Caller, wanted: Mapping[str, Any], queue: Queue | None) -> Task:
    door, said = caller.door, wanted["prompt"]
    own = {"prompt": door.instruction, "untrusted_text": said}
    texts = own if door.instruction else {"prompt": said, "trusted": False}
    return lifecycle.submit(
        # Nobody knows who it was that spoke.
        actor=None,
        agent=door.agent,
        queue=queue,
        title=wanted.get("title", ""),
        origin=f"{_origin(caller)}{door.name}"[:ORIGIN_LENGTH],
        source=Source.VOICE,
        **texts,
    )


def _remember(door: Door, key: str, task: Task, *, is_new: bool) -> None:
    if is_new:
        replay.first_time(door=door, key=key)
    replay.remember(door=door, key=key, outcome=Outcome.TASK, task=task)


def _key_of(caller: Caller, wanted: Mapping[str, Any]) -> str:
    """By what a repetition is known; empty when nothing says that two calls are one."""
    if "request_id" in wanted:
        return f"request:{replay.digest_of(wanted['request_id'].encode())}"[:KEY_LENGTH]
    if not caller.conversation:
        return ""
    whole = json.dumps([caller.conversation, wanted], sort_keys=True)
    return f"said:{replay.digest_of(whole.encode())}"[:KEY_LENGTH]


def _free_when_old(door: Door, key: str, *, is_for_ever: bool) -> None:
    """Let the same words be said again after a minute: the earlier request keeps its row under another key."""
    if is_for_ever:
        return
    earlier = InboundRequest.objects.filter(door=door, key=key, at__lt=Now() - REPEATED_WITHIN)
    earlier.update(key=Concat(Value(f"{key}."), Cast(F("pk"), CharField())))


def _told_before(door: Door, key: str) -> Answer:
    earlier = replay.seen(door=door, key=key)
    if earlier is None or earlier.task is None:
        raise Conflict("This was asked before, and its task is gone. Ask for it in other words.")
    say = f"I have that already. Task {_label(earlier.task)} {_state(earlier.task)}."
    return Answer(say, {"task": _facts(earlier.task), "repeated": True})


def _task_state(caller: Caller, wanted: Mapping[str, Any]) -> Answer:
    task = _task(caller, wanted.get("task"))
    return Answer(f"Task {_label(task)} {_state(task)}.{_why(task)}", {"task": _facts(task)})


def _cancel_task(caller: Caller, wanted: Mapping[str, Any]) -> Answer:
    task = _task(caller, wanted.get("task"), deed="change")
    ended = lifecycle.cancel(actor=None, task=task, reason=f"asked for at the door {caller.door.name}")
    return Answer(f"Task {_label(ended)} {_state(ended)}.", {"task": _facts(ended)})


def _last_result(caller: Caller, wanted: Mapping[str, Any]) -> Answer:
    named = wanted.get("task")
    done = None if named else _last_of(caller, _tasks_of(caller.door).filter(result__isnull=False))
    task = done or _task(caller, named)
    if task.result is None:
        say = f"There is no result yet. Task {_label(task)} {_state(task)}.{_why(task)}"
        return Answer(say, {"task": _facts(task), "text": None})
    text = spoken(task.result, most=MOST_SAID)
    say = f"Task {_label(task)} says: {text}" if text else f"Task {_label(task)} is done. It said nothing."
    return Answer(say, {"task": _facts(task), "text": text})


def _list_tasks(caller: Caller, _: Mapping[str, Any]) -> Answer:
    tasks = list(_newest(_tasks_of(caller.door))[:MOST_LISTED])
    if not tasks:
        return Answer("There are no tasks yet.", {"tasks": []})
    lines = [f"{_label(task)} {_state(task)}." for task in tasks]
    return Answer(" ".join(["The last tasks.", *lines]), {"tasks": [_facts(task) for task in tasks]})


def _help(_: Caller, __: Mapping[str, Any]) -> Answer:
    say = (
        "I can add a task, say how a task is getting on, cancel a task, read out the last result, and list the last "
        "tasks."
    )
    return Answer(say, {"tools": list(TOOLS)})


# --- Which task is meant -------------------------------------------------------------------------------


def _task(caller: Caller, named: str | None, *, deed: access.Deed = "view") -> Task:
    if named is None:
        found = _last_of(caller, _tasks_of(caller.door))
        if found is None:
            raise NotFound("There is no task yet. Add one first.")
        return found
    uuid = as_uuid(named)
    return _of_part(caller.door, named) if uuid is None else _own(caller.door, uuid, deed)


def _own(door: Door, uuid: UUID, deed: access.Deed) -> Task:
    task = access.task_for(door.owner, uuid, deed)
    # Operators reach everybody's tasks, but nobody speaks to them for that.
    if task.owner_id != door.owner_id:
        raise not_yours(door.owner, task)
    return task


def _of_part(door: Door, part: str) -> Task:
    digits = part.replace("-", "").lower()
    if not _PART_OF_ID.fullmatch(digits):
        raise InvalidInput.for_field("args.task", "invalid", "Send the task's id, or leave it out for the last task.")
    between = (UUID(digits.ljust(32, "0")), UUID(digits.ljust(32, "f")))
    found = list(_tasks_of(door).filter(uuid__range=between)[:2])
    if len(found) > 1:
        raise SeveralTasks
    if not found:
        raise NotFound("No task of this door has an id that begins like this.")
    return found[0]


def _last_of(caller: Caller, tasks: QuerySet[Task]) -> Task | None:
    """The newest of this conversation, or of the whole door."""
    newest = _newest(tasks)
    same = newest.filter(origin__startswith=_origin(caller)).first() if caller.conversation else None
    return same or newest.first()


def _tasks_of(door: Door) -> QuerySet[Task]:
    return access.tasks_of(door.owner).filter(inbound_requests__door=door).select_related("agent", "queue")


def _newest(tasks: QuerySet[Task]) -> QuerySet[Task]:
    return tasks.order_by("-inbound_requests__pk")


def _origin(caller: Caller) -> str:
    return f"conversation {caller.conversation} at " if caller.conversation else "a conversation at "


def _queue_of(caller: Caller, name: str | None) -> Queue | None:
    if name is None:
        return caller.door.queue
    with references.naming("args.queue", references.NO_QUEUE):
        return access.queue_named(caller.door.owner, name)


# --- What is said of it --------------------------------------------------------------------------------


def _label(task: Task) -> str:
    """A few words to know a task by."""
    words = " ".join((task.title or task.untrusted_text or task.prompt)[: 4 * LABEL_LENGTH].split())
    if len(words) <= LABEL_LENGTH:
        return f'"{words}"'
    return f'"{words[:LABEL_LENGTH].rpartition(" ")[0] or words[:LABEL_LENGTH]}…"'


def _state(task: Task) -> str:
    if task.state == Status.BACKLOGGED and _needs_approval(task):
        return "waits for your approval"
    return _STATES[task.state]


def _why(task: Task) -> str:
    return f" {sentence_for(task.error_code)}" if task.state == Status.FAILED else ""


def _needs_approval(task: Task) -> bool:
    return Approval.objects.filter(task=task, state=ApprovalState.PENDING).exists()


def _facts(task: Task) -> dict[str, Any]:
    uuid = str(task.uuid)
    facts = {"id": uuid, "short_id": uuid[:SHORT_ID], "status": task.state.word, "title": task.title}
    return {**facts, "error_code": task.error_code} if task.error_code else facts


Work = Callable[[Caller, Mapping[str, Any]], Answer]
TOOLS: Final[Mapping[str, tuple[type[StrictSerializer], Work]]] = {
    "add_task": (NewTaskForm, _add_task),
    "task_state": (OneTaskForm, _task_state),
    "cancel_task": (OneTaskForm, _cancel_task),
    "last_result": (OneTaskForm, _last_result),
    "list_tasks": (NoArguments, _list_tasks),
    "help": (NoArguments, _help),
}
