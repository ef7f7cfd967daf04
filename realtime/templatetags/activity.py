"""How a page tells of audit events."""

from collections.abc import Iterator
from typing import Any, Final

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString

from accounts.models import AuditEvent
from accounts.models.audit_event import Outcome

register = template.Library()

_BADGES: Final = {Outcome.DONE: "good", Outcome.DENIED: "bad", Outcome.CONFLICT: "held", Outcome.FAILED: "bad"}
_UNTOLD: Final = {"sign_in.failed": {"name"}, "sign_in.limited": {"name"}}
"""Facts that say nothing to people: keyed digests, by which equal names are told from different ones."""
LONGEST_FACT: Final = 120


@register.filter
def act_words(event: AuditEvent) -> str:
    """What was done, in words made of its kind."""
    return event.kind.replace(".", " ").replace("_", " ").capitalize()


@register.filter
def outcome_badge(event: AuditEvent) -> SafeString:
    """How it ended, by colour and word."""
    outcome = Outcome(event.outcome)
    return format_html('<span class="badge badge-{}">{}</span>', _BADGES[outcome], outcome.label)


@register.filter
def facts_in_words(event: AuditEvent) -> str:
    """What else is known of it, in one line."""
    untold = _UNTOLD.get(event.kind, set())
    return " · ".join(_each({name: value for name, value in event.facts.items() if name not in untold}))


def _each(facts: dict[str, Any]) -> Iterator[str]:
    for name, value in sorted(facts.items()):
        told = ", ".join(str(each) for each in value) if isinstance(value, list) else _word_of(value)
        if told:
            yield f"{name.replace('_', ' ')}: {told[:LONGEST_FACT]}"


def _word_of(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "" if value is None or isinstance(value, dict) else str(value)
