"""Query parameters, read as strictly as bodies.

A list declares its parameters as fields of a ListQuery and calls ``TaskQuery.read(request)``.
"""

import re
import uuid
from typing import Any, ClassVar

from django.http import HttpRequest, QueryDict
from rest_framework.request import Request

from personalq.lib.errors import FieldError, InvalidInput
from personalq.lib.fields import (
    MAX_REPORTED_NAME_LENGTH,
    MAX_REPORTED_UNKNOWN_FIELDS,
    StrictBooleanField,
    StrictIntegerField,
    StrictSerializer,
    StrictUUIDField,
)

_DIGITS = re.compile(r"-?[0-9]{1,19}")


class QueryIntegerField(StrictIntegerField):
    """ASCII digits, perhaps after a minus sign."""

    def to_internal_value(self, data: Any) -> int:
        if not isinstance(data, str) or not _DIGITS.fullmatch(data):
            self.fail("invalid")
        return super().to_internal_value(int(data))


class QueryBooleanField(StrictBooleanField):
    """``true`` or ``false`` in small letters."""

    def to_internal_value(self, data: Any) -> bool:
        if data not in {"true", "false"}:
            self.fail("invalid")
        return bool(data == "true")


class QueryUUIDField(StrictUUIDField):
    """An id; the same form as in bodies, under a name that fits its neighbours."""

    def to_internal_value(self, data: Any) -> uuid.UUID:
        return super().to_internal_value(data)


class StrictQuery(StrictSerializer):
    """All query parameters of one route: unknown and repeated ones are errors that name them."""

    read_elsewhere: ClassVar[frozenset[str]] = frozenset()

    @classmethod
    def read(cls, request: Request | HttpRequest) -> dict[str, Any]:
        """The checked parameters.

        Raises:
            InvalidInput: A parameter is repeated.
            ValidationError: A parameter is unknown or wrong.
        """
        parameters = request.GET
        refuse_repeated(parameters)
        serializer = cls(data={k: v for k, v in parameters.items() if k not in cls.read_elsewhere})
        serializer.is_valid(raise_exception=True)
        return dict(serializer.validated_data)


class ListQuery(StrictQuery):
    """The query of a list, whose ``cursor`` and ``page_size`` the pagination reads."""

    read_elsewhere = frozenset({"cursor", "page_size"})


def refuse_repeated(parameters: QueryDict) -> None:
    """Refuse ``?a=1&a=2``: two readers could each take another one of the values."""
    repeated = [name for name, values in parameters.lists() if len(values) > 1]
    if repeated:
        raise InvalidInput(
            errors=[
                FieldError(name[:MAX_REPORTED_NAME_LENGTH], "repeated", "Send this parameter once.")
                for name in repeated[:MAX_REPORTED_UNKNOWN_FIELDS]
            ]
        )
