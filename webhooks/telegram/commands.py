"""What begins with a slash."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from tasks import states
from tasks.states import Status
from webhooks.models import TelegramBot, TelegramLink, TelegramThread
from webhooks.telegram import deeds, links, messages

# A path such as /etc/hosts is no command.
_FORM: Final = re.compile(r"/([A-Za-z0-9_]{1,32})(?:@([A-Za-z0-9_]{1,64}))?(?:\s+(\S[\s\S]*))?")
LONGEST_LIST: Final = 20
HELP: Final = """Write to me, and it becomes a task for your agent.
Change the message before the task has begun, and the task changes.

/status: the latest task
/queue: what is not finished
/cancel, /retry, /approve: the latest task, or the one whose number or short id you add, such as /cancel 12
/stop: end the link between this chat and your account
/help: this text"""
_WORDS: Final = {
    Status.READY: "waits for its turn",
    Status.BACKLOGGED: "is put aside or waits for approval",
    Status.RUNNING: "is running",
    Status.COMPLETE: "is done",
    Status.FAILED: "failed",
    Status.CANCELLED: "was cancelled",
    Status.ARCHIVED: "is archived",
}


@dataclass(frozen=True)
class Command:
    """A word, whom it is for, and what follows it."""

    name: str
    bot: str
    argument: str

    def is_for(self, bot: TelegramBot) -> bool:
        """Whether it names this bot or none."""
        return not self.bot or self.bot.lower() == bot.username.lower()


def read(text: str) -> Command | None:
    """The command that a message is; None when it is none."""
    found = _FORM.fullmatch(text.strip())
    if found is None:
        return None
    return Command(found[1].lower(), found[2] or "", (found[3] or "").strip())


def carry_out(link: TelegramLink, command: Command) -> str:
    """What a linked person wants; returns what to say. Raises AppError when it is refused."""
    if (act := _ON_TASKS.get(command.name)) is not None:
        return act(link, deeds.thread_named(link, command.argument))
    if (tell := _OTHERS.get(command.name)) is not None:
        return tell(link)
    return f"I do not know /{command.name}. Send /help."


def greeting(link: TelegramLink) -> str:
    """What a person is told who has just been linked."""
    account, agent = link.owner.get_username(), link.agent.name
    return f"You are linked to the account {account}. What you write goes to {agent}.\n\n{HELP}"


def _status(link: TelegramLink) -> str:
    latest = TelegramThread.objects.filter(link=link).select_related("task").order_by("-number").first()
    agent = f"I am here. What you write goes to {link.agent.name}."
    return f"{agent}\n\n{_line(latest)}" if latest else f"{agent}\n\nNothing was asked yet."


def _queue(link: TelegramLink) -> str:
    rows = TelegramThread.objects.filter(link=link, task__status__in=states.UNFINISHED).select_related("task")
    lines = [_line(thread) for thread in rows.order_by("-number")[: LONGEST_LIST + 1]]
    if not lines:
        return "Everything is finished."
    return "\n".join([*lines[:LONGEST_LIST], *(["…"] if len(lines) > LONGEST_LIST else [])])


def _line(thread: TelegramThread) -> str:
    task = thread.task
    first = messages.shortened(" ".join(messages.sendable(task.prompt[:200]).split()), most_units=60)
    return f"#{thread.number} ({str(task.uuid)[:8]}) {_WORDS[task.state]}: {first}"


def _stop(link: TelegramLink) -> str:
    links.unlink(actor=link.owner, link=link)
    return "The link is ended. I know nobody here any more. Make a new code on the page of the bot to come back."


_ON_TASKS: Final[Mapping[str, Callable[[TelegramLink, TelegramThread], str]]] = {
    "cancel": deeds.cancel,
    "retry": deeds.retry,
    "approve": deeds.approve,
}
_OTHERS: Final[Mapping[str, Callable[[TelegramLink], str]]] = {
    "start": lambda _: HELP,
    "help": lambda _: HELP,
    "status": _status,
    "queue": _queue,
    "stop": _stop,
}
