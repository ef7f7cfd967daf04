"""The paths of the older cursor-agents service, below /cursor-agents, for clients that know no others.

They answer as its documentation promised. Errors are `{"error": …, "code": …, "request_id": …}`. A token is always
required; only /health tells strangers that somebody is there.
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Final, cast

from django.utils import timezone
from rest_framework.permissions import AllowAny, IsAuthenticated
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import scopes
from accounts.api.base import ApiView
from accounts.api.idempotent import IdempotentPost
from accounts.authentication import TokenAuthentication
from accounts.identity import Identity
from personalq.lib.api_views import UnknownApiPath
from personalq.lib.errors import NotFound
from personalq.lib.fields import NoBody
from personalq.lib.negotiation import JsonWithoutType
from personalq.lib.view_scopes import ANY
from tasks import older_tools
from tasks.api.agent_views import WRITE_LIMIT as AGENT_LIMIT
from tasks.api.base import READ_LIMIT, body_of, read_body
from tasks.older_tools.forms import OperatorForm, read
from tasks.older_tools.words import in_older_words, moment

_QUEUE_LIMIT: Final = ("queue-change", "PERSONALQ_RATE_QUEUE_CHANGE")
_SWITCH_LIMIT: Final = ("task-operator", "PERSONALQ_RATE_QUEUE_CHANGE")


class OlderView(ApiView):
    """What all of these routes share: JSON, tokens, nothing in the OpenAPI document of our own API."""

    authentication_classes: Any = (TokenAuthentication,)
    permission_classes: Any = (IsAuthenticated,)
    renderer_classes = (JSONRenderer,)
    content_negotiation_class = JsonWithoutType
    schema = None
    more_scopes: ClassVar[Mapping[str, Sequence[str]]] = {}
    """Method → scopes that a personal token needs beside the one that the view declares."""

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        for needed in self.more_scopes.get(request.method or "", ()):
            # Whoever got so far has shown a token: there is no other way in.
            scopes.require(cast("Identity", request.auth), needed)

    def refuse_body(self, request: Request) -> None:
        """Raises InvalidInput for a body that says something. An empty object is nothing."""
        read_body(NoBody, request)


class Health(OlderView):
    """Says that the service answers, to everybody."""

    authentication_classes = ()
    permission_classes = (AllowAny,)
    scope = ANY

    def get(self, request: Request) -> Response:  # noqa: ARG002 - a view's signature
        return Response({"status": "ok", "service": "cursor-agents", "timestamp": moment(timezone.now())})


class Agents(IdempotentPost, OlderView):
    """The agents that the older tools have made."""

    scope = "agents"
    # It makes a task or a schedule as well.
    more_scopes: ClassVar = {"POST": ("schedules:write", "tasks:write")}
    rate_limits: ClassVar = {"GET": READ_LIMIT, "HEAD": READ_LIMIT, "POST": AGENT_LIMIT}

    def get(self, request: Request) -> Response:  # noqa: ARG002 - a view's signature
        return Response(older_tools.list_agents(actor=self.user))

    def post(self, request: Request) -> Response:
        return Response(older_tools.create_agent(actor=self.user, wanted=body_of(request)))


class OneAgent(OlderView):
    """One of them."""

    scope = "agents"
    # The schedule goes with it, and its tasks are cancelled.
    more_scopes: ClassVar = {"DELETE": ("schedules:write", "tasks:write")}
    rate_limits: ClassVar = {"GET": READ_LIMIT, "HEAD": READ_LIMIT, "DELETE": AGENT_LIMIT}

    def get(self, request: Request, name: str) -> Response:  # noqa: ARG002 - a view's signature
        return Response(older_tools.agent_status(actor=self.user, name=name))

    def delete(self, request: Request, name: str) -> Response:
        self.refuse_body(request)
        return Response(older_tools.delete_agent(actor=self.user, name=name))


class Queues(OlderView):
    """Own queues and shared ones, with their counts."""

    scope = "queues"

    def get(self, request: Request) -> Response:  # noqa: ARG002 - a view's signature
        return Response(older_tools.list_queues(actor=self.user))


class OneQueue(OlderView):
    """One of them."""

    scope = "queues"
    rate_limits: ClassVar = {"GET": READ_LIMIT, "HEAD": READ_LIMIT, "DELETE": _QUEUE_LIMIT}

    def get(self, request: Request, name: str) -> Response:  # noqa: ARG002 - a view's signature
        return Response(older_tools.queue_info(actor=self.user, name=name))

    def delete(self, request: Request, name: str) -> Response:
        self.refuse_body(request)
        return Response(older_tools.delete_queue(actor=self.user, name=name))


class RecurringPrompts(IdempotentPost, OlderView):
    """Prompts that come again and again."""

    scope = "schedules"
    # An agent may be made for it.
    more_scopes: ClassVar = {"POST": ("agents:write",)}
    rate_limits: ClassVar = {"POST": AGENT_LIMIT}

    def post(self, request: Request) -> Response:
        return Response(older_tools.create_prompt(actor=self.user, wanted=body_of(request)))


class OnePrompt(OlderView):
    """One of them."""

    scope = "schedules"
    more_scopes: ClassVar = {"DELETE": ("agents:write", "tasks:write")}
    rate_limits: ClassVar = {"GET": READ_LIMIT, "HEAD": READ_LIMIT, "DELETE": AGENT_LIMIT}

    def get(self, request: Request, name: str) -> Response:  # noqa: ARG002 - a view's signature
        return Response(older_tools.prompt_status(actor=self.user, name=name))

    def delete(self, request: Request, name: str) -> Response:
        self.refuse_body(request)
        return Response(older_tools.delete_prompt(actor=self.user, name=name))


class TaskOperator(OlderView):
    """The switch, for operators."""

    scope = "operator"
    rate_limits: ClassVar = {"POST": _SWITCH_LIMIT, "DELETE": _SWITCH_LIMIT}

    def post(self, request: Request) -> Response:
        with in_older_words():
            queue = read(OperatorForm, body_of(request)).get("queue")
        return Response(older_tools.enable_task_operator(actor=self.user, queue=queue))

    def delete(self, request: Request) -> Response:
        self.refuse_body(request)
        return Response(older_tools.disable_task_operator(actor=self.user))


class TaskOperatorLock(OlderView):
    """Whether a task holds the task operator."""

    scope = "operator"
    rate_limits: ClassVar = {"GET": READ_LIMIT, "HEAD": READ_LIMIT, "DELETE": _SWITCH_LIMIT}

    def get(self, request: Request) -> Response:  # noqa: ARG002 - a view's signature
        return Response(older_tools.check_lock(actor=self.user))

    def delete(self, request: Request) -> Response:
        self.refuse_body(request)
        return Response(older_tools.clear_lock(actor=self.user))


class Unknown(UnknownApiPath):
    """Whatever else is asked for below the mount."""

    authentication_classes = (TokenAuthentication,)
    renderer_classes = (JSONRenderer,)
    sentence: ClassVar[str] = "The older service has no such path. See docs/cursor-agents.md for those that it has."

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        try:
            super().initial(request, *args, **kwargs)
        except NotFound:
            raise NotFound(self.sentence) from None


class CallbackMoved(Unknown):
    """Coding runners report elsewhere, each with a secret of its own."""

    sentence = (
        "Coding runners do not report here. Personal-Q gives them the address of their callback with each task; "
        "nothing has to be set up."
    )


class QueueBoardMoved(Unknown):
    """The board of the older service, which anybody could use."""

    sentence = "There is no queue board here. Open the page /queues, or ask for GET /cursor-agents/queues."
