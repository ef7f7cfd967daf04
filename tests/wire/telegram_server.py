"""The Bot API as a local server: chats that hold messages, and the refusals of the real one.

Source: https://core.telegram.org/bots/api, and the descriptions that its server answers with. Texts are counted in
UTF-16 units after entities, markup is parsed when a parse_mode asks for it, buttons and addresses are checked.
"""

import json
import re
from collections import defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any, Final
from urllib.parse import urlsplit

from tests.wire.multipart import fields_and_files
from tests.wire.server import Exchange, StandIn, WireServer

TOKEN: Final = "5550001:AAF-the_token-of-this-bot_0123456789"
MOST_UNITS: Final = 4096
MOST_NOTICE: Final = 200
MOST_BUTTON_BYTES: Final = 64
LARGEST_FILE: Final = 20_000_000
_TAGS: Final = {
    "b",
    "strong",
    "i",
    "em",
    "u",
    "ins",
    "s",
    "strike",
    "del",
    "code",
    "pre",
    "a",
    "tg-spoiler",
    "blockquote",
}
_PATH: Final = re.compile(r"/bot([^/]*)/([A-Za-z]+)")
_FILE: Final = re.compile(r"/file/bot([^/]*)/(.+)")


class Refusal(Exception):  # noqa: N818 - says what happened
    """An answer that is not ok."""

    def __init__(self, code: int, description: str, **parameters: int) -> None:
        super().__init__(description)
        self.code = code
        self.description = description
        self.parameters = parameters


@dataclass
class Said:
    """A message of a bot, as its chat shows it now."""

    message_id: int
    text: str
    buttons: list[dict[str, str]]
    payload: dict[str, Any]
    edits: int = 0
    voice: bytes = b""


@dataclass
class Registered:
    """A bot that Telegram knows."""

    id: int
    username: str
    webhook: dict[str, Any] = field(default_factory=dict)


@dataclass
class TelegramServer(StandIn):
    """A server; `chats` are what people see, `calls` what it was asked for.

    `gone` and `blocked` are chats in which nothing can be said; `files` are recordings by their file_id; `trouble` is
    asked before each call and answers instead of the API when it returns True.
    """

    bots: dict[str, Registered] = field(default_factory=lambda: {TOKEN: Registered(5550001, "pq_bot")})
    chats: dict[int, list[Said]] = field(default_factory=lambda: defaultdict(list))
    notices: list[dict[str, Any]] = field(default_factory=list)
    calls: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    files: dict[str, bytes] = field(default_factory=dict)
    gone: set[int] = field(default_factory=set)
    blocked: set[int] = field(default_factory=set)
    trouble: Callable[[Exchange, str, dict[str, Any]], Awaitable[bool]] | None = None
    last_message_id: int = 1000

    def __post_init__(self) -> None:
        self.server = WireServer(self._answer)

    def texts(self, chat_id: int) -> list[str]:
        """What stands in a chat, oldest first."""
        return [said.text for said in self.chats[chat_id]]

    def payloads(self, method: str) -> list[dict[str, Any]]:
        """With what a method was called, oldest first."""
        return [payload for name, payload in self.calls if name == method]

    async def _answer(self, exchange: Exchange) -> None:
        found = _FILE.fullmatch(exchange.request.path)
        if found is not None:
            await self._hand_out(exchange, found[1], found[2])
            return
        called = _PATH.fullmatch(exchange.request.path)
        method, payload = (called[2] if called else ""), _payload_of(exchange)
        self.calls.append((method, payload))
        if self.trouble is not None and await self.trouble(exchange, method, payload):
            return
        try:
            result = self._carry_out(called[1] if called else "", method, payload)
        except Refusal as refusal:
            await refuse(exchange, refusal.code, refusal.description, **refusal.parameters)
        else:
            await _send(exchange, 200, {"ok": True, "result": result})

    def _carry_out(self, token: str, method: str, payload: dict[str, Any]) -> Any:
        if not re.fullmatch(r"[0-9]+:[A-Za-z0-9_-]+", token):
            raise Refusal(404, "Not Found")
        bot = self.bots.get(token)
        if bot is None:
            raise Refusal(401, "Unauthorized")
        act = getattr(self, f"_{method}", None)
        if act is None:
            raise Refusal(404, "Not Found: method not found")
        return act(bot, payload)

    # --- methods, by their names in the Bot API ------------------------------------------------------------

    def _getMe(self, bot: Registered, _: dict[str, Any]) -> Any:  # noqa: N802
        return {"id": bot.id, "is_bot": True, "first_name": "PQ", "username": bot.username}

    def _sendMessage(self, _: Registered, payload: dict[str, Any]) -> Any:  # noqa: N802
        chat_id = self._chat(payload)
        return self._say(chat_id, _checked_text(payload), payload)

    def _editMessageText(self, _: Registered, payload: dict[str, Any]) -> Any:  # noqa: N802
        chat_id = self._chat(payload)
        text, buttons = _checked_text(payload), _checked_buttons(payload)
        said = next((one for one in self.chats[chat_id] if one.message_id == payload.get("message_id")), None)
        if said is None:
            raise Refusal(400, "Bad Request: message to edit not found")
        if (said.text, said.buttons) == (text, buttons):
            raise Refusal(
                400,
                "Bad Request: message is not modified: specified new message content and reply markup are exactly the "
                "same as a current content and reply markup of the message",
            )
        said.text, said.buttons, said.edits = text, buttons, said.edits + 1
        return _shown(chat_id, said)

    def _answerCallbackQuery(self, _: Registered, payload: dict[str, Any]) -> Any:  # noqa: N802
        if not isinstance(payload.get("callback_query_id"), str):
            raise Refusal(400, "Bad Request: query is too old and response timeout expired or query ID is invalid")
        if units(str(payload.get("text", ""))) > MOST_NOTICE:
            raise Refusal(400, "Bad Request: MESSAGE_TOO_LONG")
        self.notices.append(payload)
        return True

    def _sendVoice(self, _: Registered, payload: dict[str, Any]) -> Any:  # noqa: N802
        chat_id = self._chat(payload)
        voice = payload.get("voice")
        if not isinstance(voice, bytes) or not voice:
            raise Refusal(400, "Bad Request: there is no voice in the request")
        return self._say(chat_id, "", payload, voice=voice)

    def _getFile(self, _: Registered, payload: dict[str, Any]) -> Any:  # noqa: N802
        content = self.files.get(str(payload.get("file_id")))
        if content is None:
            raise Refusal(400, "Bad Request: wrong file_id or the file is temporarily unavailable")
        if len(content) > LARGEST_FILE:
            raise Refusal(400, "Bad Request: file is too big")
        name = f"voice/{payload['file_id']}.oga"
        return {"file_id": payload["file_id"], "file_unique_id": "u", "file_size": len(content), "file_path": name}

    def _setWebhook(self, bot: Registered, payload: dict[str, Any]) -> Any:  # noqa: N802
        url = urlsplit(str(payload.get("url", "")))
        if url.scheme != "https":
            raise Refusal(400, "Bad Request: bad webhook: An HTTPS URL must be provided for webhook")
        if (url.port or 443) not in {443, 80, 88, 8443}:
            raise Refusal(400, "Bad Request: bad webhook: Webhook can be set up only on ports 80, 88, 443 or 8443")
        if not re.fullmatch(r"[A-Za-z0-9_-]{0,256}", str(payload.get("secret_token", ""))):
            raise Refusal(400, "Bad Request: secret token contains unallowed characters")
        bot.webhook = payload
        return True

    def _getWebhookInfo(self, bot: Registered, _: dict[str, Any]) -> Any:  # noqa: N802
        allowed = bot.webhook.get("allowed_updates", [])
        known = {"url": bot.webhook.get("url", ""), "has_custom_certificate": False, "pending_update_count": 0}
        return {**known, "max_connections": 40, "allowed_updates": allowed}

    def _deleteWebhook(self, bot: Registered, _: dict[str, Any]) -> Any:  # noqa: N802
        bot.webhook = {}
        return True

    # --- what they share ---------------------------------------------------------------------------------

    def _chat(self, payload: dict[str, Any]) -> int:
        chat_id = payload.get("chat_id")
        chat_id = int(chat_id) if isinstance(chat_id, str) and re.fullmatch(r"-?[0-9]+", chat_id) else chat_id
        if not isinstance(chat_id, int) or chat_id in self.gone:
            raise Refusal(400, "Bad Request: chat not found")
        if chat_id in self.blocked:
            raise Refusal(403, "Forbidden: bot was blocked by the user")
        return chat_id

    def _say(self, chat_id: int, text: str, payload: dict[str, Any], voice: bytes = b"") -> Any:
        buttons = _checked_buttons(payload)
        self.last_message_id += 1
        said = Said(self.last_message_id, text, buttons, payload, voice=voice)
        self.chats[chat_id].append(said)
        return _shown(chat_id, said)

    async def _hand_out(self, exchange: Exchange, token: str, path: str) -> None:
        file_id = path.removeprefix("voice/").removesuffix(".oga")
        if token not in self.bots or file_id not in self.files:
            await refuse(exchange, 404, "Not Found")
        else:
            await exchange.answer(200, {"Content-Type": "application/octet-stream"}, self.files[file_id])


async def refuse(exchange: Exchange, code: int, description: str, **parameters: int) -> None:
    """Answer with an error, as the Bot API writes it."""
    body: dict[str, Any] = {"ok": False, "error_code": code, "description": description}
    await _send(exchange, code, {**body, **({"parameters": parameters} if parameters else {})})


async def flood(exchange: Exchange, seconds: int) -> None:
    """Ask for silence."""
    await refuse(exchange, 429, f"Too Many Requests: retry after {seconds}", retry_after=seconds)


def units(text: str) -> int:
    """The length of a text in UTF-16 units."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


async def _send(exchange: Exchange, status: int, body: dict[str, Any]) -> None:
    await exchange.answer(status, {"Content-Type": "application/json"}, json.dumps(body).encode())


def _shown(chat_id: int, said: Said) -> dict[str, Any]:
    chat = {"id": chat_id, "type": "private"}
    return {"message_id": said.message_id, "chat": chat, "date": 1764500000, "text": said.text}


def _payload_of(exchange: Exchange) -> dict[str, Any]:
    request = exchange.request
    kind = request.headers.get("content-type", "")
    if kind.startswith("multipart/form-data"):
        fields, files = fields_and_files(request)
        return {**fields, **{name: file.content for name, file in files.items()}}
    payload = json.loads(request.body or b"{}")
    return payload if isinstance(payload, dict) else {}


def _checked_text(payload: dict[str, Any]) -> str:
    text = payload.get("text")
    if not isinstance(text, str):
        raise Refusal(400, "Bad Request: message text is empty")
    text.encode()
    shown = _rendered(text) if payload.get("parse_mode") == "HTML" else text
    if not shown.strip():
        raise Refusal(400, "Bad Request: message text is empty")
    if units(shown) > MOST_UNITS:
        raise Refusal(400, "Bad Request: message is too long")
    return shown


def _rendered(text: str) -> str:
    """The text without its markup; refused when that is not whole."""
    parser = _Markup()
    parser.feed(text)
    parser.close()
    if parser.open:
        raise Refusal(400, "Bad Request: can't parse entities: Can't find end tag corresponding to start tag")
    return "".join(parser.parts)


class _Markup(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.parts: list[str] = []

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        if tag not in _TAGS:
            raise Refusal(400, f'Bad Request: can\'t parse entities: Unsupported start tag "{tag}"')
        self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            raise Refusal(400, "Bad Request: can't parse entities: Unexpected end tag")

    def handle_data(self, data: str) -> None:
        self.parts.append(data)


def _checked_buttons(payload: dict[str, Any]) -> list[dict[str, str]]:
    markup = payload.get("reply_markup") or {}
    buttons: list[dict[str, str]] = [button for row in markup.get("inline_keyboard", []) for button in row]
    for button in buttons:
        if not button.get("text"):
            raise Refusal(400, "Bad Request: inline keyboard button text must be non-empty")
        if not 1 <= len(button.get("callback_data", "").encode()) <= MOST_BUTTON_BYTES:
            raise Refusal(400, "Bad Request: BUTTON_DATA_INVALID")
    return buttons
