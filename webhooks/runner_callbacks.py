"""The door by which outside runners report what became of the work they took.

POST /webhooks/runner/<task>/<attempt>, in the form of cursor-runner's callbacks. The secret comes in a header and never
in the address. Whatever cannot prove itself gets the same answer, whether the task exists or not, and changes nothing.
"""

from typing import Any, Final, NoReturn
from uuid import UUID

from django.http import HttpRequest, JsonResponse
from django.utils.crypto import constant_time_compare
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.debug import sensitive_variables

from personalq.lib import redaction
from personalq.lib.errors import InvalidInput, NotAuthenticated
from tasks import reports
from tasks.models import ExpectedReport
from tasks.reports import Proof
from tasks.runners.web import reported
from webhooks.doors import bodies, guard

PREFIX: Final = "/webhooks/runner"
# The attempt has no more digits than the column holds.
ADDRESS: Final = r"webhooks/runner/(?P<task>[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})/(?P<attempt>[1-9][0-9]{0,8})"
SECRET_HEADERS: Final = ("X-Webhook-Secret", "X-Cursor-Runner-Secret")


class CallbackRefused(NotAuthenticated):
    """The callback does not prove that it comes from whom the work was given to."""

    code = "callback_refused"
    title = "The callback does not prove where it comes from."
    advice = "Send the secret that came with the work in the header X-Webhook-Secret, to the address that came with it."

    def __init__(self) -> None:
        super().__init__(headers={"WWW-Authenticate": 'Secret realm="runner callback"'})


@csrf_exempt
@sensitive_variables()
def take_callback(request: HttpRequest, task: str, attempt: str) -> JsonResponse:
    """Take one report. Answers 200 with `changed`: whether it was the one that counts."""
    guard.check_form(request)
    expected = reports.find(task=UUID(task), attempt=int(attempt))
    shown = guard.presented(request, *SECRET_HEADERS)
    proof = reports.proof_of(expected, shown.value)
    if expected is None or proof is Proof.NOTHING:
        _refuse(request, UUID(task), expected, shown.presence)
    with guard.noting_malformed(expected.task.owner, ("task", expected.task.uuid), kind="runner"):
        # A runner sends each report once, whatever the program printed.
        body = bodies.json_object(bodies.read(request, limit_bytes=bodies.limit_of(PREFIX)), mends_text=True)
    _check_request_id(request, expected, reported.request_id_in(body), proof)
    # Known while texts are cut, because half a secret is not found afterwards.
    with redaction.knows(*reports.secrets_of(expected.task.agent)):
        report = reported.read(body)
    is_changed = reports.take(expected=expected, report=report)
    return JsonResponse({"received": True, "changed": is_changed, "requestId": str(expected.request_id)})


def _check_request_id(request: HttpRequest, expected: ExpectedReport, given: str | None, proof: Proof) -> None:
    """Refuse a report about another request; one that only proves which runner it comes from has to name its own."""
    if given is not None and not reported.is_uuid(given):
        raise InvalidInput.for_field("requestId", "invalid", "Send the id that came with the work.")
    if given is not None and constant_time_compare(given.lower(), str(expected.request_id)):
        return
    if proof is Proof.RUNNER:
        _refuse(request, expected.task.uuid, expected, "present", why="another_request")
    if given is not None:
        raise InvalidInput.for_field("requestId", "mismatch", "This address is for another request. Send its own id.")


def _refuse(
    request: HttpRequest, task: UUID, expected: ExpectedReport | None, secret: guard.Presence, **facts: Any
) -> NoReturn:
    owner = expected.task.owner if expected else None
    about, refusal = ("task", task), CallbackRefused()
    guard.refuse(request, None, kind="runner", about=about, secret=secret, owner=owner, refusal=refusal, **facts)
