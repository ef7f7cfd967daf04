"""The one ASGI entry: HTTP goes to Django, `/mcp` to the tools for agents, `/ws/` to the event sockets."""

import os
from typing import cast

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "personalq.settings")

from channels.routing import ProtocolTypeRouter
from django.conf import settings
from django.core.asgi import get_asgi_application

# Django must be set up before anything that imports models.
django_application = get_asgi_application()

from personalq.lib.asgi import Application, BodyLimit, ByPath  # noqa: E402
from realtime import origins  # noqa: E402
from realtime.routing import websocket_application  # noqa: E402
from tasks.mcp.door import PATHS, McpDoor  # noqa: E402
from webhooks import admission  # noqa: E402

application = ProtocolTypeRouter(
    {
        "http": BodyLimit(
            ByPath(
                dict.fromkeys(PATHS, McpDoor(is_origin_allowed=origins.is_allowed)),
                otherwise=cast("Application", django_application),
            ),
            limits=settings.PERSONALQ_BODY_LIMITS,
            default_limit=settings.PERSONALQ_BODY_LIMIT_DEFAULT,
            admissions={admission.PREFIX: admission.who_sends_much},
        ),
        "websocket": websocket_application,
    }
)
