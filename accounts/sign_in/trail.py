"""What the audit trail tells of sign-ins: who came in and went, who failed, and who had to wait.

A name that was typed is never kept, because people type passwords into that field. A keyed digest of it stands in its
place: failures for one name can be told from those for another.
"""

from datetime import timedelta
from typing import Any, Final

from django.contrib.auth.signals import user_logged_in, user_logged_out
from django.dispatch import receiver
from django.http import HttpRequest

from accounts import audit
from accounts.audit.keys import digest_of
from accounts.audit.seldom import record_seldom
from accounts.models import User
from accounts.models.audit_event import Outcome
from personalq.lib.client_address import address_group, client_address
from personalq.lib.rate_limits import normalised_username

LIMITED_NOTED_EVERY: Final = timedelta(minutes=5)


@receiver(user_logged_in, dispatch_uid="audit sign_in.done")
def note_page_sign_in(user: Any, **_: Any) -> None:
    """Somebody came in by the page, whichever way."""
    audit.record("sign_in.done", Outcome.DONE, actor=user, about=("user", user.uuid), by="page")


@receiver(user_logged_out, dispatch_uid="audit session.ended")
def note_page_sign_out(user: Any, **_: Any) -> None:
    """Somebody left by the page. Who was not signed in leaves nothing."""
    if isinstance(user, User):
        audit.record("session.ended", Outcome.DONE, actor=user, about=("user", user.uuid), reason="sign-out")


def note_failed(username: str) -> None:
    """A password was not the one of this name, or the name is nobody's. Whose it is can read of it."""
    audit.record("sign_in.failed", Outcome.DENIED, owner=_named(username), name=_digest_of(username))


def note_limited(request: HttpRequest, username: str) -> None:
    """Somebody tried too often; mentioned every five minutes for each network."""
    record_seldom(
        "sign_in.limited",
        Outcome.DENIED,
        within=LIMITED_NOTED_EVERY,
        owner=_named(username),
        same={"network": address_group(client_address(request))},
        name=_digest_of(username),
    )


def _named(username: str) -> User | None:
    # Asked for every name: the time that it takes must not tell whether there is one.
    return User.objects.filter(username=User.normalize_username(username)).first()


def _digest_of(username: str) -> str:
    return digest_of(normalised_username(username))
