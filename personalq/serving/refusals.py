"""Answers of the server itself, to what never becomes a request of the product: dressed and worded as all others."""

from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from personalq.lib.current_request import new_request_id
from personalq.lib.errors import AppError, HeadTooLarge, InvalidInput, Unavailable
from personalq.lib.problems import PROBLEM_TYPE, problem_bytes
from personalq.lib.security_headers import as_raw, raw_security_headers


def unreadable() -> AppError:
    """What came is no HTTP, or could be read in two ways."""
    return InvalidInput("What was sent is no well-formed HTTP/1.1. Send the request anew.", code="bad_request")


def head_too_large() -> AppError:
    return HeadTooLarge()


def no_connection_to_spare() -> AppError:
    return Unavailable("The server has no connection to spare. Try again in a few seconds.")


def headers(request_id: str) -> list[tuple[str, str]]:
    """What every answer carries. Whether the client came by TLS is not known here, so none speaks of HSTS."""
    common = [(name.decode("ascii"), value.decode("latin-1")) for name, value in raw_security_headers(is_secure=False)]
    return [*common, ("x-request-id", request_id)]


def as_bytes(error: AppError) -> bytes:
    """The whole answer, after which the connection ends."""
    request_id = new_request_id()
    body = problem_bytes(error, request_id)
    own = {
        **error.headers,
        "Content-Type": PROBLEM_TYPE,
        "Content-Length": str(len(body)),
        "Connection": "close",
    }
    lines = [b"%s: %s\r\n" % pair for pair in as_raw([*headers(request_id), *own.items()])]
    return b"".join([STATUS_LINE[error.status], *lines, b"\r\n", body])
