"""`python -m personalq.serving --host 127.0.0.1 --port 8000`: one web process."""

import argparse
import sys
from contextlib import suppress
from dataclasses import replace
from types import FrameType

import uvicorn

from personalq.lib import stopping
from personalq.serving.limits import Limits
from personalq.serving.requests import BoundedRequests
from personalq.serving.sockets import BoundedSockets

APPLICATION = "personalq.asgi:application"
# The longest message that a socket takes; uvicorn's own limit is 16 MiB.
SOCKET_MESSAGE_BYTES = 64 * 1024
# Open event sockets must not delay the stop.
STOP_SECONDS = 3
# uvicorn's own.
STARTUP_FAILURE = 3


def read_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m personalq.serving", description=__doc__)
    parser.add_argument("application", nargs="?", default=APPLICATION, help="module:name of an ASGI application")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--head-seconds", type=float, default=Limits.head_seconds, help="until a request is told")
    return parser.parse_args()


class Server(uvicorn.Server):
    """Tells those who wait for long that the process is about to stop, so that they can still answer."""

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        stopping.begin()
        super().handle_exit(sig, frame)


def serve(application: str, *, host: str, port: int, limits: Limits) -> None:
    """Answer on one address until SIGTERM or SIGINT."""
    BoundedRequests.limits = BoundedSockets.limits = limits
    config = uvicorn.Config(
        application,
        host=host,
        port=port,
        http=BoundedRequests,
        ws=BoundedSockets,
        ws_max_size=SOCKET_MESSAGE_BYTES,
        # Browsers ask for it; on events of a few hundred bytes it costs more than all else that a frame needs.
        ws_per_message_deflate=False,
        # Its access log would repeat ours, and a forwarded address counts only from a known proxy.
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=STOP_SECONDS,
    )
    config.load_app()
    server = Server(config)
    with suppress(KeyboardInterrupt):
        server.run()
    if not server.started:
        sys.exit(STARTUP_FAILURE)


def main() -> None:
    given = read_arguments()
    limits = replace(Limits(), head_seconds=given.head_seconds)
    serve(given.application, host=given.host, port=given.port, limits=limits)


if __name__ == "__main__":
    main()
