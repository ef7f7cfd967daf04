"""Everything that a socket can be told instead of what it wanted: a code, a fixed sentence and how it ends.

A refusal without a close code leaves the socket open. Sentences hold nothing of the client or the machine.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Refusal:
    """A failure as the client sees it; `close_code` None means that the socket stays open."""

    code: str
    message: str
    close_code: int | None = None


class Refused(Exception):  # noqa: N818 - a decision, not a mistake of ours
    """The socket cannot have what it asked for. `to` names the subscription it is about."""

    def __init__(self, refusal: Refusal, *, to: str | None = None) -> None:
        super().__init__(refusal.code)
        self.refusal = refusal
        self.to = to


NOT_YOURS = Refusal("not_yours", "This task belongs to somebody else. Subscribe to a task of your own.")
NOT_FOUND = Refusal("not_found", "There is no task with this id. Check the id; it may have been deleted.")
TOO_MANY_SUBSCRIPTIONS = Refusal(
    "too_many_subscriptions",
    "This socket is subscribed to as many tasks as it may be. Unsubscribe from some, or subscribe to all.",
)
UNKNOWN_POSITION = Refusal(
    "unknown_position",
    "The history has not come as far as this event id. Load the state anew and subscribe without after.",
)

MALFORMED = Refusal(
    "malformed_message",
    "Send text frames with one JSON object each: a known action and only the members it is documented with.",
    4400,
)
NOT_AUTHENTICATED = Refusal(
    "not_authenticated", 'Send {"action": "auth", "token": "<access token>"} as the first message.', 4401
)
INVALID_TOKEN = Refusal(
    "invalid_token",
    "The token is invalid, expired or revoked. Get a fresh access token and connect again.",
    4401,
)
TOKEN_EXPIRED = Refusal(
    "token_expired",
    "The token has expired. Connect again with a fresh one; send auth again before expiry to stay connected.",
    4401,
)
SIGNED_OUT = Refusal(
    "signed_out",
    "The sign-in or personal token of this socket has ended. Sign in, or use another token, and connect again.",
    4401,
)
OTHER_USER = Refusal(
    "other_user", "The fresh token belongs to another user. Open a socket of its own for that user.", 4401
)
SCOPE_MISSING = Refusal(
    "scope_missing",
    "The personal token lacks the scope tasks:read. Make one that has it, and connect again with that one.",
    4403,
)
SECOND_FACTOR_NEEDED = Refusal(
    "second_factor_needed",
    "Operators need a second factor here, and this account has none. Sign in on the page and set one up.",
    4403,
)
FORBIDDEN_ORIGIN = Refusal(
    "forbidden_origin",
    "Pages of this origin may not open sockets here. Ask the operator to list it in CSRF_TRUSTED_ORIGINS.",
    4403,
)
HTTPS_REQUIRED = Refusal(
    "https_required", "Connect with wss:// and replace every token that was sent over ws://.", 4403
)
UNKNOWN_ADDRESS = Refusal("not_found", "There is no socket at this address. Connect to /ws/.", 4404)
AUTHENTICATION_TIMEOUT = Refusal(
    "authentication_timeout", "No auth message came in time. Connect again and send it first.", 4408
)
TOO_MANY_SOCKETS = Refusal(
    "too_many_sockets", "There are too many open sockets. Close some, wait a little and connect again.", 4413
)
TOO_FAST = Refusal("rate_limited", "Messages come too fast. Connect again and send fewer messages a second.", 4429)
TOO_LONG = Refusal("message_too_big", "A message may have at most 65536 bytes. Send a shorter one.", 1009)
INTERNAL_ERROR = Refusal(
    "internal_error",
    "Something went wrong on our side. Connect again and resume after the last event id.",
    1011,
)
TOO_SLOW = Refusal(
    "too_slow",
    "Events come faster than this socket takes them. Connect again, resume and read faster.",
    1013,
)
UNAVAILABLE = Refusal("unavailable", "The service cannot answer now. Connect again in a few seconds and resume.", 1013)
