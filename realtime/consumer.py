"""One socket from its first message to its last. docs/websocket.md is what it keeps to."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

from django.conf import settings
from django.db import Error as DatabaseError

from accounts import scopes, tokens
from accounts.identity import Identity
from accounts.second_factor import SecondFactorNeeded
from personalq.lib.errors import InvalidToken
from realtime import frames, messages
from realtime.answers import Answers
from realtime.bucket import TokenBucket
from realtime.database import threads
from realtime.hub import Hub, hub_of_this_loop
from realtime.messages import Action, Authenticate, Ping, Resume, Subscribe, Unsubscribe
from realtime.outbox import Outbox, Send
from realtime.refusals import (
    AUTHENTICATION_TIMEOUT,
    INTERNAL_ERROR,
    INVALID_TOKEN,
    MALFORMED,
    NOT_AUTHENTICATED,
    OTHER_USER,
    SCOPE_MISSING,
    SECOND_FACTOR_NEEDED,
    TOO_FAST,
    UNAVAILABLE,
    Refused,
)
from realtime.session import Session

logger = logging.getLogger(__name__)

SCOPE: Final = "tasks:read"
"""What a personal token needs to listen."""

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]


class ClientGone(Exception):  # noqa: N818 - a fact, not a mistake
    """There is nobody left to talk to."""


async def serve(receive: Receive, send: Send) -> None:
    """Talk to one client whose socket has been accepted, until either side closes it."""
    outbox = Outbox(send, limit_bytes=settings.PERSONALQ_SOCKET_BUFFER_BYTES)
    talking = asyncio.create_task(Conversation(receive, outbox, hub_of_this_loop()).run())
    try:
        await outbox.run()
    finally:
        talking.cancel()
        await asyncio.wait([talking])


class Conversation:
    """What one client says, taken one message after the other."""

    def __init__(self, receive: Receive, outbox: Outbox, hub: Hub) -> None:
        self._receive = receive
        self._outbox = outbox
        self._hub = hub
        self._bucket = TokenBucket(
            rate=settings.PERSONALQ_SOCKET_MESSAGES_PER_SECOND, burst=settings.PERSONALQ_SOCKET_MESSAGE_BURST
        )

    async def run(self) -> None:
        """Listen until the client is gone or says something that ends it."""
        try:
            await self._talk()
        except ClientGone:
            self._outbox.abandon()
        except Refused as refused:
            self._outbox.finish(refused.refusal)
        except DatabaseError:
            # Half an answer would be worse: who connects again resumes where it stopped.
            self._outbox.finish(UNAVAILABLE)
        except Exception:
            logger.exception("A socket met an error of ours.")
            self._outbox.finish(INTERNAL_ERROR)

    async def _talk(self) -> None:
        identity = await self._sign_in()
        await self._hub.ready()
        session = Session(identity=identity, outbox=self._outbox)
        try:
            self._hub.join(session)
            self._welcome(identity)
            answers = Answers(session, self._hub)
            while True:
                await self._take(session, answers, await self._next_action())
        finally:
            self._hub.leave(session)

    async def _sign_in(self) -> Identity:
        self._hub.strangers.enter(self._outbox)
        try:
            async with asyncio.timeout(settings.PERSONALQ_SOCKET_AUTH_SECONDS):
                action = await self._next_action()
        except TimeoutError:
            raise Refused(AUTHENTICATION_TIMEOUT) from None
        finally:
            self._hub.strangers.leave(self._outbox)
        if not isinstance(action, Authenticate):
            raise Refused(NOT_AUTHENTICATED)
        return await _identify(action)

    async def _next_action(self) -> Action:
        message = await self._receive()
        if message["type"] != "websocket.receive":
            raise ClientGone
        if not self._bucket.take():
            raise Refused(TOO_FAST)
        text = message.get("text")
        if text is None:
            raise Refused(MALFORMED)
        return messages.parse(text)

    async def _take(self, session: Session, answers: Answers, action: Action) -> None:
        try:
            match action:
                case Authenticate():
                    await self._renew(session, action)
                case Subscribe():
                    await answers.subscribe(action)
                case Unsubscribe():
                    answers.unsubscribe(action)
                case Resume():
                    await answers.resume(action)
                case Ping():
                    answers.say("pong")
        except Refused as refused:
            session.tell(refused)

    async def _renew(self, session: Session, action: Authenticate) -> None:
        identity = await _identify(action)
        if identity.user.pk != session.user_id:
            raise Refused(OTHER_USER)
        session.renew(identity)
        self._welcome(identity)

    def _welcome(self, identity: Identity) -> None:
        frame = frames.answer(
            "authenticated",
            user={"uuid": str(identity.user.uuid), "username": identity.user.get_username()},
            expires_at=frames.as_time(identity.expires_at),
            last_event_id=self._hub.cursor,
        )
        self._outbox.offer(frame)


async def _identify(action: Authenticate) -> Identity:
    try:
        identity = await threads.run(tokens.socket_identity_of, token=action.token)
        scopes.require(identity, SCOPE)
    except InvalidToken:
        raise Refused(INVALID_TOKEN) from None
    except SecondFactorNeeded:
        raise Refused(SECOND_FACTOR_NEEDED) from None
    except scopes.ScopeMissing:
        raise Refused(SCOPE_MISSING) from None
    return identity
