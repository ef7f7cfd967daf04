"""Buttons, and what is approved by them."""

import pytest

from tasks.models import Agent
from tests.webhooks.telegram.making import (
    ANA,
    Room,
    make_link,
    message,
)
from webhooks.models import TelegramReply


@pytest.mark.security
class TestButtons:
    def test_cancel_stops_the_task(self, room: Room) -> None:
        room.hears("first")
        room.presses(f"cancel:{room.task().uuid}")
        assert room.task().state.word == "cancelled"

    def test_press_of_a_stranger_does_nothing(self, room: Room) -> None:
        room.hears("first")
        room.presses(f"cancel:{room.task().uuid}", sender=ANA + 1)
        assert (room.task().state.word, TelegramReply.objects.count()) == ("ready", 0)

    @pytest.mark.parametrize(
        "data", ["", "x", "cancel:", "cancel:1", "approve:{task}", "delete:{task}", "cancel:{task}x"]
    )
    def test_button_that_is_not_ours_does_nothing(self, data: str, room: Room) -> None:
        room.hears("first")
        room.presses(data.format(task=room.task().uuid))
        assert room.task().state.word == "ready"
        assert TelegramReply.objects.get().method == "answerCallbackQuery"


@pytest.mark.security
class TestApproval:
    @pytest.fixture
    def waiting(self, room: Room) -> Room:
        Agent.objects.filter(pk=room.agent.pk).update(needs_approval=True)
        room.hears("sell the house")
        room.speaks()
        return room

    def buttons(self, room: Room) -> dict[str, str]:
        (said_,) = room.telegram.chats[room.chat]
        return {button["text"]: button["callback_data"] for button in said_.buttons}

    def test_question_shows_what_is_asked_with_two_buttons(self, waiting: Room) -> None:
        (text,) = waiting.telegram.texts(waiting.chat)
        assert "waits for your approval" in text
        assert "sell the house" in text
        assert set(self.buttons(waiting)) == {"Approve", "Deny"}

    @pytest.mark.parametrize(("label", "status"), [("Approve", "ready"), ("Deny", "cancelled")])
    def test_button_answers_it(self, label: str, status: str, waiting: Room) -> None:
        waiting.presses(self.buttons(waiting)[label])
        assert waiting.task().state.word == status

    def test_press_of_somebody_else_answers_nothing(self, waiting: Room) -> None:
        waiting.presses(self.buttons(waiting)["Approve"], sender=ANA + 1)
        make_link(waiting.bot, waiting.agent, sender=ANA + 2)
        waiting.presses(self.buttons(waiting)["Approve"], sender=ANA + 2)
        assert waiting.task().state.word == "backlogged"

    def test_changed_text_needs_another_yes(self, waiting: Room) -> None:
        before = self.buttons(waiting)["Approve"]
        waiting.post(message("sell the car", kind="edited_message", message_id=waiting.thread().message_id))
        waiting.presses(before)
        assert (waiting.task().prompt, waiting.task().state.word) == ("sell the car", "backlogged")

    def test_command_approves_what_stands_in_the_chat(self, waiting: Room) -> None:
        waiting.hears("/approve")
        assert waiting.task().state.word == "ready"

    def test_command_does_not_approve_what_was_not_shown(self, waiting: Room) -> None:
        waiting.post(message("sell the car", kind="edited_message", message_id=waiting.thread().message_id))
        waiting.hears("/approve")
        assert waiting.task().state.word == "backlogged"

    @pytest.mark.parametrize("text", ["x" * 4000, "pay\u202eerom", "pay\u200bnow"], ids=["long", "turned", "unseen"])
    def test_text_that_cannot_be_shown_as_it_is_is_approved_on_its_page(self, text: str, room: Room) -> None:
        Agent.objects.filter(pk=room.agent.pk).update(needs_approval=True)
        room.hears(text)
        (shown,) = room.speaks()
        assert f"https://q.example.org/tasks/{room.task().uuid}" in shown
        assert set(self.buttons(room)) == {"Deny"}
        room.hears("/approve")
        assert room.task().state.word == "backlogged"
