"""Bringing what stands in a chat about a task up to date, one call after the other."""

from datetime import datetime, timedelta
from typing import Any, Final

from django.views.decorators.debug import sensitive_variables

from tasks.clock import database_now
from tasks.states import Status
from webhooks.models import TelegramLink, TelegramThread
from webhooks.telegram import client, recordings, replies, story
from webhooks.telegram.client import Refused
from webhooks.telegram.story import Scene, View
from webhooks.telegram.turns import SPEAKING_LEASE, Turn

EDIT_EVERY: Final = timedelta(seconds=3)


class Teller:
    """One turn of a thread."""

    @sensitive_variables()
    def __init__(self, turn: Turn, thread: TelegramThread, token: str) -> None:
        """Take the turn, its thread and the bot's token."""
        self._turn: Final = turn
        self._thread: Final = thread
        self._token: Final = token
        self._link: Final[TelegramLink] = TelegramLink.objects.select_related("bot").get(pk=thread.link_id)

    def tell(self) -> datetime | None:
        """Say what is new; returns when to look again, None when only the next event can bring news.

        Raises CallFailed, and TurnLost when somebody else has taken over.
        """
        scene = story.read(self._thread)
        self._begin_anew(scene)
        if scene.ending_id is not None and not self._thread.is_told:
            self._tell_answer(scene)
        return self._tell_status(scene)

    def _begin_anew(self, scene: Scene) -> None:
        """Another end than the one that is known, or none after there was one: what was told is history."""
        if scene.ending_id == self._thread.ending_id:
            return
        fresh: dict[str, Any] = {"ending_id": scene.ending_id, "is_told": False, "parts_sent": 0}
        if self._thread.is_told:
            # Far above by now; the next status goes to the end of the chat, where people look.
            fresh |= {"status_message_id": None, "shown": ""}
        self._turn.keep(**fresh)

    def _tell_answer(self, scene: Scene) -> None:
        parts = story.answer_of(scene)
        for place in range(self._thread.parts_sent, len(parts)):
            self._send(parts[place], is_answer=place == 0)
            self._turn.keep(parts_sent=place + 1)
        if self._is_to_be_spoken(scene):
            self._turn.keep(lease=SPEAKING_LEASE)
            text = scene.task.result or ""
            recordings.speak_answer(link=self._link, thread=self._thread, token=self._token, text=text)
        self._turn.keep(is_told=True)

    def _is_to_be_spoken(self, scene: Scene) -> bool:
        is_wanted = self._thread.was_spoken and self._link.wants_speech
        return is_wanted and scene.status == Status.COMPLETE and not scene.task.has_alarm

    def _tell_status(self, scene: Scene) -> datetime | None:
        view, now = story.status_of(scene), database_now()
        later = now + EDIT_EVERY if scene.is_moving else None
        if view.mark == self._thread.shown:
            return later
        if self._thread.status_message_id is None and self._thread.is_told:
            # It ended before there was a status: the answer has said everything.
            return None
        if self._thread.status_at is not None and now < self._thread.status_at + EDIT_EVERY:
            return self._thread.status_at + EDIT_EVERY
        self._show(view)
        return later

    def _show(self, view: View) -> None:
        message_id = self._thread.status_message_id
        if message_id is None or not self._edit(message_id, view):
            message_id = self._send(view, is_answer=True)
        self._turn.keep(status_message_id=message_id, shown=view.mark, status_at=database_now())

    def _edit(self, message_id: int, view: View) -> bool:
        """Whether the message now says this; False when it is gone."""
        payload = replies.message_payload(self._link.chat_id, view.text)
        markup = replies.keyboard(view.buttons)
        try:
            self._call("editMessageText", {**payload, "message_id": message_id, "reply_markup": markup})
        except Refused as refusal:
            if refusal.is_message_gone:
                return False
            if not refusal.is_not_modified:
                raise
        return True

    def _send(self, view: View, *, is_answer: bool) -> int | None:
        """The new message's number."""
        thread = self._thread
        payload = replies.message_payload(self._link.chat_id, view.text, view.buttons, topic_id=thread.topic_id)
        if is_answer:
            payload |= replies.replying_to(thread.message_id)
        sent = self._call("sendMessage", payload)
        number = sent.get("message_id") if isinstance(sent, dict) else None
        return number if type(number) is int else None

    def _call(self, method: str, payload: dict[str, Any]) -> Any:
        return client.call(self._token, method, payload)
