"""Below /api/v1. Without trailing slashes: a middleware takes those off."""

from django.urls import path

from accounts.api import views

urlpatterns = [
    path("/auth/token", views.TokenView.as_view(), name="api-auth-token"),
    path("/auth/refresh", views.RefreshView.as_view(), name="api-auth-refresh"),
    path("/auth/logout", views.LogoutView.as_view(), name="api-auth-logout"),
    path("/me", views.MeView.as_view(), name="api-me"),
]
