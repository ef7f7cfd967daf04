"""Conversations: list, read with what was said, and give them a title."""

from typing import ClassVar
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from personalq.lib.pagination import PageParameters
from tasks import access, conversations
from tasks.api import conversation_forms as forms
from tasks.api.base import READ_LIMIT, ApiView, ObjectView, read_body
from tasks.api.conversation_rows import conversation_in_full, conversation_row, with_turns
from tasks.api.filters import OwnerQuery, owned
from tasks.models import Conversation


class ConversationList(ApiView):
    """Your conversations."""

    scope: ClassVar[str] = "tasks"
    query_class = OwnerQuery

    @extend_schema(
        operation_id="list_conversations",
        summary="List conversations",
        description="A conversation begins with the first task that continues another one.",
        tags=["conversations"],
        parameters=[OwnerQuery, PageParameters],
        responses={200: forms.ConversationPage},
    )
    def get(self, request: Request) -> Response:
        rows = owned(self.user, self.query, own=access.conversations_of, everybodys=access.everybodys_conversations)
        return self.page(with_turns(rows), conversation_row(request))


class OneConversation(ObjectView[Conversation]):
    """One conversation."""

    scope: ClassVar[str] = "tasks"
    query_class = forms.ConversationQuery
    rate_limits: ClassVar = {
        "GET": READ_LIMIT,
        "HEAD": READ_LIMIT,
        "PATCH": ("task-change", "PERSONALQ_RATE_TASK_CHANGE"),
    }

    def fetch(self, uuid: UUID, deed: access.Deed) -> Conversation:
        return access.conversation_for(self.user, uuid, deed)

    @extend_schema(
        operation_id="get_conversation",
        summary="Read a conversation",
        description=f"The latest {forms.TURNS_SHOWN} tasks, oldest first; `earlier` leads to those before.",
        tags=["conversations"],
        parameters=[forms.ConversationQuery],
        responses={200: forms.Conversation},
    )
    def get(self, request: Request, uuid: UUID) -> Response:  # noqa: ARG002 - a view's signature
        return Response(conversation_in_full(self.find("view"), request, before=self.query.get("before")))

    @extend_schema(
        operation_id="change_conversation",
        summary="Give a conversation a title",
        tags=["conversations"],
        request=forms.ConversationChanges,
        responses={200: forms.Conversation},
    )
    def patch(self, request: Request, uuid: UUID) -> Response:  # noqa: ARG002 - a view's signature
        conversation = self.find("change")
        changed = conversations.rename(conversation=conversation, **read_body(forms.ConversationChanges, request))
        return Response(conversation_in_full(changed, request))
