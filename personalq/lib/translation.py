"""What Django, DRF and the database raise, in the words of ``personalq.lib.errors``."""

import math
from collections.abc import Callable, Iterator
from typing import Any

from django.core import exceptions as django_exceptions
from django.db import DataError
from django.http import Http404
from django_ratelimit.exceptions import Ratelimited
from rest_framework import exceptions as drf
from rest_framework_simplejwt.exceptions import InvalidToken as SimpleJWTInvalidToken
from rest_framework_simplejwt.exceptions import TokenError

from personalq.lib import errors
from personalq.lib.database_guards import is_outage
from personalq.lib.errors import AppError, FieldError

MAX_REPORTED_ERRORS = 50
LONGEST_REPORTED_MESSAGE = 300
WHOLE_BODY = "non_field_errors"

_Maker = Callable[[Any], AppError]


def app_error_from(exception: BaseException) -> AppError | None:
    """The AppError that says the same, or None when nobody expected ``exception``."""
    if isinstance(exception, AppError):
        return exception
    if type(exception) is LookupError:  # "unknown encoding"; KeyError and IndexError stay bugs of ours
        return errors.UnsupportedMediaType()
    if is_outage(exception):
        return errors.Unavailable()
    for kinds, make in _TRANSLATIONS:
        if isinstance(exception, kinds):
            return make(exception)
    return None


def field_errors(detail: Any, path: str = "") -> Iterator[FieldError]:
    """DRF's nested error structure as a flat list with names such as ``items[3].prompt``."""
    if isinstance(detail, dict):
        for name, inner in detail.items():
            yield from field_errors(inner, _join(path, name))
    elif isinstance(detail, list):
        for index, inner in enumerate(detail):
            is_message = isinstance(inner, str)
            yield from field_errors(inner, path if is_message else f"{path}[{index}]")
    else:
        yield FieldError(path, str(getattr(detail, "code", "invalid")), str(detail)[:LONGEST_REPORTED_MESSAGE])


def _join(path: str, name: object) -> str:
    if isinstance(name, int):
        return f"{path}[{name}]"
    if name == WHOLE_BODY:
        return path
    return f"{path}.{name}" if path else str(name)


def _invalid_input(exception: drf.ValidationError) -> AppError:
    return errors.InvalidInput(errors=list(field_errors(exception.detail))[:MAX_REPORTED_ERRORS])


def _invalid_model(exception: django_exceptions.ValidationError) -> AppError:
    # Django gives an error either this attribute or the other one.
    by_field = getattr(exception, "error_dict", None) or {WHOLE_BODY: exception.error_list}
    found = [
        FieldError(
            "" if name in {"__all__", WHOLE_BODY} else name,
            each.code or "invalid",
            " ".join(each.messages)[:LONGEST_REPORTED_MESSAGE],
        )
        for name, failures in by_field.items()
        for each in failures
    ]
    return errors.InvalidInput(errors=found[:MAX_REPORTED_ERRORS])


def _unauthenticated(exception: drf.AuthenticationFailed | drf.NotAuthenticated) -> AppError:
    return errors.NotAuthenticated() if isinstance(exception, drf.NotAuthenticated) else errors.InvalidToken()


def _forbidden(exception: drf.PermissionDenied) -> AppError:
    # SessionAuthentication says "CSRF Failed: …" with the client's Referer in it.
    is_csrf = str(exception.detail).startswith("CSRF Failed")
    return errors.CsrfFailed() if is_csrf else errors.PermissionDenied()


def _throttled(exception: drf.Throttled) -> AppError:
    return errors.RateLimited(retry_after_seconds=math.ceil(getattr(exception, "wait", None) or 1))


def _other_api_error(exception: drf.APIException) -> AppError:
    if exception.status_code >= AppError.status:
        return errors.Unavailable() if exception.status_code == errors.Unavailable.status else AppError()
    return errors.InvalidInput(code="bad_request")


def _fixed(kind: type[AppError]) -> _Maker:
    return lambda _: kind()


# From the special to the general: the first that fits wins.
_TRANSLATIONS: tuple[tuple[type[BaseException] | tuple[type[BaseException], ...], _Maker], ...] = (
    (drf.ValidationError, _invalid_input),
    (drf.ParseError, _fixed(errors.MalformedBody)),
    ((SimpleJWTInvalidToken, TokenError), _fixed(errors.InvalidToken)),
    ((drf.AuthenticationFailed, drf.NotAuthenticated), _unauthenticated),
    (drf.PermissionDenied, _forbidden),
    (drf.MethodNotAllowed, _fixed(errors.MethodNotAllowed)),
    (drf.NotAcceptable, _fixed(errors.NotAcceptable)),
    (drf.UnsupportedMediaType, _fixed(errors.UnsupportedMediaType)),
    (drf.Throttled, _throttled),
    (Ratelimited, _fixed(errors.RateLimited)),
    ((drf.NotFound, Http404, django_exceptions.ObjectDoesNotExist), _fixed(errors.NotFound)),
    (drf.APIException, _other_api_error),
    (django_exceptions.PermissionDenied, _fixed(errors.PermissionDenied)),
    (django_exceptions.RequestDataTooBig, _fixed(errors.PayloadTooLarge)),
    ((django_exceptions.SuspiciousOperation, django_exceptions.BadRequest), _fixed(errors.InvalidInput)),
    (django_exceptions.ValidationError, _invalid_model),
    (RecursionError, _fixed(errors.MalformedBody)),
    ((DataError, UnicodeError), _fixed(errors.InvalidInput)),
)
