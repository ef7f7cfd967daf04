"""What follows when Telegram does not take what is said."""

import logging
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import AuditEvent
from tests.webhooks.telegram.making import Room, message
from tests.webhooks.telegram.troubles import fails, finish, is_due, later
from tests.wire.server import Exchange
from tests.wire.telegram_server import TOKEN, flood
from webhooks.models import TelegramBot, TelegramReply, TelegramThread
from webhooks.telegram import client, sending, turns


class TestTrouble:
    def test_crash_between_parts_repeats_at_most_one(self, room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
        room.hears("say much")
        finish(room, "x" * 4_000 + "y" * 4_000 + "z" * 10)
        kept = turns.Turn.keep

        def dies(turn: turns.Turn, *args: Any, **changes: Any) -> None:
            if changes.get("parts_sent") == 2:
                raise KeyboardInterrupt
            kept(turn, *args, **changes)

        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            patch.setattr(turns.Turn, "keep", dies)
            room.speaks()
        assert room.speaks() == ["x" * 4_000, "y" * 4_000]
        later(70)
        assert [text[0] for text in room.speaks()] == ["x", "y", "y", "z"]

    def test_flood_holds_the_bot_for_as_long_as_it_says(self, room: Room) -> None:
        async def floods(exchange: Exchange, *_: Any) -> bool:
            await flood(exchange, 17)
            return True

        room.hears("buy milk")
        room.hears("/help")
        room.telegram.trouble = floods
        before = timezone.now()
        room.speaks()
        after = timezone.now()
        room.bot.refresh_from_db()
        assert room.bot.held_until_at is not None
        assert before + timedelta(seconds=16) < room.bot.held_until_at < after + timedelta(seconds=18)
        room.telegram.trouble = None
        room.hears("/status")
        assert room.speaks() == []
        assert not is_due(room)
        later(20)
        assert is_due(room)
        assert len(room.speaks()) == 3

    @pytest.mark.parametrize(
        ("code", "words"), [(403, "Forbidden: bot was blocked by the user"), (400, "Bad Request: chat not found")]
    )
    def test_chat_that_is_gone_ends_the_telling(self, code: int, words: str, room: Room) -> None:
        room.hears("buy milk")
        room.telegram.trouble = fails(code, words)
        room.speaks()
        assert room.thread().due_at is None
        event = AuditEvent.objects.get(kind="telegram.given_up")
        assert (event.object_uuid, event.facts) == (room.link.uuid, {"code": "chat_gone"})
        assert len(room.telegram.calls) == 1

    @pytest.mark.parametrize("code", [500, 502, 504])
    def test_failures_of_telegram_are_tried_again_ever_later(self, code: int, room: Room) -> None:
        room.hears("buy milk")
        room.telegram.trouble = fails(code, "Internal Server Error")
        waits = []
        for _ in range(6):
            room.speaks()
            due_at = room.thread().due_at
            assert due_at is not None
            waits.append((due_at - timezone.now()).total_seconds())
            TelegramThread.objects.update(due_at=timezone.now())
        assert [round(wait) for wait in waits] == sorted(round(wait) for wait in waits)
        assert 2 < waits[0] < 6
        assert 79 < waits[5] < 161
        room.telegram.trouble = None
        assert room.speaks() == ["#1 waits for its turn."]
        assert room.thread().failures == 0

    def test_silence_of_telegram_is_tried_again(self, room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
        async def hangs(exchange: Exchange, *_: Any) -> bool:
            await exchange.gone()
            return True

        limits = client.CALL_LIMITS
        monkeypatch.setattr(client, "CALL_LIMITS", type(limits)(total_seconds=0.5, read_seconds=0.5))
        room.hears("buy milk")
        room.telegram.trouble = hangs
        room.speaks()
        assert room.thread().failures == 1

    def test_call_that_telegram_will_never_take_is_given_up(self, room: Room) -> None:
        room.hears("buy milk")
        room.telegram.trouble = fails(400, "Bad Request: something else")
        for _ in range(5):
            room.speaks()
            later()
        assert len(room.telegram.calls) == sending.MOST_REFUSALS
        assert room.thread().due_at is None

    def test_reply_that_fails_is_tried_again_and_then_given_up(self, room: Room) -> None:
        room.hears("/help")
        room.telegram.trouble = fails(500, "Internal Server Error")
        for _ in range(sending.MOST_FAILURES + 2):
            room.speaks()
            later()
        assert len(room.telegram.calls) == sending.MOST_FAILURES
        reply = TelegramReply.objects.get()
        assert (reply.due_at, reply.code) == (None, "unreachable")

    def test_revoked_token_holds_the_bot(self, room: Room) -> None:
        room.hears("buy milk")
        room.telegram.bots.clear()
        room.speaks()
        room.bot.refresh_from_db()
        assert room.bot.held_until_at is not None
        assert room.thread().due_at is not None

    def test_what_happens_while_it_speaks_is_told_afterwards(self, room: Room) -> None:
        room.hears("buy milk")
        turn = turns.claim_next(room.bot.pk)
        assert turn is not None
        finish(room, "milk")
        turn.end(next_at=None)
        assert is_due(room)
        assert room.speaks() == ["milk"]


@pytest.mark.security
class TestSecrets:
    def test_token_is_in_no_log_whatever_goes_wrong(self, room: Room, caplog: pytest.LogCaptureFixture) -> None:
        troubles = [fails(500, f"echo {TOKEN}"), fails(400, f"echo {TOKEN}"), fails(401, "no")]
        with caplog.at_level(logging.DEBUG):
            for trouble in troubles:
                room.telegram.trouble = trouble
                room.post(message("/help"))
                room.speaks()
                later()
        assert room.telegram.calls
        secret = TOKEN.partition(":")[2]
        assert secret not in caplog.text
        assert secret not in str([(r.code, r.payload) for r in TelegramReply.objects.all()])

    def test_token_is_in_no_error(self, room: Room, settings: Any) -> None:
        settings.PERSONALQ_TELEGRAM_URL = "http://127.0.0.1:1"
        settings.PERSONALQ_INTERNAL_HOSTS = ["127.0.0.1:1"]
        with pytest.raises(client.CallFailed) as caught:
            client.call(TOKEN, "getMe")
        assert TOKEN.partition(":")[2] not in repr(caught.value)
        assert caught.value.__cause__ is None

    def test_token_is_sealed_where_it_is_kept(self, room: Room) -> None:
        assert TOKEN.partition(":")[2] not in str(list(TelegramBot.objects.values()))
        assert TOKEN not in repr(room.bot)
