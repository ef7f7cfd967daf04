"""The pages of this app."""

from django.urls import path

from accounts.pages import second_factor, sessions
from accounts.pages.sign_in import SignInView, SignOutView, take_code

urlpatterns = [
    path("sign-in", SignInView.as_view(), name="sign-in"),
    path("sign-in/code", take_code, name="sign-in-code"),
    path("sign-out", SignOutView.as_view(), name="sign-out"),
    path("account/second-factor", second_factor.show, name="second-factor"),
    path("account/second-factor/begin", second_factor.begin, name="second-factor-begin"),
    path("account/second-factor/confirm", second_factor.confirm, name="second-factor-confirm"),
    path("account/second-factor/codes", second_factor.renew_codes, name="second-factor-codes"),
    path("account/second-factor/off", second_factor.turn_off, name="second-factor-off"),
    path("account/sessions", sessions.show, name="sessions"),
    path("account/sessions/end-others", sessions.end_others, name="session-end-others"),
    path("account/sessions/<uuid:uuid>/end", sessions.end, name="session-end"),
]
