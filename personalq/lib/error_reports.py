"""What Django's own error pages, which only developers with DEBUG see, may show of settings, headers and variables."""

from typing import Any

from django.http import HttpRequest
from django.views.debug import SafeExceptionReporterFilter

from personalq.lib.redaction import is_secret_name, redact


class RedactingFilter(SafeExceptionReporterFilter):
    """For settings.DEFAULT_EXCEPTION_REPORTER_FILTER: also takes out secrets in values that no name tells of."""

    def cleanse_setting(self, key: Any, value: Any) -> Any:
        """Such as the password in an address of Redis."""
        cleansed = super().cleanse_setting(key, value)
        return redact(cleansed) if isinstance(cleansed, str) else cleansed

    def get_traceback_frame_variables(self, request: HttpRequest | None, tb_frame: Any) -> Any:
        """The variables of one frame; the page writes their `repr`."""
        variables = super().get_traceback_frame_variables(request, tb_frame)
        return [
            (name, self.cleansed_substitute if is_secret_name(name) else _Redacted(value)) for name, value in variables
        ]


class _Redacted:
    """Stands for a value, of which it shows what may be shown."""

    def __init__(self, value: object) -> None:
        self._value = value

    def __repr__(self) -> str:
        return redact(repr(self._value))
