"""Who calls a tool, and by which request."""

from collections.abc import Iterable, MutableMapping
from dataclasses import dataclass, field
from typing import Any, Final

from accounts.identity import Identity
from accounts.models import User
from personalq.lib.current_request import RequestMark

SCOPE_KEY: Final = "personalq.caller"
"""Where the door leaves the caller in the ASGI scope."""


@dataclass(frozen=True, kw_only=True)
class Caller:
    """A signed-in user behind one HTTP request."""

    identity: Identity
    authorization: str = field(repr=False)
    mark: RequestMark
    asgi_scope: MutableMapping[str, Any] = field(repr=False)

    @property
    def request_id(self) -> str:
        return self.mark.id

    @property
    def user(self) -> User:
        return self.identity.user

    def may(self, scopes: Iterable[str]) -> bool:
        """Whether the token opens all of these."""
        granted = self.identity.scopes
        return granted is None or granted.issuperset(scopes)
