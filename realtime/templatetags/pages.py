"""How the pages show statuses, times and titles."""

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from django import template
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from realtime.marked_text import mark_unusual
from realtime.words import bytes_in_words, duration_in_words, money_in_words
from tasks import failures
from tasks.holds import WORDS as HOLD_WORDS
from tasks.holds import Hold, current_hold
from tasks.models import Agent, Conversation, Task
from tasks.states import Status

register = template.Library()

_TITLE_LENGTH: Final = 120
_MINUTE: Final = timedelta(minutes=1)
_SOURCES: Final = {
    "api": "the API",
    "web": "these pages",
    "mcp": "MCP",
    "schedule": "a schedule",
    "import": "an import",
    "sql": "SQL",
}


@register.simple_tag
def icon(name: str) -> SafeString:
    """A small picture from the sprite in base.html, for the eye only: words have to stand beside it."""
    return format_html(
        '<svg class="icon" width="16" height="16" aria-hidden="true" focusable="false">'
        '<use href="#icon-{}"></use></svg>',
        name,
    )


@register.simple_tag
def status_badge(status: int) -> SafeString:
    """A status by colour, picture and word."""
    word = Status(status).word
    return format_html('<span class="status status-{}">{}<span>{}</span></span>', word, icon(word), word)


@register.simple_tag
def moment(at: datetime) -> SafeString:
    """A time in UTC, which scripts turn into the reader's own."""
    at = at.astimezone(UTC)
    machine = at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return format_html('<time datetime="{}">{}</time>', machine, at.strftime("%d %b %Y, %H:%M UTC"))


@register.simple_tag
def clock(at: datetime) -> SafeString:
    """The time of day, with the day unless it is today; what is still to come is never told earlier than it is."""
    at, now = at.astimezone(UTC), timezone.now().astimezone(UTC)
    machine = at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    rest = -timedelta(seconds=at.second, microseconds=at.microsecond) % _MINUTE
    shown = at + rest if at > now else at
    form = "%H:%M UTC" if shown.date() == now.date() else "%d %b %Y, %H:%M UTC"
    return format_html('<time datetime="{}" data-clock>{}</time>', machine, shown.strftime(form))


@register.simple_tag
def hold_of(agent: Agent) -> Hold | None:
    """The provider's limit that holds an agent now."""
    return current_hold(until=agent.held_until_at, code=agent.held_code, now=timezone.now())


@register.filter
def limit_words(hold: Hold) -> str:
    """Which limit it is."""
    return HOLD_WORDS.get(hold.code, "limit")


@register.simple_tag
def duration(begin: datetime, end: datetime | None) -> SafeString:
    """How long something took or, without an end, has taken; scripts let the latter go on."""
    if end is None:
        machine = begin.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        return format_html('<span data-since="{}">running</span>', machine)
    return format_html("<span>{}</span>", duration_in_words(max(0.0, (end - begin).total_seconds())))


@register.filter
def heading(task: Task) -> str:
    """What a task is called: its title or how its prompt begins; once both are removed, its id."""
    if task.title:
        return task.title
    # Rows carry an excerpt in place of the prompt, which would be fetched one by one.
    beginning = task.excerpt if hasattr(task, "excerpt") else task.prompt[: 4 * _TITLE_LENGTH]
    text = " ".join(beginning.split())
    if not text and task.pruned_at is not None:
        return f"Task {task.uuid}"
    return text if len(text) <= _TITLE_LENGTH else _cut(text)


@register.filter
def conversation_heading(conversation: Conversation) -> str:
    """What a conversation is called."""
    text = " ".join(conversation.title.split())
    if not text:
        return f"Conversation with {conversation.agent.name}"
    return text if len(text) <= _TITLE_LENGTH else _cut(text)


def _cut(text: str) -> str:
    """The beginning of a text, up to the end of a word where there is one."""
    words = text[:_TITLE_LENGTH].rpartition(" ")[0] or text[: _TITLE_LENGTH - 1]
    return f"{words.rstrip(' .,;:')}…"


@register.filter
def source_words(source: str) -> str:
    """The door that a task came in by."""
    return _SOURCES.get(source, source)


@register.filter
def error_sentence(code: str) -> str:
    return failures.sentence_for(code)


@register.filter
def microseconds(at: datetime) -> int:
    """A time as a number that scripts can sort by."""
    return int(at.timestamp() * 1_000_000)


@register.filter
def grouped(amount: int) -> str:
    """A number with commas between its thousands."""
    return f"{amount:,}"


@register.filter
def marked(text: str) -> SafeString:
    """A text with what cannot be seen in it, or only looks like something else, made visible."""
    return mark_unusual(text)


@register.filter
def as_json(value: Any) -> str:
    """JSON over several lines."""
    return json.dumps(value, indent=2, ensure_ascii=False)


@register.filter
def money(amount: Decimal) -> str:
    """US dollars."""
    return money_in_words(amount)


@register.filter
def in_bytes(amount: Any) -> str:
    """A number of bytes that reads well."""
    return bytes_in_words(amount)
