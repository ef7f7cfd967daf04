"""Where the client takes its token from, and where it never sends it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.commands.running import CLIENT, TOKEN, call, run_client
from tests.wire.server import WireServer, answering

pytestmark = pytest.mark.security

NOWHERE = "http://127.0.0.1:9"


def token_file(directory: Path, mode: int, text: str = f"{TOKEN}\n") -> Path:
    path = directory / "token"
    path.write_text(text)
    path.chmod(mode)
    return path


@pytest.fixture
def server() -> WireServer:
    return WireServer(answering(200, b'{"agents": []}', Content_Type="application/json"))


class TestTokenFile:
    @pytest.mark.parametrize("mode", [0o600, 0o400])
    def test_file_that_only_its_owner_may_read_is_taken(self, mode: int, tmp_path: Path, server: WireServer) -> None:
        path = token_file(tmp_path, mode)
        with server:
            ran = run_client("list_agents", PERSONALQ_URL=server.url, PERSONALQ_TOKEN_FILE=str(path))
        assert (ran.code, ran.json) == (0, {"agents": []})
        assert server.requests[0].headers["authorization"] == f"Bearer {TOKEN}"

    @pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o602, 0o610, 0o644, 0o666])
    def test_file_that_others_may_use_is_refused_with_the_remedy(self, mode: int, tmp_path: Path) -> None:
        path = token_file(tmp_path, mode)
        ran = run_client("list_agents", PERSONALQ_URL=NOWHERE, PERSONALQ_TOKEN_FILE=str(path))
        assert (ran.code, ran.error["code"]) == (1, "unsafe_token_file")
        assert f"chmod 600 {path}" in ran.error["error"]
        assert TOKEN not in ran.err

    def test_file_of_another_user_is_refused(self, tmp_path: Path) -> None:
        path = token_file(tmp_path, 0o600)
        answer = "from tasks.cli import personalq_cli as c\nimport os\nfrom pathlib import Path\n"
        answer += f"os.geteuid = lambda: {path.stat().st_uid + 1}\nc.read_token_file(Path({str(path)!r}))"
        done = subprocess.run(
            [sys.executable, "-c", answer], capture_output=True, text=True, check=False, cwd=CLIENT.parents[2]
        )
        assert "belongs to another user" in done.stderr

    def test_usual_place_is_below_home(self, tmp_path: Path, server: WireServer) -> None:
        (tmp_path / ".config" / "personalq").mkdir(parents=True)
        token_file(tmp_path / ".config" / "personalq", 0o600)
        with server:
            assert run_client("list_agents", PERSONALQ_URL=server.url, HOME=str(tmp_path)).code == 0

    def test_environment_goes_before_the_file(self, tmp_path: Path, server: WireServer) -> None:
        path = token_file(tmp_path, 0o644, "pq_other")
        with server:
            assert call(server.url, "list_agents", PERSONALQ_TOKEN_FILE=str(path)).code == 0
        assert server.requests[0].headers["authorization"] == f"Bearer {TOKEN}"

    @pytest.mark.parametrize("text", ["", "\n", "x" * 5000])
    def test_file_without_a_token_is_named(self, text: str, tmp_path: Path) -> None:
        path = token_file(tmp_path, 0o600, text)
        ran = run_client("list_agents", PERSONALQ_URL=NOWHERE, PERSONALQ_TOKEN_FILE=str(path))
        assert ran.error["code"] == "no_token"
        assert str(path) in ran.error["error"]

    def test_pipe_does_not_hold_the_call_up(self, tmp_path: Path) -> None:
        path = tmp_path / "token"
        os.mkfifo(path, 0o600)
        ran = run_client("list_agents", PERSONALQ_URL=NOWHERE, PERSONALQ_TOKEN_FILE=str(path))
        assert ran.error["code"] == "unsafe_token_file"

    def test_directory_is_no_token_file(self, tmp_path: Path) -> None:
        tmp_path.chmod(0o700)
        ran = run_client("list_agents", PERSONALQ_URL=NOWHERE, PERSONALQ_TOKEN_FILE=str(tmp_path))
        assert ran.error["code"] == "unsafe_token_file"

    def test_without_any_token_nothing_is_sent(self, tmp_path: Path, server: WireServer) -> None:
        with server:
            ran = run_client("list_agents", PERSONALQ_URL=server.url, HOME=str(tmp_path))
        assert (ran.code, ran.error["code"], server.connections) == (1, "no_token", 0)

    @pytest.mark.parametrize("token", ["two words", "line\nbreak", "ümlaut"])
    def test_token_that_could_be_no_header_is_refused_and_not_shown(self, token: str) -> None:
        ran = call(NOWHERE, "list_agents", PERSONALQ_TOKEN=token)
        assert (ran.code, ran.error["code"]) == (1, "bad_token")
        assert token not in ran.err

    def test_no_option_takes_a_token(self) -> None:
        for verb in ("list_agents", "add", "next"):
            assert "--token" not in run_client(verb, "--help").out


class TestWhereItGoes:
    @pytest.mark.parametrize("host", ["queue.example.org", "192.0.2.1", "127.0.0.1.example.org", "[2001:db8::1]"])
    def test_not_over_plain_http_to_another_machine(self, host: str) -> None:
        ran = call(f"http://{host}", "list_agents")
        assert (ran.code, ran.error["code"]) == (1, "insecure_address")

    def test_over_plain_http_when_told_so(self) -> None:
        ran = call("http://nowhere.invalid", "list_agents", "--insecure-http")
        assert ran.error["code"] == "unreachable"

    @pytest.mark.parametrize("host", ["127.0.0.1:9", "localhost:9", "[::1]:9", "127.9.9.9:9"])
    def test_over_plain_http_to_this_machine(self, host: str) -> None:
        assert call(f"http://{host}", "list_agents").error["code"] == "unreachable"

    @pytest.mark.parametrize(
        "url",
        [
            "queue.example.org", "ftp://queue.example.org", "https://", "https://me:secret@queue.example.org",
            "https://queue.example.org?x=1", "https://queue.example.org/#a", "https://queue example.org",
            "https://queue.example.org:99999", "https://[::1", "https://queue.example.org/\r\nX: y",
        ],
    )  # fmt: skip
    def test_address_that_is_none_is_refused(self, url: str) -> None:
        ran = call(url, "list_agents")
        assert (ran.code, ran.error["code"]) == (1, "bad_address")
        assert "secret" not in ran.err

    @pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
    def test_along_no_redirect(self, status: int) -> None:
        with WireServer(answering()) as thief:
            with WireServer(answering(status, b"", Location=f"{thief.url}/agents")) as server:
                ran = call(server.url, "list_agents")
            assert (ran.code, ran.error["code"], ran.error["status"]) == (1, "redirected", status)
            assert "CURSOR_AGENTS_URL to that with /cursor-agents at its end" in ran.err
            assert (len(server.requests), thief.connections) == (1, 0)

    def test_through_no_proxy_of_the_environment(self, server: WireServer) -> None:
        with WireServer(answering()) as proxy, server:
            named = dict.fromkeys(("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "ALL_PROXY"), proxy.url)
            assert call(server.url, "list_agents", **named).code == 0
            assert proxy.connections == 0

    def test_not_to_the_screen_when_a_server_says_it_back(self) -> None:
        for status in (200, 400):
            said = f'{{"error": "you sent {TOKEN}", "code": "echo"}}'.encode()
            with WireServer(answering(status, said, Content_Type="application/json")) as echo:
                ran = call(echo.url, "list_agents")
            assert TOKEN not in ran.out + ran.err
            assert "[the token]" in ran.out + ran.err
