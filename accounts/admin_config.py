"""Puts our admin site in the place of Django's. A module of its own: settings name it before models exist."""

from django.contrib.admin.apps import AdminConfig


class OperatorAdminConfig(AdminConfig):
    """`django.contrib.admin` with our entrance."""

    default_site = "accounts.admin_site.OperatorSite"
