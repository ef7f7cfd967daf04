"""Codes by time (TOTP, RFC 6238): six digits, SHA-1, steps of 30 seconds, as every app for codes knows them.

SHA-1 is the apps' common ground; as an HMAC it is not touched by what breaks it elsewhere.
"""

import re
import time
from typing import Final

import pyotp
import segno
from django.utils.crypto import constant_time_compare
from django.views.decorators.debug import sensitive_variables

DIGITS: Final = 6
STEP_SECONDS: Final = 30
TOLERATED_STEPS: Final = 1
"""How far the clock of an app may be off, to either side."""
ISSUER: Final = "Personal-Q"

_FORM: Final = re.compile(rf"[0-9]{{{DIGITS}}}")


def new_secret() -> str:
    """160 random bits in base32, as RFC 4226 recommends."""
    return pyotp.random_base32()


@sensitive_variables()
def is_code(text: str) -> bool:
    """Whether a text could be a code of an app, as opposed to one on paper."""
    return _FORM.fullmatch(text) is not None


@sensitive_variables()
def code_at(secret: str, step: int) -> str:
    """The code of a time step, which is the seconds since 1970 divided by 30."""
    return pyotp.TOTP(secret, digits=DIGITS, interval=STEP_SECONDS).generate_otp(step)


def step_now() -> int:
    return int(time.time()) // STEP_SECONDS


@sensitive_variables()
def matching_step(secret: str, code: str, *, after: int) -> int | None:
    """The time step that a code belongs to; None when it is wrong, too old, too early or not newer than `after`."""
    if not is_code(code):
        return None
    now = step_now()
    steps = range(now - TOLERATED_STEPS, now + TOLERATED_STEPS + 1)
    # All are compared, whichever fits: how long it takes tells nothing.
    fitting = [step for step in steps if constant_time_compare(code_at(secret, step), code)]
    return next((step for step in fitting if step > after), None)


@sensitive_variables()
def address_of(secret: str, *, username: str) -> str:
    """The `otpauth:` address that an app takes a secret from."""
    return pyotp.TOTP(secret).provisioning_uri(name=username, issuer_name=ISSUER)


@sensitive_variables()
def picture_of(address: str) -> str:
    """The address as a QR code: an SVG in a `data:` URL. Black on white with a margin, which cameras need."""
    return str(segno.make(address, error="m", micro=False).svg_data_uri(scale=5, border=4, dark="#000", light="#fff"))
