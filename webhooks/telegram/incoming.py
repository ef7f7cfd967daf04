"""Messages that become tasks, and what their sender changes in them afterwards."""

from typing import Final, Required, TypedDict

from django.db.models import Max

from tasks import lifecycle
from tasks.models import Task
from tasks.models.task import Source
from tasks.states import Status
from webhooks.models import TelegramLink, TelegramThread
from webhooks.telegram import nudges, replies
from webhooks.telegram.updates import Message

FORWARDED: Final = "Read the forwarded text and say what it is about and what it asks for."
"""The prompt of a message that is nothing but somebody else's words."""
NOT_BEGUN: Final = frozenset({Status.READY, Status.BACKLOGGED})
TOO_LATE: Final = "It is too late to change #{number}: it has begun. Send a new message."
NOT_PASSED_ON: Final = "Only the words are passed on to the agent, and not what they stand under."


class Words(TypedDict, total=False):
    """What of a message is its sender's own word, what is not, and where that came from."""

    prompt: Required[str]
    untrusted_text: str
    origin: str


def take(link: TelegramLink, message: Message) -> TelegramThread:
    """Make a task of a linked person's message. Raises AppError as `tasks.lifecycle.submit` does."""
    words = words_of(message)
    thread = bring_in(link, message_id=message.message_id, topic_id=message.place.topic_id, **words)
    if message.has_file:
        replies.say(link.bot, message, NOT_PASSED_ON)
    return thread


def words_of(message: Message) -> Words:
    """What of a message is its sender's own word, what is not, and where that came from."""
    if message.is_forwarded:
        return {"prompt": FORWARDED, "untrusted_text": message.text, "origin": "A message forwarded in Telegram"}
    if message.quoted.strip():
        return {"prompt": message.text, "untrusted_text": message.quoted, "origin": "A message quoted in Telegram"}
    return {"prompt": message.text}


def bring_in(
    link: TelegramLink,
    *,
    message_id: int,
    prompt: str,
    untrusted_text: str = "",
    origin: str = "",
    topic_id: int | None = None,
    was_spoken: bool = False,
) -> TelegramThread:
    """Write a new task for the link's agent together with its thread, in the caller's transaction.

    Raises AppError as `tasks.lifecycle.submit` does.
    """
    # The numbers of a link's threads are given out one after the other.
    TelegramLink.objects.select_for_update(no_key=True).get(pk=link.pk)
    task = lifecycle.submit(
        actor=link.owner,
        source=Source.TELEGRAM,
        agent=link.agent,
        queue=link.queue,
        prompt=prompt,
        untrusted_text=untrusted_text,
        origin=origin,
    )
    last = TelegramThread.objects.filter(link=link).aggregate(Max("number"))["number__max"] or 0
    thread: TelegramThread = TelegramThread.objects.create(
        task=task,
        link=link,
        number=last + 1,
        message_id=message_id,
        topic_id=topic_id,
        was_spoken=was_spoken,
        due_at=task.createdat,
    )
    nudges.nudge_after_commit(link.bot_id)
    return thread


def change(link: TelegramLink, message: Message) -> Task | None:
    """Give a task that has not begun the new words of its message; None when the message made none.

    Whoever is too late is told so. A quotation stays what it was.
    """
    thread = TelegramThread.objects.filter(link=link, message_id=message.message_id).order_by("-number").first()
    if thread is None or message.is_forwarded or not message.text.strip():
        return None
    # Locked as the verbs do it: what is decided here still holds when it is written.
    task = Task.objects.select_for_update(no_key=True).get(pk=thread.task_id)
    if task.prompt == message.text:
        # Telegram tells of changes that are none to us, such as a preview that was added.
        return task
    if task.state not in NOT_BEGUN or task.attempts:
        replies.say(link.bot, message, TOO_LATE.format(number=thread.number))
        return task
    return lifecycle.edit(actor=link.owner, task=task, prompt=message.text)
