"""The one way in by user name and password, for the page and the API alike.

Attempts are counted per address, and per name and address; never per name alone, because then a stranger
could keep somebody out by failing in their name. Failures from many networks count for the name together, and
then those have to wait who come from where nobody has signed in before (`accounts.sign_in.guessing`).

A wrong password, an unknown name and an inactive account get the same answer after the same work: Django
hashes the password also when there is nobody to compare it with. Names and passwords are taken as typed,
except that names are brought into the Unicode form (NFKC) in which they are stored.
"""

import logging

from django.contrib.auth import authenticate
from django.http import HttpRequest
from django.views.decorators.debug import sensitive_variables

from accounts.models import User
from accounts.sign_in import guessing, trail
from personalq.lib.client_address import client_address
from personalq.lib.errors import InvalidCredentials, RateLimited
from personalq.lib.rate_limits import limit_sign_in

MAX_USERNAME_CHARACTERS = 150
MAX_PASSWORD_CHARACTERS = 1024

_logger = logging.getLogger("personalq.accounts")


@sensitive_variables("password")
def user_by_password(request: HttpRequest, username: str, password: str) -> User:
    """The active user of this name and password.

    Raises:
        RateLimited: Too many attempts; nothing was compared.
        Unavailable: Attempts cannot be counted at the moment.
        InvalidCredentials: There is no such user, and nothing says why.
    """
    target = _admit(request, username)
    user = authenticate(request, username=User.normalize_username(username), password=password)
    if not isinstance(user, User):
        guessing.note_failure(request, target)
        # Without the name: people type passwords into the wrong field.
        _logger.info("A sign-in was refused", extra={"fields": {"address": client_address(request)}})
        trail.note_failed(username)
        raise InvalidCredentials
    return user


def _admit(request: HttpRequest, username: str) -> guessing.Target:
    target = guessing.password_of(username)
    try:
        limit_sign_in(request, username)
        guessing.refuse_when_many(request, target)
    except RateLimited:
        trail.note_limited(request, username)
        raise
    return target
