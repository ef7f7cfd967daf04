"""Keys are planted in every place that takes one; whatever echoes them, they stand nowhere afterwards."""

import json
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from websockets.sync.client import connect

from personalq.embedded.env_file import read_env_file
from tests.commands.running import call as call_client
from tests.embedded.running import wait_for
from tests.mcp import talking
from tests.product.caller import Caller, Record
from tests.product.conftest import Stage
from tests.product.dialects import anthropic_of, openai_of
from tests.product.installation import Installation
from tests.product.looking import Planted, read_everything
from tests.product.pages import Visitor
from tests.product.traces import dump, everything_in_valkey, listening, logs
from tests.wire.cursor_runner import succeeded
from tests.wire.server import Exchange, Received, answering

pytestmark = [pytest.mark.product, pytest.mark.security]
PASSWORD = "five-small-kites-over-the-dunes"


TIMES = 2000
OFFSETS = (0, 25)
"""Wherever a text of repeated secrets is cut, one of two has at least a half of one there."""


@pytest.fixture
def planted() -> Planted:
    return Planted()


@pytest.fixture
def owner(stage: Stage) -> Caller:
    """An ordinary user, made in the admin."""
    installation = stage.installation
    operator = stage.operator
    form = {"username": "owner", "password1": PASSWORD, "password2": PASSWORD, "usable_password": "true"}
    with Visitor(operator.port, operator.username, operator.password, installation.record) as visitor:
        visitor.submit("/admin/accounts/user/add/", **form)
    owner = Caller(operator.port, "owner", PASSWORD, installation.record)
    owner.get("/me")
    return owner


def test_planted_secrets_stand_nowhere(stage: Stage, owner: Caller, planted: Planted) -> None:
    installation = stage.installation
    for name in ("SECRET_KEY", "JWT_SIGNING_KEY", "PERSONALQ_ENCRYPTION_KEYS", "PERSONALQ_AUDIT_KEYS"):
        planted.keys[name] = read_env_file(installation.home.env_file)[name]
    with listening(installation, owner) as (frames, commands):
        tell_an_endpoint(stage, planted)
        tasks = [*run_models(stage, owner, planted), *run_plain(stage, owner, planted)]
        tasks += [*run_runner(stage, owner, planted), *run_commands(owner, planted)]
        tasks.append(run_program(stage, owner, planted))
        use_sql_role(stage.installation, planted)
        wait_for(lambda: has_ended(frames.seen, tasks), "the last frame")
        stage.receiver.wait_for_messages(len(tasks), seconds=30)
    for caller in (owner, stage.operator):
        read_everything(caller)
        # The operator's lists show the operator's own, so the tasks are named.
        begin = [*(f"/tasks/{task}" for task in tasks), "/", *(["/admin/"] if caller is stage.operator else [])]
        with Visitor(caller.port, caller.username, caller.password, installation.record) as visitor:
            visitor.walk(*begin)
    places = {
        "database": dump(installation),
        "valkey": everything_in_valkey(installation),
        "commands to valkey": b"\n".join(commands.seen),
        "logs": logs(installation),
        "answers and pages": b"\n".join(installation.record.seen),
        "frames": b"\n".join(frames.seen),
    }
    assert b"[redacted]" in places["database"]
    assert all(
        task.encode() in places[place] for task in tasks for place in ("database", "frames", "answers and pages")
    )
    assert {place: found for place, text in places.items() if (found := planted.found_in(text))} == {}


def has_ended(frames: list[bytes], tasks: list[str]) -> bool:
    told = [json.loads(frame) for frame in list(frames)]
    ends = {"task_completed", "task_failed"}
    return set(tasks) <= {each["task"] for each in told if each["event"] in ends}


# --- What runs, and echoes ----------------------------------------------------------------------------


def tell_an_endpoint(stage: Stage, planted: Planted) -> None:
    """Let a webhook receiver get word of everything, and answer with its secret."""
    # The one answer that may hold it is read by somebody who does not tell.
    owner = Caller(stage.operator.port, "owner", PASSWORD, Record())
    wanted = {"name": "echoes", "target_url": stage.receiver.url, "kinds": ["task_completed", "task_failed"]}
    stage.receiver.secret = secret = owner.call("POST", "/webhook-endpoints", wanted)["secret"]
    planted.keys["webhook secret"] = secret.removeprefix("whsec_")
    stage.receiver.messages.clear()
    stage.receiver.script(*(answering(status, f"{secret} is your secret".encode()) for status in (500, 200)))


def run_models(stage: Stage, owner: Caller, planted: Planted) -> Iterator[str]:
    for dialect in (anthropic_of(stage), openai_of(stage)):
        key = planted.plant(f"{dialect.kind} key")
        owner.make_credential(dialect.kind, dialect.kind, key)
        agent = owner.make_agent(
            dialect.kind, dialect.kind, model=dialect.model, base_url=dialect.base_url, credential=dialect.kind,
            max_attempts=1,
        )  # fmt: skip
        header = {"anthropic": "request-id", "openai": "x-request-id"}[dialect.kind]
        dialect.plays(
            dialect.wire.streaming(dialect.wire.whole(f"You sent {key}.", *key), piece_bytes=100, **{header: key}),
            dialect.wire.refusing(401, "authentication_error", f"{key} is no key", **{header: key}),
            *(dialect.wire.refusing(500, key, words, **{header: key}) for words in often(f"Bearer {key}")),
            dialect.wire.streaming(dialect.wire.start() + dialect.wire.failed("api_error", f"broke at {key}")),
        )
        yield owner.run(agent, "What is my key?")["uuid"]
        for _ in range(4):
            yield fail(owner, agent)
        dialect.plays(dialect.wire.refusing(403, "permission_error", f"{key} may not", **{header: key}))
        owner.call("POST", f"/agents/{agent}/test")


def run_plain(stage: Stage, owner: Caller, planted: Planted) -> Iterator[str]:
    headers = {"X-Api-Key": planted.plant("header"), "Authorization": f"Bearer {planted.plant('bearer')}"}
    owner.make_credential("headers", "http", headers)
    agent = owner.make_agent(
        "plain", "http", protocol="plain", target_url=f"{stage.plain.url}/echo", credential="headers", max_attempts=1
    )
    said = [echo(200), echo(302), echo(200, "text/plain; charset={}"), echo(200, "x/{}")]
    said += [echo(status, offset=offset) for status in (401, 500) for offset in OFFSETS]
    stage.plain.plays("echo", *said)
    yield owner.run(agent, "Echo.")["uuid"]
    for _ in said[1:]:
        yield fail(owner, agent)
    stage.plain.plays("echo", echo(401))
    owner.call("POST", f"/agents/{agent}/test")


def echo(status: int, content_type: str = "text/plain", *, offset: int = 0) -> Any:
    """Says in body and headers which secret headers came."""

    async def handle(exchange: Exchange) -> None:
        came = secret_headers(exchange.request)
        headers = {f"X-Echo-{number}": value for number, value in enumerate(came)}
        headers |= {"Location": f"https://example.org/{came[0]}", "Content-Type": content_type.format(came[0])}
        await exchange.answer(status, headers, ("." * offset + "\n".join(came * TIMES)).encode())

    return handle


def secret_headers(request: Received) -> list[str]:
    return [request.headers["x-api-key"], request.headers["authorization"]]


def run_runner(stage: Stage, owner: Caller, planted: Planted) -> Iterator[str]:
    stage.runner.secret = secret = planted.plant("runner secret")
    owner.make_credential("runner", "runner", secret)
    common = {"target_url": stage.runner.url, "credential": "runner", "max_attempts": 1}
    waiting = owner.make_agent("async", "http", **common)
    at_once = owner.make_agent("sync", "http", mode="sync", **common)
    for words in (secret, *often(secret)):
        failure = {} if words == secret else {"success": False}
        stage.runner.result = {**telling(words), **failure}
        yield end(owner, owner.queue(at_once, "Tell."))
        order = hand_over(stage, owner, waiting)
        planted.keys[f"callback secret {order['id']}"] = order["callbackSecret"]
        stage.runner.report(**{**telling(f"{order['callbackSecret']} {words}"), **failure})
        yield end(owner, order["callbackUrl"].split("/")[-2])
    for status, words in zip((401, 500, 422, 401), (secret, *often(secret), secret), strict=True):
        refusal = json.dumps({"success": False, "error": words, "conversationId": secret}).encode()
        stage.runner.answers.append((status, refusal))
        yield fail(owner, waiting)
    stage.runner.answers.append((401, refusal))
    owner.call("POST", f"/agents/{waiting}/test")
    yield from run_echoing_runner(stage, owner, planted)


def often(secret: str) -> list[str]:
    """The secret again and again, so that it stands wherever something is cut."""
    return ["." * offset + f"{secret}\n" * TIMES for offset in OFFSETS]


def telling(words: str) -> dict[str, Any]:
    """A result that says it wherever a text can stand."""
    return succeeded(f"It is {words}.", error=f"{words} was used", branchName=words, reviewJustification=f"for {words}")


def hand_over(stage: Stage, owner: Caller, agent: str) -> dict[str, Any]:
    """What the runner is told of a new task."""
    before = len(stage.runner.accepted)
    owner.queue(agent, "Tell.")
    wait_for(lambda: len(stage.runner.accepted) > before, "the hand-over")
    order: dict[str, Any] = stage.runner.accepted[-1][1]
    return order


def run_echoing_runner(stage: Stage, owner: Caller, planted: Planted) -> Iterator[str]:
    """One that brings back all it got when it refuses, the callback's secret too."""

    def refuse(status: int) -> Any:
        async def handle(exchange: Exchange) -> None:
            order = json.loads(exchange.request.body)
            planted.keys[f"callback secret {order['id']}"] = order["callbackSecret"]
            error = f"refused {exchange.request.headers} {order['callbackSecret']}"
            told = {"success": False, "error": error, "requestId": order["callbackSecret"]}
            headers = {"Content-Type": "application/json", "X-Echo": order["callbackSecret"]}
            await exchange.answer(status, headers, json.dumps(told).encode())

        return handle

    stage.plain.plays("echoing/cursor/conversation/new", answering(404))
    stage.plain.plays("echoing/cursor/execute/async", refuse(200), refuse(401), refuse(500))
    target = f"{stage.plain.url}/echoing"
    agent = owner.make_agent("echoing", "http", target_url=target, credential="runner", max_attempts=1)
    for _ in range(3):
        yield fail(owner, agent)


def run_commands(owner: Caller, planted: Planted) -> Iterator[str]:
    owner.make_credential("command", "command", planted.plant("command secret"))
    for command in ("tell", "tell-and-fail", "tell-and-fail-later"):
        agent = owner.make_agent(command, "command", command=command, credential="command")
        task = end(owner, owner.queue(agent, "Tell."))
        assert owner.get(f"/tasks/{task}/artifacts")["results"]
        yield task


def run_program(stage: Stage, owner: Caller, planted: Planted) -> str:
    """Somebody with a personal token uses it everywhere, also where it does not belong; then it is revoked."""
    record = stage.installation.record
    # The one answer that says it is nobody's but the owner's.
    unheard = Caller(owner.port, owner.username, owner.password, Record())
    made = unheard.call("POST", "/tokens", {"name": "program", "scopes": ["agents:read", "tasks:read", "tasks:write"]})
    token = planted.keys["personal token"] = made["token"]
    program = Caller(owner.port, owner.username, "", record)
    program.token = token
    assert owner.ask("POST", "/auth/token", {"username": owner.username, "password": token}).status == 401
    task: str = program.run(owner.make_agent("of a program", "echo"), "Say this.")["uuid"]
    assert program.ask("GET", "/budgets").status == 403
    assert program.ask("POST", "/tokens", {"name": token, "scopes": [token]}).status == 403
    show_token_at_other_doors(owner.port, token, record)
    owner.call("DELETE", f"/tokens/{made['uuid']}")
    assert program.ask("GET", "/tasks").status == 401
    return task


def show_token_at_other_doors(port: int, token: str, record: Record) -> None:
    for tool in ("list_tasks", "list_schedules"):
        answer = talking.post(f"http://127.0.0.1:{port}/mcp", token, talking.message("tools/call", name=tool))
        record.note(str(answer.headers), answer.content)
        assert answer.status_code in {200, 403}
    for verb in ("list_agents", "list_queues"):
        ran = call_client(f"http://127.0.0.1:{port}", verb, PERSONALQ_TOKEN=token)
        record.note(ran.out, ran.err)
    with connect(f"ws://127.0.0.1:{port}/ws/") as socket:
        for action in ({"action": "auth", "token": token}, {"action": token}):
            socket.send(json.dumps(action))
            record.note(socket.recv())


def use_sql_role(installation: Installation, planted: Planted) -> None:
    """Make a role, connect as it, be refused, give it another password, remove it."""

    def command(*arguments: str) -> None:
        done = installation.command("create_sql_role", "canary", *arguments)
        installation.record.note(done.stdout, done.stderr)
        assert done.returncode == 0, done.stderr

    for number in range(2):
        file = installation.home.directory / f"sql-password-{number}"
        command("--new-password", "--password-file", str(file))
        password = planted.keys[f"password {number} of an SQL role"] = file.read_text().strip()
        layout = installation.home.layout
        with psycopg.connect(
            host=str(layout.postgres_socket_dir), user="canary", password=password, dbname=layout.database_name
        ) as connection:
            assert connection.execute("SELECT count(*) FROM tasks").fetchone() is not None
            with pytest.raises(psycopg.errors.CheckViolation):
                connection.execute("INSERT INTO tasks (prompt, status) VALUES ('x', 99)")
            connection.rollback()
    command("--drop")


def end(owner: Caller, task: str) -> str:
    """The task, once it has ended in one way or another."""
    owner.wait_until(task, "complete", "failed")
    return task


def fail(owner: Caller, agent: str) -> str:
    """A new task, once it has failed."""
    task = owner.queue(agent, "Tell.")
    owner.wait_until(task, "failed")
    return task
