"""Bodies of the routes of one's own account."""

from accounts.passwords.rules import LONGEST
from personalq.lib.fields import StrictBooleanField, StrictCharField, StrictSerializer


class PasswordForm(StrictSerializer):
    """Another password."""

    current = StrictCharField(max_length=LONGEST, allow_blank=True, write_only=True, help_text="The present password.")
    new = StrictCharField(
        max_length=LONGEST,
        allow_blank=True,
        write_only=True,
        help_text="15 characters or more, taken as they are; docs/accounts.md says what is refused.",
    )
    keep_tokens = StrictBooleanField(default=False, help_text="Whether your personal tokens go on.")
