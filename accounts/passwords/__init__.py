"""Passwords: the one verb that sets them, what they must not be, and choosing one without the old one.

changing  proving, setting, and what a new one ends    rules     what it must not be
resets    choosing one by a link                       breaches  asking elsewhere whether it is known
reset_letters  bringing that link to its owner
"""

from accounts.passwords.changing import (
    REASON,
    WRONG,
    PasswordChanged,
    change,
    check,
    faults_of,
    prove,
    put,
    replace,
)

__all__ = ["REASON", "WRONG", "PasswordChanged", "change", "check", "faults_of", "prove", "put", "replace"]
