"""An advisory service on this machine, which knows what it is told.

It speaks the part of the protocol that pip-audit uses. Source: https://google.github.io/osv.dev/post-v1-query/
"""

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Known = Mapping[tuple[str, str], str]


def _vulnerability(advisory: str, name: str) -> dict[str, Any]:
    ranges = [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "999"}]}]
    affected = [{"package": {"name": name, "ecosystem": "PyPI"}, "ranges": ranges}]
    return {"id": advisory, "summary": "Known here.", "published": "2026-01-01T00:00:00Z", "affected": affected}


class _Handler(BaseHTTPRequestHandler):
    known: Known = {}

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        name = asked["package"]["name"]
        advisory = self.known.get((name, asked["version"]))
        answer = json.dumps({"vulns": [_vulnerability(advisory, name)]} if advisory else {}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        pass


@contextmanager
def serving(known: Known) -> Iterator[tuple[str, ...]]:
    """Answer until the block ends; gives the options of pip-audit that lead here."""
    handler = type("Handler", (_Handler,), {"known": known})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield ("-s", "osv", "--osv-url", f"http://127.0.0.1:{server.server_address[1]}/v1/query")
        finally:
            server.shutdown()
            thread.join()
