"""DRF's browsable API for people who are signed in, with raw JSON forms only."""

from rest_framework.renderers import BrowsableAPIRenderer


class BrowsableRenderer(BrowsableAPIRenderer):
    """Shows answers and a raw-data form; HTML forms are left out because no parser would take them."""

    format = "html"
