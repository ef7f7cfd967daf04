"""The e-mail that tells of several things. It holds titles and addresses, never a prompt or a result."""

from collections.abc import Sequence
from typing import Any, Final

from django.conf import settings
from django.core.mail import EmailMessage
from django.template.loader import render_to_string
from django.urls import reverse

from webhooks.models import Notice, NoticeChoice, NoticeKind
from webhooks.notices import links

MOST_LINES: Final = 50
TITLE_LENGTH: Final = 100
_HEADINGS: Final = {
    NoticeKind.FINISHED: "Finished",
    NoticeKind.FAILED: "Failed",
    NoticeKind.APPROVAL: "Waiting for your approval",
    NoticeKind.BUDGET: "Budgets",
    NoticeKind.ENDPOINT: "Webhook endpoints",
}


def letter(choice: NoticeChoice, notices: Sequence[Notice], *, total: int) -> EmailMessage:
    """One e-mail about `notices`, the first of `total`."""
    off_address = links.address_of(choice)
    text = render_to_string(
        "mails/notices.txt",
        {
            "sections": _sections(notices),
            "left": total - len(notices),
            "address": settings.PERSONALQ_PUBLIC_URL,
            "choices": f"{settings.PERSONALQ_PUBLIC_URL}{reverse('notices')}",
            "off": off_address,
        },
    )
    headers = {
        "List-Unsubscribe": f"<{off_address}>",
        "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
        "Auto-Submitted": "auto-generated",
    }
    return EmailMessage(subject=_subject(notices, total), body=text, to=[choice.owner.email], headers=headers)


def _subject(notices: Sequence[Notice], total: int) -> str:
    if total > 1:
        return f"Personal-Q: {total} notices"
    return f"Personal-Q: {_HEADINGS[NoticeKind(notices[0].kind)].lower()}: {_name(notices[0])}"


def _sections(notices: Sequence[Notice]) -> list[tuple[str, list[dict[str, Any]]]]:
    lines: dict[str, list[dict[str, Any]]] = {}
    for notice in notices:
        lines.setdefault(_HEADINGS[NoticeKind(notice.kind)], []).append(_line(notice))
    return [*lines.items()]


def _line(notice: Notice) -> dict[str, Any]:
    path = reverse("task", args=[notice.task.uuid]) if notice.task else ""
    return {
        "name": _name(notice),
        "code": str(notice.facts.get("error_code", "")),
        "address": f"{settings.PERSONALQ_PUBLIC_URL}{path}" if path else "",
    }


def _name(notice: Notice) -> str:
    """What it is about in one line, whatever people wrote into a title."""
    title = notice.task.title if notice.task else str(notice.facts.get("name", ""))
    plain = " ".join("".join(each if each.isprintable() else " " for each in title).split())
    shown = plain if len(plain) <= TITLE_LENGTH else f"{plain[:TITLE_LENGTH]}…"
    return shown or (f"task {str(notice.task.uuid)[:8]}" if notice.task else "without a name")
