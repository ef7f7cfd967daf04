"""Makes an operator from the shell, as Django's command of this name does, and notes it in the audit trail."""

from typing import Any

from django.contrib.auth.management.commands import createsuperuser

from accounts import audit
from accounts.models import User
from accounts.models.audit_event import Outcome


class Command(createsuperuser.Command):
    """Asks what is not given; no transaction stays open meanwhile."""

    def handle(self, *arguments: Any, **options: Any) -> None:
        operators = User.objects.filter(is_superuser=True)
        known = set(operators.values_list("pk", flat=True))
        super().handle(*arguments, **options)
        for user in operators.exclude(pk__in=known):
            audit.record("user.made", Outcome.DONE, owner=user, about=("user", user.uuid), by="command")
