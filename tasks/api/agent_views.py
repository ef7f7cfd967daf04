"""Agents: list, create, read, change, delete, pause, resume and end a hold."""

from typing import ClassVar
from uuid import UUID

from drf_spectacular.utils import PolymorphicProxySerializer, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.idempotent import IdempotentPost
from personalq.lib.openapi import conflict, no_content
from personalq.lib.pagination import PageParameters
from tasks import access, agents
from tasks.api import documents, references
from tasks.api.agent_bodies import read_changes, read_new_agent
from tasks.api.agent_forms import AGENT_FORMS, AnyAgentChanges
from tasks.api.base import READ_LIMIT, ApiView, ObjectView, body_of, created
from tasks.api.filters import OwnerQuery, agents_listed
from tasks.api.representations import agent_row
from tasks.models import Agent

WRITE_LIMIT = ("agent-change", "PERSONALQ_RATE_AGENT_CHANGE")
_NEW_AGENT = PolymorphicProxySerializer(
    component_name="NewAgent", serializers=dict(AGENT_FORMS), resource_type_field_name="kind"
)


class AgentView(ApiView):
    """What all routes about agents share."""

    scope: ClassVar[str] = "agents"


class AgentList(IdempotentPost, AgentView):
    """Your agents."""

    query_class = OwnerQuery
    rate_limits: ClassVar = {"GET": READ_LIMIT, "HEAD": READ_LIMIT, "POST": WRITE_LIMIT}

    @extend_schema(
        operation_id="list_agents",
        summary="List agents",
        tags=["agents"],
        parameters=[OwnerQuery, PageParameters],
        responses={200: documents.AgentPage},
    )
    def get(self, request: Request) -> Response:
        rows = agents_listed(self.user, self.query).select_related("queue", "owner", "credential")
        return self.page(rows, agent_row(request))

    @extend_schema(
        operation_id="create_agent",
        summary="Create an agent",
        tags=["agents"],
        request=_NEW_AGENT,
        responses={
            201: documents.AGENT,
            **conflict("`name_taken`: you have an agent of this name. `quota_reached`: you own as many as you may."),
        },
    )
    def post(self, request: Request) -> Response:
        values = references.with_objects(read_new_agent(body_of(request)), self.user)
        agent = agents.create(actor=self.user, **values)
        return created(agent_row(request)(agent))


class OneAgentView(AgentView, ObjectView[Agent]):
    """What all routes about one agent share."""

    def fetch(self, uuid: UUID, deed: access.Deed) -> Agent:
        return access.agent_for(self.user, uuid, deed)


class OneAgent(OneAgentView):
    """One agent."""

    rate_limits: ClassVar = {
        "GET": READ_LIMIT,
        "HEAD": READ_LIMIT,
        "PATCH": WRITE_LIMIT,
        "DELETE": WRITE_LIMIT,
    }

    @extend_schema(operation_id="get_agent", summary="Read an agent", tags=["agents"], responses={200: documents.AGENT})
    def get(self, request: Request, uuid: UUID) -> Response:  # noqa: ARG002 - a view's signature
        return Response(agent_row(request)(self.find("view")))

    @extend_schema(
        operation_id="change_agent",
        summary="Change an agent",
        description=(
            "What is not sent stays. The kind cannot be changed. `null` puts one of the kind's own fields "
            "back to its default."
        ),
        tags=["agents"],
        request=AnyAgentChanges,
        responses={200: documents.AGENT, **conflict("`name_taken`: you have an agent of this name.")},
    )
    def patch(self, request: Request, uuid: UUID) -> Response:  # noqa: ARG002 - a view's signature
        agent = self.find("change")
        changes = references.with_objects(read_changes(agent, body_of(request)), agent.owner)
        return Response(agent_row(request)(agents.change(actor=self.user, agent=agent, **changes)))

    @extend_schema(
        operation_id="delete_agent",
        summary="Delete an agent",
        description="It stays behind the history of its tasks; its name becomes free.",
        tags=["agents"],
        responses={
            **no_content("The agent is deleted."),
            **conflict("`agent_in_use`: it has tasks that are not finished."),
        },
    )
    def delete(self, request: Request, uuid: UUID) -> Response:  # noqa: ARG002 - a view's signature
        agents.delete(actor=self.user, agent=self.find("change"))
        return Response(status=204)
