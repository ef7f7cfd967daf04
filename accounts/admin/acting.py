"""Who acts in the admin."""

from django.http import HttpRequest

from accounts.models import User


def user_of(request: HttpRequest) -> User | None:
    """Who is signed in."""
    return request.user if isinstance(request.user, User) else None


def is_superuser(request: HttpRequest) -> bool:
    """Whether the one who acts may hand out powers."""
    return isinstance(request.user, User) and request.user.is_superuser
