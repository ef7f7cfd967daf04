"""ElevenLabs' API as a local server: speech to text, text to speech, and whom a key belongs to.

Sources: https://elevenlabs.io/docs/api-reference/speech-to-text/convert, …/text-to-speech/convert, …/user/get and
…/docs/eleven-api/resources/errors. It takes a key, forms with files and JSON as the real one does, and refuses alike.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

from tests.wire.multipart import fields_and_files
from tests.wire.server import Exchange, Received, StandIn, WireServer

KEY: Final = "sk_5d1f0a6c2b9e4837a1c0ffee5d1f0a6c2b9e4837a1c0ffee"
VOICE: Final = "JBFqnCBsd6RMkjVDRZzb"
SPEECH: Final = b"OggS" + b"\x00\x02" + bytes(22) + b"\x01\x13OpusHead" + bytes(2_000)
MODELS: Final = {"scribe_v1", "scribe_v2"}
SPEAKING_MODELS: Final = {"eleven_turbo_v2_5", "eleven_flash_v2_5"}
FORM_FIELDS: Final = {"model_id", "tag_audio_events", "timestamps_granularity", "language_code", "diarize"}
LONGEST_TEXT: Final = 40_000


@dataclass(frozen=True, kw_only=True)
class Recording:
    """What came to be listened to."""

    audio: bytes
    content_type: str
    fields: Mapping[str, str]


@dataclass
class ElevenLabs(StandIn):
    """A server; `heard` and `said` are what it was asked for.

    `words` is what it hears in any recording; `trouble` answers instead of the API while it is set.
    """

    words: str = "buy milk and bread"
    key: str = KEY
    permissions: frozenset[str] = frozenset({"speech_to_text", "text_to_speech", "user_read"})
    trouble: Callable[[Exchange], Any] | None = None
    heard: list[Recording] = field(default_factory=list)
    said: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.server = WireServer(self._answer)

    async def _answer(self, exchange: Exchange) -> None:
        if self.trouble is not None:
            await self.trouble(exchange)
            return
        request = exchange.request
        if request.headers.get("xi-api-key") != self.key:
            await refuse(exchange, 401, "invalid_api_key", "Invalid API key")
        elif (request.method, request.path) == ("GET", "/v1/user"):
            await self._tell_user(exchange)
        elif (request.method, request.path) == ("POST", "/v1/speech-to-text"):
            await self._listen(exchange)
        elif request.method == "POST" and request.path.startswith("/v1/text-to-speech/"):
            await self._speak(exchange)
        else:
            await answer(exchange, 404, {"detail": "Not Found"})

    async def _tell_user(self, exchange: Exchange) -> None:
        if await self._lacks("user_read", exchange):
            return
        await answer(exchange, 200, {"user_id": "u1", "subscription": {"tier": "creator", "character_count": 1}})

    async def _listen(self, exchange: Exchange) -> None:
        if await self._lacks("speech_to_text", exchange):
            return
        try:
            recording = recording_in(exchange.request)
        except (KeyError, ValueError) as error:
            await answer(exchange, 422, {"detail": [{"loc": ["body"], "msg": str(error), "type": "missing"}]})
            return
        if recording.fields["model_id"] not in MODELS:
            await refuse(exchange, 400, "model_not_found", "A model with this ID does not exist")
            return
        self.heard.append(recording)
        told = {"language_code": "eng", "language_probability": 0.98, "text": self.words, "words": []}
        await answer(exchange, 200, told)

    async def _speak(self, exchange: Exchange) -> None:
        if await self._lacks("text_to_speech", exchange):
            return
        request, body = exchange.request, json.loads(exchange.request.body)
        voice = request.path.rpartition("/")[2]
        asked = parse_qs(urlsplit(request.target).query)
        if voice != VOICE:
            await refuse(exchange, 404, "voice_not_found", "A voice with this ID was not found.")
        elif body["model_id"] not in SPEAKING_MODELS or len(body["text"]) > LONGEST_TEXT:
            await answer(exchange, 422, {"detail": [{"loc": ["body"], "msg": "no", "type": "value_error"}]})
        else:
            self.said.append({**body, "voice": voice, "format": asked["output_format"][0]})
            await exchange.answer(200, {"Content-Type": "audio/ogg"}, SPEECH)

    async def _lacks(self, permission: str, exchange: Exchange) -> bool:
        if permission in self.permissions:
            return False
        message = f"The API key you used is missing the permission {permission} to execute this operation."
        await refuse(exchange, 401, "missing_permissions", message)
        return True


def recording_in(request: Received) -> Recording:
    """The form's parts. Raises ValueError when it is no form of this API's, KeyError when a part is missing."""
    fields, files = fields_and_files(request)
    if set(fields) - FORM_FIELDS:
        raise ValueError(f"unknown fields {set(fields) - FORM_FIELDS}")
    file = files["file"]
    named = {**fields, "model_id": fields["model_id"]}
    return Recording(audio=file.content, content_type=file.content_type, fields=named)


async def answer(exchange: Exchange, status: int, body: Any, **headers: str) -> None:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    await exchange.answer(status, {"Content-Type": "application/json", **named}, json.dumps(body).encode())


async def refuse(exchange: Exchange, status: int, reason: str, message: str, **headers: str) -> None:
    """An error in the form that the API has had since 2026, which keeps the older `status`."""
    detail = {"type": "error", "code": reason, "status": reason, "message": message, "request_id": "r1"}
    await answer(exchange, status, {"detail": detail}, **headers)


def refusing(status: int, reason: str = "", **headers: str) -> Callable[[Exchange], Any]:
    """A trouble: every call gets this."""

    async def handle(exchange: Exchange) -> None:
        await refuse(exchange, status, reason, "no", **headers)

    return handle


async def says_nothing(exchange: Exchange) -> None:
    """A trouble: no answer at all."""
    await exchange.gone()


async def hangs_up(exchange: Exchange) -> None:
    """A trouble: the connection breaks."""
    exchange.cut()


async def floods(exchange: Exchange) -> None:
    """A trouble: an answer without end."""
    await exchange.begin(200, {"Content-Type": "application/json"})
    while True:
        await exchange.chunk(b" " * 65_536)


async def answers_in_prose(exchange: Exchange) -> None:
    """A trouble: something else lives at this address."""
    await exchange.answer(200, {"Content-Type": "text/html"}, b"<html>hello</html>")
