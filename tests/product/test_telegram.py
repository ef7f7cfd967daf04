"""A conversation over Telegram in a whole product: from the message to the task to the answer in the chat."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.embedded.running import wait_for
from tests.product.telegram_chat import Chat, chatting
from tests.webhooks.telegram.making import ANA, pressed
from tests.wire.server import Exchange
from tests.wire.telegram_server import TOKEN

pytestmark = pytest.mark.product


@pytest.fixture(scope="module")
def chat(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chat]:
    with chatting(tmp_path_factory.mktemp("telegram")) as found:
        yield found


def test_message_becomes_a_task_and_its_answer_comes_back(chat: Chat) -> None:
    chat.operator.make_agent("scribe", "echo")
    chat.links("scribe")
    chat.hears("is a < b && <b>c</b>? \U0001f680")
    answer = chat.waits_for("is a < b && <b>c</b>? \U0001f680")
    assert "parse_mode" not in answer.payload
    task = chat.operator.get("/tasks")["results"][0]
    assert (task["source"], task["status"], task["trusted"]) == ("telegram", "complete", True)


def test_long_answer_comes_in_parts_and_in_order(chat: Chat) -> None:
    chat.operator.make_agent("repeater", "echo", word_delay_ms=0)
    chat.links("repeater")
    before = len(chat.telegram.chats[ANA])
    chat.hears("word " * 1_900 + "and then the end of it")
    chat.waits_for("the end of it")
    parts = [said.text for said in chat.telegram.chats[ANA][before:] if said.text.startswith("word")]
    assert len(parts) == 3
    assert all(len(part) < 4096 for part in parts)


def test_approval_by_button_lets_the_task_run(chat: Chat) -> None:
    chat.operator.make_agent("careful", "echo", needs_approval=True)
    chat.links("careful")
    chat.hears("sell the house")
    question = chat.waits_for("waits for your approval")
    approve = next(each for each in question.buttons if each["text"] == "Approve")
    assert [said.text for said in chat.telegram.chats[ANA] if said.text == "sell the house"] == []
    chat.posts(pressed(approve["callback_data"]))
    wait_for(lambda: any(said.text == "sell the house" for said in chat.telegram.chats[ANA]), "the answer")
    assert chat.telegram.notices[-1]["text"].endswith("is approved.")


def test_command_cancels_a_task(chat: Chat) -> None:
    queue = chat.operator.call("POST", "/queues", {"name": "slow"})["uuid"]
    chat.operator.call("POST", f"/queues/{queue}/pause")
    chat.operator.make_agent("waiting", "echo", queue="slow")
    chat.links("waiting")
    before = len(chat.telegram.chats[ANA])
    chat.hears("never mind")
    status = chat.waits_for("waits for its turn", after=before)
    chat.hears("/cancel")
    wait_for(lambda: "was cancelled" in status.text, "the status to say so")
    assert chat.operator.get("/tasks")["results"][0]["status"] == "cancelled"
    assert status.buttons == []


def test_updates_are_answered_while_telegram_hangs(chat: Chat) -> None:
    async def hangs(exchange: Exchange, *_: Any) -> bool:
        await exchange.gone()
        return True

    chat.links("waiting")
    chat.telegram.trouble = hangs
    try:
        # Each would wait for Telegram until its own time was out.
        for number in range(20):
            chat.hears(f"hello {number}")
    finally:
        chat.telegram.trouble = None


def test_neither_token_nor_secret_is_in_any_log(chat: Chat) -> None:
    secret = chat.telegram.bots[TOKEN].webhook["secret_token"]
    output = chat.installation.run.output
    assert TOKEN.partition(":")[2] not in output
    assert secret not in output
