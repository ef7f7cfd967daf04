"""Since when the keys of the installation are known: they carry no dates of their own."""

from typing import ClassVar

from django.db import models
from django.db.models.functions import Now


class KnownKey(models.Model):
    """When an entry of a variable was seen first. The id is derived one way; the key is not kept."""

    id = models.BigAutoField(primary_key=True)
    variable = models.CharField(max_length=40, editable=False)
    key_id = models.CharField(max_length=16, editable=False)
    first_seen_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        db_table = "known_keys"
        ordering: ClassVar = ["variable", "first_seen_at"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["variable", "key_id"], name="known_key_is_seen_first_once"),
            models.CheckConstraint(condition=models.Q(key_id__regex=r"^[0-9a-f]{16}$"), name="known_key_is_an_id"),
        ]

    def __str__(self) -> str:
        return f"{self.variable} {self.key_id}"
