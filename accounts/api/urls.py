"""Below /api/v1. Without trailing slashes: a middleware takes those off."""

from django.urls import path

from accounts.api import credential_views, token_views, views

urlpatterns = [
    path("/auth/token", views.TokenView.as_view(), name="api-auth-token"),
    path("/auth/refresh", views.RefreshView.as_view(), name="api-auth-refresh"),
    path("/auth/logout", views.LogoutView.as_view(), name="api-auth-logout"),
    path("/credentials", credential_views.CredentialList.as_view(), name="api-credentials"),
    path("/credentials/<uuid:uuid>", credential_views.OneCredential.as_view(), name="api-credential"),
    path("/credentials/<uuid:uuid>/test", credential_views.CredentialTrial.as_view(), name="api-credential-test"),
    path("/tokens", token_views.TokenList.as_view(), name="api-tokens"),
    path("/tokens/<uuid:uuid>", token_views.OneToken.as_view(), name="api-token"),
    path("/me", views.MeView.as_view(), name="api-me"),
]
