"""Settings that operators change while the product runs."""

from typing import Any, Final

from django.db import models
from django.db.models.functions import Now

STOP_SWITCH: Final = "stop_switch"


class SystemSettingQuerySet(models.QuerySet["SystemSetting"]):
    def value_of(self, name: str) -> Any:
        """The value of a setting; None when it was never set."""
        return self.filter(name=name).values_list("value", flat=True).first()


class SystemSetting(models.Model):
    """One setting; its value is any JSON."""

    name = models.CharField(max_length=64, primary_key=True)
    value = models.JSONField()
    updated_at = models.DateTimeField(db_default=Now(), editable=False)

    objects = SystemSettingQuerySet.as_manager()

    class Meta:
        db_table = "system_settings"

    def __str__(self) -> str:
        return self.name
