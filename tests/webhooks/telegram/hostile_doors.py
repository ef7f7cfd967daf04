"""The door of this room, for the table of hostile requests."""

import json
from collections.abc import Callable, Mapping
from typing import Final

from accounts.models import User
from tests.makers import make_agent
from tests.webhooks.hostile import DoorUnderTest, Sent
from tests.webhooks.telegram.making import SECRET_HEADER, make_bot, make_link, message, secret_of
from webhooks.models import TelegramBot

_OTHER_TOKEN: Final = "5550002:BBF-the_token-of-that-bot_0123456789"


def _request_of(bot: TelegramBot) -> Sent:
    """A message of somebody who is linked: it would make a task."""
    headers = (("Content-Type", "application/json"), (SECRET_HEADER, secret_of(bot)))
    return Sent(path=f"/webhooks/telegram/{bot.door.uuid}", headers=headers, body=json.dumps(message("hello")).encode())


def _telegram(owner: User) -> DoorUnderTest:
    bot, other = make_bot(owner), make_bot(owner, token=_OTHER_TOKEN, name="other bot", username="other_bot")
    agent = make_agent(owner)
    for each in (bot, other):
        make_link(each, agent)
    return DoorUnderTest(
        name="telegram",
        proof_header=SECRET_HEADER,
        good=lambda: _request_of(bot),
        other=lambda: _request_of(other),
        mends_text=True,
    )


DOORS: Final[Mapping[str, Callable[[User], DoorUnderTest]]] = {"telegram": _telegram}
