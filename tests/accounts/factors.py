"""Second factors for tests: set up without the page, and the codes that their app would show."""

from dataclasses import dataclass

from django.utils import timezone

from accounts.models import SecondFactor, User
from accounts.second_factor import recovery_codes, totp
from personalq.lib import sealing


@dataclass(frozen=True)
class Factor:
    """What its owner holds."""

    row: SecondFactor
    secret: str
    paper: list[str]

    def code(self, *, steps: int = 0) -> str:
        """What the app shows, so many steps of 30 seconds from now."""
        return totp.code_at(self.secret, totp.step_now() + steps)


def make_factor(user: User) -> Factor:
    """A confirmed second factor."""
    secret = totp.new_secret()
    row = SecondFactor(user=user, confirmed_at=timezone.now())
    row.secret = sealing.seal(secret, context=sealing.context_of(row, "secret"))
    row.save()
    return Factor(row=row, secret=secret, paper=recovery_codes.replace(row))
