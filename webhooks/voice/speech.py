"""Speech to text and text to speech, by ElevenLabs, with a user's own key.

Sources: https://elevenlabs.io/docs/api-reference/speech-to-text/convert, …/text-to-speech/convert and
…/eleven-api/resources/errors. Nothing of what ElevenLabs says about an error is repeated: it may quote what was sent.
"""

import re
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote

from django.conf import settings
from django.views.decorators.debug import sensitive_variables

from accounts import credentials
from accounts.models import Credential, Provider
from personalq.lib import http, strict_json
from personalq.lib.errors import AppError, Conflict, MalformedBody, PayloadTooLarge, Unavailable
from personalq.lib.http import HttpRefused, Limits, Response
from tasks.models import PROMPT_LENGTH

LARGEST_RECORDING: Final = 20 * 1000 * 1000
"""Bytes; Telegram hands out no larger files either."""
LONGEST_SPEECH: Final = 2_500
"""Characters of a text to speak, about three minutes."""
SECONDS: Final = 60.0
SPEAKING_SECONDS: Final = 30.0
SPEECH_FORMAT: Final = "opus_48000_64"
"""Opus in Ogg, as Telegram's voice messages are."""
SPEECH_TYPE: Final = "audio/ogg"
MIB: Final = 1024 * 1024
VOICE_FORM: Final = r"[A-Za-z0-9_-]{1,64}"
LONGEST_WAIT_SECONDS: Final = 3600

_TO_TEXT: Final = Limits(read_seconds=SECONDS, total_seconds=SECONDS, response_bytes=4 * MIB)
_TO_SPEECH: Final = Limits(read_seconds=SPEAKING_SECONDS, total_seconds=SPEAKING_SECONDS, response_bytes=10 * MIB)
_KEY_CHECK: Final = Limits(read_seconds=10, total_seconds=10, response_bytes=MIB)
_NO_PERMISSION: Final = "missing_permissions"
_PASSING: Final = frozenset({408, 409, 425, 429})


class SpeechKeyMissing(Conflict):
    """There is no key to speak and listen with."""

    code = "speech_key_missing"
    title = "There is no key for speech."
    advice = "Give the bot an ElevenLabs credential, or write instead of speaking."


class SpeechRefused(AppError):  # noqa: N818 - named like the others
    """ElevenLabs does not do this, and would not do it again either."""

    code = "speech_refused"
    status = 422
    title = "ElevenLabs refused the request."
    advice = "Check the recording, the voice and the models' names. If they are right, try another recording."


class SpeechUnavailable(Unavailable):
    """ElevenLabs cannot be reached or has too much to do; the same may succeed later."""

    code = "speech_unavailable"
    title = "ElevenLabs does not answer at the moment."
    advice = "Try again in a few minutes."


class RecordingTooLarge(PayloadTooLarge):
    """More than is listened to."""

    code = "recording_too_large"
    title = "The recording is too large."
    advice = "Send recordings of at most 20 MB. Split a longer one."


_REASONS: Final[Mapping[str, str]] = {
    "invalid_api_key": "ElevenLabs does not know the key. Enter a valid one in the credential.",
    "needs_authorization": "ElevenLabs does not know the key. Enter a valid one in the credential.",
    _NO_PERMISSION: "The key may not do this. Give it the permissions for speech to text and text to speech.",
    "quota_exceeded": "The ElevenLabs account has no characters left. Raise its quota, or wait for the next month.",
    "voice_not_found": "ElevenLabs has no such voice. Choose another one for the bot.",
    "model_not_found": "ElevenLabs has no such model. Ask the operator to correct the model's name.",
}
_BY_STATUS: Final[Mapping[int, str]] = {
    401: "ElevenLabs refuses the key. Check the credential and what is left of the account's quota.",
    402: "The ElevenLabs account has to be paid for this. Check its plan.",
    403: "The key may not do this. Check its permissions and the account's plan.",
}


async def transcribe(credential: Credential | None, audio: bytes, *, content_type: str) -> str:
    """What is said in a recording, without white space at its ends; empty when nothing is.

    Args:
        credential: Whose key pays for it.
        audio: The whole file, at most 20 MB, in any usual format.
        content_type: Such as `audio/ogg`.

    Raises:
        SpeechKeyMissing, RecordingTooLarge, SpeechRefused, SpeechUnavailable, CredentialUnreadable
    """
    if len(audio) > LARGEST_RECORDING:
        raise RecordingTooLarge
    fields = {
        "model_id": settings.PERSONALQ_ELEVENLABS_STT_MODEL,
        # Neither "(laughter)" nor the time of each word.
        "tag_audio_events": "false",
        "timestamps_granularity": "none",
    }
    files = {"file": ("recording", audio, content_type)}
    answer = await _ask(credential, "/v1/speech-to-text", _TO_TEXT, data=fields, files=files)
    return _text_in(answer)


async def speak(credential: Credential | None, text: str, *, voice: str = "") -> bytes:
    """A text as speech: Opus in Ogg, for Telegram's `sendVoice`.

    Args:
        credential: Whose key pays for it.
        text: At most 2,500 characters; `spoken.spoken` shortens.
        voice: The id of an ElevenLabs voice; empty for the operator's.

    Raises:
        SpeechKeyMissing, SpeechRefused, SpeechUnavailable, CredentialUnreadable
    """
    if not text.strip() or len(text) > LONGEST_SPEECH:
        raise SpeechRefused(f"Only texts of 1 to {LONGEST_SPEECH} characters are spoken. Shorten it.")
    chosen = voice or settings.PERSONALQ_ELEVENLABS_VOICE
    if not re.fullmatch(VOICE_FORM, chosen):
        raise SpeechRefused(_REASONS["voice_not_found"])
    path = f"/v1/text-to-speech/{quote(chosen, safe='')}?output_format={SPEECH_FORMAT}"
    body = {"text": text, "model_id": settings.PERSONALQ_ELEVENLABS_TTS_MODEL}
    answer = await _ask(credential, path, _TO_SPEECH, json=body)
    if not answer.body:
        raise SpeechUnavailable
    return answer.body


@sensitive_variables()
async def check_key(plain: str) -> None:
    """One cheap call that shows whether a key is good. Raises SpeechRefused or SpeechUnavailable.

    A key that may do other things only is a good one: most are limited to speech, as they should be.
    """
    url = f"{settings.PERSONALQ_ELEVENLABS_URL}/v1/user"
    try:
        answer = await http.fetch("GET", url, headers=_headers(plain), limits=_KEY_CHECK)
    except HttpRefused as refusal:
        raise SpeechUnavailable(str(refusal)) from None
    if answer.status == 401 and _reason_in(answer.body) == _NO_PERMISSION:  # noqa: PLR2004 - HTTP's own number
        return
    _refuse(answer)


@sensitive_variables("plain", "headers")
async def _ask(credential: Credential | None, path: str, limits: Limits, **content: Any) -> Response:
    if credential is None or credential.provider != Provider.ELEVENLABS:
        raise SpeechKeyMissing
    plain = credentials.reveal(credential)
    with credentials.kept_out_of_logs(credential, plain):
        answer = await _post(f"{settings.PERSONALQ_ELEVENLABS_URL}{path}", _headers(plain), limits, content)
    _refuse(answer)
    return answer


@sensitive_variables()
async def _post(url: str, headers: Mapping[str, str], limits: Limits, content: Mapping[str, Any]) -> Response:
    try:
        # The only client that writes forms with files; all rules of outgoing calls hold for it.
        async with http.client(limits=limits) as client:
            answer = await client.post(url, headers=dict(headers), **content)
            return Response(status=answer.status_code, headers=dict(answer.headers), body=answer.content)
    except HttpRefused as refusal:
        raise SpeechUnavailable(str(refusal)) from None


def _headers(plain: str) -> dict[str, str]:
    return {"xi-api-key": plain}


def _refuse(answer: Response) -> None:
    """Raise what an answer that is no success means."""
    if 200 <= answer.status < 300:  # noqa: PLR2004 - HTTP's own numbers
        return
    if answer.status in _PASSING or answer.status >= AppError.status:
        raise SpeechUnavailable(retry_after_seconds=_seconds_in(answer.headers.get("retry-after", "")))
    if answer.status == PayloadTooLarge.status:
        raise RecordingTooLarge
    raise SpeechRefused(_REASONS.get(_reason_in(answer.body)) or _BY_STATUS.get(answer.status, ""))


def _reason_in(body: bytes) -> str:
    """The word by which an error is known: `detail.status`, or `detail.code` since 2026."""
    detail = _object_in(body).get("detail")
    found = [detail.get(name) for name in ("status", "code")] if isinstance(detail, dict) else []
    return next((each for each in found if isinstance(each, str) and each in _REASONS), "")


def _text_in(answer: Response) -> str:
    text = _object_in(answer.body).get("text")
    if not isinstance(text, str):
        raise SpeechUnavailable("What came back was no transcript. Ask the operator to check the address.")
    if len(text) > PROMPT_LENGTH:
        raise RecordingTooLarge("More is said in it than a prompt may hold. Split the recording.")
    return text.strip()


def _object_in(body: bytes) -> dict[str, Any]:
    try:
        value = strict_json.parse(body, mends_text=True)
    except MalformedBody:
        return {}
    return value if isinstance(value, dict) else {}


def _seconds_in(text: str) -> int:
    return min(int(text), LONGEST_WAIT_SECONDS) if re.fullmatch(r"[0-9]{1,6}", text, re.ASCII) else 5
