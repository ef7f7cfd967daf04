"""Sign in, refresh and sign out with tokens; who am I."""

from typing import ClassVar

from django.views.decorators.debug import sensitive_variables
from drf_spectacular.utils import extend_schema
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.status import HTTP_204_NO_CONTENT
from rest_framework.views import APIView

from accounts import tokens
from accounts.api.serializers import (
    MeSerializer,
    RefreshSerializer,
    SignInSerializer,
    TokenPairSerializer,
)
from accounts.second_factor import step
from accounts.sign_in import user_by_password
from personalq.lib.openapi import no_content
from personalq.lib.rate_limits import RateLimitedView
from personalq.lib.view_scopes import ANY


class TokenView(APIView):
    """The door for programs. Sessions and tokens that come along are not looked at."""

    authentication_classes = ()
    permission_classes = (AllowAny,)

    @extend_schema(request=SignInSerializer, responses=TokenPairSerializer)
    @sensitive_variables()
    def post(self, request: Request) -> Response:
        """Sign in: a pair of tokens for a user name, a password and, where the account has a second factor, a code.

        Once the password is right, a missing code is answered 401 `second_factor_required`, a wrong one
        `invalid_credentials`. An operator who has no second factor and needs one: 403 `second_factor_needed`.
        """
        serializer = SignInSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        given = dict(serializer.validated_data)
        code = given.pop("code")
        user = user_by_password(request._request, **given)
        step.prove(request._request, user, code)
        return Response(TokenPairSerializer(tokens.issue_pair(user, request._request)).data)


class RefreshTokenView(RateLimitedView):
    """A route whose body is a refresh token and nothing else proves anything."""

    authentication_classes = ()
    permission_classes = (AllowAny,)
    rate_limits: ClassVar = {"POST": ("token-refresh", "PERSONALQ_RATE_TOKEN_REFRESH")}

    def token_in(self, request: Request) -> str:
        serializer = RefreshSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        return str(serializer.validated_data["refresh"])


class RefreshView(RefreshTokenView):
    """Exchange."""

    @extend_schema(request=RefreshSerializer, responses=TokenPairSerializer)
    def post(self, request: Request) -> Response:
        """Exchange a refresh token for a new pair. Using one twice ends the whole sign-in."""
        pair = tokens.rotate(self.token_in(request))
        return Response(TokenPairSerializer(pair).data)


class LogoutView(RefreshTokenView):
    """Sign out. Without a limit: nobody at the same address may keep another from ending a stolen sign-in."""

    rate_limits: ClassVar = {}

    @extend_schema(request=RefreshSerializer, responses=no_content("All tokens of this sign-in have ended."))
    def post(self, request: Request) -> Response:
        """Sign out: end all tokens that descend from one sign-in. Repeating it is harmless."""
        tokens.sign_out(self.token_in(request))
        return Response(status=HTTP_204_NO_CONTENT)


class MeView(APIView):
    """The caller."""

    scope: ClassVar[str] = ANY

    @extend_schema(responses=MeSerializer)
    def get(self, request: Request) -> Response:
        """Who you are to this API, and what your token may do."""
        return Response(MeSerializer(request.user, context={"identity": request.auth}).data)
