"""Who may use the tools of a voice agent, and that everybody else gets one answer that can be spoken."""

import io
import json
import logging
from collections.abc import Callable
from typing import Any

import pytest
from django.core.handlers.asgi import ASGIRequest
from pytest_django.fixtures import Settings

from accounts.models import AuditEvent, User
from personalq.lib.asgi import DROPPED_HEADERS
from tasks.models import Task
from tests.clients import fresh_client
from tests.makers import make_agent, make_token
from tests.webhooks.voice.making import Voice, make_voice
from webhooks.doors import keeping, secrets
from webhooks.models import InboundRequest
from webhooks.voice.agent_tools import ADDRESS, presented

pytestmark = [pytest.mark.django_db, pytest.mark.security]

ADD = {"tool": "add_task", "args": {"prompt": "buy milk"}}
LEFT_OUT: Any = None


@pytest.fixture
def voice(owner: User) -> Voice:
    return make_voice(owner)


def is_unseen() -> bool:
    return not Task.objects.exists() and not InboundRequest.objects.exists()


GOOD: dict[str, Callable[[str], dict[str, Any]]] = {
    "own header": lambda secret: {"X_EL_Secret": secret},
    "bearer": lambda secret: {"X_EL_Secret": LEFT_OUT, "Authorization": f"Bearer {secret}"},
    "both alike": lambda secret: {"X_EL_Secret": secret, "Authorization": f"Bearer {secret}"},
    "blank own header beside bearer": lambda secret: {"X_EL_Secret": " ", "Authorization": f"Bearer {secret}"},
}
BAD: dict[str, Callable[[str], dict[str, Any]]] = {
    "nothing": lambda _: {"X_EL_Secret": LEFT_OUT},
    "empty": lambda _: {"X_EL_Secret": ""},
    "blank": lambda _: {"X_EL_Secret": "   "},
    "wrong": lambda secret: {"X_EL_Secret": f"{secret[:-1]}{'a' if secret[-1] != 'a' else 'b'}"},
    "shorter": lambda secret: {"X_EL_Secret": secret[:-1]},
    "longer": lambda secret: {"X_EL_Secret": f"{secret}a"},
    "other case": lambda secret: {"X_EL_Secret": secret.swapcase()},
    "not ASCII": lambda _: {"X_EL_Secret": "schlüssel-schlüssel-schlüssel"},
    "None": lambda _: {"X_EL_Secret": "None"},
    "null": lambda _: {"X_EL_Secret": "null"},
    "bearer in the own header": lambda secret: {"X_EL_Secret": f"Bearer {secret}"},
    "bearer in small letters": lambda secret: {"X_EL_Secret": LEFT_OUT, "Authorization": f"bearer {secret}"},
    "bearer in capitals": lambda secret: {"X_EL_Secret": LEFT_OUT, "Authorization": f"BEARER {secret}"},
    "two spaces": lambda secret: {"X_EL_Secret": LEFT_OUT, "Authorization": f"Bearer  {secret}"},
    "tab": lambda secret: {"X_EL_Secret": LEFT_OUT, "Authorization": f"Bearer\t{secret}"},
    "no space": lambda secret: {"X_EL_Secret": LEFT_OUT, "Authorization": f"Bearer{secret}"},
    "comma after it": lambda secret: {"X_EL_Secret": LEFT_OUT, "Authorization": f"Bearer {secret},"},
    "words after it": lambda secret: {"X_EL_Secret": LEFT_OUT, "Authorization": f"Bearer {secret} x"},
    "bearer alone": lambda _: {"X_EL_Secret": LEFT_OUT, "Authorization": "Bearer"},
    "bearer and a space": lambda _: {"X_EL_Secret": LEFT_OUT, "Authorization": "Bearer "},
    "bare": lambda secret: {"X_EL_Secret": LEFT_OUT, "Authorization": secret},
    "basic": lambda secret: {"X_EL_Secret": LEFT_OUT, "Authorization": f"Basic {secret}"},
    "token": lambda secret: {"X_EL_Secret": LEFT_OUT, "Authorization": f"Token {secret}"},
    "another header": lambda secret: {"X_EL_Secret": LEFT_OUT, "X_Webhook_Secret": secret},
    "another header of older tools": lambda secret: {"X_EL_Secret": LEFT_OUT, "X_Admin_Secret": secret},
    "cookie": lambda secret: {"X_EL_Secret": LEFT_OUT, "Cookie": f"secret={secret}"},
    "good own header, wrong bearer": lambda secret: {"X_EL_Secret": secret, "Authorization": f"Bearer {secret}x"},
    "wrong own header, good bearer": lambda secret: {"X_EL_Secret": f"{secret}x", "Authorization": f"Bearer {secret}"},
    "good own header, basic": lambda secret: {"X_EL_Secret": secret, "Authorization": "Basic eDp4"},
    "good own header, bearer alone": lambda secret: {"X_EL_Secret": secret, "Authorization": "Bearer"},
}


@pytest.mark.parametrize("headers", GOOD.values(), ids=GOOD.keys())
def test_secret_opens_the_door_in_either_header(headers: Callable[[str], dict[str, Any]], voice: Voice) -> None:
    answer = voice.post(ADD, **headers(voice.secret))
    assert (answer.status_code, answer.json()["ok"]) == (200, True)
    assert Task.objects.get().agent == voice.agent


@pytest.mark.parametrize("headers", BAD.values(), ids=BAD.keys())
def test_everything_else_is_refused_in_one_way(headers: Callable[[str], dict[str, Any]], voice: Voice) -> None:
    given = headers(voice.secret)
    answer = voice.post(ADD, **given)
    body = answer.json()
    told = body["result"].pop("request_id")
    assert answer.status_code == 401
    assert body == {
        "ok": False,
        "say": "Send it to the address of the door, with the door's present secret or signed by it, as its page says.",
        "result": {"error": "door_refused"},
    }
    assert told == answer.headers["X-Request-ID"]
    assert is_unseen()
    event = AuditEvent.objects.get(kind="door.refused")
    assert (event.facts["door_kind"], event.outcome) == ("agent-tools", "denied")
    assert voice.secret not in json.dumps(event.facts)


@pytest.mark.parametrize("name", ["secret", "token", "access_token", "x-el-secret", "a"])
def test_secret_in_the_address_is_refused_even_beside_a_good_header(name: str, voice: Voice) -> None:
    answer = fresh_client().post(
        f"{ADDRESS}?{name}={voice.secret}", json.dumps(ADD), "application/json",
        headers={"X-EL-Secret": voice.secret}, secure=True,
    )  # fmt: skip
    assert (answer.status_code, answer.json()["result"]["error"]) == (401, "door_refused")
    assert is_unseen()


def test_secret_in_the_body_opens_nothing(voice: Voice) -> None:
    for name in ("secret", "token", "admin_secret"):
        assert voice.post({**ADD, name: voice.secret}, X_EL_Secret=None).status_code == 401
    assert is_unseen()


class TestWhichDoor:
    def test_each_secret_opens_its_own_door(self, owner: User) -> None:
        doors = [make_voice(owner, name=f"door {number}") for number in range(3)]
        for each in doors:
            assert each.add().agent == each.agent

    @pytest.mark.parametrize("kind", ["elevenlabs", "standard", "github", "gitlab"])
    def test_secret_of_another_kind_of_door_opens_nothing(self, kind: str, owner: User, voice: Voice) -> None:
        other = keeping.create(actor=owner, name="other", kind=kind, agent=make_agent(owner))
        assert voice.post(ADD, X_EL_Secret=other.secret).status_code == 401
        assert is_unseen()

    def test_personal_token_opens_nothing(self, owner: User, voice: Voice) -> None:
        token = make_token(owner).text
        assert voice.post(ADD, X_EL_Secret=None, Authorization=f"Bearer {token}").status_code == 401
        assert is_unseen()

    def test_closed_door_and_inactive_owner_answer_like_a_wrong_secret(self, owner: User, voice: Voice) -> None:
        keeping.close(actor=owner, door=voice.door)
        closed = voice.post(ADD)
        keeping.reopen(actor=owner, door=voice.door)
        User.objects.filter(pk=owner.pk).update(is_active=False)
        inactive = voice.post(ADD)
        wrong = voice.post(ADD, X_EL_Secret="wrong-wrong-wrong-wrong")
        assert {each.status_code for each in (closed, inactive, wrong)} == {401}
        assert (
            len(
                {
                    json.dumps({**each.json(), "result": each.json()["result"]["error"]})
                    for each in (closed, inactive, wrong)
                }
            )
            == 1
        )
        assert is_unseen()

    def test_old_secret_counts_as_long_as_its_owner_wants(self, owner: User, voice: Voice) -> None:
        new = secrets.rotate(actor=owner, door=voice.door, keep_old_seconds=60)
        assert voice.post(ADD).status_code == 200
        assert voice.post(ADD, X_EL_Secret=new).status_code == 200
        secrets.rotate(actor=owner, door=voice.door, keep_old_seconds=0)
        assert voice.post(ADD).status_code == 401
        assert voice.post(ADD, X_EL_Secret=new).status_code == 401


def asgi(*headers: tuple[str, str], dropped: tuple[str, ...] = ()) -> ASGIRequest:
    raw = [(name.lower().encode(), value.encode("latin-1")) for name, value in headers]
    scope = {"type": "http", "method": "POST", "path": ADDRESS, "query_string": b"", "headers": raw}
    return ASGIRequest({**scope, DROPPED_HEADERS: frozenset(name.encode() for name in dropped)}, io.BytesIO())


SECRET = "a-secret-of-some-door-of-ours"
RAW = {
    "own header twice": asgi(("X-EL-Secret", SECRET), ("X-EL-Secret", SECRET)),
    "bearer twice": asgi(("Authorization", f"Bearer {SECRET}"), ("Authorization", f"Bearer {SECRET}")),
    "own header with a twin": asgi(("X-EL-Secret", SECRET), dropped=("x-el-secret",)),
    "twin alone": asgi(dropped=("x-el-secret",)),
    "bearer with a twin": asgi(("Authorization", f"Bearer {SECRET}"), dropped=("authorization",)),
    "own header good, bearer twice": asgi(
        ("X-EL-Secret", SECRET), ("Authorization", f"Bearer {SECRET}"), ("Authorization", f"Bearer {SECRET}")
    ),
}


@pytest.mark.parametrize("request_", RAW.values(), ids=RAW.keys())
def test_headers_that_come_twice_show_nothing(request_: ASGIRequest) -> None:
    assert presented(request_).value == ""
    assert presented(request_).presence == "contradictory"


def test_single_headers_show_what_they_hold() -> None:
    assert presented(asgi(("X-EL-Secret", SECRET))).value == SECRET
    assert presented(asgi(("Authorization", f"Bearer {SECRET}"))).value == SECRET


class TestForm:
    @pytest.mark.parametrize("method", ["get", "put", "patch", "delete", "head", "options"])
    def test_only_post_is_taken(self, method: str, voice: Voice) -> None:
        answer = getattr(fresh_client(), method)(ADDRESS, headers={"X-EL-Secret": voice.secret}, secure=True)
        assert (answer.status_code, answer.headers["Allow"]) == (405, "POST")

    @pytest.mark.parametrize(
        ("body", "content_type", "status", "code"),
        [
            (b"tool=help", "application/x-www-form-urlencoded", 415, "unsupported_media_type"),
            (b'{"tool": "help"}', "text/plain", 415, "unsupported_media_type"),
            (b'{"tool": "help"}', "application/json; charset=utf-16", 415, "unsupported_media_type"),
            (b" ", "application/json", 400, "malformed_json"),
            (b"[]", "application/json", 400, "malformed_json"),
            (b'"help"', "application/json", 400, "malformed_json"),
            (b'{"tool": "help", "tool": "add_task"}', "application/json", 400, "malformed_json"),
            (b'{"tool": NaN}', "application/json", 400, "malformed_json"),
            (b'{"tool": "he\\u0000lp"}', "application/json", 400, "malformed_json"),
            (b'{"tool": "\\ud800"}', "application/json", 400, "malformed_json"),
            (b'\xff{"tool": "help"}', "application/json", 400, "malformed_json"),
            (b'{"tool":' + b"[" * 60_000, "application/json", 400, "malformed_json"),
            (b'{"tool": "' + b"x" * 65_536 + b'"}', "application/json", 413, "payload_too_large"),
        ],
    )
    def test_bodies_that_are_none_are_refused_and_say_why(
        self, body: bytes, content_type: str, status: int, code: str, voice: Voice
    ) -> None:
        answer = voice.post(body, Content_Type=content_type)
        told = answer.json()
        assert (answer.status_code, told["ok"], told["result"]["error"]) == (status, False, code)
        assert told["say"]
        assert is_unseen()

    def test_plain_http_is_refused_in_words(self, voice: Voice) -> None:
        answer = fresh_client().post(
            ADDRESS, json.dumps(ADD), "application/json", headers={"X-EL-Secret": voice.secret}, secure=False
        )
        assert (answer.status_code, answer.json()["result"]["error"]) == (403, "https_required")
        assert is_unseen()

    def test_no_other_address_is_near(self, voice: Voice) -> None:
        for address in ("/agent-tools/", "/agent-tools/help", "/agent-tools;a", "/agent-tools%2f"):
            answer = fresh_client().post(
                address, json.dumps(ADD), "application/json", headers={"X-EL-Secret": voice.secret}, secure=True
            )
            assert answer.status_code == 404, address
        assert is_unseen()


class TestLimits:
    def test_door_that_brings_too_much_is_slowed_down(self, voice: Voice, settings: Settings) -> None:
        settings.PERSONALQ_RATE_DOOR = "2/h"
        assert [voice.call("help").status_code for _ in range(3)] == [200, 200, 429]

    def test_guessing_is_slowed_down_and_the_good_secret_is_not(self, voice: Voice, settings: Settings) -> None:
        settings.PERSONALQ_RATE_DOOR_FAILURE = "2/h"
        wrong = [voice.post(ADD, X_EL_Secret="wrong-wrong-wrong-wrong") for _ in range(3)]
        assert [each.status_code for each in wrong] == [401, 401, 429]
        assert "say" in wrong[-1].json()
        assert voice.call("help").status_code == 200


def test_secret_is_in_no_log(voice: Voice, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    voice.add()
    voice.post(ADD, Authorization=f"Bearer {voice.secret}x")
    fresh_client().post(f"{ADDRESS}?secret={voice.secret}", b"{}", "application/json", secure=True)
    assert voice.secret not in caplog.text
