"""Keeping bots and their webhooks, over the API, by pages and by commands."""

import json
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client
from pytest_django.fixtures import Settings

from accounts import tokens
from accounts.models import AuditEvent, User
from tests.clients import fresh_client
from tests.makers import make_agent, make_credential, make_user
from tests.webhooks.telegram.making import Room, make_bot, make_link, message, other_bot, secret_of
from tests.webhooks.telegram.troubles import fails
from tests.wire.telegram_server import TOKEN, TelegramServer
from webhooks.doors import secrets
from webhooks.models import Door, TelegramBot, TelegramLink
from webhooks.telegram import webhook

pytestmark = pytest.mark.django_db

SECRET_PART = TOKEN.partition(":")[2]


class Api:
    """A signed-in user's calls below /api/v1/telegram."""

    def __init__(self, user: User) -> None:
        self._bearer = tokens.issue_pair(user).access
        self._client = fresh_client()

    def __call__(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        return self._client.generic(
            method, f"/api/v1/telegram{path}", b"" if body is None else json.dumps(body).encode(), "application/json",
            secure=True, headers={"Authorization": f"Bearer {self._bearer}", **headers},
        )  # fmt: skip


@pytest.fixture
def api(owner: User, telegram: TelegramServer) -> Api:
    return Api(owner)


@pytest.fixture
def bot(owner: User, telegram: TelegramServer) -> TelegramBot:
    return make_bot(owner)


def pages_of(user: User) -> Client:
    client = fresh_client()
    client.force_login(user)
    return client


class TestMaking:
    def test_bot_is_kept_once_telegram_says_whose_token_it_is(self, api: Api, telegram: TelegramServer) -> None:
        response = api("POST", "/bots", {"name": "my bot", "token": TOKEN})
        assert response.status_code == 201
        body = response.json()
        assert (body["username"], body["name"], body["webhook_set_at"]) == ("pq_bot", "my bot", None)
        assert api("GET", f"/bots/{body['uuid']}").json() == body
        assert [method for method, _ in telegram.calls] == ["getMe"]
        assert AuditEvent.objects.filter(kind="telegram_bot.made", object_uuid=body["uuid"]).exists()

    @pytest.mark.security
    def test_token_is_shown_nowhere(self, api: Api, caplog: pytest.LogCaptureFixture) -> None:
        seen = [api("POST", "/bots", {"name": "my bot", "token": TOKEN}).content, api("GET", "/bots").content]
        bot = TelegramBot.objects.select_related("door__owner").get()
        page = pages_of(bot.door.owner).get(f"/telegram/{bot.uuid}", secure=True)
        assert page.status_code == 200
        assert SECRET_PART not in f"{seen}{page.content.decode()}{caplog.text}{list(AuditEvent.objects.values())}"

    @pytest.mark.parametrize("token", ["", "x", "123:short", "5550009:" + "z" * 35, 5, None, TOKEN + "\n"], ids=repr)
    @pytest.mark.security
    def test_token_that_is_none_is_refused_without_repeating_it(self, token: Any, api: Api) -> None:
        response = api("POST", "/bots", {"name": "my bot", "token": token})
        assert (response.status_code, response.json()["errors"][0]["field"]) == (400, "token")
        assert len(str(token)) < 8 or str(token).strip() not in response.content.decode()
        assert TelegramBot.objects.count() == Door.objects.count() == 0

    def test_same_bot_is_not_kept_twice(self, api: Api, bot: TelegramBot) -> None:
        response = Api(make_user())("POST", "/bots", {"name": "mine now", "token": TOKEN})
        assert (response.status_code, response.json()["code"]) == (409, "bot_taken")
        assert Door.objects.count() == 1

    def test_telegram_that_is_away_is_no_mistake_of_the_user(self, api: Api, settings: Settings) -> None:
        settings.PERSONALQ_TELEGRAM_URL = "http://127.0.0.1:1"
        response = api("POST", "/bots", {"name": "my bot", "token": TOKEN})
        assert (response.status_code, response.json()["code"]) == (503, "telegram_unavailable")

    def test_bots_count_among_the_doors(self, api: Api, settings: Settings) -> None:
        settings.PERSONALQ_DOORS_PER_USER = 0
        response = api("POST", "/bots", {"name": "my bot", "token": TOKEN})
        assert (response.status_code, response.json()["code"]) == (409, "quota_reached")

    def test_repeated_request_makes_one_bot(self, api: Api) -> None:
        body = {"name": "my bot", "token": TOKEN}
        first, second = (api("POST", "/bots", body, **{"Idempotency-Key": "k"}) for _ in range(2))
        assert (first.status_code, second.content) == (201, first.content)

    def test_new_token_has_to_be_the_same_bots(self, api: Api, bot: TelegramBot, telegram: TelegramServer) -> None:
        changed = api("PATCH", f"/bots/{bot.uuid}", {"token": TOKEN, "name": "renamed"})
        assert (changed.status_code, changed.json()["name"]) == (200, "renamed")
        refused = api("PATCH", f"/bots/{bot.uuid}", {"token": other_bot(telegram)})
        assert (refused.status_code, refused.json()["errors"][0]["code"]) == (400, "other_bot")

    @pytest.mark.security
    def test_key_for_speech_is_the_owners_and_of_elevenlabs(self, api: Api, owner: User, bot: TelegramBot) -> None:
        other = make_credential(make_user(), provider="elevenlabs")
        wrong, right = make_credential(owner), make_credential(owner, provider="elevenlabs")
        assert api("PATCH", f"/bots/{bot.uuid}", {"speech_credential": str(other.uuid)}).status_code == 403
        assert api("PATCH", f"/bots/{bot.uuid}", {"speech_credential": str(wrong.uuid)}).status_code == 400
        assert api("PATCH", f"/bots/{bot.uuid}", {"voice": "../x"}).status_code == 400
        assert api("PATCH", f"/bots/{bot.uuid}", {"speech_credential": str(right.uuid)}).status_code == 200

    def test_deleted_bot_is_gone_with_its_door(self, api: Api, bot: TelegramBot) -> None:
        assert api("DELETE", f"/bots/{bot.uuid}").status_code == 204
        assert Door.objects.count() == 0


class TestWebhook:
    def test_leads_to_the_door_with_its_present_secret(
        self, api: Api, bot: TelegramBot, telegram: TelegramServer
    ) -> None:
        response = api("PUT", f"/bots/{bot.uuid}/webhook", {"drop_pending_updates": True})
        address = f"https://q.example.org/webhooks/telegram/{bot.door.uuid}"
        assert (response.status_code, response.json()["is_set"], response.json()["webhook_url"]) == (200, True, address)
        assert telegram.bots[TOKEN].webhook == {
            "url": address,
            "secret_token": secret_of(bot),
            "allowed_updates": ["message", "edited_message", "callback_query"],
            "drop_pending_updates": True,
        }
        assert secret_of(bot) not in response.content.decode()
        assert api("GET", f"/bots/{bot.uuid}/webhook").json() == response.json()

    @pytest.mark.parametrize("url", ["http://q.example.org", "", "https://q.example.org:9443"])
    @pytest.mark.security
    def test_is_set_to_https_only(
        self, url: str, api: Api, bot: TelegramBot, telegram: TelegramServer, settings: Settings
    ) -> None:
        settings.PERSONALQ_PUBLIC_URL = url
        response = api("PUT", f"/bots/{bot.uuid}/webhook", {})
        assert (response.status_code, response.json()["code"]) == (409, "https_address_needed")
        assert telegram.calls == []

    @pytest.mark.security
    @pytest.mark.parametrize("member", ["url", "secret_token", "ip_address"])
    def test_takes_no_address_and_no_secret(self, member: str, api: Api, bot: TelegramBot) -> None:
        response = api("PUT", f"/bots/{bot.uuid}/webhook", {member: "https://evil.example"})
        assert (response.status_code, response.json()["errors"][0]["code"]) == (400, "unknown_field")

    @pytest.mark.security
    def test_address_of_somebody_else_is_not_shown(self, api: Api, bot: TelegramBot, telegram: TelegramServer) -> None:
        telegram.bots[TOKEN].webhook = {"url": "https://other.example/hook?secret=planted"}
        response = api("GET", f"/bots/{bot.uuid}/webhook")
        assert (response.json()["is_set"], response.json()["leads_elsewhere"]) == (False, True)
        assert "planted" not in response.content.decode()

    def test_is_removed(self, api: Api, bot: TelegramBot, telegram: TelegramServer) -> None:
        api("PUT", f"/bots/{bot.uuid}/webhook", {})
        assert api("DELETE", f"/bots/{bot.uuid}/webhook").status_code == 204
        bot.refresh_from_db()
        assert (telegram.bots[TOKEN].webhook, bot.webhook_set_at) == ({}, None)

    @pytest.mark.security
    def test_rotation_tells_telegram_and_keeps_the_old_secret_for_a_while(self, room: Room) -> None:
        old = room.secret
        response = Api(room.owner)("POST", f"/bots/{room.bot.uuid}/rotate", {"keep_old_seconds": 60})
        new = secret_of(room.bot)
        assert (response.status_code, room.telegram.bots[TOKEN].webhook["secret_token"]) == (200, new)
        assert old != new
        assert new not in response.content.decode()
        assert [room.post(message("/help"), secret=one).status_code for one in (old, new)] == [200, 200]
        Api(room.owner)("POST", f"/bots/{room.bot.uuid}/rotate", {"keep_old_seconds": 0})
        assert [room.post(message("/help"), secret=one).status_code for one in (old, new)] == [401, 401]
        assert len(secrets.valid_secrets(room.bot.door)) == 1

    @pytest.mark.security
    def test_secret_that_was_rotated_elsewhere_is_told_to_telegram(self, room: Room) -> None:
        Api(room.owner)("PUT", f"/bots/{room.bot.uuid}/webhook", {})
        webhook.renew()
        assert len(room.telegram.payloads("setWebhook")) == 1
        secrets.rotate(actor=room.owner, door=room.bot.door, keep_old_seconds=3600)
        room.telegram.trouble = fails(500, "away")
        webhook.renew()
        room.telegram.trouble = None
        webhook.renew()
        webhook.renew()
        assert room.telegram.bots[TOKEN].webhook["secret_token"] == secret_of(room.bot)
        assert len(room.telegram.payloads("setWebhook")) == 3

    def test_bot_that_was_never_connected_is_left_alone(self, bot: TelegramBot, telegram: TelegramServer) -> None:
        webhook.renew()
        assert telegram.calls == []


class TestLinks:
    def test_code_comes_with_the_address_that_opens_the_bot(self, api: Api, owner: User, bot: TelegramBot) -> None:
        make_agent(owner, name="scribe")
        response = api("POST", f"/bots/{bot.uuid}/link-codes", {"agent": "scribe"})
        body = response.json()
        assert (response.status_code, body["url"]) == (201, f"https://t.me/pq_bot?start={body['code']}")

    @pytest.mark.security
    def test_code_is_not_stored_for_repeated_requests(self, api: Api, owner: User, bot: TelegramBot) -> None:
        make_agent(owner, name="scribe")
        path, key = f"/bots/{bot.uuid}/link-codes", {"Idempotency-Key": "k"}
        assert api("POST", path, {"agent": "scribe"}, **key).status_code == 201
        assert api("POST", path, {"agent": "scribe"}, **key).json()["code"] == "idempotency_key_used"

    @pytest.mark.security
    def test_others_link_to_shared_bots_only(self, api: Api, bot: TelegramBot) -> None:
        other = make_user()
        make_agent(other, name="scribe")
        theirs, body = Api(other), {"agent": "scribe"}
        assert theirs("POST", f"/bots/{bot.uuid}/link-codes", body).status_code == 403
        api("PATCH", f"/bots/{bot.uuid}", {"is_shared": True})
        assert theirs("POST", f"/bots/{bot.uuid}/link-codes", body).status_code == 201
        assert theirs("GET", "/shared-bots").json()["results"][0]["uuid"] == str(bot.uuid)
        assert theirs("GET", f"/bots/{bot.uuid}").status_code == 403

    @pytest.mark.security
    def test_agent_of_somebody_else_cannot_be_linked(self, api: Api, bot: TelegramBot) -> None:
        theirs = make_agent(make_user())
        response = api("POST", f"/bots/{bot.uuid}/link-codes", {"agent": str(theirs.uuid)})
        assert response.status_code == 403

    def test_link_is_changed_and_ended(self, room: Room) -> None:
        api, link = Api(room.owner), room.link
        make_agent(room.owner, name="other")
        changed = api("PATCH", f"/links/{link.uuid}", {"agent": "other", "wants_speech": True, "queue": "default"})
        assert (changed.json()["agent"], changed.json()["wants_speech"]) == ("other", True)
        assert api("GET", f"/bots/{room.bot.uuid}/links").json()["results"] == [changed.json()]
        assert api("DELETE", f"/links/{link.uuid}").status_code == 204
        assert TelegramLink.objects.count() == 0

    @pytest.mark.security
    def test_link_of_somebody_else_is_out_of_reach_even_for_the_bots_owner(self, api: Api, bot: TelegramBot) -> None:
        TelegramBot.objects.update(is_shared=True)
        bot.refresh_from_db()
        link = make_link(bot, make_agent(make_user()))
        assert api("PATCH", f"/links/{link.uuid}", {"wants_speech": True}).status_code == 403
        assert api("DELETE", f"/links/{link.uuid}").status_code == 403


class TestPages:
    def test_bot_is_kept_connected_linked_and_deleted(self, owner: User, telegram: TelegramServer) -> None:
        client, agent = pages_of(owner), make_agent(owner)
        made = client.post("/telegram/new", {"name": "my bot", "token": TOKEN}, secure=True)
        bot = TelegramBot.objects.get()
        assert (made.status_code, made.headers["Location"]) == (302, f"/telegram/{bot.uuid}")
        client.post(f"/telegram/{bot.uuid}/set-webhook", secure=True)
        assert telegram.bots[TOKEN].webhook["url"].endswith(str(bot.door.uuid))
        assert b"Telegram sends here" in client.get(f"/telegram/{bot.uuid}", secure=True).content
        code = client.post(f"/telegram/{bot.uuid}/link", {"agent": str(agent.uuid)}, secure=True)
        assert b"https://t.me/pq_bot?start=" in code.content
        client.post(f"/telegram/{bot.uuid}/delete", secure=True)
        assert TelegramBot.objects.count() == 0

    def test_what_telegram_refuses_is_said_at_the_field(self, owner: User, telegram: TelegramServer) -> None:
        telegram.bots.clear()
        response = pages_of(owner).post("/telegram/new", {"name": "my bot", "token": TOKEN}, secure=True)
        assert response.status_code == 400
        assert "Telegram knows no bot of this token." in response.content.decode()
        assert SECRET_PART not in response.content.decode()

    def test_links_are_listed_changed_and_ended(self, room: Room) -> None:
        client, link = pages_of(room.owner), room.link
        assert b"Ana Pop" in client.get("/telegram", secure=True).content
        other = make_agent(room.owner)
        form = {"agent": str(other.uuid), "queue": "", "wants_speech": "on"}
        assert client.post(f"/telegram/links/{link.uuid}", form, secure=True).status_code == 302
        link.refresh_from_db()
        assert (link.agent_id, link.wants_speech) == (other.pk, True)
        client.post(f"/telegram/links/{link.uuid}/end", secure=True)
        assert TelegramLink.objects.count() == 0

    @pytest.mark.parametrize("verb", ["check-webhook", "rotate", "remove-webhook"])
    def test_buttons_speak_to_telegram(self, verb: str, room: Room) -> None:
        client = pages_of(room.owner)
        assert client.post(f"/telegram/{room.bot.uuid}/{verb}", secure=True).status_code == 302
        assert room.telegram.calls

    def test_refusal_of_telegram_is_shown(self, room: Room, settings: Settings) -> None:
        settings.PERSONALQ_PUBLIC_URL = "http://127.0.0.1:8000"
        client = pages_of(room.owner)
        client.post(f"/telegram/{room.bot.uuid}/set-webhook", secure=True)
        assert b"https addresses only" in client.get(f"/telegram/{room.bot.uuid}", secure=True).content


class TestCommands:
    def run(self, name: str, *arguments: str) -> Any:
        out = StringIO()
        call_command(name, *arguments, stdout=out)
        return json.loads(out.getvalue())

    @pytest.mark.parametrize("by", ["name", "username", "at", "uuid"])
    def test_webhook_is_set_shown_and_deleted(self, by: str, bot: TelegramBot, telegram: TelegramServer) -> None:
        named = {"name": "bot", "username": "PQ_bot", "at": "@pq_bot", "uuid": str(bot.uuid)}[by]
        acting = ("--as", "owner")
        assert self.run("telegram_set_webhook", named, "--drop-pending-updates", *acting)["is_set"] is True
        assert telegram.bots[TOKEN].webhook["drop_pending_updates"] is True
        assert self.run("telegram_webhook_info", named, *acting)["url"].endswith(str(bot.door.uuid))
        deleted = self.run("telegram_delete_webhook", named, *acting)
        assert deleted == {"bot": str(bot.uuid), "username": "pq_bot", "deleted": True}

    @pytest.mark.security
    def test_neither_token_nor_secret_is_printed(self, bot: TelegramBot, telegram: TelegramServer) -> None:
        said = str([self.run(f"telegram_{name}", "bot", "--as", "owner") for name in ("set_webhook", "webhook_info")])
        assert SECRET_PART not in said
        assert secret_of(bot) not in said

    def test_what_goes_wrong_is_one_line_of_json(self, bot: TelegramBot, settings: Settings) -> None:
        settings.PERSONALQ_PUBLIC_URL = "http://127.0.0.1:8000"
        errors = StringIO()
        with pytest.raises(SystemExit) as ended:
            call_command("telegram_set_webhook", "bot", "--as", "owner", stderr=errors)
        assert (ended.value.code, json.loads(errors.getvalue())["code"]) == (1, "https_address_needed")
