"""The tokens of bots: sealed where they are kept, opened for a call only."""

import re
from typing import Final

from django.views.decorators.debug import sensitive_variables

from personalq.lib import sealing
from personalq.lib.errors import Conflict, InvalidInput
from webhooks.models import TelegramBot

FIELD: Final = "sealed_token"
FORM: Final = r"[0-9]{6,19}:[A-Za-z0-9_-]{30,80}"


class TokenUnreadable(Conflict):
    """The sealed token cannot be opened: its key is not set, or the row was tampered with."""

    code = "bot_token_unreadable"
    title = "The bot's token cannot be read."
    advice = "Enter the token again. If that happens to several, the operator has lost an encryption key."


@sensitive_variables()
def checked(token: object) -> str:
    """A token as BotFather gives it. Raises InvalidInput naming `token`, without the token."""
    if not isinstance(token, str) or not re.fullmatch(FORM, token):
        raise InvalidInput.for_field("token", "invalid", "Send the token as BotFather gave it, such as 123456:ABC-DEF…")
    return token


@sensitive_variables()
def put(bot: TelegramBot, token: str) -> None:
    """Seal a token into the row, which is not saved yet."""
    bot.sealed_token = sealing.seal(token, context=sealing.context_of(bot, FIELD))


@sensitive_variables()
def reveal(bot: TelegramBot) -> str:
    """The plain token, for a call that is about to be made. Raises TokenUnreadable."""
    try:
        return sealing.unseal(bot.sealed_token, context=sealing.context_of(bot, FIELD))
    except sealing.SealBroken:
        raise TokenUnreadable from None
