"""Users, the families of tokens that their sign-ins began, and the requests that they may repeat."""

from accounts.models.idempotency import IdempotencyKey
from accounts.models.token_family import TokenFamily
from accounts.models.user import User

__all__ = ["IdempotencyKey", "TokenFamily", "User"]
