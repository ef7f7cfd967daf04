"""The second factor: who has one and who needs one, here; setting it up and using it, in the modules below.

standing  who has one, who needs one    changes  setting up, new codes, turning off, taking away
step      the check of a code           totp, recovery_codes  the two kinds of codes
"""

from accounts.second_factor.standing import (
    FIELD,
    SecondFactorNeeded,
    factor_of,
    is_missing,
    is_on,
    missing_among,
    require,
    secret_of,
)

__all__ = [
    "FIELD",
    "SecondFactorNeeded",
    "factor_of",
    "is_missing",
    "is_on",
    "missing_among",
    "require",
    "secret_of",
]
