"""Letters with links for a new password that somebody asked for and that have not gone out yet."""

from datetime import timedelta
from typing import ClassVar, Final, Self

from django.db import models
from django.db.models.functions import Now

from accounts.models.user import User

MOST_ATTEMPTS: Final = 6


class ResetLetterQuerySet(models.QuerySet["ResetLetter"]):
    """Adjectives for letters."""

    def due(self) -> Self:
        return self.filter(user__isnull=False, due_at__lte=Now(), attempts__lt=MOST_ATTEMPTS)

    def older_than(self, age: timedelta) -> Self:
        return self.filter(asked_at__lt=Now() - age)


class ResetLetter(models.Model):
    """One letter that is owed to a user, at most one to each. It holds no code: each attempt makes one of its own."""

    id = models.BigAutoField(primary_key=True)
    # Nobody: what was asked for was nobody's name. The row is there so that asking takes the same work.
    user = models.OneToOneField(User, null=True, on_delete=models.CASCADE, editable=False, related_name="+")
    stamp = models.CharField(
        max_length=64, blank=True, editable=False, help_text="Of the user's password when it was asked for."
    )
    asked_at = models.DateTimeField(editable=False)
    due_at = models.DateTimeField(editable=False)
    attempts = models.PositiveSmallIntegerField(default=0, editable=False)

    objects = ResetLetterQuerySet.as_manager()

    class Meta:
        db_table = "reset_letters"
        indexes: ClassVar = [models.Index(fields=["due_at"], name="reset_letters_due")]

    def __str__(self) -> str:
        return f"letter {self.pk}"
