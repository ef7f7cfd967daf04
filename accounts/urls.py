"""The pages of this app."""

from django.urls import path

from accounts import second_factor_pages, session_pages
from accounts.views import SignInView, SignOutView, take_code

urlpatterns = [
    path("sign-in", SignInView.as_view(), name="sign-in"),
    path("sign-in/code", take_code, name="sign-in-code"),
    path("sign-out", SignOutView.as_view(), name="sign-out"),
    path("account/second-factor", second_factor_pages.show, name="second-factor"),
    path("account/second-factor/begin", second_factor_pages.begin, name="second-factor-begin"),
    path("account/second-factor/confirm", second_factor_pages.confirm, name="second-factor-confirm"),
    path("account/second-factor/codes", second_factor_pages.renew_codes, name="second-factor-codes"),
    path("account/second-factor/off", second_factor_pages.turn_off, name="second-factor-off"),
    path("account/sessions", session_pages.show, name="sessions"),
    path("account/sessions/end-others", session_pages.end_others, name="session-end-others"),
    path("account/sessions/<uuid:uuid>/end", session_pages.end, name="session-end"),
]
