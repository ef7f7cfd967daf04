"""Trying out ElevenLabs keys."""

from accounts.credentials import TestResult, register_tester
from accounts.models import Provider
from webhooks.voice import speech


async def try_key(secret: str) -> TestResult:
    """Ask ElevenLabs whom the key belongs to."""
    try:
        await speech.check_key(secret)
    except speech.SpeechRefused:
        return TestResult(is_ok=False, code="provider_auth")
    except speech.SpeechUnavailable:
        return TestResult(is_ok=False, code="provider_unavailable")
    return TestResult(is_ok=True)


def register_testers() -> None:
    """Make the button that tries out a credential work for ElevenLabs."""
    register_tester(Provider.ELEVENLABS, try_key)
