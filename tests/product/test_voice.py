"""Voice in a whole product: tools of a voice agent, and a voice message that becomes a task and is answered aloud."""

import json
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.embedded.running import wait_for
from tests.product.caller import Caller
from tests.product.installation import Installation, installed
from tests.webhooks.hostile import Sent, send
from tests.webhooks.telegram.making import ANA, SECRET_HEADER, message
from tests.wire.elevenlabs_server import KEY, SPEECH, ElevenLabs
from tests.wire.telegram_server import TOKEN, TelegramServer

pytestmark = pytest.mark.product
PUBLIC = "https://q.example.org"


class Voiced:
    """A product, and the two systems outside that it speaks with."""

    def __init__(self, installation: Installation, telegram: TelegramServer, elevenlabs: ElevenLabs) -> None:
        self.installation = installation
        self.telegram = telegram
        self.elevenlabs = elevenlabs

    @property
    def operator(self) -> Caller:
        return self.installation.operator

    def post(self, path: str, body: Any, *headers: tuple[str, str]) -> Any:
        """What a system outside posts, and what it is answered."""
        sent = Sent(path=path, headers=(("Content-Type", "application/json"), *headers), body=json.dumps(body).encode())
        status, answer = send(self.operator.port, sent)
        assert status == 200, answer
        return json.loads(answer) if answer.startswith(b"{") else answer


@pytest.fixture(scope="module")
def voiced(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Voiced]:
    with ExitStack() as stack:
        telegram, elevenlabs = stack.enter_context(TelegramServer()), stack.enter_context(ElevenLabs())
        settings = {
            "PERSONALQ_INTERNAL_HOSTS": f"{telegram.target},{elevenlabs.target}",
            "PERSONALQ_TELEGRAM_URL": telegram.url,
            "PERSONALQ_ELEVENLABS_URL": elevenlabs.url,
            "PERSONALQ_PUBLIC_URL": PUBLIC,
            "ALLOWED_HOSTS": "localhost,127.0.0.1,q.example.org",
            "LOG_LEVEL": "DEBUG",
        }
        installation = stack.enter_context(installed(tmp_path_factory.mktemp("product"), settings))
        installation.start()
        yield Voiced(installation, telegram, elevenlabs)
        # At the most talkative level.
        assert [each for each in (KEY, TOKEN) if each in installation.run.output] == []


@pytest.fixture(scope="module")
def echo(voiced: Voiced) -> str:
    return voiced.operator.make_agent("says it again", "echo", word_delay_ms=0)


def test_voice_agent_adds_a_task_and_reads_its_result(voiced: Voiced, echo: str) -> None:
    door = voiced.operator.call("POST", "/doors", {"name": "phone", "kind": "agent-tools", "agent": echo})

    def ask(tool: str, **arguments: Any) -> Any:
        body = {"tool": tool, "args": arguments, "conversation_id": "conv_1"}
        return voiced.post("/agent-tools", body, ("X-EL-Secret", door["secret"]))

    added = ask("add_task", prompt="Buy milk and bread.")
    assert added["ok"] is True
    assert ask("add_task", prompt="Buy milk and bread.")["result"]["repeated"] is True
    task = added["result"]["task"]["id"]
    voiced.operator.wait_until(task, "complete")
    assert ask("task_state")["say"] == 'Task "Buy milk and bread." is done.'
    told = ask("last_result")
    assert (told["result"]["task"]["id"], "Buy milk and bread." in told["say"]) == (task, True)
    assert voiced.operator.task(task)["source"] == "voice"


def test_voice_message_becomes_a_task_and_its_answer_is_spoken(voiced: Voiced, echo: str) -> None:
    operator, telegram = voiced.operator, voiced.telegram
    key = operator.make_credential("speech", "elevenlabs", KEY)
    assert operator.call("POST", f"/credentials/{key}/test")["last_test"]["ok"] is True
    bot = operator.call("POST", "/telegram/bots", {"name": "bot", "token": TOKEN, "speech_credential": key})
    operator.call("PUT", f"/telegram/bots/{bot['uuid']}/webhook", {})
    webhook = telegram.bots[TOKEN].webhook

    def post(update: dict[str, Any]) -> None:
        voiced.post(urlsplit(webhook["url"]).path, update, (SECRET_HEADER, webhook["secret_token"]))

    code = operator.call("POST", f"/telegram/bots/{bot['uuid']}/link-codes", {"agent": echo})["code"]
    post(message(f"/start {code}"))
    (link,) = operator.get("/telegram/links")["results"]
    operator.call("PATCH", f"/telegram/links/{link['uuid']}", {"wants_speech": True})
    telegram.files["F1"] = b"OggS" * 1000
    spoken = message("", voice={"file_id": "F1", "file_unique_id": "u", "duration": 2, "mime_type": "audio/ogg"})
    del spoken["message"]["text"]
    post(spoken)
    post(spoken)
    wait_for(lambda: any(said.voice for said in telegram.chats[ANA]), "an answer that is spoken")
    assert [said.voice for said in telegram.chats[ANA] if said.voice] == [SPEECH]
    assert "Heard: buy milk and bread" in telegram.texts(ANA)
    assert len(voiced.elevenlabs.heard) == 1
    assert "buy milk and bread" in voiced.elevenlabs.said[0]["text"]
    (task,) = [one for one in operator.get("/tasks?source=telegram")["results"] if one["status"] == "complete"]
    assert task["prompt"] == "buy milk and bread"
