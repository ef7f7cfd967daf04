"""Whether those who were let in may still be there: looked at every two seconds, for all sockets at once."""

import asyncio
import logging
from collections.abc import Callable, Collection
from functools import partial
from typing import Final

from accounts import tokens
from accounts.models import User
from realtime.outages import Outage, repeat
from realtime.refusals import NOT_YOURS, SIGNED_OUT, TOO_SLOW, Refused
from realtime.session import Session
from realtime.subscriptions import Subscription
from tasks import access
from tasks.database_threads import DatabaseThreads
from tasks.models import Task

logger = logging.getLogger(__name__)

PAUSE_SECONDS: Final = 2.0
# Longer than a network hiccup, shorter than anybody would wait for a page.
STALLED_SECONDS: Final = 30.0


class Guard:
    """Ends sessions whose sign-in has ended, and what operators watch without being operators any more."""

    def __init__(self, sessions: Collection[Session], withdraw: Callable[[Session, Subscription], None]) -> None:
        self._sessions = sessions
        self._withdraw = withdraw
        self._threads = DatabaseThreads(1)

    async def run(self) -> None:
        outage = Outage(logger, "The check of sign-ins")
        await repeat(self._look, partial(asyncio.sleep, PAUSE_SECONDS), outage)

    async def _look(self) -> None:
        self._end_stalled()
        await self._end_signed_out()
        await self._end_foreign()

    def _end_stalled(self) -> None:
        # It would hold memory for as long as the client likes: servers wait for room without a limit.
        for session in self._sessions:
            if session.outbox.stalled_seconds() > STALLED_SECONDS:
                session.outbox.finish(TOO_SLOW)

    async def _end_signed_out(self) -> None:
        asked = {session: session.standing for session in self._sessions}
        if not asked:
            return
        good = await self._threads.run(tokens.still_valid, standings=set(asked.values()))
        for session, standing in asked.items():
            # A fresh token that came meanwhile has been checked by itself.
            if standing not in good and session.standing == standing:
                session.outbox.finish(SIGNED_OUT)

    async def _end_foreign(self) -> None:
        watchers = [session for session in self._sessions if session.subscriptions.foreign]
        if not watchers:
            return
        user_ids = {session.user_id for session in watchers}
        operators = await self._threads.run(operators_among, user_ids=user_ids)
        for session in watchers:
            if session.user_id not in operators:
                self._end_foreign_of(session)

    def _end_foreign_of(self, session: Session) -> None:
        for subscription in session.subscriptions.foreign:
            self._withdraw(session, subscription)
            session.tell(Refused(NOT_YOURS, to=subscription.name))


def operators_among(user_ids: Collection[int]) -> set[int]:
    """Which of these users may see everybody's tasks now."""
    users = User.objects.filter(pk__in=user_ids)
    return {user.pk for user in users if access.is_operator_for(user, Task, "view")}
