"""Whatever a client sends: one code, one sentence, a clean end and nothing in the log."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from pytest_django import DjangoDbBlocker
from websockets.frames import Frame, Opcode

from tests.makers import make_user
from tests.realtime.sockets.conftest import Connect
from tests.realtime.sockets.serving import WebProcess
from tests.realtime.sockets.talking import Client, token_of

# No test here writes: it needs the database only for the server, and no cleaning up of it.
pytestmark = [pytest.mark.security, pytest.mark.django_db]

UUID = "6a5b2c1e-9d1f-4c3a-8b7e-1f2a3b4c5d6e"

MALFORMED: dict[str, str | bytes] = {
    "empty": "",
    "blank": "  ",
    "no JSON": "hello",
    "half JSON": '{"action": "ping"',
    "binary": b'{"action": "ping"}',
    "empty binary": b"",
    "list": '["ping"]',
    "string": '"ping"',
    "number": "1",
    "null": "null",
    "two documents": '{"action": "ping"}{"action": "ping"}',
    "byte order mark": '\ufeff{"action": "ping"}',
    "NaN": '{"action": "resume", "after": NaN}',
    "Infinity": '{"action": "resume", "after": Infinity}',
    "duplicate key": '{"action": "ping", "action": "ping"}',
    "deep": "[" * 30_000,
    "deep object": '{"a":' * 10_000,
    "many members": json.dumps({f"m{number}": 1 for number in range(1_000)}),
    "no action": "{}",
    "unknown action": '{"action": "shout"}',
    "action of another case": '{"action": "PING"}',
    "action null": '{"action": null}',
    "action list": '{"action": ["ping"]}',
    "action object": '{"action": {"ping": 1}}',
    "unknown member": '{"action": "ping", "extra": 1}',
    "auth without token": '{"action": "auth"}',
    "auth with number": '{"action": "auth", "token": 1}',
    "auth with empty token": '{"action": "auth", "token": ""}',
    "auth with long token": json.dumps({"action": "auth", "token": "a" * 9_000}),
    "auth with null token": '{"action": "auth", "token": null}',
    "NUL in token": '{"action": "auth", "token": "a\\u0000b"}',
    "half surrogate in token": '{"action": "auth", "token": "\\ud800"}',
    "subscribe to nothing": '{"action": "subscribe"}',
    "subscribe to null": '{"action": "subscribe", "to": null}',
    "subscribe to a number": '{"action": "subscribe", "to": 1}',
    "subscribe to a word": '{"action": "subscribe", "to": "everything"}',
    "subscribe to a path": '{"action": "subscribe", "to": "../../all"}',
    "subscribe to many": json.dumps({"action": "subscribe", "to": [UUID]}),
    "uuid in braces": json.dumps({"action": "subscribe", "to": "{" + UUID + "}"}),
    "uuid without hyphens": json.dumps({"action": "subscribe", "to": UUID.replace("-", "")}),
    "uuid as urn": json.dumps({"action": "subscribe", "to": f"urn:uuid:{UUID}"}),
    "after as text": '{"action": "subscribe", "to": "all", "after": "1"}',
    "after null": '{"action": "subscribe", "to": "all", "after": null}',
    "after negative": '{"action": "resume", "after": -1}',
    "after fraction": '{"action": "resume", "after": 1.0}',
    "after true": '{"action": "resume", "after": true}',
    "after too large": '{"action": "resume", "after": 9223372036854775808}',
    "after huge": '{"action": "resume", "after": ' + "9" * 5_000 + "}",
    "resume from nowhere": '{"action": "resume"}',
    "unsubscribe from nothing": '{"action": "unsubscribe"}',
}


@pytest.fixture(scope="module")
def token(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[str]:
    """What one user signs in with in all tests here: none of them writes anything."""
    with django_db_blocker.unblock():
        user = make_user("mallory")
        yield token_of(user)
        user.delete()


def enter(connect: Connect, token: str, **options: Any) -> Client:
    client = connect(**options)
    client.sign_in(token)
    return client


@pytest.mark.parametrize("frame", MALFORMED.values(), ids=MALFORMED.keys())
def test_malformed_message_closes_with_4400(frame: str | bytes, connect: Connect, token: str) -> None:
    client = enter(connect, token)
    client.send(frame)
    assert client.end() == (4400, "malformed_message")


@pytest.mark.parametrize("frame", ["", "hello", b"\x00", "[" * 60_000, '{"action": "auth"}'])
def test_malformed_first_message_closes_with_4400(frame: str | bytes, connect: Connect) -> None:
    client = connect()
    client.send(frame)
    assert client.end() == (4400, "malformed_message")


def test_text_that_is_not_utf8_closes_with_1007(connect: Connect, token: str) -> None:
    client = enter(connect, token)
    client.connection.send(b'{"action": "\xff"}', text=True)
    assert client.end() == (1007, "")


def test_longest_message_is_taken(connect: Connect, token: str) -> None:
    client = enter(connect, token)
    client.send('{"action": "ping"}'.ljust(65_536))
    assert client.hear() == {"event": "pong"}


def test_longer_message_closes_with_1009(connect: Connect, token: str) -> None:
    client = enter(connect, token)
    client.send('{"action": "ping"}'.ljust(65_537))
    assert client.end()[0] == 1009


def test_long_first_message_closes_with_1009(connect: Connect) -> None:
    client = connect()
    client.send("a" * 1_000_000)
    assert client.end()[0] == 1009


def test_server_unpacks_nothing(connect: Connect, token: str) -> None:
    client = enter(connect, token, compression="deflate")
    assert client.connection.protocol.extensions == []


def test_long_message_in_pieces_closes_with_1009(connect: Connect, token: str) -> None:
    client = enter(connect, token)
    client.send(["a" * 40_000, "a" * 40_000])
    assert client.end()[0] == 1009


def test_unknown_kind_of_frame_closes_with_1002(connect: Connect, token: str) -> None:
    client = enter(connect, token)
    send_raw(client, Frame(Opcode.CONT, b"out of nowhere"))
    assert client.end()[0] == 1002


def send_raw(client: Client, frame: Frame) -> None:
    client.connection.socket.sendall(frame.serialize(mask=True))


def test_error_repeats_nothing_of_the_message(connect: Connect, token: str) -> None:
    client = enter(connect, token)
    client.send('{"action": "<script>canary</script>"}')
    frame = client.hear()
    assert frame.keys() == {"event", "error_code", "message"}
    assert "canary" not in json.dumps(frame)


def test_client_that_goes_away_without_a_word_leaves_no_trace(web: WebProcess, connect: Connect, token: str) -> None:
    for _ in range(30):
        client = enter(connect, token)
        client.subscribe()
        client.connection.socket.close()
    # More than one user may have: those that went away are not counted.
    assert enter(connect, token).ask("ping") == {"event": "pong"}
    assert web.complaints == []


STRANGE_ORIGINS = [
    "https://evil.example",
    "null",
    "",
    "file://",
    "http://127.0.0.1",
    "http://127.0.0.1:1",
    "https://127.0.0.1:{port}",
    "http://127.0.0.1:{port}.evil.example",
    "http://evil.example:{port}",
    "http://127.0.0.1:{port}/",
    "http://user@127.0.0.1:{port}",
    "http://127.0.0.1:99999999",
    "http://[::1",
    "https://app.trusted.example:8443",
    "http://app.trusted.example",
    "https://notwild.example:444",
]
OWN_ORIGINS = [
    "http://127.0.0.1:{port}",
    "HTTP://127.0.0.1:{port}",
    "https://app.trusted.example",
    "https://app.trusted.example:443",
    "https://sub.of.wild.example:444",
]


@pytest.fixture(scope="module")
def choosy_web(django_db_setup: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebProcess]:
    trusted = "https://app.trusted.example,https://*.wild.example:444"
    with WebProcess(tmp_path_factory.mktemp("choosy"), CSRF_TRUSTED_ORIGINS=trusted) as process:
        yield process
        assert process.complaints == []


@pytest.mark.parametrize("origin", STRANGE_ORIGINS)
def test_page_of_another_origin_is_refused(origin: str, choosy_web: WebProcess, connect: Connect) -> None:
    header = {"Origin": origin.format(port=choosy_web.port)}
    client = connect(url=choosy_web.url, additional_headers=header)
    assert client.end() == (4403, "forbidden_origin")


@pytest.mark.parametrize("origin", OWN_ORIGINS)
def test_page_of_an_own_origin_is_let_in(origin: str, choosy_web: WebProcess, connect: Connect, token: str) -> None:
    header = {"Origin": origin.format(port=choosy_web.port)}
    client = enter(connect, token, url=choosy_web.url, additional_headers=header)
    assert client.ask("ping") == {"event": "pong"}


def test_own_origin_counts_only_for_a_host_that_is_ours(choosy_web: WebProcess, connect: Connect) -> None:
    headers = {"Origin": "http://evil.example", "Host": "evil.example"}
    client = connect(url=choosy_web.url, additional_headers=headers)
    assert client.end() == (4403, "forbidden_origin")
