"""What a signed-in client can ask for, and what it hears."""

from collections.abc import Collection
from typing import Any
from uuid import UUID

from django.conf import settings

from accounts.models import User
from personalq.lib.errors import NotFound, NotYours
from realtime import frames
from realtime.database import threads
from realtime.hub import Hub
from realtime.messages import Resume, Subscribe, Unsubscribe
from realtime.refusals import (
    NOT_FOUND,
    NOT_YOURS,
    TOO_MANY_SUBSCRIPTIONS,
    UNAVAILABLE,
    UNKNOWN_POSITION,
    Refused,
)
from realtime.replay import replay
from realtime.session import Session
from realtime.subscriptions import ALL, Subscription
from tasks import access, feed
from tasks.models import Task


class Answers:
    """The answers to one session. One request is answered before the next one is read."""

    def __init__(self, session: Session, hub: Hub) -> None:
        self._session = session
        self._hub = hub

    def say(self, event: str, /, **members: Any) -> None:
        self._session.outbox.offer(frames.answer(event, **members))

    async def subscribe(self, request: Subscribe) -> None:
        """Tell from now on, or from behind an event on, what happens to all own tasks or to one."""
        session, name = self._session, str(request.to)
        after = session.resume_point if request.after is None else request.after
        await self._reach(after)
        subscription = session.subscriptions.get(name) or await self._open(request)
        self.say("subscribed", to=name, last_event_id=self._hub.cursor)
        if after is None:
            session.subscriptions.add(subscription)
            self._hub.attach(session)
        else:
            session.resume_point = None
            await self._replay(after, [subscription])

    def unsubscribe(self, request: Unsubscribe) -> None:
        """Tell no more of it. That it was not subscribed to is no mistake."""
        name = str(request.to)
        subscription = self._session.subscriptions.get(name)
        if subscription is not None:
            self._hub.withdraw(self._session, subscription)
        self.say("unsubscribed", to=name)

    async def resume(self, request: Resume) -> None:
        """Replay what the socket's subscriptions missed; without any, the next one begins there."""
        await self._reach(request.after)
        subscriptions = list(self._session.subscriptions)
        if subscriptions:
            await self._replay(request.after, subscriptions)
            return
        self._session.resume_point = request.after
        self.say("resumed", after=request.after, count=0, last_event_id=self._hub.cursor)

    async def _reach(self, after: int | None) -> None:
        # Whatever was committed before the request lies behind the answer, although the hub lags a little.
        await self._hub.reach(await threads.run(feed.horizon), or_else=UNAVAILABLE)
        if after is not None:
            # Another web process may have told the client of an event a moment before this one reads it.
            await self._hub.reach(after, or_else=UNKNOWN_POSITION)

    async def _replay(self, after: int, wanted: Collection[Subscription]) -> None:
        count = await replay(self._session, self._hub, after=after, wanted=wanted)
        self.say("resumed", after=after, count=count, last_event_id=self._hub.cursor)

    async def _open(self, request: Subscribe) -> Subscription:
        name = str(request.to)
        if request.to == ALL:
            return Subscription(name, None, told_from=self._hub.cursor)
        if len(self._session.subscriptions) >= settings.PERSONALQ_SOCKET_SUBSCRIPTIONS:
            raise Refused(TOO_MANY_SUBSCRIPTIONS, to=name)
        task = await self._task(request.to)
        is_foreign = task.owner_id != self._session.user_id
        return Subscription(name, task.pk, told_from=self._hub.cursor, is_foreign=is_foreign)

    async def _task(self, uuid: UUID) -> Task:
        try:
            return await threads.run(find_task, user_id=self._session.user_id, uuid=uuid)
        except NotYours:
            raise Refused(NOT_YOURS, to=str(uuid)) from None
        except NotFound:
            raise Refused(NOT_FOUND, to=str(uuid)) from None


def find_task(*, user_id: int, uuid: UUID) -> Task:
    """The task if the user may see it now. Raises NotFound or NotYours."""
    # Read anew: the permissions of the user who signed in may have changed since.
    user = User.objects.filter(pk=user_id).first()
    if user is None:
        raise NotFound
    return access.task_for(user, uuid)
