"""Speech to text and text to speech, against a server that speaks ElevenLabs' API."""

import asyncio
import logging
import os
from collections.abc import Iterator
from typing import Any

import pytest
from pytest_django.fixtures import Settings

from accounts import credentials
from accounts.models import Credential, User
from personalq.lib.errors import AppError, InvalidInput
from personalq.lib.http import Limits
from tasks import agents
from tasks.models import PROMPT_LENGTH
from tests.makers import make_agent, make_credential
from tests.wire import elevenlabs_server
from tests.wire.elevenlabs_server import KEY, SPEECH, VOICE, ElevenLabs, refusing
from webhooks.voice import speech
from webhooks.voice.keys import try_key
from webhooks.voice.speech import (
    LARGEST_RECORDING,
    LONGEST_SPEECH,
    RecordingTooLarge,
    SpeechKeyMissing,
    SpeechRefused,
    SpeechUnavailable,
    speak,
    transcribe,
)

pytestmark = pytest.mark.django_db

AUDIO = bytes(range(256)) * 40 + b"\r\n--boundary\r\n"
REFUSALS = {
    "401 unknown key": (refusing(401, "invalid_api_key"), SpeechRefused, "Enter a valid one"),
    "401 used up": (refusing(401, "quota_exceeded"), SpeechRefused, "no characters left"),
    "401 not permitted": (refusing(401, "missing_permissions"), SpeechRefused, "permissions"),
    "401 other": (refusing(401, "who_knows"), SpeechRefused, "Check the credential"),
    "402": (refusing(402), SpeechRefused, "paid"),
    "403": (refusing(403), SpeechRefused, "permissions"),
    "404": (refusing(404, "voice_not_found"), SpeechRefused, "Choose another one"),
    "413": (refusing(413), RecordingTooLarge, "20 MB"),
    "422": (refusing(422), SpeechRefused, "Check the recording"),
    "400 model": (refusing(400, "model_not_found"), SpeechRefused, "operator"),
    "302": (refusing(302, location="https://elsewhere.example/"), SpeechUnavailable, "redirect"),
    "429": (refusing(429, "rate_limit_exceeded", retry_after="17"), SpeechUnavailable, "Try again"),
    "500": (refusing(500), SpeechUnavailable, "Try again"),
    "503": (refusing(503), SpeechUnavailable, "Try again"),
    "broken": (elevenlabs_server.hangs_up, SpeechUnavailable, "Try again"),
    "endless": (elevenlabs_server.floods, SpeechUnavailable, "larger than allowed"),
    "prose": (elevenlabs_server.answers_in_prose, SpeechUnavailable, "no transcript"),
}


@pytest.fixture
def elevenlabs(settings: Settings) -> Iterator[ElevenLabs]:
    with ElevenLabs() as server:
        settings.PERSONALQ_INTERNAL_HOSTS = [server.target]
        settings.PERSONALQ_ELEVENLABS_URL = server.url
        yield server


@pytest.fixture
def credential(owner: User) -> Credential:
    return make_credential(owner, provider="elevenlabs", secret=KEY)


def hear(credential: Credential | None, audio: bytes = AUDIO) -> str:
    return asyncio.run(transcribe(credential, audio, content_type="audio/ogg"))


def say(credential: Credential | None, text: str = "Hello.", voice: str = "") -> bytes:
    return asyncio.run(speak(credential, text, voice=voice))


class TestListening:
    def test_recording_arrives_byte_for_byte_and_words_come_back(
        self, elevenlabs: ElevenLabs, credential: Credential
    ) -> None:
        elevenlabs.words = " Grüße, 🎉 buy milk. \n"
        assert hear(credential) == "Grüße, 🎉 buy milk."
        (heard,) = elevenlabs.heard
        assert (heard.audio, heard.content_type) == (AUDIO, "audio/ogg")
        assert heard.fields == {
            "model_id": "scribe_v1", "tag_audio_events": "false", "timestamps_granularity": "none"
        }  # fmt: skip

    def test_operator_chooses_the_model(
        self, elevenlabs: ElevenLabs, credential: Credential, settings: Settings
    ) -> None:
        settings.PERSONALQ_ELEVENLABS_STT_MODEL = "scribe_v2"
        hear(credential)
        assert elevenlabs.heard[0].fields["model_id"] == "scribe_v2"

    def test_silence_is_no_words(self, elevenlabs: ElevenLabs, credential: Credential) -> None:
        elevenlabs.words = "  "
        assert hear(credential) == ""

    def test_largest_recording_is_taken_and_one_byte_more_is_not_sent(
        self, elevenlabs: ElevenLabs, credential: Credential
    ) -> None:
        largest = os.urandom(LARGEST_RECORDING)
        hear(credential, largest)
        assert elevenlabs.heard[0].audio == largest
        with pytest.raises(RecordingTooLarge, match="20 MB"):
            hear(credential, largest + b"x")
        assert len(elevenlabs.server.requests) == 1

    def test_more_words_than_a_prompt_holds_are_refused(self, elevenlabs: ElevenLabs, credential: Credential) -> None:
        elevenlabs.words = "x" * (PROMPT_LENGTH + 1)
        with pytest.raises(RecordingTooLarge, match="Split"):
            hear(credential)


class TestSpeaking:
    def test_text_becomes_opus_in_ogg(self, elevenlabs: ElevenLabs, credential: Credential) -> None:
        assert say(credential, "Grüße. 🎉") == SPEECH
        assert elevenlabs.said == [
            {"text": "Grüße. 🎉", "model_id": "eleven_turbo_v2_5", "voice": VOICE, "format": "opus_48000_64"}
        ]

    def test_bot_has_its_own_voice(self, elevenlabs: ElevenLabs, credential: Credential) -> None:
        with pytest.raises(SpeechRefused, match="no such voice"):
            say(credential, voice="another")
        assert elevenlabs.server.requests[0].path == "/v1/text-to-speech/another"

    @pytest.mark.parametrize("voice", ["../user", "a/b", "a?b", "é", "a" * 65, "a b", "a\n"])
    def test_voice_never_becomes_another_address(
        self, voice: str, elevenlabs: ElevenLabs, credential: Credential
    ) -> None:
        with pytest.raises(SpeechRefused):
            say(credential, voice=voice)
        assert not elevenlabs.server.requests

    @pytest.mark.parametrize("text", ["", "  ", "x" * (LONGEST_SPEECH + 1)])
    def test_nothing_and_too_much_are_not_sent(self, text: str, elevenlabs: ElevenLabs, credential: Credential) -> None:
        with pytest.raises(SpeechRefused, match="2500"):
            say(credential, text)
        assert not elevenlabs.server.requests

    def test_longest_text_is_spoken(self, elevenlabs: ElevenLabs, credential: Credential) -> None:
        assert say(credential, "x" * LONGEST_SPEECH) == SPEECH


@pytest.mark.parametrize(("trouble", "kind", "advice"), REFUSALS.values(), ids=REFUSALS.keys())
def test_each_refusal_says_what_to_do(
    trouble: Any, kind: type[AppError], advice: str, elevenlabs: ElevenLabs, credential: Credential
) -> None:
    elevenlabs.trouble = trouble
    with pytest.raises(kind) as caught:
        hear(credential)
    assert advice in caught.value.detail
    assert KEY not in repr(caught.value) + str(caught.value)


def test_provider_says_how_long_to_wait(elevenlabs: ElevenLabs, credential: Credential) -> None:
    for given, seconds in {"17": 17, "99999": 3600, "soon": 5, "-1": 5, "Wed, 21 Oct 2026 07:28:00 GMT": 5}.items():
        elevenlabs.trouble = refusing(429, retry_after=given)
        with pytest.raises(SpeechUnavailable) as caught:
            say(credential)
        assert caught.value.retry_after_seconds == seconds, given


def test_silent_provider_is_given_up(
    elevenlabs: ElevenLabs, credential: Credential, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits = Limits(read_seconds=0.2, total_seconds=0.4)
    monkeypatch.setattr(speech, "_TO_TEXT", limits)
    elevenlabs.trouble = elevenlabs_server.says_nothing
    with pytest.raises(SpeechUnavailable, match="longer than allowed"):
        hear(credential)


def test_address_in_our_own_network_is_refused(
    elevenlabs: ElevenLabs, credential: Credential, settings: Settings
) -> None:
    settings.PERSONALQ_INTERNAL_HOSTS = []
    with pytest.raises(SpeechUnavailable):
        hear(credential)
    assert not elevenlabs.server.requests


@pytest.mark.parametrize("provider", ["anthropic", "openai", "runner", ""])
def test_only_a_key_of_elevenlabs_is_sent_there(provider: str, elevenlabs: ElevenLabs, owner: User) -> None:
    other = make_credential(owner, provider=provider) if provider else None
    for work in (hear, say):
        with pytest.raises(SpeechKeyMissing):
            work(other)
    assert not elevenlabs.server.requests


@pytest.mark.security
def test_key_is_in_no_log(elevenlabs: ElevenLabs, credential: Credential, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    hear(credential)
    elevenlabs.trouble = refusing(401, "invalid_api_key")
    with pytest.raises(SpeechRefused):
        say(credential)
    assert KEY not in caplog.text


class TestCredential:
    def test_good_key_is_found_good(self, elevenlabs: ElevenLabs, credential: Credential, owner: User) -> None:
        tried = credentials.try_out(actor=owner, credential=credential)
        assert (tried.last_test_ok, tried.last_test_code) == (True, "ok")
        assert elevenlabs.server.requests[0].path == "/v1/user"

    def test_key_that_may_only_speak_is_a_good_one(self, elevenlabs: ElevenLabs) -> None:
        elevenlabs.permissions = frozenset({"speech_to_text", "text_to_speech"})
        assert asyncio.run(try_key(KEY)).is_ok

    def test_wrong_key_is_found_wrong(self, elevenlabs: ElevenLabs) -> None:
        result = asyncio.run(try_key("sk_another_key_of_somebody"))
        assert (result.is_ok, result.code) == (False, "provider_auth")

    def test_provider_that_is_away_says_nothing_of_the_key(self, elevenlabs: ElevenLabs) -> None:
        elevenlabs.trouble = refusing(503)
        result = asyncio.run(try_key(KEY))
        assert (result.is_ok, result.code) == (False, "provider_unavailable")

    @pytest.mark.parametrize("kind", ["echo", "anthropic", "openai", "http", "command"])
    def test_no_agent_gets_it(self, kind: str, credential: Credential, owner: User) -> None:
        agent = make_agent(owner, kind=kind)
        with pytest.raises(InvalidInput):
            agents.change(actor=owner, agent=agent, credential=credential)

    def test_two_lines_are_no_key(self, owner: User) -> None:
        with pytest.raises(InvalidInput, match="validation_error"):
            make_credential(owner, provider="elevenlabs", secret="sk_0123456789\r\nX-Evil: 1")
