"""What an HTTP agent is made of."""

import re
from collections.abc import Mapping
from typing import Any, ClassVar, Final

from rest_framework.exceptions import ErrorDetail, ValidationError

from accounts import secret_values
from accounts.models import Provider
from personalq.lib import http
from personalq.lib.errors import InvalidInput
from personalq.lib.fields import (
    StrictBooleanField,
    StrictCharField,
    StrictChoiceField,
    StrictIntegerField,
    StrictJSONField,
    StrictListField,
    StrictSerializer,
)
from tasks.runners.web.templates import PLACEHOLDERS, unknown_placeholders

CURSOR_RUNNER: Final = "cursor-runner"
PLAIN: Final = "plain"
ASYNC: Final = "async"
SYNC: Final = "sync"
METHODS_WITH_BODY: Final = frozenset({"POST", "PUT", "PATCH"})
URL_LENGTH: Final = 2_000

_OF_CURSOR_RUNNER: Final = (
    "repository", "branch", "mode", "iterate", "max_iterations", "queue_type", "tolerates_stderr",
)  # fmt: skip
_OF_PLAIN: Final = ("method", "headers", "body", "success_statuses")
_SECRET_NAME: Final = re.compile(
    r"authorization|cookie|(?:^|[-_])(?:secret|token|key|password|signature|auth)s?(?:$|[-_])", re.IGNORECASE
)


class HttpConfig(StrictSerializer):
    """The fields of an HTTP agent; those of the other protocol are refused."""

    default_error_messages: ClassVar[dict[str, Any]] = {
        "other_protocol": "Agents of this protocol have no such field. Remove it.",
        "not_a_base": "Give the address under which the runner is reached, without query: https://runner.example.org.",
        "no_body": "A request of this method has no body. Remove the body, or use POST, PUT or PATCH.",
    }

    protocol = StrictChoiceField(
        choices=[CURSOR_RUNNER, PLAIN],
        default=CURSOR_RUNNER,
        help_text="cursor-runner: a coding runner that reports by a callback. plain: one HTTP request per attempt.",
    )
    target_url = StrictCharField(
        max_length=URL_LENGTH,
        single_line=True,
        refuse_edge_space=True,
        help_text="Where to send the work: the base address of a cursor-runner, or the whole one of a plain request.",
    )
    repository = StrictCharField(
        max_length=200,
        required=False,
        single_line=True,
        refuse_edge_space=True,
        help_text="cursor-runner: the repository to work in, by its name there.",
    )
    branch = StrictCharField(
        max_length=200,
        required=False,
        single_line=True,
        refuse_edge_space=True,
        help_text="cursor-runner: the branch to work on.",
    )
    mode = StrictChoiceField(
        choices=[ASYNC, SYNC],
        required=False,
        help_text="cursor-runner: async (as usual) waits for a callback and occupies no worker, sync for the answer.",
    )
    iterate = StrictBooleanField(
        required=False,
        help_text="cursor-runner: let it review and continue its own work, where the runner can do that.",
    )
    max_iterations = StrictIntegerField(
        min_value=1, max_value=100, required=False, help_text="cursor-runner: how often it may continue."
    )
    queue_type = StrictChoiceField(
        choices=["default", "telegram", "api"], required=False, help_text="cursor-runner: which of its queues to use."
    )
    tolerates_stderr = StrictBooleanField(
        required=False,
        help_text="cursor-runner: whether output with exit code 0 is a success although standard error is not empty.",
    )
    method = StrictChoiceField(
        choices=["GET", "POST", "PUT", "PATCH", "DELETE"],
        required=False,
        help_text="plain: the method. POST unless set.",
    )
    headers = StrictJSONField(
        max_bytes=16 * 1024,
        max_depth=1,
        object_only=True,
        required=False,
        help_text="plain: headers that are no secrets, as an object. Secret ones belong into a credential.",
    )
    body = StrictJSONField(
        required=False,
        help_text="plain: the JSON to send. In strings {{prompt}}, {{input}}, {{task}} and {{attempt}} are replaced.",
    )
    success_statuses = StrictListField(
        child=StrictIntegerField(min_value=200, max_value=599),
        max_length=50,
        min_length=1,
        required=False,
        help_text="plain: the statuses that mean success. 200 to 299 unless set.",
    )

    def validate_target_url(self, url: str) -> str:
        try:
            http.check_url(url)
        except http.HttpRefused as refused:
            raise ValidationError(str(refused), code=refused.reason) from None
        return url

    def validate_headers(self, headers: Mapping[str, Any]) -> Mapping[str, Any]:
        secret = next((name for name in headers if looks_secret(name)), None)
        if secret is not None:
            raise ValidationError(
                f"{secret} looks like a secret and would be stored readably here. Put it into a credential of the "
                "provider http and give that to the agent.",
                code="secret_header",
            )
        if headers:
            _check_form(headers)
        return headers

    def validate_body(self, body: Any) -> Any:
        if unknown := unknown_placeholders(body):
            known = ", ".join(f"{{{{{name}}}}}" for name in PLACEHOLDERS)
            raise ValidationError(f"There is no {{{{{min(unknown)}}}}}. Use {known}.", code="unknown_placeholder")
        return body

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        foreign = _OF_PLAIN if attrs["protocol"] == CURSOR_RUNNER else _OF_CURSOR_RUNNER
        # A form in a browser sends false for every box that is not ticked.
        strange = [name for name in foreign if attrs.get(name) is not None and attrs[name] is not False]
        if strange:
            raise ValidationError({name: self._error("other_protocol") for name in strange})
        if attrs["protocol"] == CURSOR_RUNNER and set(attrs["target_url"]) & {"?", "#"}:
            raise ValidationError({"target_url": self._error("not_a_base")})
        if attrs.get("body") is not None and attrs.get("method", "POST") not in METHODS_WITH_BODY:
            raise ValidationError({"body": self._error("no_body")})
        return attrs

    def _error(self, code: str) -> ErrorDetail:
        return ErrorDetail(str(self.error_messages[code]), code)


def looks_secret(header: str) -> bool:
    """Whether a header of this name belongs into a credential."""
    return _SECRET_NAME.search(header) is not None


def has_body(config: Mapping[str, Any]) -> bool:
    """Whether a plain request has one."""
    return method_of(config) in METHODS_WITH_BODY


def method_of(config: Mapping[str, Any]) -> str:
    """The method of a plain request."""
    return str(config.get("method", "POST"))


def _check_form(headers: Mapping[str, Any]) -> None:
    try:
        secret_values.checked_secret(Provider.HTTP, headers)
    except InvalidInput as error:
        raise ValidationError(error.errors[0].message, code=error.errors[0].code) from None
