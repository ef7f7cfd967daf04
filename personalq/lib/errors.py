"""Every failure that a person or a program outside can meet, named once.

    AppError                         500  internal_error
    ├── InvalidInput                 400  validation_error      names each field
    │   └── MalformedBody            400  malformed_json
    ├── NotAuthenticated             401  not_authenticated
    │   ├── InvalidCredentials       401  invalid_credentials
    │   └── InvalidToken             401  invalid_token
    ├── PermissionDenied             403  permission_denied
    │   ├── NotYours                 403  not_yours
    │   ├── HttpsRequired            403  https_required
    │   └── CsrfFailed               403  csrf_failed
    ├── NotFound                     404  not_found
    ├── MethodNotAllowed             405  method_not_allowed
    ├── NotAcceptable                406  not_acceptable
    ├── RequestTimeout               408  request_timeout
    ├── Conflict                     409  conflict, or the code given
    │   └── IllegalTransition        409  illegal_transition
    ├── PayloadTooLarge              413  payload_too_large
    ├── UnsupportedMediaType         415  unsupported_media_type
    ├── RateLimited                  429  rate_limited          carries Retry-After
    ├── HeadTooLarge                 431  head_too_large
    └── Unavailable                  503  unavailable           carries Retry-After

``title`` says what went wrong, in one fixed sentence per class; ``detail`` says what to do about it. Both are
shown to strangers: nothing of the request, the database or the machine belongs into them.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class FieldError:
    """What is wrong with one field, such as ``items[3].prompt``; the empty name means the whole body."""

    field: str
    code: str
    message: str


class AppError(Exception):
    """A failure with a stable code, an HTTP status and two sentences for the person who meets it."""

    code: str = "internal_error"
    status: int = 500
    title: str = "Something went wrong on our side."
    advice: str = "Try again in a moment. If it happens again, give the request id to the operator."

    def __init__(
        self,
        detail: str = "",
        *,
        code: str = "",
        errors: Iterable[FieldError] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.detail = detail or self.advice
        self.code = code or self.code
        self.errors = list(errors)
        self.headers = dict(headers or {})
        super().__init__(f"{self.code}: {self.detail}")


class InvalidInput(AppError):
    code = "validation_error"
    status = 400
    title = "The request holds values that cannot be accepted."
    advice = "Correct the fields named in errors and send the request again."

    @classmethod
    def for_field(cls, field: str, code: str, message: str) -> "InvalidInput":
        """The error of a request in which exactly one field is wrong."""
        return cls(errors=[FieldError(field, code, message)])


class MalformedBody(InvalidInput):
    code = "malformed_json"
    title = "The request body is not acceptable JSON."
    advice = "Send one JSON object in UTF-8, without duplicate keys, NaN, Infinity or NUL characters."


class NotAuthenticated(AppError):
    code = "not_authenticated"
    status = 401
    title = "You are not signed in."
    advice = "Sign in, or send a valid access token in the header Authorization: Bearer <token>."

    def __init__(
        self,
        detail: str = "",
        *,
        code: str = "",
        errors: Iterable[FieldError] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail, code=code, errors=errors, headers={"WWW-Authenticate": "Bearer", **(headers or {})})


class InvalidCredentials(NotAuthenticated):
    code = "invalid_credentials"
    title = "User name and password do not match an active account."
    advice = "Check both and try again, or ask the operator to reset the password."


class InvalidToken(NotAuthenticated):
    code = "invalid_token"
    title = "The token is invalid, expired or revoked."
    advice = "Refresh the access token, or sign in again. A personal token that has ended needs a new one."


class PermissionDenied(AppError):
    code = "permission_denied"
    status = 403
    title = "You may not do this."
    advice = "Ask an operator for the permission, or use an account that has it."


class NotYours(PermissionDenied):
    code = "not_yours"
    title = "This belongs to somebody else."
    advice = "Use an object of your own; lists show what is yours."


class HttpsRequired(PermissionDenied):
    code = "https_required"
    title = "This address is served over HTTPS only."
    advice = "Use https:// and replace every token or password that was sent over plain HTTP."


class CsrfFailed(PermissionDenied):
    code = "csrf_failed"
    title = "The form could not be checked to come from this site."
    advice = "Reload the page, allow cookies for this site and send the form again."


class NotFound(AppError):
    code = "not_found"
    status = 404
    title = "There is nothing at this address."
    advice = "Check the address or the id; it may have been deleted."


class MethodNotAllowed(AppError):
    code = "method_not_allowed"
    status = 405
    title = "This address does not answer that method."
    advice = "Use one of the methods named in the Allow header."


class NotAcceptable(AppError):
    code = "not_acceptable"
    status = 406
    title = "None of the accepted formats can be produced."
    advice = "Send Accept: application/json."


class RequestTimeout(AppError):
    code = "request_timeout"
    status = 408
    title = "The request body did not arrive in time."
    advice = "Send the whole body without pauses."


class Conflict(AppError):
    code = "conflict"
    status = 409
    title = "The request does not fit the present state."
    advice = "Read the object again and decide anew."


class IllegalTransition(Conflict):
    code = "illegal_transition"
    title = "The task cannot do this in its present state."
    advice = "Read the task again; its status tells what can be done with it."


class PayloadTooLarge(AppError):
    code = "payload_too_large"
    status = 413
    title = "The request body is too large."
    advice = "Send less in one request."


class UnsupportedMediaType(AppError):
    code = "unsupported_media_type"
    status = 415
    title = "The format of the request body is not understood."
    advice = "Send JSON in UTF-8 with Content-Type: application/json."


class RateLimited(AppError):
    code = "rate_limited"
    status = 429
    title = "Too many requests."
    advice = "Wait for the number of seconds in the Retry-After header, then try again."

    def __init__(
        self,
        detail: str = "",
        *,
        retry_after_seconds: int = 60,
        code: str = "",
        errors: Iterable[FieldError] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.retry_after_seconds = max(1, retry_after_seconds)
        own = {"Retry-After": str(self.retry_after_seconds)}
        super().__init__(detail, code=code, errors=errors, headers={**own, **(headers or {})})


class HeadTooLarge(AppError):
    code = "head_too_large"
    status = 431
    title = "The head of the request is too large."
    advice = "Send fewer or shorter header fields."


class Unavailable(AppError):
    code = "unavailable"
    status = 503
    title = "The service cannot answer at the moment."
    advice = "Try again in a few seconds."

    def __init__(
        self,
        detail: str = "",
        *,
        retry_after_seconds: int = 5,
        code: str = "",
        errors: Iterable[FieldError] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.retry_after_seconds = max(1, retry_after_seconds)
        own = {"Retry-After": str(self.retry_after_seconds)}
        super().__init__(detail, code=code, errors=errors, headers={**own, **(headers or {})})
