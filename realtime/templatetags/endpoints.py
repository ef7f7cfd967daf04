"""How the pages show deliveries."""

from typing import Final

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString

from personalq.lib.http import HttpRefused, Reason
from webhooks.models import Delivery, DeliveryAttempt, DeliveryState

register = template.Library()

_BADGES: Final = {
    DeliveryState.PENDING: ("held", "waits"),
    DeliveryState.DELIVERED: ("good", "delivered"),
    DeliveryState.FAILED: ("bad", "given up"),
}
_REASONS: Final = frozenset(Reason)


@register.filter
def delivery_badge(delivery: Delivery) -> SafeString:
    """How far it has come, by colour and word."""
    kind, word = _BADGES[DeliveryState(delivery.state)]
    return format_html('<span class="badge badge-{}">{}</span>', kind, word)


@register.filter
def last_answer(delivery: Delivery) -> str:
    """How the last attempt was answered, in a few words; empty before the first one."""
    return _in_words(delivery.last_status, delivery.last_code) if delivery.attempts else ""


@register.filter
def answer_words(attempt: DeliveryAttempt) -> str:
    """The same of one attempt."""
    return _in_words(attempt.status, attempt.code)


@register.filter
def advice(attempt: DeliveryAttempt) -> str:
    """What to do about an attempt that got no answer."""
    return str(HttpRefused(Reason(attempt.code))) if attempt.code in _REASONS else ""


def _in_words(status: int | None, code: str) -> str:
    return f"answered {status}" if status else f"no answer: {code.replace('_', ' ')}"
