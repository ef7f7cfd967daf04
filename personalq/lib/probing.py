"""Asking a live installation as a stranger would: no credentials, no redirects, every header as it comes.

For `security_audit`, which may look at nothing but what its operator names. Answers are cut at 64 KiB.
"""

import http.client
import socket
import ssl
import warnings
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Self
from urllib.parse import urlsplit

import certifi

SECONDS: Final = 10.0
LONGEST_BODY: Final = 64 * 1024
USER_AGENT: Final = "Personal-Q security_audit"


class Unreachable(Exception):  # noqa: N818 - says what happened
    """Nobody answered; the sentence says where and why."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What came back. Header names are in lower case; all headers of one name are kept."""

    status: int
    headers: dict[str, list[str]]

    def header(self, name: str) -> str:
        """The headers of this name, joined; empty when there is none."""
        return ", ".join(self.headers.get(name.lower(), []))


@dataclass(frozen=True, kw_only=True)
class Certificate:
    """What a server showed in TLS, verified for its name."""

    version: str
    expires_at: datetime


class Prober:
    """One connection to one origin, opened again when the server closed it."""

    def __init__(self, url: str, *, seconds: float = SECONDS) -> None:
        parts = urlsplit(url)
        self.is_https: Final = parts.scheme == "https"
        self.host: Final = parts.hostname or ""
        self.port: Final = parts.port or (443 if self.is_https else 80)
        self._seconds = seconds
        self._connection: http.client.HTTPConnection | None = None

    def ask(self, method: str, path: str) -> Answer:
        """One request without a body. Raises Unreachable."""
        try:
            return self._ask(method, path)
        except (http.client.BadStatusLine, ConnectionError):
            # A connection that was kept may have ended meanwhile; a fresh one tells.
            self.close()
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise Unreachable(f"Nothing answers at {self.host}:{self.port}: {_reason(error)}.") from None
        try:
            return self._ask(method, path)
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise Unreachable(f"Nothing answers at {self.host}:{self.port}: {_reason(error)}.") from None

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self._connection = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _ask(self, method: str, path: str) -> Answer:
        connection = self._connection or self._open()
        self._connection = connection
        connection.request(method, path, headers={"User-Agent": USER_AGENT, "Accept": "*/*"})
        response = connection.getresponse()
        response.read(LONGEST_BODY)
        headers: dict[str, list[str]] = {}
        for name, value in response.getheaders():
            headers.setdefault(name.lower(), []).append(value)
        if not response.isclosed():
            self.close()
        return Answer(status=response.status, headers=headers)

    def _open(self) -> http.client.HTTPConnection:
        if not self.is_https:
            return http.client.HTTPConnection(self.host, self.port, timeout=self._seconds)
        return http.client.HTTPSConnection(self.host, self.port, timeout=self._seconds, context=_trusting_context())


def certificate_of(host: str, port: int) -> Certificate:
    """What the server shows, verified as a browser does. Raises ssl.SSLError when it is not good, or Unreachable."""
    try:
        with (
            socket.create_connection((host, port), timeout=SECONDS) as plain,
            _trusting_context().wrap_socket(plain, server_hostname=host) as secured,
        ):
            shown = secured.getpeercert() or {}
            until = ssl.cert_time_to_seconds(str(shown["notAfter"]))
            return Certificate(version=secured.version() or "", expires_at=datetime.fromtimestamp(until, UTC))
    except ssl.SSLError:
        raise
    except OSError as error:
        raise Unreachable(f"Nothing answers at {host}:{port}: {_reason(error)}.") from None


def takes_old_versions(host: str, port: int) -> bool:
    """Whether the server still speaks TLS 1.0 or 1.1. Raises Unreachable."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    # What our own OpenSSL would refuse by itself has to be offered to hear the server's answer.
    context.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # That it is deprecated is the point.
        context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    try:
        with (
            socket.create_connection((host, port), timeout=SECONDS) as plain,
            context.wrap_socket(plain, server_hostname=host),
        ):
            return True
    except ssl.SSLCertVerificationError:
        # It had agreed on a version before it showed a certificate.
        return True
    except (ssl.SSLError, ConnectionResetError):
        return False
    except OSError as error:
        raise Unreachable(f"Nothing answers at {host}:{port}: {_reason(error)}.") from None


def _trusting_context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_default_certs()
    context.load_verify_locations(certifi.where())
    return context


def _reason(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not good ({error.verify_message})"
    if isinstance(error, socket.gaierror):
        return "the name is not known"
    if isinstance(error, ConnectionRefusedError):
        return "the connection is refused"
    if isinstance(error, TimeoutError):
        return "no answer in time"
    return f"{type(error).__name__}"
