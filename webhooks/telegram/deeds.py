"""What a linked person does with a task from the chat: always with one that came in by the same link."""

import re
from typing import Final
from uuid import UUID

from personalq.lib.errors import AppError, Conflict, NotFound
from personalq.lib.identifiers import as_uuid
from tasks import access, lifecycle
from tasks.models import Approval, ApprovalState, Task
from webhooks.models import TelegramLink, TelegramThread
from webhooks.telegram import story

SHORT_ID: Final = re.compile(r"[0-9a-f]{4,8}")
_NUMBER: Final = re.compile(r"#?([0-9]{1,9})")


class NotReadHere(Conflict):
    """What would be approved is not what stands in the chat."""

    code = "approval_not_read_here"
    title = "Its text does not stand here as it is."
    advice = "Read it on its page and approve it there."


def thread_named(link: TelegramLink, name: str) -> TelegramThread:
    """The thread of this number or short id; of an empty name the latest one. Raises NotFound."""
    rows = TelegramThread.objects.filter(link=link).select_related("task").order_by("-number")
    number = _NUMBER.fullmatch(name)
    if number is not None and (found := rows.filter(number=int(number[1])).first()):
        return found
    if SHORT_ID.fullmatch(name.lower()):
        rows = rows.filter(task__uuid__istartswith=name.lower())
    elif name:
        raise NotFound("Name it by its number or its short id; /queue shows both.")
    thread = rows.first()
    if thread is None:
        raise NotFound("/queue shows those that are not finished.")
    return thread


def thread_of(link: TelegramLink, task: UUID) -> TelegramThread:
    """The thread of a task that came in by this link. Raises NotFound."""
    thread = TelegramThread.objects.filter(link=link, task__uuid=task).select_related("task").first()
    if thread is None:
        raise NotFound(STALE)
    return thread


def cancel(link: TelegramLink, thread: TelegramThread) -> str:
    """Stop its task; returns what to say. Raises AppError, as all of these."""
    lifecycle.cancel(actor=link.owner, task=_task(link, thread), reason="Cancelled from Telegram.")
    return f"#{thread.number} is cancelled."


def retry(link: TelegramLink, thread: TelegramThread) -> str:
    """Let its task run again."""
    lifecycle.retry(actor=link.owner, task=_task(link, thread))
    return f"#{thread.number} is tried again."


def approve(link: TelegramLink, thread: TelegramThread) -> str:
    """Approve the question about its task, if it stands in the chat as it is."""
    approval = Approval.objects.filter(task_id=thread.task_id, state=ApprovalState.PENDING).first()
    if approval is None:
        raise NotFound(f"#{thread.number} does not wait for approval.")
    if story.status_of(story.read(thread)).mark != thread.shown:
        raise NotReadHere("Its text has changed, or has not been shown yet. Read it first, then send /approve again.")
    return decide(link, approval.uuid, is_yes=True)


def decide(link: TelegramLink, uuid: UUID, *, is_yes: bool) -> str:
    """Answer a question about a task of this link."""
    approval = access.approval_for(link.owner, uuid, "change")
    thread = thread_of(link, approval.task.uuid)
    if not is_yes:
        lifecycle.deny(actor=link.owner, approval=approval)
        return f"#{thread.number} is denied."
    if not story.is_readable_whole(approval.task):
        raise NotReadHere(f"{NotReadHere.advice} {story.address_of(approval.task.uuid)}")
    lifecycle.approve(actor=link.owner, approval=approval, text_digest=approval.text_digest)
    return f"#{thread.number} is approved."


def press(link: TelegramLink, data: str) -> str:
    """What a button asks for; returns what to say. Raises AppError."""
    deed, _, name = data.partition(":")
    uuid = as_uuid(name)
    if uuid is None:
        raise NotFound(STALE)
    if deed in {story.APPROVE, story.DENY}:
        return decide(link, uuid, is_yes=deed == story.APPROVE)
    act = {story.CANCEL: cancel, story.RETRY: retry}.get(deed)
    if act is None:
        raise NotFound(STALE)
    return act(link, thread_of(link, uuid))


def words_of(error: AppError) -> str:
    """What to say about a refusal."""
    fields = " ".join(each.message for each in error.errors)
    # Its own title speaks of an address, which nobody in a chat has asked for.
    title = "I do not find that here." if isinstance(error, NotFound) else error.title
    return f"{title} {fields or error.detail}"


STALE: Final = "This button is out of date. Send /queue."


def _task(link: TelegramLink, thread: TelegramThread) -> Task:
    return access.task_for(link.owner, thread.task.uuid, "change")
