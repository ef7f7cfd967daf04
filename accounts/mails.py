"""The letters of accounts: plain text, each to one address, sent after the commit of what they tell."""

import logging
from enum import StrEnum
from smtplib import SMTPNotSupportedError, SMTPRecipientsRefused, SMTPResponseException
from typing import Any, Final

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.mail import EmailMessage
from django.core.validators import validate_email
from django.template.loader import render_to_string
from django.views.decorators.debug import sensitive_variables

from personalq.lib.errors import Conflict, InvalidInput

SUBJECTS: Final = {
    "reset": "Personal-Q: choose a new password",
    "invitation": "Personal-Q: you are invited",
    "email": "Personal-Q: confirm this e-mail address",
    "email_changed": "Personal-Q: your e-mail address was changed",
}

EMAIL_CHARACTERS: Final = 254

PERMANENT: Final = 500
"""From here on a reply of SMTP says that trying again will not help (RFC 5321, 4.2.1)."""

_logger = logging.getLogger("personalq.accounts")


class Delivery(StrEnum):
    """What became of a letter at the mail server."""

    TAKEN = "taken"
    PUT_OFF = "put_off"
    REFUSED = "refused"


class MailsOff(Conflict):
    """This installation cannot send a link to anybody."""

    code = "email_not_set_up"
    title = "This installation sends no e-mails with links."
    advice = (
        "Ask the operator, who can do this for you in the admin, or set PERSONALQ_EMAIL_URL and PERSONALQ_PUBLIC_URL."
    )


def check_address(email: str) -> str:
    """The address, if it has the form of one. Raises InvalidInput naming `email`."""
    if len(email) > EMAIL_CHARACTERS:
        raise InvalidInput.for_field("email", "max_length", f"Use at most {EMAIL_CHARACTERS} characters.")
    try:
        validate_email(email)
    except ValidationError:
        raise InvalidInput.for_field("email", "invalid", "Use an address such as ada@example.org.") from None
    return email


def are_on() -> bool:
    """Whether letters with links can be sent: there is a server for them, and an address to lead to."""
    return bool(settings.PERSONALQ_EMAIL_IS_ON and settings.PERSONALQ_PUBLIC_URL)


@sensitive_variables()
def send(letter: str, to: str, /, **facts: Any) -> bool:
    """Send a letter as `deliver` does; returns whether the server took it."""
    return deliver(letter, to, **facts) is Delivery.TAKEN


@sensitive_variables()
def deliver(letter: str, to: str, /, **facts: Any) -> Delivery:
    """Send the letter `mails/<letter>.txt`; says whether it was not taken for the moment, or for good.

    Why not is in the log.
    """
    text = render_to_string(f"mails/{letter}.txt", {"address": settings.PERSONALQ_PUBLIC_URL, **facts})
    message = EmailMessage(subject=SUBJECTS[letter], body=text, to=[to], headers={"Auto-Submitted": "auto-generated"})
    try:
        message.send()
    except OSError as error:
        # SMTP errors are OSErrors, too. What the server said may repeat what was said to it.
        _logger.warning("the e-mail %s could not be sent (%s)", letter, type(error).__name__)
        return Delivery.REFUSED if _is_permanent(error) else Delivery.PUT_OFF
    return Delivery.TAKEN


def _is_permanent(error: OSError) -> bool:
    if isinstance(error, SMTPRecipientsRefused):
        return all(code >= PERMANENT for code, _ in error.recipients.values())
    if isinstance(error, SMTPResponseException):
        return error.smtp_code >= PERMANENT
    return isinstance(error, SMTPNotSupportedError)
