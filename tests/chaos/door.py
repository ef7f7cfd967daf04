"""The API over real HTTP, told apart by what the caller knows afterwards."""

import http.client
import json
import threading
import time
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

ANSWER_SECONDS: Final = 40.0
# An access token of the campaign lives for an hour.
RENEW_SECONDS: Final = 1800.0


@dataclass(frozen=True)
class Answer:
    """What came back. Status 0: the request certainly never arrived; -1: nobody knows."""

    status: int
    body: Any = None

    @property
    def is_unknown(self) -> bool:
        """Whether the request may have been carried out although no answer says so."""
        return self.status == -1 or self.status >= HTTPStatus.INTERNAL_SERVER_ERROR

    @property
    def name(self) -> str:
        return {0: "not reached", -1: "answer lost"}.get(self.status, str(self.status))


NOT_REACHED: Final = Answer(0)
ANSWER_LOST: Final = Answer(-1)


class Door:
    """One address and one signed-in user. Threads share it; each call is a connection of its own."""

    def __init__(self, port: int, username: str, password: str) -> None:
        self._port = port
        self._credentials = {"username": username, "password": password}
        self._signing = threading.Lock()
        self._token = ""
        self._signed_at = 0.0

    def call(self, method: str, path: str, body: Any = None) -> Answer:
        """Ask once, without trying again."""
        token = self._fresh_token()
        return self._send(method, path, body, token) if token else NOT_REACHED

    def insist(self, method: str, path: str, body: Any = None) -> Any:
        """The body of a good answer; for the time before anything is disturbed."""
        answer = self.call(method, path, body)
        assert HTTPStatus.OK <= answer.status < HTTPStatus.MULTIPLE_CHOICES, (method, path, answer)
        return answer.body

    def _fresh_token(self) -> str:
        with self._signing:
            if not self._token or time.monotonic() - self._signed_at > RENEW_SECONDS:
                answer = self._send("POST", "/api/v1/auth/token", self._credentials, "")
                if answer.status == HTTPStatus.OK:
                    self._token, self._signed_at = answer.body["access"], time.monotonic()
            return self._token

    def _send(self, method: str, path: str, body: Any, token: str) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=ANSWER_SECONDS)
        try:
            connection.connect()
        except OSError:
            return NOT_REACHED
        headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
        try:
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            response = connection.getresponse()
            return Answer(response.status, json.loads(response.read() or b"null"))
        except (OSError, http.client.HTTPException, ValueError):
            return ANSWER_LOST
        finally:
            connection.close()
