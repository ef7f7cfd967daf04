"""What agents and queues may be called. Names appear in URLs, commands and other systems, so they stay plain."""

from typing import Final

from django.core.validators import RegexValidator

NAME_LENGTH: Final = 100

agent_name = RegexValidator(
    r"\A\w(?:[\w .:@+-]*[\w.+])?\Z",
    "Use letters, digits, spaces and . : @ + - _ and begin with a letter or digit.",
    code="invalid_name",
)
queue_name = RegexValidator(
    r"\A[A-Za-z0-9][A-Za-z0-9._-]*\Z",
    "Use the letters a to z, digits, dots, hyphens and underscores, and begin with a letter or digit.",
    code="invalid_name",
)
