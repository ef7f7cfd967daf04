"""Making, changing, deleting, trying out and using the keys that users entrust to us.

Callers find a credential through `accounts.credential_access` first. The plain text exists in a request that brings
it and in `reveal` only; it is never logged, shown or stored.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final, TypedDict, Unpack

from asgiref.sync import async_to_sync
from django.conf import settings
from django.db import models, transaction
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.crypto import constant_time_compare
from django.views.decorators.debug import sensitive_variables

from accounts import audit, quotas, secret_values
from accounts.models import Credential, User
from accounts.models.audit_event import Outcome
from personalq.lib import database_guards, redaction, sealing
from personalq.lib.constraints import NameTaken, conflicts
from personalq.lib.errors import Conflict, NotFound

FIELD: Final = "sealed_secret"
TEST_SECONDS: Final = 15
USE_NOTED_EVERY: Final = timedelta(minutes=1)
TIMED_OUT: Final = "provider_unavailable"

_logger = logging.getLogger(__name__)


class CredentialInUse(Conflict):
    """Agents work with the credential."""

    code = "credential_in_use"
    title = "The credential is in use."
    advice = "Give these agents another credential or delete them, then delete this one."


class CredentialUnreadable(Conflict):
    """The sealed secret cannot be opened: its key is not set, or the row was tampered with."""

    code = "credential_unreadable"
    title = "The secret cannot be read."
    advice = "Enter the secret again. If that happens to several, the operator has lost an encryption key."


class NotTestable(Conflict):
    """No cheap call is known that would show whether the secret is good."""

    code = "not_testable"
    title = "A credential of this provider cannot be tried out by itself."
    advice = "Use the test button of an agent that works with it."


@dataclass(frozen=True, kw_only=True)
class TestResult:
    """How trying out went: `ok`, or a code of `tasks.failures`."""

    __test__ = False  # pytest takes classes of such names for tests

    is_ok: bool
    code: str = "ok"


class CredentialChanges(TypedDict, total=False):
    """What can be changed. `secret` is a string, or the headers of an `http` credential."""

    name: str
    secret: object


Tester = Callable[[str], Awaitable[TestResult]]
_testers: Final[dict[str, Tester]] = {}


def register_tester(provider: str, tester: Tester) -> None:
    """Let `tester` make the cheap real call that shows whether a plain text of this provider is good."""
    _testers[provider] = tester


def is_testable(credential: Credential) -> bool:
    return credential.provider in _testers


@sensitive_variables()
def create(*, actor: User, name: str, provider: str, secret: object) -> Credential:
    """Keep a secret of `actor`.

    Raises ValidationError or InvalidInput naming the field, NameTaken, or QuotaReached.
    """
    credential = Credential(owner=actor, name=name, provider=provider)
    _put(credential, secret_values.checked_secret(provider, secret))
    limit = settings.PERSONALQ_CREDENTIALS_PER_USER
    with conflicts(taken=_name_taken()), transaction.atomic():
        reached = quotas.QuotaReached.of(limit, "credentials")
        quotas.take_place(actor, actor.credentials.all(), limit, reached)
        _save(credential)
        _record("made", credential, actor)
    _log("created", credential, actor)
    return credential


@sensitive_variables()
def change(*, actor: User, credential: Credential, **changes: Unpack[CredentialChanges]) -> Credential:
    """Rename a credential, replace its secret, or both. Attempts that run go on with the secret they began with.

    Raises as `create`, and NotFound when it was deleted meanwhile.
    """
    with conflicts(taken=_name_taken()), transaction.atomic():
        current = _lock(credential)
        current.name = changes.get("name", current.name)
        if "secret" in changes:
            _put(current, secret_values.checked_secret(current.provider, changes["secret"]))
        _save(current)
        _record("changed", current, actor, fields=sorted(changes))
    _log("changed", current, actor)
    return current


def delete(*, actor: User, credential: Credential) -> None:
    """Forget a secret. Raises CredentialInUse while agents have it, and NotFound when it is deleted already."""
    # The full row lock waits for agents that are just taking it, and makes later ones wait for this decision.
    with transaction.atomic():
        current = _lock(credential, no_key=False)
        try:
            current.delete()
        except models.ProtectedError as error:
            count = len(error.protected_objects)
            raise CredentialInUse(f"{_agents(count)} it. {CredentialInUse.advice}") from None
        _record("deleted", credential, actor)
    _log("deleted", credential, actor)


@sensitive_variables()
def reveal(credential: Credential) -> str:
    """The plain text, for a worker that is about to use it. Raises CredentialUnreadable."""
    try:
        return sealing.unseal(credential.sealed_secret, context=sealing.context_of(credential, FIELD))
    except sealing.SealBroken as error:
        _logger.error("credential %s cannot be read: %s", credential.uuid, error)  # noqa: TRY400 - it says all
        raise CredentialUnreadable from None


@sensitive_variables()
def kept_out_of_logs(credential: Credential, plain: str) -> AbstractContextManager[None]:
    """A block within which nothing of the plain text passes `personalq.lib.redaction`."""
    return redaction.knows(plain, *secret_values.parts_of(credential.provider, plain))


def note_use(credential_id: int) -> None:
    """Remember that the credential was used; once a minute is enough."""
    is_due = models.Q(last_used_at__isnull=True) | models.Q(last_used_at__lt=Now() - USE_NOTED_EVERY)
    Credential.objects.filter(is_due, pk=credential_id).update(last_used_at=Now())


@sensitive_variables()
def try_out(*, actor: User, credential: Credential) -> Credential:
    """Make one cheap real call with the secret, at most 15 seconds long, and keep how it went.

    Raises NotTestable, CredentialUnreadable, and Conflict when the secret was replaced meanwhile.
    """
    tester = _testers.get(credential.provider)
    if tester is None:
        raise NotTestable
    plain = reveal(credential)
    # As many calls as there are connections must not keep everybody else from the database.
    database_guards.let_go()
    with kept_out_of_logs(credential, plain):
        result: TestResult = async_to_sync(_bounded)(tester, plain)
    _log(f"tried out ({result.code})", credential, actor)
    return _keep_result(actor, credential, plain, result)


@sensitive_variables()
async def _bounded(tester: Tester, plain: str) -> TestResult:
    try:
        async with asyncio.timeout(TEST_SECONDS):
            return await tester(plain)
    except TimeoutError:
        return TestResult(is_ok=False, code=TIMED_OUT)


@sensitive_variables()
@transaction.atomic
def _keep_result(actor: User, credential: Credential, plain: str, result: TestResult) -> Credential:
    current = _lock(credential)
    # The ciphertext may differ though the secret is the same: keys are rotated at any time.
    if not constant_time_compare(reveal(current), plain):
        raise Conflict("The secret was replaced while it was being tried out. Try the new one.")
    current.last_test_at, current.last_test_ok, current.last_test_code = timezone.now(), result.is_ok, result.code
    current.save(update_fields=["last_test_at", "last_test_ok", "last_test_code"])
    if not result.is_ok:
        _record("test_failed", current, actor, outcome=Outcome.FAILED, code=result.code)
    return current


@sensitive_variables()
def _put(credential: Credential, plain: str) -> None:
    credential.sealed_secret = sealing.seal(plain, context=sealing.context_of(credential, FIELD))
    credential.hint = secret_values.hint_for(credential.provider, plain)
    credential.last_test_at, credential.last_test_ok, credential.last_test_code = None, None, ""


def _lock(credential: Credential, *, no_key: bool = True) -> Credential:
    current = Credential.objects.select_for_update(no_key=no_key).filter(pk=credential.pk).first()
    if current is None:
        raise NotFound
    return current


def _save(credential: Credential) -> None:
    credential.clean_fields(exclude={"owner"})
    credential.save()


def _name_taken() -> NameTaken:
    return NameTaken("You already have a credential of this name.")


def _agents(count: int) -> str:
    return "One agent uses" if count == 1 else f"{count} agents use"


def _record(deed: str, credential: Credential, actor: User, *, outcome: Outcome = Outcome.DONE, **facts: Any) -> None:
    about = ("credential", credential.uuid)
    facts |= {"provider": credential.provider}
    audit.record(f"credential.{deed}", outcome, actor=actor, owner=credential.owner, about=about, **facts)


def _log(deed: str, credential: Credential, actor: User) -> None:
    _logger.info("credential %s was %s by %s", credential.uuid, deed, actor.uuid)
