"""What updates of every kind lead to, and what they do not."""

from typing import Any

import pytest
from django.db import OperationalError

from tasks.models import Task
from tests.clients import fresh_client
from tests.webhooks.telegram.making import (
    ANA,
    CAPTURED,
    Room,
    counts,
    make_bot,
    message,
    other_bot,
    secret_of,
    strangers,
)
from webhooks.models import InboundRequest, TelegramLink, TelegramRecording, TelegramReply
from webhooks.telegram import incoming

BIG = 2**63


# Updates of people who are linked, by what comes of them: outcome, code, tasks, answers.
OUTCOMES: dict[str, tuple[str, str, int, int]] = {
    "message_text": ("task", "", 1, 0),
    "message_html_chars": ("task", "", 1, 0),
    "message_multiline_with_entities": ("task", "", 1, 0),
    "command_start": ("done", "start", 0, 1),
    "command_start_deeplink": ("refused", "code_refused", 0, 1),
    "command_help": ("done", "help", 0, 1),
    "command_status": ("done", "status", 0, 1),
    "command_status_group": ("ignored", "stranger", 0, 0),
    "command_uppercase": ("done", "status", 0, 1),
    "command_prefix_lookalike": ("done", "statusreport", 0, 1),
    "command_unknown": ("refused", "not_found", 0, 1),
    "command_leading_space": ("done", "help", 0, 1),
    "edited_message": ("ignored", "", 0, 0),
    "callback_query": ("refused", "not_found", 0, 1),
    "callback_query_inline_no_message": ("ignored", "", 0, 0),
    "callback_query_game_no_data": ("refused", "not_found", 0, 1),
    "callback_query_inaccessible_message": ("refused", "not_found", 0, 1),
    "voice": ("done", "recording", 0, 1),
    "audio": ("done", "recording", 0, 1),
    "document_audio": ("done", "recording", 0, 1),
    "document_pdf_with_caption": ("task", "", 1, 1),
    "photo_with_caption": ("task", "", 1, 1),
    "sticker": ("ignored", "", 0, 1),
    "reply_to": ("task", "", 1, 0),
    "group_forum_topic": ("ignored", "stranger", 0, 0),
    "empty_text": ("ignored", "", 0, 1),
    "whitespace_text": ("ignored", "", 0, 1),
    "text_4096": ("task", "", 1, 0),
    "bot_blocked_chat": ("ignored", "stranger", 0, 0),
    "rate_limited_chat": ("ignored", "stranger", 0, 0),
    "channel_post": ("ignored", "", 0, 0),
    "my_chat_member": ("ignored", "", 0, 0),
    "no_update_kind": ("ignored", "", 0, 0),
    "message_without_chat": ("ignored", "", 0, 0),
    "reserved_keys": ("done", "status", 0, 1),
}


def test_every_captured_update_is_in_the_table() -> None:
    assert set(OUTCOMES) == set(CAPTURED)


@pytest.mark.parametrize("name", OUTCOMES)
def test_update_is_answered_with_200_and_does_what_the_table_says(name: str, room: Room) -> None:
    assert room.post(CAPTURED[name]).status_code == 200
    outcome, code, tasks, answers = OUTCOMES[name]
    row = InboundRequest.objects.get()
    assert (row.outcome, row.code, row.key) == (outcome, code, f"update-{CAPTURED[name]['update_id']}")
    assert (Task.objects.count(), TelegramReply.objects.count()) == (tasks, answers)
    assert (row.task is not None) is (tasks == 1)


@pytest.mark.parametrize("name", OUTCOMES)
def test_update_that_comes_again_counts_once(name: str, room: Room) -> None:
    room.post(CAPTURED[name])
    before = counts()
    assert room.post(CAPTURED[name]).status_code == 200
    assert counts() == before


@pytest.mark.parametrize("name", OUTCOMES)
def test_stranger_gets_200_and_nothing_else(name: str, room: Room) -> None:
    TelegramLink.objects.all().delete()
    before = counts()
    assert room.post(CAPTURED[name]).status_code == 200
    assert counts()[:4] == before[:4]


@pytest.mark.security
def test_stranger_is_mentioned_once_an_hour_and_chat(room: Room) -> None:
    for _ in range(3):
        room.hears("hello", sender=ANA + 1)
    room.post(message("hello", chat=ANA + 7, sender=ANA + 7))
    assert [each.facts["chat"] for each in strangers()] == [ANA + 7, ANA]
    assert strangers()[0].owner_uuid == room.owner.uuid
    assert Task.objects.count() == 0
    # The words of strangers stand nowhere.
    assert "hello" not in str([each.facts for each in strangers()])


@pytest.mark.security
@pytest.mark.parametrize(
    "changes",
    [
        {"from": {"id": ANA, "is_bot": True, "first_name": "Bot"}},
        {"sender_chat": {"id": -100, "type": "channel"}},
        {"from": {"id": str(ANA), "is_bot": False}},
        {"from": {"id": True, "is_bot": False}},
        {"from": None},
        {"chat": {"id": BIG, "type": "private"}},
        {"chat": []},
        {"message_id": 1.5},
        {"message_id": BIG},
        {"text": ["a"]},
        {"text": None, "voice": {"file_id": "x" * 256}},
        {"text": None, "voice": "AwACAgI"},
    ],
    ids=str,
)
def test_message_that_is_odd_does_nothing(changes: dict[str, Any], room: Room) -> None:
    assert room.post(message("do it", **changes)).status_code == 200
    assert (Task.objects.count(), TelegramRecording.objects.count()) == (0, 0)


@pytest.mark.parametrize("number", [None, "1", 1.0, True, -BIG, BIG, []], ids=str)
def test_update_without_its_number_is_refused(number: Any, room: Room) -> None:
    before = counts()
    response = room.post({**message("do it"), "update_id": number})
    assert (response.status_code, response.json()["code"]) == (400, "validation_error")
    assert counts() == before


@pytest.mark.security
class TestProof:
    @pytest.mark.parametrize("secret", [None, " ", "wrong-secret-of-nobody", "\u00e9" * 20])
    def test_without_the_secret_nothing_happens(self, secret: str | None, room: Room) -> None:
        before = counts()
        response = room.post(message("do it"), secret=secret)
        assert (response.status_code, response.json()["code"]) == (401, "door_refused")
        assert counts() == before

    def test_another_bots_secret_opens_nothing(self, room: Room) -> None:
        other = make_bot(room.owner, token=other_bot(room.telegram), name="other", username="other_bot")
        assert room.post(message("do it"), secret=secret_of(other)).status_code == 401
        assert Task.objects.count() == 0

    def test_secret_in_the_address_is_refused(self, room: Room) -> None:
        address, room.bot.door.uuid = room.address, room.bot.door.uuid

        response = fresh_client().post(
            f"{address}?secret={room.secret}", b"{}", content_type="application/json", secure=True
        )
        assert (response.status_code, response.json()["code"]) == (400, "query_refused")


class TestBreaking:
    def test_update_that_breaks_us_is_answered_with_200_and_leaves_nothing(
        self, room: Room, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def breaks(link: Any, found: Any) -> Any:
            incoming.bring_in(link, message_id=found.message_id, prompt=found.text)
            raise RuntimeError("on purpose")

        monkeypatch.setattr(incoming, "take", breaks)
        assert room.post(message("do it")).status_code == 200
        row = InboundRequest.objects.get()
        assert (row.outcome, row.code, Task.objects.count()) == ("refused", "internal_error", 0)

    def test_update_that_no_row_takes_does_not_keep_the_next_ones_waiting(self, room: Room) -> None:
        assert room.post(message("A" * 900_000)).status_code == 200
        assert room.post(message("do it")).status_code == 200
        assert [row.code for row in InboundRequest.objects.order_by("id")] == ["internal_error", ""]
        assert Task.objects.get().prompt == "do it"

    def test_update_that_meets_a_database_in_trouble_is_asked_for_again(
        self, room: Room, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def breaks(*_: Any) -> Any:
            raise OperationalError("on purpose")

        update = message("do it")
        with monkeypatch.context() as patch:
            patch.setattr(incoming, "take", breaks)
            assert room.post(update).status_code == 503
        assert InboundRequest.objects.count() == 0
        assert room.post(update).status_code == 200
        assert Task.objects.count() == 1
