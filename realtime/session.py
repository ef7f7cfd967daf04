"""A socket after its sign-in: whose it is, until when, and what it listens to."""

import asyncio
from datetime import UTC, datetime

from accounts.identity import Identity, Standing
from realtime import frames
from realtime.outbox import Outbox
from realtime.refusals import TOKEN_EXPIRED, Refused
from realtime.subscriptions import Subscriptions


class Session:
    """One signed-in socket. It closes by itself when its token expires, be it that of a sign-in or a personal one."""

    def __init__(self, *, identity: Identity, outbox: Outbox) -> None:
        self.user_id: int = identity.user.pk
        self.outbox = outbox
        self.subscriptions = Subscriptions(self.user_id)
        # Given by a resume that came before there was anything to replay.
        self.resume_point: int | None = None
        self._expiry: asyncio.TimerHandle | None = None
        self.renew(identity)

    def renew(self, identity: Identity) -> None:
        """Go on with a fresh token of the same user."""
        self.standing: Standing = identity.standing
        self.end()
        seconds = (identity.expires_at - datetime.now(UTC)).total_seconds()
        loop = asyncio.get_running_loop()
        self._expiry = loop.call_later(max(0.0, seconds), self.outbox.finish, TOKEN_EXPIRED)

    def end(self) -> None:
        """Stop the clock of the token."""
        if self._expiry is not None:
            self._expiry.cancel()

    def tell(self, refused: Refused) -> None:
        """Refuse one thing and leave the socket open, or close it when the refusal says so."""
        if refused.refusal.close_code is None:
            self.outbox.offer(frames.of_refusal(refused.refusal, to=refused.to))
        else:
            self.outbox.finish(refused.refusal)
