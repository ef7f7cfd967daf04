"""What is told of a task in Telegram: a status that is kept up to date, and the answer."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from django.conf import settings

from tasks import events, failures, lifecycle
from tasks.models import Approval, ApprovalState, Task, TaskEvent
from tasks.states import Status
from tasks.untrusted.characters import INVISIBLE
from webhooks.models import TelegramThread
from webhooks.telegram import messages
from webhooks.telegram.replies import Button

CANCEL: Final = "cancel"
RETRY: Final = "retry"
APPROVE: Final = "approve"
DENY: Final = "deny"
SHOWN_LINES: Final = 12
SHOWN_UNITS: Final = 1_500
LONGEST_QUESTION: Final = 3_500
_LAST_PART: Final = 3_500
_READ_EVENTS: Final = 10
_OF_EMOJI: Final = frozenset("\u200d\ufe0f")
ALARM: Final = (
    "Alarm: the output gives away its agent's secret instructions. Somebody may have taken the agent over by a text "
    "that it was given. It is not repeated here."
)


@dataclass(frozen=True)
class View:
    """A message with its buttons."""

    text: str
    buttons: Sequence[Button] = ()

    @property
    def mark(self) -> str:
        """What tells two views apart."""
        exact = json.dumps([self.text, [[one.label, one.data] for one in self.buttons]])
        return hashlib.sha256(exact.encode()).hexdigest()


@dataclass(frozen=True, kw_only=True)
class Scene:
    """A task as it is now."""

    number: int
    task: Task
    approval: Approval | None
    ending_id: int | None
    """The event of its end; None while it is not finished, and of cancelled tasks, whose status says all."""
    output: str

    @property
    def status(self) -> Status:
        """The status, of archived tasks the one before."""
        archived_from = self.task.archived_from
        return self.task.state if archived_from is None else Status(archived_from)

    @property
    def is_moving(self) -> bool:
        """Whether its output may go on at any moment."""
        return self.task.state == Status.RUNNING and self.task.parked_at is None


def read(thread: TelegramThread) -> Scene:
    """The scene of a thread's task. Raises Task.DoesNotExist."""
    task = Task.objects.defer("input", "error_detail").get(pk=thread.task_id)
    approval = None
    if task.state == Status.BACKLOGGED:
        approval = Approval.objects.filter(task=task, state=ApprovalState.PENDING).first()
    output = _output_of(task) if task.state == Status.RUNNING else ""
    return Scene(number=thread.number, task=task, approval=approval, ending_id=_ending_of(task), output=output)


def status_of(scene: Scene) -> View:
    """What the status message says."""
    name, status, task = f"#{scene.number}", scene.status, scene.task
    if status == Status.BACKLOGGED and scene.approval is not None:
        return _question(name, task, scene.approval)
    stop = [Button("Cancel", f"{CANCEL}:{task.uuid}")]
    if status == Status.READY:
        return View(f"{name} waits for its turn.", stop)
    if status == Status.BACKLOGGED:
        return View(f"{name} is put aside until somebody releases it.", stop)
    if status == Status.RUNNING:
        words = f"{name} is running." if task.parked_at is None else f"{name} is worked on by an outside runner."
        return View(f"{words}\n\n{scene.output}" if scene.output else words, stop)
    return View(f"{name} {_ENDS[status]}")


def answer_of(scene: Scene) -> list[View]:
    """The messages that tell how a task ended."""
    name, task = f"#{scene.number}", scene.task
    if scene.status == Status.FAILED:
        again = Button("Retry", f"{RETRY}:{task.uuid}")
        return [View(f"{name} failed. {failures.sentence_for(task.error_code)}", [again])]
    if task.has_alarm:
        return [View(f"{name}: {ALARM}\n{address_of(task.uuid)}")]
    parts, has_more = messages.parts_of(messages.sendable(task.result or ""))
    if not parts:
        return [View(f"{name} is done. It gave no answer in words.")]
    if has_more:
        begun = messages.shortened(parts[-1], most_units=_LAST_PART)
        parts[-1] = f"{begun}\n\nThe whole answer: {address_of(task.uuid)}"
    return [View(part) for part in parts]


def is_readable_whole(task: Task) -> bool:
    """Whether a message can show everything that would be approved, and nothing of it hides."""
    text = _asked_text(task)
    has_hidden = any(letter in INVISIBLE and letter not in _OF_EMOJI for letter in text)
    is_shown_as_it_is = not has_hidden and messages.sendable(text) == text
    return is_shown_as_it_is and messages.units(text) <= LONGEST_QUESTION and not task.input


def address_of(task: UUID) -> str:
    """The page of a task; only its path where nobody has said under which address people reach us."""
    return f"{settings.PERSONALQ_PUBLIC_URL}/tasks/{task}"


_ENDS: Final = {Status.COMPLETE: "is done.", Status.FAILED: "failed.", Status.CANCELLED: "was cancelled."}


def _question(name: str, task: Task, approval: Approval) -> View:
    reason = lifecycle.APPROVAL_REASONS.get(approval.reason, "")
    deny = Button("Deny", f"{DENY}:{approval.uuid}")
    if not is_readable_whole(task):
        where = f"Its text cannot be shown here as it is. Read it, and approve it there: {address_of(task.uuid)}"
        return View(f"{name} waits for your approval. {reason}\n\n{where}", [deny])
    text = messages.sendable(_asked_text(task))
    return View(
        f"{name} waits for your approval. {reason}\n\n{text}", [Button("Approve", f"{APPROVE}:{approval.uuid}"), deny]
    )


def _asked_text(task: Task) -> str:
    return f"{task.prompt}\n\nText from outside:\n{task.untrusted_text}" if task.untrusted_text else task.prompt


def _ending_of(task: Task) -> int | None:
    kind = {Status.COMPLETE: events.COMPLETED, Status.FAILED: events.FAILED}.get(
        task.state if task.archived_from is None else Status(task.archived_from)
    )
    if kind is None:
        return None
    found = TaskEvent.objects.filter(task_id=task.pk, kind=kind).order_by("-id").values_list("pk", flat=True)
    return found.first()


def _output_of(task: Task) -> str:
    rows = TaskEvent.objects.filter(task_id=task.pk, attempt=task.attempts, kind=events.OUTPUT)
    latest = list(rows.order_by("-id").values_list("data__text", flat=True)[:_READ_EVENTS])
    text = "".join(str(each or "") for each in reversed(latest))
    return messages.last_lines(messages.sendable(text), most_lines=SHOWN_LINES, most_units=SHOWN_UNITS)
