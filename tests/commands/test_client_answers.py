"""What the client makes of what servers answer, and of what they do not."""

import json
import signal
import socket
import subprocess
import sys
import time
from typing import Any

import pytest

from tests.commands.running import CLIENT, TOKEN, call
from tests.wire.server import Exchange, Handler, WireServer, answering, in_turn

TASK = "11111111-1111-4111-8111-111111111111"


def json_answer(status: int, document: Any, **headers: str) -> Handler:
    return answering(status, json.dumps(document).encode(), Content_Type="application/json", **headers)


async def cut_off(exchange: Exchange) -> None:
    exchange.cut()


async def cut_in_the_middle(exchange: Exchange) -> None:
    await exchange.raw(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{}")
    await exchange.finish()


def test_connection_refused_is_said_at_once() -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    began = time.monotonic()
    ran = call(f"http://127.0.0.1:{port}", "list_agents")
    assert (ran.code, ran.error["code"]) == (1, "unreachable")
    assert "Connection refused" in ran.error["error"]
    assert time.monotonic() - began < 5


@pytest.mark.parametrize("body", [b"<html>hello</html>", b"", b"[1]", b'"x"', b"\xff", b"[" * 100_000])
@pytest.mark.parametrize("status", [200, 404, 500])
def test_answer_of_something_else_is_told_from_ours(status: int, body: bytes) -> None:
    with WireServer(answering(status, body, Content_Type="text/html")) as server:
        ran = call(server.url, "list_agents")
    assert (ran.code, ran.error["code"], ran.error["status"]) == (1, "not_personalq", status)


@pytest.mark.parametrize(
    ("verb", "answer"),
    [
        (["watch", TASK], {"status": ["running"]}),
        (["watch", TASK], {"status": "running", "results": [{"id": "x", "event": "task_output"}]}),
        (["watch", TASK], {"status": "running", "results": [{}]}),
        (["watch", TASK], {"status": "running", "results": [{"id": 1, "event": "task_output", "data": 5}]}),
        (["list"], {"results": [], "next": 5}),
    ],
)
def test_answer_with_members_of_other_types_is_told_from_ours(verb: list[str], answer: Any) -> None:
    with WireServer(json_answer(200, answer)) as server:
        ran = call(server.url, *verb)
    assert (ran.code, ran.error["code"]) == (1, "not_personalq")


def test_refusal_is_given_in_the_servers_words_with_its_code() -> None:
    problem = {"title": "You may not.", "detail": "It needs tasks:work.", "code": "scope_missing", "request_id": "r1"}
    with WireServer(json_answer(403, {**problem, "errors": []})) as server:
        ran = call(server.url, "next")
    assert ran.error == {
        "error": "You may not. It needs tasks:work.",
        "status": 403,
        "request_id": "r1",
        "code": "scope_missing",
    }


def test_wrong_fields_are_named() -> None:
    errors = [{"field": "agent", "code": "required", "message": "…"}]
    with WireServer(json_answer(400, {"title": "t", "code": "validation_error", "errors": errors})) as server:
        assert call(server.url, "add", "p").error["errors"] == errors


def test_refused_token_is_explained() -> None:
    with WireServer(json_answer(401, {"title": "t", "detail": "Sign in.", "code": "invalid_token"})) as server:
        ran = call(server.url, "list")
    assert ran.error["code"] == "invalid_token"
    assert "PERSONALQ_TOKEN" in ran.error["error"]


class TestTooMany:
    def test_short_pause_is_made(self) -> None:
        busy = json_answer(429, {"code": "rate_limited"}, Retry_After="1")
        with WireServer(in_turn(busy, json_answer(200, {"agents": []}))) as server:
            began = time.monotonic()
            assert call(server.url, "list_agents").code == 0
            assert time.monotonic() - began >= 1
        assert len(server.requests) == 2

    def test_long_pause_is_left_to_the_caller(self) -> None:
        with WireServer(json_answer(429, {"title": "t", "code": "rate_limited"}, Retry_After="3600")) as server:
            ran = call(server.url, "list_agents")
        assert (ran.error["code"], ran.error["retry_after_seconds"]) == ("rate_limited", 3600)
        assert len(server.requests) == 1

    def test_it_gives_up_in_the_end(self) -> None:
        with WireServer(json_answer(429, {"title": "t", "code": "rate_limited"}, Retry_After="0")) as server:
            assert call(server.url, "list_agents").error["code"] == "rate_limited"
        assert len(server.requests) == 4


@pytest.mark.parametrize("status", [502, 503, 504])
def test_server_that_is_away_is_asked_again_where_that_does_no_harm(status: int) -> None:
    away = answering(status, b"<html>", Content_Type="text/html")
    with WireServer(in_turn(away, json_answer(200, {"agents": []}))) as server:
        assert call(server.url, "list_agents").code == 0
    with WireServer(away) as server:
        assert call(server.url, "next").error["code"] == "not_personalq"
    assert len(server.requests) == 1


class TestLostAnswers:
    def test_new_task_is_sent_again_with_its_key(self) -> None:
        flying = json_answer(409, {"code": "idempotency_key_in_flight"}, Retry_After="1")
        made = json_answer(201, {"uuid": TASK})
        with WireServer(in_turn(cut_off, cut_in_the_middle, flying, made)) as server:
            ran = call(server.url, "add", "say this", "--agent", "Echo")
        assert (ran.code, ran.json) == (0, {"uuid": TASK})
        assert len({request.headers["idempotency-key"] for request in server.requests}) == 1
        assert {request.body for request in server.requests} == {b'{"prompt": "say this", "agent": "Echo"}'}

    def test_key_is_told_when_no_answer_comes(self) -> None:
        with WireServer(cut_off) as server:
            ran = call(server.url, "add", "p", "--key", "monday")
        assert (ran.code, ran.error["code"], ran.error["key"]) == (1, "answer_lost", "monday")
        assert [request.headers["idempotency-key"] for request in server.requests] == ["monday"] * 4

    @pytest.mark.parametrize("arguments", [["next"], ["cancel", TASK], ["done", TASK, "--attempt", "1", "r"]])
    def test_nothing_else_is_done_twice(self, arguments: list[str]) -> None:
        with WireServer(cut_off) as server:
            assert call(server.url, *arguments).error["code"] == "answer_lost"
        assert len(server.requests) == 1


def test_endless_answer_is_bounded() -> None:
    async def endless(exchange: Exchange) -> None:
        await exchange.begin(200, {"Content-Type": "application/json"})
        await exchange.while_there(pour(exchange))

    async def pour(exchange: Exchange) -> None:
        while True:
            await exchange.chunk(b" " * 1024 * 1024)

    with WireServer(endless) as server:
        assert call(server.url, "list_agents").error["code"] == "answer_too_large"


def test_chunked_answer_is_read_whole() -> None:
    async def in_pieces(exchange: Exchange) -> None:
        await exchange.begin(200, {"Content-Type": "application/json"})
        for piece in (b'{"agents"', b": [", b"]}"):
            await exchange.chunk(piece)
        await exchange.end()

    with WireServer(in_pieces) as server:
        assert call(server.url, "list_agents").json == {"agents": []}


def test_standard_input_is_bounded_before_anything_is_sent() -> None:
    with WireServer(json_answer(201, {})) as server:
        ran = call(server.url, "add", "-", stdin=b"x" * (13 * 1024 * 1024))
        assert (ran.error["code"], server.connections) == ("too_long", 0)
        assert call(server.url, "add", "-", stdin=b"\xff").error["code"] == "not_utf8"
        assert call(server.url, "add", "-", stdin="größer".encode()).code == 0
    assert json.loads(server.requests[0].body)["prompt"] == "größer"


@pytest.mark.parametrize("name", ["", ".", ".."])
def test_name_that_would_be_another_path_is_not_sent(name: str) -> None:
    with WireServer(json_answer(200, {})) as server:
        assert call(server.url, "delete_agent", "-n", name).error["code"] == "bad_name"
        assert server.connections == 0


@pytest.mark.parametrize("key", ["", "two words", "line\nX-Header: y", "ümlaut"])
def test_key_that_could_be_no_header_is_not_sent(key: str) -> None:
    assert call("http://127.0.0.1:9", "add", "p", "--key", key).error["code"] == "bad_key"


def test_argument_that_is_no_text_is_refused_in_a_sentence() -> None:
    ran = call("http://127.0.0.1:9", "delete_agent", "-n", "\udcff")
    assert (ran.code, ran.error["code"]) == (1, "not_utf8")


@pytest.mark.parametrize("text", ["nan", "inf", "-1", "soon"])
def test_wait_is_a_number_of_seconds(text: str) -> None:
    assert call("http://127.0.0.1:9", "next", f"--wait={text}").code == 2


def test_names_are_one_part_of_the_path() -> None:
    with WireServer(json_answer(200, {})) as server:
        call(server.url, "get_agent_status", "-n", "a/b c?d#e%2f\n")
    assert server.requests[0].target == "/cursor-agents/agents/a%2Fb%20c%3Fd%23e%252f%0A"


class TestInterruption:
    def test_ctrl_c_ends_without_a_traceback(self) -> None:
        async def silent(exchange: Exchange) -> None:
            await exchange.gone()

        with WireServer(silent) as server:
            env = {"PERSONALQ_URL": server.url, "PERSONALQ_TOKEN": TOKEN}
            with subprocess.Popen(
                [sys.executable, str(CLIENT), "list"], env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE
            ) as process:
                server.wait_for_requests()
                process.send_signal(signal.SIGINT)
                out, err = process.communicate(timeout=20)
        assert (process.returncode, out) == (130, b"")
        assert json.loads(err)["code"] == "interrupted"

    def test_reader_that_goes_away_is_no_traceback(self) -> None:
        with WireServer(json_answer(200, {"agents": ["x" * 1000] * 1000})) as server:
            env = {"PERSONALQ_URL": server.url, "PERSONALQ_TOKEN": TOKEN}
            with subprocess.Popen(
                [sys.executable, str(CLIENT), "list_agents"], env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE
            ) as process:
                assert process.stdout is not None
                process.stdout.close()
                assert process.stderr is not None
                err = process.stderr.read()
        assert err == b""
        assert process.returncode == 1
