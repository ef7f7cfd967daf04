"""What doors and those who speak through them leave in the audit trail."""

from collections.abc import Iterator
from typing import Any

import pytest
from pytest_django.fixtures import Settings

from accounts.models import User
from tasks import lifecycle
from tasks.claims import Claim
from tests.makers import claim_next, make_agent, make_task, make_user
from tests.tasks.trail.reading import deeds, only, rows, told
from tests.webhooks.doors.knocking import knock
from tests.webhooks.doors.senders import make_door, request_of
from tests.webhooks.making import Waiting, call_back
from tests.webhooks.telegram.making import Room, make_room, message
from tests.webhooks.voice.making import Voice, make_voice
from tests.wire.telegram_server import TelegramServer
from webhooks import access
from webhooks.doors import keeping
from webhooks.models import DoorKind
from webhooks.outbound import endpoints

pytestmark = [pytest.mark.django_db, pytest.mark.security]
CANCEL = "task.cancel"
MALFORMED = "door.malformed"


@pytest.fixture
def room(owner: User, settings: Settings) -> Iterator[Room]:
    with TelegramServer() as server:
        settings.PERSONALQ_TELEGRAM_URL = server.url
        settings.PERSONALQ_INTERNAL_HOSTS = [server.target]
        settings.PERSONALQ_PUBLIC_URL = "https://q.example.org"
        yield make_room(owner, server)


@pytest.fixture
def voice(owner: User) -> Voice:
    return make_voice(owner)


class TestCancelling:
    def test_in_telegram_it_is_the_linked_account_that_did_it(self, room: Room) -> None:
        room.hears("say this")
        task = room.task()
        room.hears("/cancel")
        event = only(CANCEL)
        assert told(event) == ("done", room.owner.username, room.owner.uuid, room.owner.username, "task", task.uuid)
        assert event.request_id

    def test_too_late_in_telegram(self, room: Room) -> None:
        room.hears("say this")
        lifecycle.complete(claim=Claim.of(room.claims()), result="")
        room.hears("/cancel")
        assert told(only(CANCEL))[:2] == ("conflict", room.owner.username)

    def test_by_voice_nobody_knows_who_it_was_and_the_owner_can_read_it(self, voice: Voice) -> None:
        task = voice.add()
        voice.ask("cancel_task")
        assert told(only(CANCEL)) == ("done", "", None, voice.door.owner.username, "task", task.uuid)

    def test_too_late_by_voice(self, voice: Voice) -> None:
        voice.add()
        lifecycle.complete(claim=Claim.of(claim_next(voice.agent.queue)), result="")
        assert voice.call("cancel_task").status_code == 409
        assert told(only(CANCEL))[:4:3] == ("conflict", voice.door.owner.username)

    def test_somebody_elses_task_by_voice(self, voice: Voice) -> None:
        task = make_task(make_agent(make_user("carol")))
        assert voice.call("cancel_task", task=str(task.uuid)).status_code == 403
        event = only("authz.denied")
        assert told(event)[3:] == ("carol", "task", task.uuid)
        assert event.facts == {"method": "POST", "path": "/agent-tools"}


class TestDoors:
    def test_whole_life(self, owner: User) -> None:
        made = make_door(owner, DoorKind.GITHUB)
        keeping.change(actor=owner, door=made.door, template="secret words {{title}}")
        keeping.rotate(actor=owner, door=made.door, keep_old_seconds=0)
        keeping.close(actor=owner, door=made.door)
        keeping.reopen(actor=owner, door=made.door)
        keeping.delete(actor=owner, door=made.door)
        wanted = ["made", "changed", "rotated", "closed", "opened", "deleted"]
        assert deeds("door.") == [f"door.{deed}" for deed in wanted]
        assert only("door.changed").facts == {"changed": ["template"]}

    @pytest.mark.parametrize("kind", [DoorKind.STANDARD, DoorKind.GITHUB, DoorKind.HMAC, DoorKind.ELEVENLABS])
    def test_malformed_body_after_a_good_proof_is_noted_once_a_minute(self, kind: DoorKind, owner: User) -> None:
        made = make_door(owner, kind)
        for _ in range(3):
            assert knock(request_of(made, b'{"half": ')).status_code == 400
        event = only(MALFORMED)
        assert told(event) == ("failed", "", None, owner.username, "door", made.door.uuid)
        assert event.facts == {"code": "malformed_json", "door_kind": kind}

    def test_malformed_call_of_a_tool(self, voice: Voice) -> None:
        assert voice.post(b"[]").status_code == 400
        assert voice.post({"tool": 7}).status_code == 400
        assert {event.facts["code"] for event in rows(MALFORMED)} == {"malformed_json", "validation_error"}

    def test_malformed_update(self, room: Room) -> None:
        assert room.post(b"{").status_code == 400
        assert told(only(MALFORMED))[3:] == (room.owner.username, "door", room.bot.door.uuid)

    def test_malformed_report_of_a_runner(self, waiting: Waiting, owner: User) -> None:
        assert call_back(waiting, b"{").status_code == 400
        assert told(only(MALFORMED))[3:] == (owner.username, "task", waiting.task.uuid)

    def test_malformed_body_without_a_proof_is_only_refused(self, owner: User) -> None:
        made = make_door(owner, DoorKind.GITHUB)
        assert knock(request_of(made, b"{").with_header("X-Hub-Signature-256", "sha256=00")).status_code == 401
        assert (deeds("door.refused"), rows(MALFORMED)) == (["door.refused"], [])


def test_endpoint_is_made_changed_rotated_switched_and_deleted(owner: User) -> None:
    made = endpoints.create(actor=owner, name="e", target_url="https://e.example.org/", kinds=["task_failed"]).endpoint
    endpoints.change(actor=owner, endpoint=made, target_url="https://f.example.org/secret-path")
    endpoints.rotate(actor=owner, endpoint=made)
    endpoints.turn_off(actor=owner, endpoint=made)
    endpoints.turn_on(actor=owner, endpoint=made)
    endpoints.delete(actor=owner, endpoint=made)
    wanted = ["made", "changed", "rotated", "switched_off", "switched_on", "switched_off", "deleted"]
    assert deeds("endpoint.") == [f"endpoint.{deed}" for deed in wanted]
    assert only("endpoint.changed").facts == {"is_moved": True}
    assert {event.object_kind for event in rows("endpoint.deleted") + rows("endpoint.switched_on")} == {"endpoint"}


@pytest.mark.parametrize("noun", ["telegram_bot", "telegram_link"])
def test_bots_and_links_of_others_are_refused_for_their_owner(noun: str, room: Room) -> None:
    stranger: Any = make_user("carol")
    found: Any = room.bot if noun == "telegram_bot" else room.link
    fetch = access.bot_for if noun == "telegram_bot" else access.link_for
    with pytest.raises(Exception, match="not_yours"):
        fetch(stranger, found.uuid)
    assert told(only("authz.denied"))[1:] == ("carol", stranger.uuid, room.owner.username, noun, found.uuid)


def test_stranger_in_a_chat_is_mentioned(room: Room) -> None:
    for _ in range(2):
        assert room.post(message("hello", chat=99, sender=99)).status_code == 200
    event = only("telegram.stranger")
    assert event.facts == {"chat": 99, "sender": 99}
