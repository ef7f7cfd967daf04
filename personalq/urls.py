"""The whole map of HTTP paths."""

from django.contrib import admin
from django.urls import include, path, re_path

from personalq.lib import csp_reports, health
from personalq.lib.api_views import UnknownApiPath
from tasks.api import readiness_views
from tasks.cli.download import download

handler400 = "personalq.lib.problems.handler400"
handler403 = "personalq.lib.problems.handler403"
handler404 = "personalq.lib.problems.handler404"
handler500 = "personalq.lib.problems.handler500"

urlpatterns = [
    path("healthz", health.alive, name="healthz"),
    path("readyz", readiness_views.ready, name="readyz"),
    path("csp-reports", csp_reports.take_reports, name="csp-reports"),
    path("cli/personalq-cli", download, name="personalq-cli"),
    path("admin/", admin.site.urls),
    path("api/v1", include("personalq.api_urls")),
    re_path(r"^api(?:/|$)", UnknownApiPath.as_view(), name="api-outside"),
    path("cursor-agents", include("tasks.api.cursor_agents_urls")),
    path("", include("webhooks.urls")),
    path("", include("accounts.urls")),
    path("", include("realtime.urls")),
]
