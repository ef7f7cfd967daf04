"""Who may send a large body, decided before any of it is read."""

import re
from collections.abc import Callable, Mapping
from typing import Final
from uuid import UUID

from channels.db import database_sync_to_async
from django.views.decorators.debug import sensitive_variables

from personalq.lib.asgi import Scope
from personalq.lib.errors import AppError
from personalq.lib.shared_secrets import verify_secret
from personalq.lib.translation import app_error_from
from tasks import reports
from tasks.reports import Proof
from webhooks import runner_callbacks
from webhooks.doors import guard, secrets
from webhooks.doors.guard import Presented
from webhooks.inbound import views as inbound
from webhooks.inbound.schemes import SCHEMES
from webhooks.models import DoorKind
from webhooks.telegram import intake as telegram

PREFIX: Final = "/webhooks"

_RUNNER: Final = re.compile(f"/{runner_callbacks.ADDRESS}")
_TELEGRAM: Final = re.compile(rf"/webhooks/telegram/(?P<uuid>{inbound.UUID_FORM})")
_SIGNED: Final = re.compile(f"/(?:{inbound.ADDRESS}|{inbound.ELEVENLABS_ADDRESS.replace('<uuid>', '<of_call>')})")

_Headers = Mapping[str, list[str]]


async def who_sends_much(scope: Scope) -> str:
    """Whose large bodies are counted together; empty for whoever has nothing large to say here.

    A runner and Telegram bring a secret that can be looked at before the body. Of who signs the body only this much is
    known: there is such a door, and a signature. So these are counted for the door alone.

    Raises:
        AppError: The database cannot be asked.
    """
    headers: dict[str, list[str]] = {}
    for name, value in scope["headers"]:
        headers.setdefault(name.decode("latin-1").lower(), []).append(value.decode("latin-1"))
    for form, names, who in _WHO:
        if found := form.fullmatch(scope["path"]):
            # What cannot be good costs no connection.
            return await _asked(who, found, headers) if not names or _shown(headers, *names).value else ""
    return ""


async def _asked(who: Callable[[re.Match[str], _Headers], str], found: re.Match[str], headers: _Headers) -> str:
    try:
        sender: str = await database_sync_to_async(who)(found, headers)
    except Exception as error:
        refusal = app_error_from(error)
        raise refusal or AppError from error
    return sender


@sensitive_variables()
def _of_runner(found: re.Match[str], headers: _Headers) -> str:
    shown = _shown(headers, *runner_callbacks.SECRET_HEADERS)
    expected = reports.find(task=UUID(found["task"]), attempt=int(found["attempt"]))
    if expected is None or reports.proof_of(expected, shown.value) is Proof.NOTHING:
        return ""
    return f"user {expected.task.owner_id}"


@sensitive_variables()
def _of_telegram(found: re.Match[str], headers: _Headers) -> str:
    shown = _shown(headers, telegram.SECRET_HEADER)
    door = guard.find(uuid=UUID(found["uuid"]), kinds={DoorKind.TELEGRAM})
    known = secrets.valid_secrets(door) if door else []
    if door is None or not any([verify_secret(each, shown.value) for each in known]):  # noqa: C419 - all are compared
        return ""
    return f"door {door.pk}"


def _of_signed(found: re.Match[str], headers: _Headers) -> str:
    kinds = {DoorKind.ELEVENLABS} if found["of_call"] else inbound.GENERIC_KINDS
    door = guard.find(uuid=UUID(found["of_call"] or found["uuid"]), kinds=kinds)
    if door is None or not _shown(headers, SCHEMES[door.kind].proof_header(door)).value:
        return ""
    return f"door {door.pk}"


def _shown(headers: _Headers, *names: str) -> Presented:
    return guard.agreed([headers.get(name.lower(), []) for name in names])


# Which addresses, in which headers a secret has to stand there, and who asks the database about it.
_WHO: Final[tuple[tuple[re.Pattern[str], tuple[str, ...], Callable[[re.Match[str], _Headers], str]], ...]] = (
    (_RUNNER, runner_callbacks.SECRET_HEADERS, _of_runner),
    (_TELEGRAM, (telegram.SECRET_HEADER,), _of_telegram),
    # The header depends on the door.
    (_SIGNED, (), _of_signed),
)
