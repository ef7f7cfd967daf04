"""Long texts from outside are looked at before a request takes a lock or a connection for long."""

from collections.abc import Iterator
from typing import Any

from accounts.models import User
from personalq.lib import database_guards, strict_json
from personalq.lib.errors import AppError, MalformedBody
from tasks import access, lifecycle
from tasks.lifecycle.approvals import LONG_TEXT
from tasks.models import Agent


def look_at_texts(user: User, body: bytes) -> None:
    """Look at the texts of a body that makes tasks, good or not: the same texts then cost nothing any more.

    The body is read for this alone: whoever answers the request reads it in its own turn, and says what is wrong.
    """
    if len(body) < LONG_TEXT:
        return
    wanted = [(agent, one) for one in _bodies(_read(body)) if (agent := _agent_of(user, one)) is not None]
    if not wanted:
        return
    database_guards.let_go()
    for agent, one in wanted:
        document, is_trusted = one.get("untrusted_text") or "", one.get("trusted") is not False
        lifecycle.look_at(agent, prompt=one["prompt"], untrusted_text=document, trusted=is_trusted)


def _read(body: bytes) -> object:
    try:
        return strict_json.parse(body)
    except MalformedBody:
        return None


def _bodies(body: object) -> Iterator[dict[str, Any]]:
    many = body.get("tasks", [body]) if isinstance(body, dict) else []
    for one in many if isinstance(many, list) else []:
        if isinstance(one, dict) and isinstance(one.get("prompt"), str) and _has_long_text(one):
            yield one


def _has_long_text(one: dict[str, Any]) -> bool:
    document = one.get("untrusted_text") or ""
    from_outside = f"{one['prompt']}\n\n{document}" if one.get("trusted") is False else document
    return isinstance(document, str) and len(from_outside) >= LONG_TEXT


def _agent_of(user: User, one: dict[str, Any]) -> Agent | None:
    try:
        return access.agent_named(user, one["agent"]) if isinstance(one.get("agent"), str) else None
    except AppError:
        return None
