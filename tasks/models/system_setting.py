"""Settings that operators change while the product runs."""

from typing import Any, Final

from django.db import models
from django.db.models.functions import Now

STOP_SWITCH: Final = "stop_switch"
TASK_OPERATOR: Final = "task_operator"
TASK_OPERATOR_KNOWN: Final = "task_operator_known"
"""What the task operator was last turned on with; it stays when SQL writes a plain 0 or 1 into the switch."""


def means_on(value: Any) -> bool:
    """Whether the value of a switch means on: ours, or what SQL and older tools write, a plain 1 or "1"."""
    told = value.get("is_on") if isinstance(value, dict) else value
    return told in {True, "1", "true"} if isinstance(told, bool | int | str) else False


class SystemSettingQuerySet(models.QuerySet["SystemSetting"]):
    def value_of(self, name: str) -> Any:
        """The value of a setting; None when it was never set."""
        return self.filter(name=name).values_list("value", flat=True).first()

    def values_of(self, *names: str) -> dict[str, Any]:
        """The values of several settings, without those that were never set."""
        return dict(self.filter(name__in=names).values_list("name", "value"))


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
