"""The operators' switch that stops everything."""

from typing import Any, ClassVar, Final

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from personalq.lib.errors import PermissionDenied
from personalq.lib.fields import StrictCharField, StrictChoiceField, StrictSerializer
from personalq.lib.negotiation import JsonWithoutType
from tasks import access, stop_switch
from tasks.api import documents
from tasks.api.base import READ_LIMIT, ApiView, read_body
from tasks.api.forms import REASON_LENGTH
from tasks.models import SystemSetting

# A group of its own: whoever has used up the changes of queues must still be able to stop everything.
_WRITE_LIMIT: Final = ("stop-switch", "PERSONALQ_RATE_QUEUE_CHANGE")
STOP: Final = "stop"
FINISH: Final = "finish"


class StopForm(StrictSerializer):
    """Why everything stops, and what becomes of the tasks that run."""

    reason = StrictCharField(
        max_length=REASON_LENGTH, required=False, allow_blank=True, help_text="Shown to everybody who is signed in."
    )
    running = StrictChoiceField(
        choices=[STOP, FINISH],
        required=False,
        help_text="`stop` (without it) puts what runs back in line; `finish` lets it go on to its end.",
    )


class StopSwitchView(ApiView):
    """Whether everything is stopped."""

    scope: ClassVar[str] = "operator"
    content_negotiation_class = JsonWithoutType
    rate_limits: ClassVar = {
        "GET": READ_LIMIT,
        "HEAD": READ_LIMIT,
        "POST": _WRITE_LIMIT,
        "DELETE": _WRITE_LIMIT,
    }

    @extend_schema(
        operation_id="get_stop_switch",
        summary="Read whether everything is stopped",
        tags=["stop switch"],
        responses={200: documents.StopSwitch},
    )
    def get(self, request: Request) -> Response:  # noqa: ARG002 - a view's signature
        return self._answer(stop_switch.read())

    @extend_schema(
        operation_id="turn_stop_switch_on",
        summary="Stop everything",
        description="For operators. Nothing starts any more, for nobody. An attempt that is stopped does not count.",
        tags=["stop switch"],
        request=StopForm,
        responses={200: documents.StopSwitch},
    )
    def post(self, request: Request) -> Response:
        self._require_operator()
        body = read_body(StopForm, request)
        stops_running = body.get("running", STOP) == STOP
        switch = stop_switch.turn_on(actor=self.user, reason=body.get("reason", ""), stops_running=stops_running)
        return self._answer(switch)

    @extend_schema(
        operation_id="turn_stop_switch_off",
        summary="Go on",
        description="For operators. Repeating it changes nothing.",
        tags=["stop switch"],
        responses={200: documents.StopSwitch},
    )
    def delete(self, request: Request) -> Response:  # noqa: ARG002 - a view's signature
        self._require_operator()
        return self._answer(stop_switch.turn_off(actor=self.user))

    def _require_operator(self) -> None:
        if not access.is_operator_for(self.user, SystemSetting, "change"):
            raise PermissionDenied("Only operators may turn the stop switch. Pause your own agents or queues instead.")

    def _answer(self, switch: stop_switch.StopSwitch) -> Response:
        shown: dict[str, Any] = {"is_on": switch.is_on, "at": switch.at, "reason": switch.reason or None}
        if access.is_operator_for(self.user, SystemSetting, "view"):
            shown["by"] = switch.by or None
        return Response(shown)
