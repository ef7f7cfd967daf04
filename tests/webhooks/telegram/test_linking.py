"""Codes that link a person in a chat to an account."""

from typing import Any

import pytest

from accounts.models import AuditEvent, User
from tasks.models import Agent, Task
from tests.makers import make_agent, make_user
from tests.webhooks.telegram.making import (
    Room,
    make_bot,
    make_link,
    message,
    other_bot,
    said,
    strangers,
)
from webhooks.models import TelegramLink
from webhooks.telegram import links


class TestLinking:
    def stranger(self, room: Room) -> tuple[User, Agent]:
        user = make_user()
        return user, make_agent(user)

    def test_code_links_chat_and_sender_to_the_account(self, room: Room) -> None:
        agent = make_agent(room.owner)
        code = links.make_code(actor=room.owner, bot=room.bot, agent=agent)
        assert code.url == f"https://t.me/pq_bot?start={code.text}"
        room.post(message(f"/start {code.text}", chat=-5, sender=77))
        link = TelegramLink.objects.get(chat_id=-5)
        assert (link.sender_id, link.owner_id, link.agent_id) == (77, room.owner.pk, agent.pk)
        assert AuditEvent.objects.filter(kind="telegram.linked", object_uuid=link.uuid).exists()

    @pytest.mark.security
    def test_code_is_good_once(self, room: Room) -> None:
        code = links.make_code(actor=room.owner, bot=room.bot, agent=room.agent)
        room.post(message(f"/start {code.text}", chat=8, sender=8))
        room.post(message(f"/start {code.text}", chat=9, sender=9))
        assert list(TelegramLink.objects.filter(chat_id__in=[8, 9]).values_list("chat_id", flat=True)) == [8]

    @pytest.mark.security
    def test_code_ends_after_ten_minutes(self, room: Room) -> None:
        code = links.make_code(actor=room.owner, bot=room.bot, agent=room.agent)
        assert (code.row.expires_at - code.row.created_at).total_seconds() == 600
        type(code.row).objects.update(created_at="2026-01-01T00:00:00Z", expires_at="2026-01-01T00:10:00Z")
        room.post(message(f"/start {code.text}", chat=8, sender=8))
        assert not TelegramLink.objects.filter(chat_id=8).exists()

    @pytest.mark.security
    def test_code_of_another_bot_is_worth_nothing(self, room: Room) -> None:
        other = make_bot(room.owner, token=other_bot(room.telegram), name="other", username="other_bot")
        code = links.make_code(actor=room.owner, bot=other, agent=room.agent)
        room.post(message(f"/start {code.text}", chat=8, sender=8))
        assert not TelegramLink.objects.filter(chat_id=8).exists()

    @pytest.mark.security
    def test_only_a_digest_of_the_code_is_kept(self, room: Room) -> None:
        code = links.make_code(actor=room.owner, bot=room.bot, agent=room.agent)
        assert len(code.text) == 22
        assert code.text not in str(vars(code.row))
        assert code.text not in repr(code)

    @pytest.mark.security
    def test_guesses_are_counted(self, room: Room) -> None:
        code = links.make_code(actor=room.owner, bot=room.bot, agent=room.agent)
        for _ in range(10):
            room.post(message("/start wrong", chat=8, sender=8))
        room.post(message(f"/start {code.text}", chat=8, sender=8))
        assert not TelegramLink.objects.filter(chat_id=8).exists()
        assert len(strangers()) == 1

    @pytest.mark.security
    def test_new_code_ends_the_earlier_one(self, room: Room) -> None:
        first = links.make_code(actor=room.owner, bot=room.bot, agent=room.agent)
        links.make_code(actor=room.owner, bot=room.bot, agent=room.agent)
        room.post(message(f"/start {first.text}", chat=8, sender=8))
        assert not TelegramLink.objects.filter(chat_id=8).exists()

    @pytest.mark.security
    def test_account_that_is_not_active_is_a_stranger(self, room: Room) -> None:
        user, agent = self.stranger(room)
        type(room.bot).objects.update(is_shared=True)
        room.bot.refresh_from_db()
        make_link(room.bot, agent, chat=8, sender=8)
        User.objects.filter(pk=user.pk).update(is_active=False)
        room.post(message("do it", chat=8, sender=8))
        assert (Task.objects.count(), len(strangers())) == (0, 1)

    @pytest.mark.security
    def test_code_that_somebody_else_hands_over_takes_nobody_away_from_their_account(self, room: Room) -> None:
        stranger, agent = self.stranger(room)
        type(room.bot).objects.update(is_shared=True)
        room.bot.refresh_from_db()
        code = links.make_code(actor=stranger, bot=room.bot, agent=agent)
        room.post(message(f"/start {code.text}"))
        assert "linked to another account" in said(room)
        assert list(TelegramLink.objects.values_list("owner_id", flat=True)) == [room.owner.pk]
        room.post(message("/stop"))
        room.post(message(f"/start {code.text}"))
        assert list(TelegramLink.objects.values_list("owner_id", flat=True)) == [stranger.pk]

    def test_link_to_an_inactive_account_makes_way(self, room: Room) -> None:
        _, agent = self.stranger(room)
        type(room.bot).objects.update(is_shared=True)
        type(room.bot.door).objects.update(owner=agent.owner)
        User.objects.filter(pk=room.owner.pk).update(is_active=False)
        room.bot.refresh_from_db()
        make_link(room.bot, agent)
        assert list(TelegramLink.objects.values_list("owner_id", flat=True)) == [agent.owner_id]
        assert AuditEvent.objects.filter(kind="telegram.unlinked", owner_uuid=room.owner.uuid).exists()

    def test_whoever_links_anew_to_the_same_account_changes_the_agent_only(self, room: Room) -> None:
        room.hears("before")
        other = make_agent(room.owner)
        again = make_link(room.bot, other)
        assert (again.pk, again.agent_id, again.threads.count()) == (room.link.pk, other.pk, 1)

    def test_too_many_links_are_refused(self, room: Room, settings: Any) -> None:
        settings.PERSONALQ_TELEGRAM_LINKS_PER_USER = 1
        code = links.make_code(actor=room.owner, bot=room.bot, agent=room.agent)
        room.post(message(f"/start {code.text}", chat=8, sender=8))
        assert "which is the limit" in said(room)
        assert not TelegramLink.objects.filter(chat_id=8).exists()

    def test_stop_ends_the_link(self, room: Room) -> None:
        room.hears("/stop")
        room.hears("do it")
        assert (TelegramLink.objects.count(), Task.objects.count()) == (0, 0)
