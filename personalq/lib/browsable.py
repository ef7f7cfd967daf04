"""DRF's browsable API for people who are signed in: raw JSON forms only, as the API takes nothing else."""

from typing import Any, Final

from rest_framework.exceptions import APIException
from rest_framework.renderers import BaseRenderer, BrowsableAPIRenderer
from rest_framework.request import Request

from personalq.lib.errors import AppError

LONGEST_SHOWN: Final = 100_000


# Views are Any: DRF's views read the setting that names this class, so they cannot be imported here.
class BrowsableRenderer(BrowsableAPIRenderer):
    """Shows answers and a raw-data form; HTML forms are left out because no parser would take them."""

    format = "html"
    template = "api/browsable.html"

    def get_context(self, data: Any, accepted_media_type: str | None, renderer_context: Any) -> dict[str, Any]:
        context: dict[str, Any] = super().get_context(data, accepted_media_type, renderer_context)
        # The colours of code come as a style element, which the policy refuses.
        return {**context, "code_style": ""}

    def get_content(self, renderer: BaseRenderer, data: Any, *arguments: Any) -> str:
        content: str = super().get_content(renderer, data, *arguments)
        if len(content) <= LONGEST_SHOWN:
            return content
        # Finding the links in megabytes of text would take longer than anybody waits.
        return f"{content[:LONGEST_SHOWN]}\n… cut here. Ask with Accept: application/json for all of it."

    def show_form_for_method(self, view: Any, method: str, request: Request, obj: Any) -> bool:  # noqa: ARG002 - the rows are reached through the fetchers
        if method not in view.allowed_methods:
            return False
        try:
            view.check_permissions(request)
        except (APIException, AppError):
            return False
        return True

    def get_breadcrumbs(self, request: Request) -> list[tuple[str, str]]:  # noqa: ARG002
        # Every part of an address resolves here, most of them to the view that says that there is nothing.
        return []

    def get_rendered_html_form(self, data: Any, view: Any, method: str, request: Request) -> Any:
        # For DELETE a button; all else would be a form for parsers that this API does not have.
        return super().get_rendered_html_form(data, view, method, request) if method == "DELETE" else None
