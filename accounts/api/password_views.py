"""One's own password."""

from typing import ClassVar

from django.views.decorators.debug import sensitive_variables
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import passwords, tokens
from accounts.api.base import ApiView, read_body
from accounts.api.password_forms import PasswordForm
from accounts.api.serializers import TokenPairSerializer
from personalq.lib.openapi import conflict, no_content


class OwnPassword(ApiView):
    """No view for programs: a personal token cannot change the password."""

    # Counted like attempts to sign in, by `passwords.change`.
    rate_limits: ClassVar = {}

    @extend_schema(
        operation_id="change_password",
        summary="Change your password",
        description=(
            "Ends every sign-in and session of yours and, unless `keep_tokens` is true, your personal tokens. Whoever "
            "came by an access token gets the pair of a new sign-in; the session of a browser goes on (204)."
        ),
        tags=["me"],
        request=PasswordForm,
        responses={
            200: TokenPairSerializer,
            **no_content("The password is changed, and this session goes on."),
            **conflict("`password_changed`: somebody else has changed the password meanwhile."),
        },
    )
    @sensitive_variables()
    def post(self, request: Request) -> Response:
        wanted = read_body(PasswordForm, request)
        changed = passwords.change(
            request._request,
            user=self.user,
            current=wanted["current"],
            new=wanted["new"],
            keeps_tokens=wanted["keep_tokens"],
            keeps_session=request.auth is None,
        )
        if request.auth is None:
            return Response(status=204)
        return Response(TokenPairSerializer(tokens.issue_pair(changed)).data)
