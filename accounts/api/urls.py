"""Below /api/v1. Without trailing slashes: a middleware takes those off."""

from django.urls import path

from accounts.api import (
    audit_views,
    credential_views,
    invitation_views,
    password_views,
    session_views,
    token_views,
    views,
)

urlpatterns = [
    path("/auth/token", views.TokenView.as_view(), name="api-auth-token"),
    path("/auth/refresh", views.RefreshView.as_view(), name="api-auth-refresh"),
    path("/auth/logout", views.LogoutView.as_view(), name="api-auth-logout"),
    path("/audit-events", audit_views.AuditEventList.as_view(), name="api-audit-events"),
    path("/credentials", credential_views.CredentialList.as_view(), name="api-credentials"),
    path("/credentials/<uuid:uuid>", credential_views.OneCredential.as_view(), name="api-credential"),
    path("/credentials/<uuid:uuid>/test", credential_views.CredentialTrial.as_view(), name="api-credential-test"),
    path("/tokens", token_views.TokenList.as_view(), name="api-tokens"),
    path("/tokens/<uuid:uuid>", token_views.OneToken.as_view(), name="api-token"),
    path("/invitations", invitation_views.InvitationList.as_view(), name="api-invitations"),
    path("/invitations/<uuid:uuid>", invitation_views.OneInvitation.as_view(), name="api-invitation"),
    path("/me/password", password_views.OwnPassword.as_view(), name="api-me-password"),
    path("/me", views.MeView.as_view(), name="api-me"),
    path("/sessions", session_views.SessionList.as_view(), name="api-sessions"),
    path("/sessions/end-others", session_views.OtherSessions.as_view(), name="api-sessions-end-others"),
    path("/sessions/<uuid:uuid>", session_views.OneSession.as_view(), name="api-session"),
]
