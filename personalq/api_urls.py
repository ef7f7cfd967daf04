"""Everything below /api/v1. Routes are declared without a slash at their end; a middleware takes one off."""

from django.urls import include, path, re_path

from personalq import api_about
from personalq.lib.api_views import UnknownApiPath

urlpatterns = [
    path("", include("accounts.api.urls")),
    path("", include("tasks.api.urls")),
    path("", include("webhooks.api.urls")),
    path("", api_about.Root.as_view(), name="api-root"),
    path("/schema", api_about.Schema.as_view(), name="api-schema"),
    path("/docs", api_about.Docs.as_view(), name="api-docs"),
    # Last: strangers get the same 401 for routes that exist and for those that do not.
    re_path(r"", UnknownApiPath.as_view(), name="api-unknown"),
]
