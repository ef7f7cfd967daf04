"""Recordings that become tasks, and answers that are spoken.

A recording is a row until its words are a task: the row ends in the transaction that brings the task in, so each makes
one, whichever worker dies when. Until then it belongs to a worker for as long as its lease holds.

Only what somebody says into Telegram is that person's own word. A file with sound, and whatever was forwarded, is
somebody else's: the agent gets its words as data.
"""

import logging
import mimetypes
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from asgiref.sync import async_to_sync
from celery import current_app
from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.db.models.functions import Now
from django.views.decorators.debug import sensitive_variables

from accounts import credentials
from personalq.lib import database_guards
from personalq.lib.errors import AppError, Conflict
from personalq.lib.http import Limits
from tasks import backoff
from tasks.clock import database_now
from tasks.messenger import Hint, messenger
from tasks.models import PROMPT_LENGTH
from webhooks.models import TelegramLink, TelegramRecording, TelegramThread
from webhooks.telegram import client, incoming, replies, tokens
from webhooks.telegram.client import Flooded, Refused, Unreachable
from webhooks.telegram.incoming import Words
from webhooks.telegram.multipart import form_with_file
from webhooks.telegram.nudges import NUDGE_LIFETIME_SECONDS
from webhooks.telegram.tokens import TokenUnreadable
from webhooks.telegram.updates import Message, Place
from webhooks.voice import speech
from webhooks.voice.speech import RecordingTooLarge, SpeechKeyMissing, SpeechUnavailable
from webhooks.voice.spoken import spoken

LEASE: Final = timedelta(seconds=180)
"""Longer than finding, fetching and listening to a recording may take together."""
FIRST_PAUSE_SECONDS: Final = 10.0
MOST_FAILURES: Final = 6
"""About three minutes: whoever speaks waits for an answer."""
KEPT: Final = timedelta(days=30)
UPLOAD_LIMITS: Final = Limits(connect_seconds=5, read_seconds=30, total_seconds=45, response_bytes=1024 * 1024)
"""Making speech and handing it over stay below the lease of a bot's turn."""
PLAYED: Final = "Read what is said in the recording, and say what it is about and what it asks for."
"""The prompt of a file with sound that came without words."""
ORIGIN: Final = "A recording sent in Telegram"
FORWARDED: Final = "A recording forwarded in Telegram"

_logger = logging.getLogger(__name__)


class RecordingSilent(Conflict):
    """Nothing is said in it, or nothing that could be understood."""

    code = "recording_silent"
    title = "There are no words in the recording."
    advice = "Nothing could be understood in it. Say it again, or write it."


class RecordingGone(Conflict):
    """Telegram does not hand it out."""

    code = "recording_gone"
    title = "Telegram has the recording no more."
    advice = "Telegram does not hand the recording out any more. Send it again."


class LeaseLost(Exception):  # noqa: N818 - says what happened
    """Somebody else has the recording, or it is gone."""


@dataclass(frozen=True)
class Held:
    """A recording and the lease on it, which is known by its end."""

    row: TelegramRecording
    until_at: datetime

    def rows(self) -> QuerySet[TelegramRecording]:
        """The row, for as long as it is held."""
        return TelegramRecording.objects.filter(pk=self.row.pk, claimed_until_at=self.until_at)

    def end(self, **changes: Any) -> None:
        """Let go. Raises LeaseLost."""
        if not self.rows().update(claimed_until_at=None, **changes):
            raise LeaseLost


# --- Taking them in ------------------------------------------------------------------------------------


def take(link: TelegramLink, message: Message) -> TelegramRecording | None:
    """Write down a linked person's recording, in the caller's transaction; None when nobody can listen to it.

    Whoever sends one to a bot without a key is told what to do.
    """
    recording = message.recording
    if recording is None:
        raise ValueError("There is a recording in the message.")
    if link.bot.speech_credential_id is None:
        replies.say(link.bot, message, SpeechKeyMissing.advice)
        return None
    row: TelegramRecording = TelegramRecording.objects.create(
        link=link,
        message_id=message.message_id,
        topic_id=message.place.topic_id,
        file_id=recording.file_id,
        seconds=recording.seconds,
        caption=message.text,
        is_own_voice=recording.is_voice and not message.is_forwarded,
        is_forwarded=message.is_forwarded,
        quoted=message.quoted,
    )
    transaction.on_commit(nudge, robust=True)
    return row


def nudge() -> None:
    """Ask a worker to listen; never blocks and never fails. A hint only: the sweep repeats lost ones."""
    messenger.post(Hint(1, _send_nudge, ()))


def _send_nudge() -> None:
    current_app.send_task("webhooks.jobs.listen", expires=NUDGE_LIFETIME_SECONDS, retry=False)


# --- Listening to them ---------------------------------------------------------------------------------


def hear_next() -> bool:
    """Listen to the recording that is due for longest; False when none is."""
    held = _claim_next()
    if held is not None:
        _hear(held)
    return held is not None


def is_any_due() -> bool:
    """Whether there is a recording that nobody listens to yet."""
    return _due().exists()


def forget_old() -> int:
    """Delete recordings older than 30 days. Returns how many."""
    return TelegramRecording.objects.filter(created_at__lt=database_now() - KEPT).delete()[0]


def _due() -> QuerySet[TelegramRecording]:
    free = Q(claimed_until_at__isnull=True) | Q(claimed_until_at__lte=Now())
    door = "link__bot__door"
    people = {"link__owner__is_active": True, f"{door}__is_open": True, f"{door}__owner__is_active": True}
    # One after the other of each account: what is said first comes in first, and nobody takes all listeners, in however
    # many chats.
    same = TelegramRecording.objects.filter(link__owner_id=OuterRef("link__owner_id"), claimed_until_at__gt=Now())
    return TelegramRecording.objects.filter(free, due_at__lte=Now(), **people).exclude(Exists(same))


@transaction.atomic
def _claim_next() -> Held | None:
    rows = _due().select_for_update(no_key=True, skip_locked=True, of=("self",)).order_by("due_at", "pk")
    row = rows.select_related("link__owner", "link__agent", "link__queue", "link__bot__speech_credential").first()
    if row is None:
        return None
    until_at = database_now() + LEASE
    TelegramRecording.objects.filter(pk=row.pk).update(claimed_until_at=until_at)
    return Held(row, until_at)


def _hear(held: Held) -> None:
    try:
        _carry_out(held)
    except LeaseLost:
        _logger.info("The recording %d was taken over or is gone.", held.row.pk)


def _carry_out(held: Held) -> None:
    try:
        _bring_in(held, _words_of(held.row))
    except (Unreachable, Flooded, SpeechUnavailable) as failure:
        _try_later(held, failure)
    except TokenUnreadable as error:
        _give_up(held, error, is_told=False)
    except AppError as error:
        _give_up(held, error)


@sensitive_variables("token")
def _words_of(row: TelegramRecording) -> str:
    """What is said. Raises CallFailed or an AppError that says what to do."""
    token = tokens.reveal(row.link.bot)
    path = _path_of(row, token)
    try:
        audio = client.download(token, path)
    except Refused:
        raise RecordingGone from None
    except Unreachable as failure:
        raise RecordingTooLarge if str(failure) == "too_large" else failure from None
    credential = row.link.bot.speech_credential
    content_type = mimetypes.guess_type(path)[0] or "application/octet-stream"
    database_guards.let_go()
    words = async_to_sync(speech.transcribe, force_new_loop=True)(credential, audio, content_type=content_type)
    if not words:
        raise RecordingSilent
    return words


@sensitive_variables("token")
def _path_of(row: TelegramRecording, token: str) -> str:
    try:
        found = client.call(token, "getFile", {"file_id": row.file_id})
    except Refused as refusal:
        raise RecordingTooLarge if "too big" in refusal.description else RecordingGone from None
    path, size = (found.get("file_path"), found.get("file_size")) if isinstance(found, dict) else (None, None)
    if isinstance(size, int) and size > speech.LARGEST_RECORDING:
        raise RecordingTooLarge
    if not isinstance(path, str):
        raise RecordingGone
    return path


@transaction.atomic
def _bring_in(held: Held, words: str) -> None:
    """Make the task and end the recording, both or neither. Raises AppErrors, and LeaseLost."""
    row = held.row
    # First: from here to the commit nobody else can have it.
    held.end(due_at=None, failures=0)
    texts = _texts_of(row, words)
    if max(len(texts["prompt"]), len(texts.get("untrusted_text", ""))) > PROMPT_LENGTH:
        raise RecordingTooLarge
    replies.say(row.link.bot, _message_of(row), f"Heard: {words}")
    incoming.bring_in(row.link, message_id=row.message_id, topic_id=row.topic_id, was_spoken=True, **texts)
    if row.link.bot.speech_credential_id is not None:
        credentials.note_use(row.link.bot.speech_credential_id)


def _texts_of(row: TelegramRecording, words: str) -> Words:
    """What of it is its sender's own word, what is not, and where that came from."""
    if row.is_forwarded:
        text = f"{row.caption}\n\n{words}".strip()
        return {"prompt": PLAYED, "untrusted_text": text, "origin": FORWARDED}
    if not row.is_own_voice:
        return {"prompt": row.caption.strip() or PLAYED, "untrusted_text": words, "origin": ORIGIN}
    return incoming.words_of(_message_of(row, f"{row.caption}\n\n{words}".strip()))


def _message_of(row: TelegramRecording, text: str = "") -> Message:
    place = Place(chat_id=row.link.chat_id, sender_id=row.link.sender_id, topic_id=row.topic_id)
    return Message(place=place, message_id=row.message_id, text=text, quoted=row.quoted)


def _try_later(held: Held, failure: Unreachable | Flooded | SpeechUnavailable) -> None:
    failures = held.row.failures + 1
    if failures >= MOST_FAILURES:
        _give_up(held, failure if isinstance(failure, SpeechUnavailable) else RecordingGone())
        return
    asked = getattr(failure, "retry_after_seconds", 0)
    pause = max(backoff.delay(failures, base=FIRST_PAUSE_SECONDS), timedelta(seconds=asked))
    _logger.warning("The recording %d could not be heard now: %s.", held.row.pk, failure)
    held.end(due_at=database_now() + pause, failures=failures)


@transaction.atomic
def _give_up(held: Held, error: AppError, *, is_told: bool = True) -> None:
    _logger.warning("The recording %d was given up: %s.", held.row.pk, error.code)
    held.end(due_at=None, code=error.code)
    if is_told:
        replies.say(held.row.link.bot, _message_of(held.row), f"Nothing came of your recording. {error.detail}")


# --- Speaking ------------------------------------------------------------------------------------------


@sensitive_variables("token")
def speak_answer(*, link: TelegramLink, thread: TelegramThread, token: str, text: str) -> None:
    """Say an answer that stands in the chat already, up to 2,500 characters of it. It is tried once.

    When it cannot be spoken, the chat is told why. Raises Flooded, and Refused when nothing can be said there at all.
    """
    words = spoken(text, most=speech.LONGEST_SPEECH)
    if not words:
        return
    try:
        sound = _sound_of(link, words)
        _send_voice(link, thread, token, sound)
    except (AppError, Unreachable) as failure:
        _say_why_silent(link, thread, failure)
    except Refused as refusal:
        if refusal.is_chat_gone and "VOICE_MESSAGES_FORBIDDEN" not in refusal.description:
            raise
        _say_why_silent(link, thread, refusal)


def _sound_of(link: TelegramLink, words: str) -> bytes:
    credential = link.bot.speech_credential
    database_guards.let_go()
    sound: bytes = async_to_sync(speech.speak, force_new_loop=True)(credential, words, voice=link.bot.voice)
    if credential is not None:
        credentials.note_use(credential.pk)
    return sound


@sensitive_variables("token")
def _send_voice(link: TelegramLink, thread: TelegramThread, token: str, sound: bytes) -> None:
    fields = {"chat_id": str(link.chat_id)}
    if thread.topic_id is not None:
        fields["message_thread_id"] = str(thread.topic_id)
    body, headers = form_with_file(
        fields, name="voice", file_name="answer.ogg", content_type=speech.SPEECH_TYPE, content=sound
    )
    client.send(token, "sendVoice", body, headers, UPLOAD_LIMITS)


def _say_why_silent(link: TelegramLink, thread: TelegramThread, failure: Exception) -> None:
    why = failure.detail if isinstance(failure, AppError) else "Telegram did not take the recording."
    _logger.warning("The answer of task %d could not be spoken: %s.", thread.task_id, type(failure).__name__)
    replies.say_at(link.bot, Place(chat_id=link.chat_id, sender_id=link.sender_id, topic_id=thread.topic_id),
                   f"The answer could not be spoken. {why}")  # fmt: skip
